/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Mail that moves in and out: Maildirs that Dovecot and Courier kept, mbox files. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/span.h"
#include "libmailstore/mailstore.h"
#include "libmailstore/ms_keywords.h"
#include "tests/unit/libmailstore/move_tests.h"

static char folder[] = "/tmp/test_move.XXXXXX";

static void
setup(void)
{
	setup_in(folder);
}

static void
no_note(void *context, const char *mailbox, const char *note)
{
	(void)context, (void)mailbox, (void)note;
}

static int
take_name(void *context, const char *name, size_t len)
{
	return buf_fmt(context, "%.*s|", (int)len, name);
}

static void
subscribed(const char *wanted)
{
	struct buf text = BUF_INIT(4096);

	ck_assert_int_eq(ms_subscriptions(store, take_name, &text), 0);
	ck_assert_str_eq(buf_cstr(&text), wanted);
	buf_free(&text);
}

#define MESSAGE "printf 'From: a@b.test\\nSubject: x\\n\\nbody\\n'"

/* A Maildir as Dovecot leaves it, with UIDs that have gaps, a letter without a name, a file that its list lacks, and one that has gone. */
static void
make_dovecot(void)
{
	shell_in(account, ".", "mkdir -p Maildir/cur Maildir/new Maildir/tmp Maildir/.Work.Sub/cur Maildir/.Work.Sub/new Maildir/.Work.Sub/tmp");
	shell_in(account, ".", MESSAGE " | tee 'Maildir/cur/1.a.host,S=34,W=38:2,Sac' >Maildir/new/2.b.host");
	shell_in(account, ".", MESSAGE " | tee 'Maildir/cur/3.c.host:2,Fb' 'Maildir/new/4.d.host:2,S' >Maildir/.Work.Sub/cur/5.e.host:2,");
	shell_in(account, ".", "printf '3 V1234567 N90 G0123\\n7 W38 :1.a.host,S=34,W=38\\n20 :2.b.host\\n21 :9.gone.host\\n80 :3.c.host\\nrubbish\\n' >Maildir/dovecot-uidlist");
	shell_in(account, ".", "printf '0 $Label1\\n2 Work\\n' >Maildir/dovecot-keywords");
	shell_in(account, ".", "printf '3 V7654321 N5\\n4 :5.e.host:2,\\n' >Maildir/.Work.Sub/dovecot-uidlist");
	shell_in(account, ".", "printf 'Work.Sub\\nGone\\n' >Maildir/subscriptions");
}

/* The UID of the file that no list has. */
static uint32_t
check_dovecot(void)
{
	char *text;
	uint32_t uid = 0;

	open_store(account);
	text = contents("INBOX");
	ck_assert_msg(sscanf(text, "1234567 7:1:$Label1,Work, 20:0: 80:4: %u:1: ", &uid) == 1, "%s", text);
	free(text);
	holds("Work/Sub", "7654321 4:0: ");
	subscribed("Work/Sub|Gone|INBOX|");
	return uid;
}

START_TEST(dovecot)
{
	struct ms_import_result result;

	make_dovecot();
	ck_assert_int_eq(ms_import(account, false, no_note, NULL, &result), 0);
	ck_assert_uint_eq(result.mailboxes, 2);
	ck_assert_uint_eq(result.messages, 4);
	ck_assert_uint_eq(result.unknown, 1);
	ck_assert_uint_eq(result.skipped, 1);
	ck_assert_uint_eq(check_dovecot(), 90);
	/* What the names say outlives the index, and doing it again changes nothing. */
	teardown();
	shell_in(account, ".", "rm -r index");
	ck_assert_uint_eq(check_dovecot(), 90);
	teardown();
	ck_assert_int_eq(ms_import(account, false, no_note, NULL, &result), 0);
	ck_assert_uint_eq(check_dovecot(), 90);
}
END_TEST

