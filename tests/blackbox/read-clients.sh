#!/bin/bash
# Mail read by programs that others wrote: curl, fetchmail, mutt (on the Maildir itself), openssl, python's imaplib and poplib.
. "$(dirname "$0")/lib.sh"
for i in 1 2 3; do
	printf 'From: r@example.org\r\nTo: u1@example.test\r\nSubject: read-%s\r\nMessage-ID: <read-%s@example.org>\r\n\r\nbody %s\r\n' $i $i $i >"$TMP/m"
	curl -sS --mail-from r@example.org --mail-rcpt u1@example.test -T "$TMP/m" "smtp://127.0.0.1:$(port 25)"
done
check "three messages arrive" eventually has_mail u1 read-3
check "curl lists by IMAP with TLS" curl -sSk -u u1@example.test:demo "imaps://127.0.0.1:$(port 993)/"
fetch() { curl -sSk --ssl-reqd -u u1@example.test:demo "$1" | grep -q "$2"; }
check "curl fetches by IMAP" fetch "imaps://127.0.0.1:$(port 993)/INBOX;MAILINDEX=1" 'Subject: read-'
check "curl lists by POP3" fetch "pop3s://127.0.0.1:$(port 995)/" '^3 '
check "curl retrieves by POP3 after STLS" fetch "pop3://127.0.0.1:$(port 110)/1" 'Subject: read-'
expect "no password without TLS by IMAP" 'Login denied|LOGINDISABLED|denied' curl -sS -u u1@example.test:demo "imap://127.0.0.1:$(port 143)/"
expect "a wrong password is refused" 'denied|Login' curl -sSk -u u1@example.test:bad "imaps://127.0.0.1:$(port 993)/"

cat >"$TMP/fetchmailrc" <<END
set no bouncemail
poll 127.0.0.1 service $(port 995) protocol pop3 uidl username "u1@example.test" password "demo" ssl no sslcertck keep mda "cat >>$TMP/fetched; echo >>$TMP/fetched"
END
chmod 600 "$TMP/fetchmailrc"
fetchmail_all() { env HOME="$TMP" FETCHMAILHOME="$TMP" fetchmail --nosyslog -f "$TMP/fetchmailrc" --idfile "$TMP/ids" --pidfile "$TMP/pid" && [ "$(grep -c '^Subject: read-' "$TMP/fetched")" -eq 3 ]; }
check "fetchmail takes all three by POP3" fetchmail_all
again() { env HOME="$TMP" FETCHMAILHOME="$TMP" fetchmail --nosyslog -f "$TMP/fetchmailrc" --idfile "$TMP/ids" --pidfile "$TMP/pid"; [ $? -eq 1 ]; }
check "and none the second time: UIDL is stable" again
sed -i "s/service $(port 995) protocol pop3 uidl/service $(port 993) protocol imap/" "$TMP/fetchmailrc"
: >"$TMP/fetched"
imap_all() { env HOME="$TMP" FETCHMAILHOME="$TMP" fetchmail --nosyslog -a -f "$TMP/fetchmailrc" --idfile "$TMP/ids2" --pidfile "$TMP/pid" && [ "$(grep -c '^Subject: read-' "$TMP/fetched")" -eq 3 ]; }
check "fetchmail takes all three by IMAP" imap_all

maildir=$STATE/mail/example.test/u1/Maildir
mutt_saves() {
	printf 'set folder="%s"\nset spoolfile="%s"\nset mbox_type=Maildir\nset header_cache=""\nset copy=no\n' "$maildir" "$maildir" >"$TMP/muttrc"
	TERM=vt100 timeout 30 script -qec "mutt -n -F $TMP/muttrc -f $maildir -e 'push <tag-pattern>read-2<enter><tag-prefix><set-flag>!<sync-mailbox><quit>'" /dev/null </dev/null >/dev/null || true
	eventually flagged
}
flagged() { imap u1 INBOX 'SEARCH FLAGGED SUBJECT read-2' | grep -qE 'SEARCH [0-9]+'; }
check "mutt flags a message in the Maildir, IMAP sees it" mutt_saves
added() {
	printf 'From: cp@example.org\nSubject: by-cp\n\nx\n' >"$maildir/tmp/1.cp.host"
	chown --reference="$maildir" "$maildir/tmp/1.cp.host"; mv "$maildir/tmp/1.cp.host" "$maildir/new/$(date +%s).cp1.host"
	eventually has_mail u1 by-cp
}
check "a file moved into new/ becomes mail" added
removed() { rm "$(grep -l 'Subject: by-cp' "$maildir"/*/* | head -n 1)" && eventually no_mail u1 by-cp; }
check "a file removed is expunged" removed

uids() { curl -sSk -u u1@example.test:demo "imaps://127.0.0.1:$(port 993)/INBOX" -X 'FETCH 1:* (UID FLAGS)' | tr -d '\r' | sed 's/\\Recent *//'; curl -sSk -u u1@example.test:demo "imaps://127.0.0.1:$(port 993)/" -X 'STATUS INBOX (UIDVALIDITY MESSAGES)'; }
survives() { before=$(uids); sleep 1; rm -rf "$STATE/mail/example.test/u1/index"; after=$(uids); [ -n "$before" ] && [ "$before" = "$after" ] || { echo "before: $before"; echo "after: $after"; return 1; }; }
check "rm -r index/: the same UIDVALIDITY, UIDs and flags" survives
tls() { printf 'a1 CAPABILITY\r\na2 LOGOUT\r\n' | openssl s_client -quiet -connect "127.0.0.1:$1" $2 -ign_eof 2>&1 | grep -q "$3"; }
check "openssl s_client: IMAP STARTTLS" tls "$(port 143)" "-starttls imap" IMAP4rev1
check "openssl s_client: POP3 STLS" bash -c "printf 'CAPA\r\nQUIT\r\n' | openssl s_client -quiet -connect 127.0.0.1:$(port 110) -starttls pop3 -ign_eof 2>&1 | grep -q UIDL"
finish
