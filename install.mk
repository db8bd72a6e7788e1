# Installing: `make install` puts everything under $(DESTDIR); install-<part> one package's share. SHARED=1 links the programs with
# the shared libmailstore, as the packages do.
SBIN := $(PREFIX)/sbin
MANDIR := $(PREFIX)/share/man
CONFDIR := $(SYSCONFDIR)/fourpost
UNITDIR := $(PREFIX)/lib/systemd/system
INSTALL := install
INSTALL_TOOLS := mailuser mailalias mailstore

install: install-library install-dev install-common install-tools $(DAEMONS:%=install-%)

man_pages = $(foreach m,$(1),$(Q)$(INSTALL) -D -m 644 man/$(m) $(DESTDIR)$(MANDIR)/man$(subst .,,$(suffix $(m)))/$(m)$(newline))
define newline


endef

install-library: $(B)/$(SONAME)
	$(INSTALL) -D -m 644 $(B)/$(SONAME) $(DESTDIR)$(LIBDIR)/$(SONAME)

install-dev:
	$(INSTALL) -D -m 644 libmailstore/mailstore.h $(DESTDIR)$(PREFIX)/include/mailstore.h
	$(INSTALL) -d $(DESTDIR)$(LIBDIR)/pkgconfig
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libmailstore.so
	printf 'Name: mailstore\nDescription: Maildir with a Berkeley DB index\nVersion: %s\nCflags: -I%s/include\nLibs: -L%s -lmailstore\n' \
		$(VERSION) $(PREFIX) $(LIBDIR) > $(DESTDIR)$(LIBDIR)/pkgconfig/mailstore.pc
	$(call man_pages,mailstore.5)

install-common:
	$(INSTALL) -D -m 644 etc/fourpost.conf $(DESTDIR)$(CONFDIR)/fourpost.conf
	$(INSTALL) -D -m 644 etc/aliases $(DESTDIR)$(CONFDIR)/aliases
	$(INSTALL) -D -m 644 etc/sysusers.d/fourpost-common.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/fourpost-common.conf
	$(INSTALL) -D -m 644 etc/tmpfiles.d/fourpost-common.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/fourpost-common.conf
	$(call man_pages,fourpost.conf.5 fourpost.7 mailaccounts.5 mailaliases.5)

install-tools: $(INSTALL_TOOLS:%=$(B)/bin/%)
	$(INSTALL) -d $(DESTDIR)$(SBIN)
	$(INSTALL) -m 755 $^ $(DESTDIR)$(SBIN)
	$(call man_pages,$(INSTALL_TOOLS:%=%.8))

define install_daemon
install-$(1): $(B)/bin/$(1)
	$(INSTALL) -D -m 755 $$< $$(DESTDIR)$(SBIN)/$(1)
	$(INSTALL) -D -m 644 etc/$(1).conf $$(DESTDIR)$(CONFDIR)/$(1).conf
	$(INSTALL) -D -m 644 etc/systemd/fourpost-$(1).service $$(DESTDIR)$(UNITDIR)/fourpost-$(1).service
	$(INSTALL) -D -m 644 etc/sysusers.d/fourpost-$(1).conf $$(DESTDIR)$(PREFIX)/lib/sysusers.d/fourpost-$(1).conf
	$$(call man_pages,$(1).8 $(1).conf.5)
endef
$(foreach d,$(DAEMONS),$(eval $(call install_daemon,$(d))))

# smtpd's package has what belongs to a mail transport agent.
install-smtpd: install-sendmail
install-sendmail: $(B)/bin/sendmail $(B)/bin/mailqueue $(B)/bin/mailkey $(B)/bin/mailreport $(B)/bin/sievec
	$(INSTALL) -D -m 755 $(B)/bin/sendmail $(DESTDIR)$(SBIN)/sendmail
	$(INSTALL) -D -m 755 $(B)/bin/mailqueue $(DESTDIR)$(SBIN)/mailqueue
	$(INSTALL) -D -m 755 $(B)/bin/mailkey $(DESTDIR)$(SBIN)/mailkey
	$(INSTALL) -D -m 755 $(B)/bin/mailreport $(DESTDIR)$(PREFIX)/bin/mailreport
	$(INSTALL) -D -m 755 $(B)/bin/sievec $(DESTDIR)$(PREFIX)/bin/sievec
	ln -sf ../sbin/mailqueue $(DESTDIR)$(PREFIX)/bin/mailq
	ln -sf ../sbin/sendmail $(DESTDIR)$(PREFIX)/bin/newaliases
	$(INSTALL) -d $(DESTDIR)$(PREFIX)/lib
	ln -sf ../sbin/sendmail $(DESTDIR)$(PREFIX)/lib/sendmail
	$(INSTALL) -D -m 644 etc/sieve/after/50-junk.sieve $(DESTDIR)$(CONFDIR)/sieve/after/50-junk.sieve
	$(INSTALL) -D -m 644 etc/tmpfiles.d/fourpost-smtpd.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/fourpost-smtpd.conf
	$(call man_pages,sendmail.8 mailqueue.8 mailq.1 newaliases.1 mailkey.8 sievec.1 mailreport.1 mailspool.5)

install-webmaild: install-web
install-web: $(WEB)
	$(INSTALL) -d $(DESTDIR)$(PREFIX)/share/fourpost/web
	cp -R --no-preserve=ownership webmaild/web/dist/. $(DESTDIR)$(PREFIX)/share/fourpost/web/

.PHONY: install-library install-dev install-common install-tools $(DAEMONS:%=install-%) install-sendmail install-web