/* From another folder: hard links, the same UIDs, and that folder as it was. Cut short, it is gone on with. */
START_TEST(dovecot_elsewhere)
{
	struct ms_import_result result;
	char command[512];
	int from;

	make_dovecot();
	shell_in(account, ".", "mkdir -p Maildir/Deep/a.b/cur && printf '3 V99 N8\\n7 :6.f.host\\n' >Maildir/Deep/a.b/dovecot-uidlist && cp Maildir/new/2.b.host Maildir/Deep/a.b/cur/6.f.host:2,R");
	shell_in(account, ".", "find Maildir | sort >before");
	(void)snprintf(command, sizeof(command), "%s/Maildir", account);
	from = open(command, O_RDONLY | O_DIRECTORY);
	ck_assert_int_ge(from, 0);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(ms_import_from(other, from, false, NULL, NULL, no_note, NULL, &result), 0);
		open_store(other);
		holds("INBOX", "1234567 7:1:$Label1,Work, 20:0: 80:4: 90:1: ");
		holds("Work/Sub", "7654321 4:0: ");
		holds("Deep/a_b", "99 7:2: ");
		subscribed("Work/Sub|Gone|INBOX|");
		ms_close(store);
		store = NULL;
		/* As if it had been cut short behind the copying. */
		(void)snprintf(command, sizeof(command), "touch %s/importing", other);
		ck_assert_int_eq(system(command), 0);
		ck_assert_int_eq(ms_open(other, &store), MS_E_LOCKED);
		store = NULL;
	}
	(void)snprintf(command, sizeof(command), "rm %s/importing && test $(find %s/Maildir/cur %s/Maildir/new -type f -links +1 | wc -l) -eq 4", other, other, other);
	ck_assert_int_eq(system(command), 0);
	shell_in(account, ".", "find Maildir | sort | diff before -");
	ck_assert_int_eq(ms_import_from(other, from, false, NULL, NULL, no_note, NULL, &result), MS_E_EXISTS);
	ck_assert_int_eq(close(from), 0);
}
END_TEST

/* Each attempt brings in all of the source: what one that was cut short has brought in is no mail to be set aside. What the account had is. */
START_TEST(elsewhere_again)
{
	struct ms_import_result result;
	char command[512];
	int from;

	make_dovecot();
	(void)snprintf(command, sizeof(command), "%s/Maildir", account);
	from = open(command, O_RDONLY | O_DIRECTORY);
	ck_assert_int_ge(from, 0);
	shell_in(other, ".", "mkdir -p Maildir/cur Maildir/new Maildir/tmp && " MESSAGE " >Maildir/cur/0.own.host:2,S");
	ck_assert_int_eq(ms_import_from(other, from, false, NULL, NULL, no_note, NULL, &result), MS_E_EXISTS);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_int_eq(ms_import_from(other, from, true, NULL, NULL, no_note, NULL, &result), 0);
		shell_in(other, ".", "test ! -e Maildir/fourpost-copied && test -f Maildir.before/cur/0.own.host:2,S && test ! -e Maildir.before.2");
		if (i == 2)
			break;
		/* As if it had been cut short: while it was taken over, then where it had been set aside by another attempt. */
		(void)snprintf(command, sizeof(command), "touch importing && stat -c '%%d %%i' %s/Maildir >Maildir/fourpost-copied", account);
		shell_in(other, ".", command);
		if (i == 1)
			shell_in(other, ".", "mv Maildir Maildir.before.2");
	}
	open_store(other);
	holds("INBOX", "1234567 7:1:$Label1,Work, 20:0: 80:4: 90:1: ");
	/* One of another source is kept. */
	teardown();
	shell_in(other, ".", "touch importing && stat -c '%d %i' . >Maildir/fourpost-copied");
	ck_assert_int_eq(ms_import_from(other, from, false, NULL, NULL, no_note, NULL, &result), 0);
	shell_in(other, ".", "test -d Maildir.before.2 && test ! -e Maildir.before.3 && test ! -e Maildir.restored && test ! -e importing");
	ck_assert_int_eq(close(from), 0);
}
END_TEST

