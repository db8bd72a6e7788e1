# Fourpost: one Makefile. Each folder's module.mk lists its sources. `make help` names the targets.
#   make                  everything (LANE=release)      make unit     unit tests and the replayed fuzz corpus
#   make CC=clang LANE=clang   the same with clang       make LANE=asan ...   address and undefined-behaviour sanitizers
VERSION := 0.1.0
O := build
LANE := release
CC := gcc
PREFIX := /usr
SYSCONFDIR := /etc
LOCALSTATEDIR := /var
LIBDIR := $(PREFIX)/lib
B := $(O)/$(LANE)
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-6s %s\n' $(1) $(2))

.DELETE_ON_ERROR:
.SECONDARY:
all:

WARNINGS := -Wall -Wextra -Werror -Wvla -Walloca -Wformat=2 -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wold-style-definition -Wwrite-strings -Wcast-qual -Wpointer-arith -Wundef -Wimplicit-fallthrough
probe = $(shell $(CC) -Werror $(1) -x c -c -o /dev/null /dev/null 2>/dev/null && echo $(1))
ifneq ($(findstring clang,$(CC)),)
COMPILER_WARNINGS := -Wno-gnu-statement-expression
else
COMPILER_WARNINGS := $(foreach f,-Wlogical-op -Wduplicated-cond -Wduplicated-branches -Wjump-misses-init \
	-Wdangling-pointer=2 -Wbidi-chars=any -Wformat-truncation=2,$(call probe,$(f)))
endif

BASE_FLAGS := -std=gnu17 -D_GNU_SOURCE -g -I. -I$(B) -DVERSION='"$(VERSION)"' -fPIC -fno-strict-overflow \
	-fno-delete-null-pointer-checks $(WARNINGS) $(COMPILER_WARNINGS)
HARDEN := -O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong \
	$(foreach f,-fstack-clash-protection -fcf-protection=full -mbranch-protection=standard -ftrivial-auto-var-init=zero,$(call probe,$(f)))
LINK_HARDEN := -pie -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed
SANITIZE := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -U_FORTIFY_SOURCE
ifeq ($(LANE),asan)
LANE_FLAGS := $(SANITIZE)
LANE_LINK := -fsanitize=address,undefined
else ifeq ($(LANE),fuzz)
LANE_FLAGS := $(SANITIZE) -fsanitize=fuzzer-no-link
LANE_LINK := -fsanitize=address,undefined
else
LANE_FLAGS := $(HARDEN)
LANE_LINK := $(LINK_HARDEN)
endif
# Ours come after the packager's: dpkg-buildflags sets a weaker _FORTIFY_SOURCE.
ALL_CFLAGS = $(CPPFLAGS) $(CFLAGS) $(BASE_FLAGS) $(LANE_FLAGS)
ALL_LDFLAGS = $(LDFLAGS) $(LANE_LINK)

# What each archive needs from outside.
common_LIBS := -levent_core -lconfig -lseccomp -lssl -lcrypto -lcrypt -lidn2 -lunistring
libmailstore_LIBS := -ldb-5.3 -lz
smtpd_LIBS := -lunbound -lpsl -lexpat -ljansson -lz
smtpd_TEST_LIBS := -lyaml -lz
webmaild_LIBS := -ljansson -lnghttp2 -lgumbo -lz

MODULES := common sieve libmailstore frame smtpd pop3d imapd webmaild cli
DAEMONS := smtpd pop3d imapd webmaild
include $(wildcard $(MODULES:%=%/module.mk))

objects = $(patsubst %.c,$(B)/%.o,$(1))
archive = $(B)/$(if $(filter lib%,$(1)),$(1),lib$(1)).a
MAILSTORE := $(if $(SHARED),$(B)/libmailstore.so.1,$(call archive,libmailstore))
BASE_ARCHIVES := $(call archive,sieve) $(call archive,frame) $(call archive,libmailstore) $(call archive,common)
PROGRAM_ARCHIVES := $(call archive,sieve) $(call archive,frame) $(MAILSTORE) $(call archive,common)
BASE_LIBS := $(libmailstore_LIBS) $(common_LIBS)

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

define archive_rule
$(call archive,$(1)): $(call objects,$($(1)_SRC))
	@mkdir -p $$(@D)
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach m,$(filter-out cli,$(MODULES)),$(eval $(call archive_rule,$(m))))

define daemon_rule
$(B)/bin/$(1): $(B)/$(1)/main.o $(call archive,$(1)) $(PROGRAM_ARCHIVES)
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)
	$$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $$@ $$^ $($(1)_LIBS) $(BASE_LIBS)
endef
$(foreach d,$(DAEMONS),$(eval $(call daemon_rule,$(d))))

# cli_TOOLS names tools; cli/<tool>.c is one, plus $(<tool>_EXTRA).
define tool_rule
$(B)/bin/$(1): $(call objects,cli/$(1).c $($(1)_EXTRA)) $(PROGRAM_ARCHIVES)
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)
	$$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $$@ $$^ $($(1)_LIBS) $(BASE_LIBS)