/* No folder is left out for its name, nor two made one. */
START_TEST(odd_names)
{
	static const char *const folders[] = { ".a%b", ".a_b", "..d", ".e.", ".INBOX", ".b\\377", "t/x.y", "t/x_y", "t/x.y/deep" };
	static const char *const names[] = { "a_b_2", "a_b", "_/d", "e/_", "INBOX_2", "b_", "t/x_y_2", "t/x_y", "t/x_y_2/deep" };
	struct ms_import_result result;
	char command[512], wanted[64];
	int from;

	make_dovecot();
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		(void)snprintf(command, sizeof(command),
		    "d=Maildir/$(printf '%s') && mkdir -p \"$d/cur\" && printf '3 V%zu N8\\n7 :6.f.host\\n' >\"$d/dovecot-uidlist\" && cp Maildir/new/2.b.host \"$d/cur/6.f.host:2,R\"",
		    strcmp(folders[i], ".a%b") == 0 ? ".a%%b" : folders[i], i + 10);
		shell_in(account, ".", command);
	}
	shell_in(account, ".", "d=Maildir/.$(printf '%0240d' 1) && mkdir $d $d/cur && cp Maildir/.a_b/dovecot-uidlist $d");
	(void)snprintf(command, sizeof(command), "%s/Maildir", account);
	from = open(command, O_RDONLY | O_DIRECTORY);
	ck_assert_int_eq(ms_import_from(other, from, false, NULL, NULL, no_note, NULL, &result), 0);
	ck_assert_uint_eq(result.mailboxes, 12);
	open_store(other);
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		(void)snprintf(wanted, sizeof(wanted), "%zu 7:2: ", i + 10);
		holds(names[i], wanted);
	}
	ck_assert_int_eq(close(from), 0);
}
END_TEST

/* Notes, as "mailbox: note|" each. */
static void
take_note(void *context, const char *mailbox, const char *note)
{
	(void)buf_fmt(context, "%s: %s|", mailbox != NULL ? mailbox : "", note);
}

static void
noted(const struct buf *notes, const char *wanted)
{
	ck_assert_msg(span_find(buf_get(notes), span_of(wanted)) >= 0, "%s not in: %s", wanted, buf_cstr(notes));
}

/* Made by a Dovecot with LAYOUT=fs, whose names have dots and what names here cannot have; in modified UTF-7 or in UTF-8. */
static void
make_tree(bool utf8)
{
	static const char *const folders[] = { "a.b", "a.b/v1.0", "a.b/.hid", ".hidden/in", "Plain/Sub", "R%D" };

	shell_in(account, ".", "mkdir -p Maildir/cur && printf '3 V1 N2\n' >Maildir/dovecot-uidlist");
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		char command[256];

		(void)snprintf(command, sizeof(command), "mkdir -p 'Maildir/%s/cur' && printf '3 V%zu N8\n' >'Maildir/%s/dovecot-uidlist'", folders[i], i + 10, folders[i]);
		shell_in(account, ".", command);
	}
	shell_in(account, ".", utf8 ? "mkdir -p 'Maildir/Entw\xc3\xbcrfe/cur' 'Maildir/R&D/cur'" : "mkdir -p 'Maildir/Entw&APw-rfe/cur' 'Maildir/R&-D/cur'");
	shell_in(account, ".", "printf 'V\\t2\\n\\na.b\\nplain\\na.b\\tv1.0\\na.b\\t.hid\\n.hidden\\tin\\nPlain\\tSub\\nR%%D\\ngo.ne\\ngone\\tx\\n' >Maildir/subscriptions");
	shell_in(account, ".", utf8 ? "printf 'Entw\xc3\xbcrfe\\nR&D\\n' >>Maildir/subscriptions" : "printf 'Entw&APw-rfe\\nR&-D\\n' >>Maildir/subscriptions");
}

static void
import_elsewhere(struct buf *notes)
{
	struct ms_import_result result;
	char path[128];
	int from;

	(void)snprintf(path, sizeof(path), "%s/Maildir", account);
	from = open(path, O_RDONLY | O_DIRECTORY);
	ck_assert_int_ge(from, 0);
	ck_assert_int_eq(ms_import_from(other, from, false, NULL, NULL, take_note, notes, &result), 0);
	ck_assert_int_eq(close(from), 0);
	open_store(other);
}

/* Who is subscribed there is here, whatever the folder is called now; what cannot be is told of. */
START_TEST(dovecot_tree_subscriptions)
{
	struct buf notes = BUF_INIT(65536);
	struct ms_import_result result;

	make_tree(_i != 0);
	import_elsewhere(&notes);
	subscribed("a_b|plain|a_b/v1_0|a_b/_hid|hidden/in|Plain/Sub|R_D|gone/x|Entw\xc3\xbcrfe|R&D|INBOX|");
	holds("a_b", "10 ");
	holds("a_b/v1_0", "11 ");
	holds("a_b/_hid", "12 ");
	holds("hidden/in", "13 ");
	holds("R_D", "15 ");
	noted(&notes, "a_b: its name could not be kept: it was a.b|");
	noted(&notes, "a_b/v1_0: its name could not be kept: it was a.b/v1.0|");
	noted(&notes, "R_D: its name could not be kept: it was R%D|");
	noted(&notes, "go.ne: this is subscribed, but no folder is there");
	ck_assert_ptr_null(strstr(buf_cstr(&notes), "Plain"));
	ck_assert_ptr_null(strstr(buf_cstr(&notes), "rfe"));
	ck_assert_ptr_null(strstr(buf_cstr(&notes), "R&"));
	/* What the user does here is not undone when all accounts are taken over again. */
	ck_assert_int_eq(ms_subscribe(store, "Plain/Sub", false), 0);
	teardown();
	ck_assert_int_eq(ms_import(other, false, no_note, NULL, &result), 0);
	open_store(other);
	subscribed("a_b|plain|a_b/v1_0|a_b/_hid|hidden/in|R_D|gone/x|Entw\xc3\xbcrfe|R&D|INBOX|");
	shell_in(other, ".", "test ! -e Maildir/fourpost-names && test ! -e importing");
	buf_free(&notes);
}
END_TEST

/* Any folder may have a list, as in place: INBOX gets UIDs here then. */
START_TEST(elsewhere_without_inbox_list)
{
	struct buf notes = BUF_INIT(65536);

	make_dovecot();
	shell_in(account, ".", "rm Maildir/dovecot-uidlist && mkdir -p Maildir/Tree/x/cur && ln -s .Work.Sub Maildir/.Link");
	if (_i != 0)
		shell_in(account, ".", "mv Maildir/.Work.Sub/dovecot-uidlist Maildir/Tree/x");
	import_elsewhere(&notes);
	holds(_i == 0 ? "Work/Sub" : "Tree/x", _i == 0 ? "7654321 4:0: " : "7654321 ");
	/* Once. */
	noted(&notes, ".Link: this folder is a symbolic link");
	ck_assert_ptr_null(strstr(strstr(buf_cstr(&notes), ".Link: ") + 1, ".Link: "));
	buf_free(&notes);
}
END_TEST

/* INBOX is the Maildir itself, whatever else is called so: that gets another name, which is told. */
START_TEST(inbox_beside)
{
	struct buf notes = BUF_INIT(65536);
	struct ms_import_result result;

	shell_in(account, ".", "mkdir -p Maildir/cur && printf '3 V1 N2\n' >Maildir/dovecot-uidlist && printf 'V\t2\n\nINBOX\n' >Maildir/subscriptions");
	if (_i == 0) {
		shell_in(account, ".", "mkdir -p Maildir/Inbox/cur && printf '3 V5 N2\n' >Maildir/Inbox/dovecot-uidlist");
		import_elsewhere(&notes);
		noted(&notes, "Inbox_2: its name could not be kept: it was Inbox|");
		subscribed("INBOX|");
	} else {
		shell_in(account, ".", "mkdir -p Maildir/.INBOX/cur && printf '3 V5 N2\n' >Maildir/.INBOX/dovecot-uidlist");
		ck_assert_int_eq(ms_import(account, false, take_note, &notes, &result), 0);
		open_store(account);
		noted(&notes, "INBOX_2: its name could not be kept: it was .INBOX|");
		subscribed("INBOX_2|INBOX|");
	}
	holds("INBOX", "1 ");
	holds(_i == 0 ? "Inbox_2" : "INBOX_2", "5 ");
	buf_free(&notes);
}
END_TEST

/* A copy may lack what was empty: of one folder cur/, of another all but its list. */
START_TEST(folders_without_parts)
{
	struct buf notes = BUF_INIT(65536);
	struct ms_import_result result;

	make_dovecot();
	shell_in(account, ".", "cd Maildir && mkdir -p .New/new .Unlisted/new .List Tree .Other/tmp && cp new/2.b.host .New/new/1.f.host && cp new/2.b.host .Unlisted/new/1.g.host");
	shell_in(account, ".", "cd Maildir && printf '3 V5 N8\n7 :1.f.host\n' | tee .New/dovecot-uidlist .List/dovecot-uidlist >Tree/dovecot-uidlist");
	if (_i == 0) {
		ck_assert_int_eq(ms_import(account, false, take_note, &notes, &result), 0);
		noted(&notes, "Tree: this folder is none of a Maildir++");
		open_store(account);
	} else {
		import_elsewhere(&notes);
		holds("Tree", "5 ");
	}
	holds("New", "5 7:0: ");
	holds("List", "5 ");
	ck_assert_uint_eq(add("Unlisted", 0, NULL), 2);
	ck_assert_int_eq(ms_mailbox_open(store, "Other", &open_mailbox), MS_E_NOTFOUND);
	buf_free(&notes);
}
END_TEST