endef
$(foreach t,$(cli_TOOLS),$(eval $(call tool_rule,$(t))))

PROGRAMS := $(foreach d,$(DAEMONS),$(if $(wildcard $(d)/main.c),$(B)/bin/$(d))) $(cli_TOOLS:%=$(B)/bin/%)

# The library as others link it: libmailstore's objects and what they use of common in one file, only ms_* visible.
SONAME := libmailstore.so.1
$(B)/$(SONAME): $(call objects,$(libmailstore_SRC)) $(call archive,common) libmailstore/mailstore.map
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(filter-out -pie,$(ALL_LDFLAGS)) -shared -Wl,-soname,$(SONAME) \
		-Wl,--version-script=libmailstore/mailstore.map -o $@ $(filter %.o %.a,$^) $(BASE_LIBS)

WEB := webmaild/web/dist/index.html
$(WEB): $(wildcard webmaild/web/package*.json webmaild/web/*.mjs webmaild/web/src/* webmaild/web/src/*/* webmaild/web/src/*/*/*)
	$(call say,WEB,$(WEB))
	$(Q)cd webmaild/web && npm ci --no-audit --no-fund --loglevel=error && npm run --silent build
	$(Q)touch $@

all: $(PROGRAMS) $(if $(libmailstore_SRC),$(B)/$(SONAME)) $(if $(wildcard webmaild/web/package.json),$(WEB))
programs: $(PROGRAMS)

# Unit tests: tests/unit/<module>/test_x.c is one program, linked with that module's archive.
unit_module = $(word 3,$(subst /, ,$(1)))
UNIT_SRC := $(wildcard tests/unit/*/test_*.c)
UNIT := $(patsubst %.c,$(B)/%,$(UNIT_SRC))
module_archives = $(filter-out $(BASE_ARCHIVES),$(call archive,$(1)))
define unit_rule
$(B)/$(basename $(1)): $(call objects,$(1)) $(call module_archives,$(call unit_module,$(1))) $(BASE_ARCHIVES)
	$$(call say,LD,$$@)
	$$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $$@ $$^ $(shell pkg-config --libs check 2>/dev/null) $($(call unit_module,$(1))_TEST_LIBS) $($(call unit_module,$(1))_LIBS) $(BASE_LIBS)
endef
$(foreach t,$(UNIT_SRC),$(eval $(call unit_rule,$(t))))

# Fuzz targets: tests/fuzz/<module>/fuzz_x.c. LANE=fuzz CC=clang builds fuzzers; every other lane builds replayers of the corpus.
FUZZ_SRC := $(wildcard tests/fuzz/*/fuzz_*.c)
FUZZ := $(patsubst %.c,$(B)/%,$(FUZZ_SRC))
FUZZ_MAIN := $(if $(filter fuzz,$(LANE)),,$(B)/tests/fuzz/replay.o)
define fuzz_rule
$(B)/$(basename $(1)): $(call objects,$(1)) $(FUZZ_MAIN) $(call module_archives,$(call unit_module,$(1))) $(BASE_ARCHIVES)
	$$(call say,LD,$$@)
	$$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(if $(filter fuzz,$(LANE)),-fsanitize=fuzzer) -o $$@ $$^ $($(call unit_module,$(1))_LIBS) $(BASE_LIBS)
endef
$(foreach t,$(FUZZ_SRC),$(eval $(call fuzz_rule,$(t))))

tests-build: $(UNIT) $(FUZZ) $(PROGRAMS)
unit: $(UNIT) $(FUZZ)
	$(Q)tests/run-unit $(UNIT) -- $(FUZZ)
unit-%:
	$(Q)$(MAKE) --no-print-directory unit-of MODULE=$*
unit-of: $(filter $(B)/tests/unit/$(MODULE)/%,$(UNIT)) $(filter $(B)/tests/fuzz/$(MODULE)/%,$(FUZZ))
	$(Q)tests/run-unit $(filter $(B)/tests/unit/$(MODULE)/%,$(UNIT)) -- $(filter $(B)/tests/fuzz/$(MODULE)/%,$(FUZZ))
fuzz:
	$(Q)$(MAKE) --no-print-directory CC=clang LANE=fuzz fuzzers
fuzzers: $(FUZZ)
lint:
	$(Q)tests/lint
clean:
	rm -rf $(O) webmaild/web/dist webmaild/web/node_modules

help:
	@echo 'all programs unit unit-MODULE fuzz lint install clean   (LANE=release|asan|clang|fuzz, CC=gcc|clang, V=1)'

# A bare `make` after edits to a header rebuilds what includes it.
-include $(shell find $(B) -name '*.d' 2>/dev/null)

.PHONY: all programs tests-build unit unit-of fuzz fuzzers lint clean help install
-include install.mk tests/bench/module.mk tests/crash/module.mk tests/interop/module.mk