/* In the tree a dot stands in names, so that two of them may come to the same. */
START_TEST(dovecot_tree_same_names)
{
	struct buf notes = BUF_INIT(65536);

	shell_in(account, ".", "mkdir -p Maildir/cur Maildir/a.b/cur Maildir/a_b/cur && printf '3 V1 N2\n' | tee Maildir/dovecot-uidlist Maildir/a_b/dovecot-uidlist >/dev/null");
	shell_in(account, ".", "printf '3 V5 N2\n' >Maildir/a.b/dovecot-uidlist && printf 'V\\t2\\n\\na.b\\n' >Maildir/subscriptions");
	import_elsewhere(&notes);
	/* Who can keep his name does. */
	holds("a_b", "1 ");
	holds("a_b_2", "5 ");
	subscribed("a_b_2|INBOX|");
	buf_free(&notes);
}
END_TEST

/* What only Dovecot can read is not taken for mail, and stays as it is. */
START_TEST(dovecot_packed)
{
	struct buf notes = BUF_INIT(65536);
	struct ms_import_result result;
	char path[128];
	int from;

	make_dovecot();
	shell_in(account, ".", MESSAGE " | gzip >Maildir/.Work.Sub/cur/8.h.host,S=34,W=38:2,S && find . -printf '%p %s\n' | sort >../packed.before");
	ck_assert_int_eq(ms_import(account, false, take_note, &notes, &result), MS_E_DENIED);
	noted(&notes, "Work/Sub: messages are compressed");
	shell_in(account, ".", "rm lock && find . -printf '%p %s\n' | sort | grep -v '^[.] ' >../packed.now; grep -v '^[.] ' ../packed.before | diff - ../packed.now");
	buf_clear(&notes);
	(void)snprintf(path, sizeof(path), "%s/Maildir", account);
	from = open(path, O_RDONLY | O_DIRECTORY);
	ck_assert_int_eq(ms_import_from(other, from, false, NULL, NULL, take_note, &notes, &result), MS_E_DENIED);
	noted(&notes, "messages are compressed");
	ck_assert_int_eq(close(from), 0);
	shell_in(other, ".", "test ! -e Maildir && test ! -e importing");
	/* The sizes of others are wrong now and then: that is no reason. */
	shell_in(account, ".", MESSAGE " >Maildir/.Work.Sub/cur/8.h.host,S=3,W=4:2,S && rm Maildir/.Work.Sub/cur/8.h.host,S=34,W=38:2,S");
	ck_assert_int_eq(ms_import(account, false, take_note, &notes, &result), 0);
	buf_free(&notes);
}
END_TEST

/* In place, in a Maildir++: the same; a folder whose name alone is written otherwise is not told of. */
START_TEST(renamed_subscriptions)
{
	struct buf notes = BUF_INIT(65536);
	struct ms_import_result result;

	make_dovecot();
	shell_in(account, ".", "mkdir -p 'Maildir/.R%D/cur' 'Maildir/.R*D/cur' 'Maildir/.R_D/cur' 'Maildir/.Entw\xc3\xbcrfe/cur' Maildir/Tree/x/cur Maildir/sieve");
	shell_in(account, ".", "printf '3 V5 N2\n' >'Maildir/.R%D/dovecot-uidlist' && printf '3 V6 N2\n' >'Maildir/.R*D/dovecot-uidlist' && printf 'V\\t2\\n\\nR*D\\nEntw\xc3\xbcrfe\\nR?D\\nGo%%ne\\n' >Maildir/subscriptions");
	shell_in(account, ".", "ln -s .R_D Maildir/.Link");
	if (_i != 0) {
		/* Cut short behind a change of names. */
		shell_in(account, ".", "touch importing && mv 'Maildir/.R*D' Maildir/.R_D_2 && printf '.R*D\\0.R_D_2\\0' >Maildir/fourpost-names");
	}
	ck_assert_int_eq(ms_import(account, false, take_note, &notes, &result), 0);
	open_store(account);
	holds("R_D_2", _i == 0 ? "5 " : "6 ");
	subscribed(_i == 0 ? "R_D_3|Entw\xc3\xbcrfe|R?D|INBOX|" : "R_D_2|Entw\xc3\xbcrfe|R?D|INBOX|");
	noted(&notes, "its name could not be kept: it was .R%D|");
	noted(&notes, "its name could not be kept: it was .R*D|");
	noted(&notes, "Go%ne: this is subscribed, but no folder is there");
	noted(&notes, "Tree: this folder is none of a Maildir++");
	noted(&notes, ".Link: this folder is a symbolic link");
	ck_assert_ptr_null(strstr(buf_cstr(&notes), "rfe"));
	ck_assert_ptr_null(strstr(buf_cstr(&notes), "sieve"));
	buf_free(&notes);
}
END_TEST

/* Killed at any of its steps: nobody opens the store in between when names were changed, and the next attempt comes to the same end. Only what
 * no list has may get a later UID: that which the first attempt wrote ahead for may have been promised. */
START_TEST(dovecot_cut_short)
{
	for (unsigned step = 1; step < 30; step++) {
		struct ms_import_result result;
		uint32_t uid;
		int status = 0, r;
		pid_t pid;

		setup();
		make_dovecot();
		pid = fork();
		if (pid == 0) {
			/* Each step of the way takes some time: the child is stopped wherever it is then. */
			(void)ms_import(account, false, no_note, NULL, &result);
			_exit(0);
		}
		(void)usleep(step * 300);
		(void)kill(pid, SIGKILL);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		r = ms_import(account, false, no_note, NULL, &result);
		ck_assert_int_eq(r, 0);
		uid = check_dovecot();
		ck_assert_msg(uid == 90 || uid == 91, "%u", uid);
		teardown();
	}
}
END_TEST

/* Keywords are translated once, also of what no list has: in the store they are 0 and 1, with Dovecot they were the letters b and c. */
START_TEST(keywords_once)
{
	struct ms_import_result result;

	shell_in(account, ".", "mkdir -p Maildir/cur Maildir/.Z/cur Maildir/.Z/fourpost-folder.new Maildir/courierimapkeywords");
	shell_in(account, ".", "cd Maildir && " MESSAGE " | tee cur/1999.a.host:2,Sc cur/2000.a.host:2,Sb cur/2001.a.host:2,Sc >/dev/null");
	if (_i == 0)
		shell_in(account, ".", "cd Maildir && printf '3 V9 N8\n7 :1999.a.host\n' | tee dovecot-uidlist >.Z/dovecot-uidlist && printf '1 Foo\n2 Bar\n' >dovecot-keywords");
	else
		shell_in(account, ".", "cd Maildir && printf '1 9 8\n7 1999.a.host\n' | tee courierimapuiddb >.Z/courierimapuiddb && "
		    "printf 'Foo\nBar\n\n1999.a.host:1\n2000.a.host:0\n2001.a.host:1\n' >courierimapkeywords/:list");
	/* It ends behind INBOX. */
	ck_assert_int_eq(ms_import(account, false, no_note, NULL, &result), -EISDIR);
	shell_in(account, ".", "rmdir Maildir/.Z/fourpost-folder.new");
	ck_assert_int_eq(ms_import(account, false, no_note, NULL, &result), 0);
	open_store(account);
	holds("INBOX", "9 7:1:Bar, 8:1:Foo, 9:1:Bar, ");
}
END_TEST

START_TEST(half_moved_in)
{
	make_dovecot();
	shell_in(account, ".", "touch importing");
	ck_assert_int_eq(ms_open(account, &store), MS_E_LOCKED);
	store = NULL;
}
END_TEST

START_TEST(in_use_already)
{
	struct ms_import_result result;
	char *before;

	make_dovecot();
	open_store(account);
	before = contents("INBOX");
	ck_assert_int_eq(ms_import(account, false, no_note, NULL, &result), MS_E_EXISTS);
	holds("INBOX", before);
	free(before);
	ck_assert_int_eq(ms_import(account, true, no_note, NULL, &result), 0);
	/* Also for who has it open. */
	holds("INBOX", "1234567 7:1:$Label1,Work, 20:0: 80:4: 90:1: ");
}
END_TEST

START_TEST(nothing_to_take_over)
{
	struct ms_import_result result;

	ck_assert_int_eq(ms_import(account, false, no_note, NULL, &result), MS_E_NOTFOUND);
	shell_in(account, ".", "mkdir -p Maildir/cur Maildir/new Maildir/tmp");
	ck_assert_int_eq(ms_import(account, false, no_note, NULL, &result), MS_E_NOTFOUND);
	shell_in(account, ".", "echo rubbish >Maildir/dovecot-uidlist; test ! -e importing");
	ck_assert_int_eq(ms_import(account, false, no_note, NULL, &result), MS_E_CORRUPT);
	shell_in(account, ".", "test ! -e importing");
}
END_TEST

/* Courier keeps keywords in files of its own, as many as there are: those beyond the letters too. */
static void
make_courier(void)
{
	shell_in(account, ".", "mkdir -p Maildir/cur Maildir/new Maildir/tmp Maildir/courierimapkeywords");
	shell_in(account, ".", MESSAGE " | tee 'Maildir/cur/1.a.host,S=34:2,S' Maildir/cur/2.b.host:2, >Maildir/new/3.c.host");
	shell_in(account, ".", "printf '1 55555 40\\n3 1.a.host,S=34\\n9 2.b.host\\n12 3.c.host\\n' >Maildir/courierimapuiddb");
	shell_in(account, ".", "{ for i in $(seq 0 29); do echo k$i; done; echo; echo 1.a.host,S=34:0 28; echo 2.b.host:1; } >Maildir/courierimapkeywords/:list");
	shell_in(account, ".", "printf 'k5\\n$Forwarded\\n' >Maildir/courierimapkeywords/.7.2.b.host; printf 'k6\\n' >Maildir/courierimapkeywords/.3.2.b.host");
	shell_in(account, ".", "printf 'INBOX\\nINBOX.Sent\\n' >Maildir/courierimapsubscribed");
}

static void
check_courier(const char *path)
{
	char *text;

	open_store(path);
	text = contents("INBOX");
	ck_assert_str_eq(text, "55555 3:1:k0,k28, 9:20:k5, 12:0: ");
	free(text);
	subscribed("INBOX|Sent|");
	teardown();
}

START_TEST(courier)
{
	struct ms_import_result result;
	char command[128];
	int from;

	make_courier();
	(void)snprintf(command, sizeof(command), "%s/Maildir", account);
	from = open(command, O_RDONLY | O_DIRECTORY);
	ck_assert_int_ge(from, 0);
	ck_assert_int_eq(ms_import_from(other, from, false, NULL, NULL, no_note, NULL, &result), 0);
	ck_assert_uint_eq(result.messages, 3);
	(void)close(from);
	check_courier(other);
	/* The names tell all keywords. */
	(void)snprintf(command, sizeof(command), "rm -r %s/index", other);
	ck_assert_int_eq(system(command), 0);
	check_courier(other);
	ck_assert_int_eq(ms_import(account, false, no_note, NULL, &result), 0);
	ck_assert_uint_eq(result.messages, 3);
	check_courier(account);
}
END_TEST

/* --- mbox --- */

START_TEST(mbox_both_ways)
{
	static const char text[] = "From a@b.test Thu Jan  1 00:00:10 1970\nFrom: a@b.test\nSubject: one\nStatus: RO\nX-Keywords: $Forwarded Work\n\n"
	    ">From the beginning\n\nFrom c@d.test Thu Jan  1 00:00:20 1970\nSubject: two\nX-Status: F\n\nbody\n\n";
	char in[128], out[128], back[1024];
	uint64_t count;
	ssize_t got;
	int fd;

	(void)snprintf(in, sizeof(in), "%s/in", account);
	(void)snprintf(out, sizeof(out), "%s/out", account);
	open_store(account);
	fd = open(in, O_RDWR | O_CREAT, 0600);
	ck_assert_int_eq(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	ck_assert_int_eq(ms_mbox_import(store, fd, "Old/Mail", no_note, NULL, &count), 0);
	ck_assert_uint_eq(count, 2);
	(void)close(fd);
	fd = open(out, O_RDWR | O_CREAT, 0600);
	ck_assert_int_eq(ms_mbox_export(store, "Old/Mail", fd, no_note, NULL, &count), 0);
	ck_assert_uint_eq(count, 2);
	got = pread(fd, back, sizeof(back) - 1, 0);
	ck_assert_int_gt(got, 0);
	back[got] = '\0';
	ck_assert_msg(strstr(back, "00:00:10 1970\nFrom: a@b.test\nSubject: one\n") != NULL, "%s", back);
	ck_assert_msg(strstr(back, "\n>From the beginning\n") != NULL && strstr(back, "$Forwarded Work\n") != NULL, "%s", back);
	ck_assert_msg(strstr(back, "Status: RO\n") != NULL && strstr(back, "X-Status: F\n") != NULL, "%s", back);
	ck_assert_int_eq(lseek(fd, 3, SEEK_SET), 3);
	ck_assert_int_eq(ms_mbox_import(store, fd, "Bad", no_note, NULL, &count), MS_E_CORRUPT);
	ck_assert_int_eq(ms_mbox_export(store, "Nowhere", fd, no_note, NULL, &count), MS_E_NOTFOUND);
	(void)close(fd);
}
END_TEST

static unsigned
keywords_of(const char *name, uint32_t uid)
{
	struct ms_mailbox *mailbox;
	struct ms_message message;
	unsigned count = 0;

	ck_assert_int_eq(ms_mailbox_open(store, name, &mailbox), 0);
	ck_assert_int_eq(ms_message_get(mailbox, uid, &message), 0);
	ms_mailbox_close(mailbox);
	for (unsigned n = ms_keywords_next(&message.keywords, 0); n != MS_KEYWORD_NONE; n = ms_keywords_next(&message.keywords, n + 1))
		count++;
	return count;
}

static void
count_left_out(void *context, const char *mailbox, const char *note)
{
	(void)mailbox;
	*(unsigned *)context += (unsigned)strtoul(strrchr(note, ' '), NULL, 10);
}

/* What a sender may have written must not swallow what follows; keywords that cannot be kept are told. */
START_TEST(mbox_of_strangers)
{
	unsigned left_out = 0, kept;
	uint64_t count;
	char path[128];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/in", account);
	open_store(account);
	file = fopen(path, "w+");
	ck_assert_ptr_nonnull(file);
	(void)fprintf(file, "From a@b Thu Jan  1 00:00:10 1970\nContent-Length: 99999\n\none\n\n");
	(void)fprintf(file, "From a@b Thu Jan  1 00:00:20 1970\nX-Keywords: B(d");
	for (unsigned i = 0; i < 400; i++)
		(void)fprintf(file, " key%u", i);
	(void)fprintf(file, "\n\ntwo\n\nFrom a@b Thu Jan  1 00:00:30 1970\nX-Keywords: key399 last\nContent-Length: 1\n\nthree\n");
	rewind(file);
	ck_assert_int_eq(ms_mbox_import(store, fileno(file), "Old", count_left_out, &left_out, &count), 0);
	(void)fclose(file);
	ck_assert_uint_eq(count, 3);
	kept = keywords_of("Old", 2);
	ck_assert_uint_gt(kept, 60);
	ck_assert_uint_eq(kept + left_out, 401);
	ck_assert_uint_eq(keywords_of("Old", 3), 2);
}
END_TEST

int
main(void)
{
	TCase *tcase = tcase_create("move");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, dovecot);
	tcase_add_test(tcase, dovecot_elsewhere);
	tcase_add_test(tcase, elsewhere_again);
	tcase_add_test(tcase, odd_names);
	tcase_add_loop_test(tcase, dovecot_tree_subscriptions, 0, 2);
	tcase_add_test(tcase, dovecot_tree_same_names);
	tcase_add_loop_test(tcase, elsewhere_without_inbox_list, 0, 2);
	tcase_add_loop_test(tcase, inbox_beside, 0, 2);
	tcase_add_loop_test(tcase, folders_without_parts, 0, 2);
	tcase_add_test(tcase, dovecot_packed);
	tcase_add_loop_test(tcase, renamed_subscriptions, 0, 2);
	tcase_add_test(tcase, dovecot_cut_short);
	tcase_add_loop_test(tcase, keywords_once, 0, 2);
	tcase_add_test(tcase, half_moved_in);
	tcase_add_test(tcase, in_use_already);
	tcase_add_test(tcase, nothing_to_take_over);
	tcase_add_test(tcase, courier);
	tcase_add_test(tcase, mbox_both_ways);
	tcase_add_test(tcase, mbox_of_strangers);
	return run_case("move", tcase, folder);
}
