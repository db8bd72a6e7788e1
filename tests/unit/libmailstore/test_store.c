/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A store in use: messages come, change, move and go; other programs touch the Maildir; the index is lost. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/span.h"
#include "libmailstore/mailstore.h"
#include "libmailstore/ms_name.h"
#include "libmailstore/ms_record.h"
#include "tests/unit/libmailstore/store_tests.h"

static char folder[] = "/tmp/test_store.XXXXXX";
static char account[64];
static struct ms_store *store;
static bool disk_fails;

/* In the C library's place. */
int
fdatasync(int fd)
{
	errno = EIO;
	return disk_fails ? -1 : (int)syscall(SYS_fdatasync, fd);
}

static void
setup(void)
{
	make_account(folder, account, sizeof(account));
	ck_assert_int_eq(ms_open(account, &store), 0);
}

static void
teardown(void)
{
	ms_close(store);
	store = NULL;
}

static uint32_t
add(const char *mailbox, const char *subject, uint32_t flags, const char *const *keywords)
{
	struct ms_append *append;
	uint32_t uid = 0, uidvalidity = 0;
	uint64_t email = 0;
	char text[512];

	(void)snprintf(text, sizeof(text), "From: a@example.org\r\nSubject: %s\r\nMessage-ID: <%s@example.org>\r\n\r\nbody\r\n", subject, subject);
	append = ms_append_begin(store);
	ck_assert_int_eq(ms_append_write(append, text, strlen(text)), 0);
	ck_assert_int_eq(ms_append_commit(append, mailbox, flags, keywords, 1000000000, &uid, &uidvalidity, &email), 0);
	ck_assert_uint_ne(uid, 0);
	ck_assert_uint_ne(uidvalidity, 0);
	ck_assert_uint_ne(email, 0);
	return uid;
}

static struct ms_mailbox_info
status(const char *name)
{
	struct ms_mailbox_info info;

	ck_assert_int_eq(ms_mailbox_status(store, name, &info), 0);
	return info;
}

/* "uid:flags:keywords ..." of a mailbox. */
static int
describe(void *context, const struct ms_message *message)
{
	return buf_fmt(context, "%u:%x:%" PRIx64 " ", message->uid, message->flags, message->keywords.first);
}

/* The next of the list of UIDs is this message's. */
static int
follow(void *context, const struct ms_message *message)
{
	uint32_t **next = context;

	ck_assert_uint_eq(*(*next)++, message->uid);
	return 0;
}

static char *
contents(const char *name)
{
	struct buf text = BUF_INIT(65536), flags = BUF_INIT(65536);
	struct ms_mailbox *mailbox;
	uint32_t *uids, *next;
	size_t count;

	ck_assert_int_eq(ms_mailbox_open(store, name, &mailbox), 0);
	ck_assert_int_eq(ms_messages(mailbox, 1, UINT32_MAX, describe, &text), 0);
	ck_assert_int_eq(ms_mailbox_uids(mailbox, &uids, &count), 0);
	ck_assert_uint_eq(count, ms_mailbox_info(mailbox)->messages);
	next = uids;
	ck_assert_int_eq(ms_messages(mailbox, 1, UINT32_MAX, follow, &next), 0);
	ck_assert_uint_eq((size_t)(next - uids), count);
	free(uids);
	ck_assert_int_eq(ms_messages_flags(mailbox, 1, UINT32_MAX, describe, &flags), 0);
	ck_assert_str_eq(buf_cstr(&flags), buf_cstr(&text));
	buf_free(&flags);
	ms_mailbox_close(mailbox);
	return buf_take(&text);
}

START_TEST(default_mailboxes)
{
	struct ms_mailbox_info *list;
	size_t count;

	ck_assert_int_eq(ms_mailboxes(store, &list, &count), 0);
	ck_assert_uint_eq(count, 6);
	ck_assert_str_eq(list[0].name, "Archive");
	ck_assert_str_eq(list[2].name, "INBOX");
	ck_assert_int_eq(list[2].use, MS_USE_INBOX);
	ck_assert_int_eq(list[5].use, MS_USE_TRASH);
	for (size_t i = 0; i < count; i++)
		ck_assert_msg(list[i].subscribed, "%s", list[i].name);
	ms_mailboxes_free(list, count);
}
END_TEST

START_TEST(messages_come_change_and_go)
{
	static const char *const keywords[] = { "$Important", "work", NULL };
	uint32_t one = add("INBOX", "one", 0, NULL), two = add("inbox", "two", MS_SEEN, keywords), gone[] = { one };
	struct ms_mailbox_info info = status("INBOX");
	struct ms_mailbox *mailbox;
	struct ms_message message;
	char *text;
	size_t len;
	int fd;
	uint64_t bytes, modseq = info.modseq;

	ck_assert_uint_eq(one, 1);
	ck_assert_uint_eq(two, 2);
	ck_assert_uint_eq(info.messages, 2);
	ck_assert_uint_eq(info.unseen, 1);
	ck_assert_uint_eq(info.uidnext, 3);
	ms_mailbox_info_clear(&info);
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	ck_assert_str_eq(ms_keyword(mailbox, 1), "work");
	ck_assert_ptr_null(ms_keyword(mailbox, 2));
	ck_assert_int_eq(ms_message_get(mailbox, two, &message), 0);
	ck_assert_uint_eq(message.keywords.first, 3);
	ck_assert_int_eq(message.internal_date, 1000000000);
	ck_assert_int_eq(ms_message_open(mailbox, two, &fd, &bytes), 0);
	(void)close(fd);
	ck_assert_uint_eq(message.size, bytes + 5); /* five lines */
	ck_assert_int_eq(ms_message_cached(mailbox, one, MS_ENVELOPE, &text, &len), 0);
	ck_assert_ptr_nonnull(strstr(text, "\"one\""));
	free(text);
	ck_assert_int_eq(ms_message_cached(mailbox, one, MS_PREVIEW, &text, &len), 0);
	ck_assert_str_eq(text, "body");
	free(text);
	ck_assert_int_eq(ms_store_flags(mailbox, gone, 1, MS_FLAGS_ADD, MS_FLAGGED | MS_SEEN, NULL, 0, NULL, NULL), 0);
	ck_assert_int_eq(ms_message_get(mailbox, one, &message), 0);
	ck_assert_uint_eq(message.flags, MS_FLAGGED | MS_SEEN);
	ck_assert_uint_gt(message.modseq, modseq);
	ck_assert_uint_eq(ms_mailbox_info(mailbox)->unseen, 0);
	ck_assert_int_eq(ms_expunge(mailbox, gone, 1), 0);
	ck_assert_int_eq(ms_message_get(mailbox, one, &message), MS_E_NOTFOUND);
	ck_assert_uint_eq(ms_mailbox_info(mailbox)->messages, 1);
	ck_assert_uint_eq(add("INBOX", "three", 0, NULL), 3);
	ms_mailbox_close(mailbox);
}
END_TEST

static int
note_change(void *context, const struct ms_message *message)
{
	return buf_fmt(context, "+%u ", message->uid);
}

static int
note_expunge(void *context, uint32_t uid, uint64_t modseq)
{
	(void)modseq;
	return buf_fmt(context, "-%u ", uid);
}

START_TEST(changes_are_told)
{
	uint32_t uids[] = { add("INBOX", "a", 0, NULL), add("INBOX", "b", 0, NULL), add("INBOX", "c", 0, NULL) }, modified[3];
	struct buf text = BUF_INIT(1000);
	struct ms_mailbox *mailbox;
	uint64_t since;
	size_t count;

	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	since = ms_mailbox_info(mailbox)->modseq;
	ck_assert_int_eq(ms_store_flags(mailbox, uids + 1, 1, MS_FLAGS_ADD, MS_SEEN, NULL, 0, NULL, NULL), 0);
	ck_assert_int_eq(ms_expunge(mailbox, uids, 1), 0);
	ck_assert_int_eq(ms_changes(mailbox, since, note_change, note_expunge, &text), 0);
	ck_assert_str_eq(buf_cstr(&text), "+2 -1 ");
	ck_assert_int_eq(ms_store_flags(mailbox, uids + 1, 2, MS_FLAGS_SET, MS_FLAGGED, NULL, since, modified, &count), 0);
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(modified[0], 2);
	buf_free(&text);
	ms_mailbox_close(mailbox);
}
END_TEST

START_TEST(copies_and_moves)
{
	static const char *const keywords[] = { "k1", "k2", NULL };
	uint32_t uids[] = { add("INBOX", "a", MS_SEEN, keywords), add("INBOX", "b", 0, NULL), 99 }, new[3], uidvalidity;
	struct ms_mailbox *mailbox;
	char *text;

	(void)add("Archive", "old", 0, NULL);
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	ck_assert_int_eq(ms_copy(mailbox, uids, 3, "Archive", false, new, &uidvalidity), 0);
	ck_assert_uint_eq(new[0], 2);
	ck_assert_uint_eq(new[1], 3);
	ck_assert_uint_eq(new[2], 0);
	ck_assert_int_eq(ms_copy(mailbox, uids, 1, "Nowhere", false, new, &uidvalidity), MS_E_NOTFOUND);
	ck_assert_int_eq(ms_copy(mailbox, uids, 2, "Trash", true, new, &uidvalidity), 0);
	ck_assert_uint_eq(ms_mailbox_info(mailbox)->messages, 0);
	ms_mailbox_close(mailbox);
	text = contents("Archive");
	ck_assert_str_eq(text, "1:0:0 2:1:3 3:0:0 ");
	free(text);
	text = contents("Trash");
	ck_assert_str_eq(text, "1:1:3 2:0:0 ");
	free(text);
	/* Within one mailbox too. */
	ck_assert_int_eq(ms_mailbox_open(store, "Trash", &mailbox), 0);
	ck_assert_int_eq(ms_copy(mailbox, new, 1, "Trash", false, new + 2, &uidvalidity), 0);
	ck_assert_uint_eq(new[2], 3);
	ms_mailbox_close(mailbox);
	text = contents("Trash");
	ck_assert_str_eq(text, "1:1:3 2:0:0 3:1:3 ");
	free(text);
	text = contents("INBOX");
	ck_assert_str_eq(text, "");
	free(text);
}
END_TEST

struct numbered {
	uint64_t id;
	unsigned n;
};

static int
compare_numbered(const void *a, const void *b)
{
	const struct numbered *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static void
numbered_name(unsigned n, char ret[64])
{
	(void)snprintf(ret, 64, "1700000000.M%uP1.host", n);
}

/* Two unique parts of one second that stand for the same number. */
static void
find_twins(char first[64], char second[64])
{
	static struct numbered list[400000];
	size_t count = sizeof(list) / sizeof(*list);

	for (size_t i = 0; i < count; i++) {
		list[i].n = (unsigned)i;
		numbered_name(list[i].n, first);
		list[i].id = ms_name_email_id(span_of(first));
	}
	qsort(list, count, sizeof(*list), compare_numbered);
	for (size_t i = 1; i < count; i++)
		if (list[i].id == list[i - 1].id) {
			numbered_name(list[i - 1].n, first);
			numbered_name(list[i].n, second);
			return;
		}
	ck_abort_msg("no twins");
}

static int
note_id(void *context, const struct ms_message *message)
{
	uint64_t *ids = context;

	ids[message->uid - 1] = message->email_id;
	return 0;
}

static void
read_ids(const char *name, uint64_t ids[2])
{
	struct ms_mailbox *mailbox;

	ck_assert_int_eq(ms_mailbox_open(store, name, &mailbox), 0);
	ck_assert_int_eq(ms_messages(mailbox, 1, 2, note_id, ids), 0);
	ms_mailbox_close(mailbox);
}

static void
unexpected_fault(void *context, const struct ms_fault *fault)
{
	(void)context;
	ck_abort_msg("%s: %s", fault->mailbox, fault->what);
}

/* Two messages never have one email id, for who destroys one would destroy both; all copies of one have the same. */
START_TEST(email_ids_of_twins)
{
	char names[2][64], script[512];
	uint64_t ids[2], copies[2], again[2];
	uint32_t uids[2] = { 1, 2 }, new[2], uidvalidity;
	struct ms_mailbox *mailbox;

	find_twins(names[0], names[1]);
	(void)snprintf(script, sizeof(script), "for n in %s %s; do printf 'Subject: %%s\n\nx\n' $n >Maildir/cur/$n:2,; done", names[0], names[1]);
	shell_in(account, ".", script);
	read_ids("INBOX", ids);
	ck_assert_uint_ne(ids[0], ids[1]);
	ck_assert_uint_eq(ids[0], ms_name_email_id(span_of(names[0])));
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	ck_assert_int_eq(ms_copy(mailbox, uids, 2, "Archive", false, new, &uidvalidity), 0);
	ms_mailbox_close(mailbox);
	read_ids("Archive", copies);
	ck_assert_mem_eq(copies, ids, sizeof(ids));
	ck_assert_int_eq(ms_rebuild(store), 0);
	read_ids("INBOX", again);
	ck_assert_uint_ne(again[0], again[1]);
	read_ids("Archive", copies);
	ck_assert_mem_eq(copies, again, sizeof(again));
	ck_assert_int_eq(ms_check(store, unexpected_fault, NULL), 0);
}
END_TEST

/* When it came into its mailbox (RFC 8514): a copy's is not that of what it is a copy of. */
START_TEST(save_dates)
{
	uint32_t uid = add("INBOX", "a", 0, NULL), copied, moved, uidvalidity;
	struct ms_message before, copy, after;
	struct ms_mailbox *mailbox;

	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	ck_assert_int_eq(ms_message_get(mailbox, uid, &before), 0);
	while (time(NULL) <= before.save_date)
		(void)usleep(10000);
	ck_assert_int_eq(ms_copy(mailbox, &uid, 1, "Archive", false, &copied, &uidvalidity), 0);
	ck_assert_int_eq(ms_copy(mailbox, &uid, 1, "Trash", true, &moved, &uidvalidity), 0);
	ms_mailbox_close(mailbox);
	ck_assert_int_eq(ms_mailbox_open(store, "Archive", &mailbox), 0);
	ck_assert_int_eq(ms_message_get(mailbox, copied, &copy), 0);
	ms_mailbox_close(mailbox);
	ck_assert_int_eq(ms_mailbox_open(store, "Trash", &mailbox), 0);
	ck_assert_int_eq(ms_message_get(mailbox, moved, &after), 0);
	ms_mailbox_close(mailbox);
	ck_assert_int_gt(copy.save_date, before.save_date);
	ck_assert_int_gt(after.save_date, before.save_date);
	ck_assert_int_eq(after.internal_date, before.internal_date);
}
END_TEST

/* An empty message keeps its UID when the index is lost, however young it is, or from a time to come. */
START_TEST(empty_messages)
{
	static const int64_t ahead[] = { 0, 5, 100000000 };
	uint32_t uid, uidvalidity;
	uint64_t email;
	char *text;

	for (size_t i = 0; i < sizeof(ahead) / sizeof(*ahead); i++) {
		struct ms_append *append;

		append = ms_append_begin(store);
		ck_assert_int_eq(ms_append_commit(append, "INBOX", 0, NULL, time(NULL) + ahead[i], &uid, &uidvalidity, &email), 0);
		ck_assert_uint_eq(uid, i + 1);
	}
	(void)add("INBOX", "last", 0, NULL);
	ck_assert_int_eq(ms_rebuild(store), 0);
	text = contents("INBOX");
	ck_assert_str_eq(text, "1:0:0 2:0:0 3:0:0 4:0:0 ");
	free(text);
}
END_TEST

START_TEST(mailboxes_are_made_renamed_and_removed)
{
	struct ms_mailbox_info *list;
	size_t count;
	char *text;

	ck_assert_int_eq(ms_mailbox_create(store, "Projekte/\xc3\x9c""ber/\xe4\xb8\xad\xe6\x96\x87", MS_USE_NONE), 0);
	ck_assert_int_eq(ms_mailbox_create(store, "Projekte", MS_USE_NONE), MS_E_EXISTS);
	for (size_t i = 0; i < 7; i++) {
		static const char *const bad[] = { "", "a//b", "/a", "a/", "../x", "a.b", "x\x01y" };

		ck_assert_msg(ms_mailbox_create(store, bad[i], MS_USE_NONE) == MS_E_BADNAME, "%s", bad[i]);
	}
	(void)add("Projekte/\xc3\x9c""ber", "u", 0, NULL);
	ck_assert_int_eq(ms_mailbox_rename(store, "Projekte", "Old/Projects"), 0);
	text = contents("Old/Projects/\xc3\x9c""ber");
	ck_assert_str_eq(text, "1:0:0 ");
	free(text);
	ck_assert_int_eq(ms_mailbox_rename(store, "Nothing", "x"), MS_E_NOTFOUND);
	ck_assert_int_eq(ms_mailbox_rename(store, "Old", "Old/Inside"), MS_E_BADNAME);
	ck_assert_int_eq(ms_mailbox_delete(store, "INBOX"), MS_E_DENIED);
	ck_assert_int_eq(ms_mailbox_delete(store, "Old/Projects/\xc3\x9c""ber"), 0);
	ck_assert_int_eq(ms_mailbox_delete(store, "Old/Projects/\xc3\x9c""ber"), MS_E_NOTFOUND);
	(void)add("INBOX", "in", MS_FLAGGED, NULL);
	ck_assert_int_eq(ms_mailbox_rename(store, "INBOX", "Saved"), 0);
	text = contents("Saved");
	ck_assert_str_eq(text, "1:4:0 ");
	free(text);
	ck_assert_int_eq(ms_mailboxes(store, &list, &count), 0);
	ck_assert_uint_eq(count, 10);
	ms_mailboxes_free(list, count);
}
END_TEST

static bool
exists(const char *mailbox)
{
	struct ms_mailbox_info info;
	int r = ms_mailbox_status(store, mailbox, &info);

	if (r == 0)
		ms_mailbox_info_clear(&info);
	return r == 0;
}

START_TEST(trees_are_renamed_whole)
{
	ck_assert_int_eq(ms_mailbox_create(store, "A/B/C", MS_USE_NONE), 0);
	ck_assert_int_eq(ms_mailbox_create(store, "AB", MS_USE_NONE), 0);
	/* One is in the way: none goes. */
	ck_assert_int_eq(ms_mailbox_create(store, "X/B/C", MS_USE_NONE), 0);
	ck_assert_int_eq(ms_mailbox_delete(store, "X/B"), 0);
	ck_assert_int_eq(ms_mailbox_delete(store, "X"), 0);
	ck_assert_int_eq(ms_mailbox_rename(store, "A", "X"), MS_E_EXISTS);
	ck_assert(exists("A") && exists("A/B") && exists("A/B/C") && !exists("X"));
	ck_assert_int_eq(ms_mailbox_delete(store, "X/B/C"), 0);
	ck_assert_int_eq(ms_mailbox_rename(store, "A", "X"), 0);
	ck_assert(exists("X/B/C") && !exists("A") && !exists("A/B") && exists("AB"));
	ck_assert_int_eq(ms_subscribe(store, "X/B", true), 0);
	/* Cut short after the first: the next to open takes it back. */
	ms_close(store);
	shell_in(account, ".", "printf 'X\nY\nX/B\nY/B\nX/B/C\nY/B/C\n' >renaming && mv Maildir/.X Maildir/.Y && printf 'Y/B\n' >Maildir/subscriptions");
	ck_assert_int_eq(ms_open(account, &store), 0);
	ck_assert(exists("X") && exists("X/B") && exists("X/B/C") && !exists("Y") && !exists("Y/B"));
	shell_in(account, ".", "test \"$(cat Maildir/subscriptions)\" = X/B");
	shell_in(account, ".", "test ! -e renaming");
	/* What makes no sense is forgotten. */
	ms_close(store);
	shell_in(account, ".", "echo X >renaming");
	ck_assert_int_eq(ms_open(account, &store), 0);
	shell_in(account, ".", "test ! -e renaming");
}
END_TEST

START_TEST(the_index_may_vanish)
{
	static const char *const keywords[] = { "todo", NULL };
	struct ms_mailbox_info before, after;
	char *contents_before, *contents_after;
	struct ms_mailbox *mailbox;
	uint32_t gone;

	(void)add("INBOX", "a", MS_SEEN, keywords);
	gone = add("INBOX", "b", 0, NULL);
	(void)add("INBOX", "c", MS_FLAGGED | MS_ANSWERED, NULL);
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	ck_assert_int_eq(ms_expunge(mailbox, &gone, 1), 0);
	before = status("INBOX");
	contents_before = contents("INBOX");
	shell_in(account, ".", "rm -rf index");
	/* With the store and the mailbox open. */
	ck_assert_int_eq(ms_mailbox_sync(mailbox), 0);
	after = status("INBOX");
	contents_after = contents("INBOX");
	ck_assert_str_eq(contents_before, contents_after);
	ck_assert_uint_eq(before.uidvalidity, after.uidvalidity);
	ck_assert_str_eq(before.id, after.id);
	ck_assert_uint_ge(after.uidnext, before.uidnext);
	ck_assert_uint_gt(after.modseq, before.modseq);
	ck_assert_str_eq(ms_keyword(mailbox, 0), "todo");
	ms_mailbox_close(mailbox);
	ms_mailbox_info_clear(&before);
	ms_mailbox_info_clear(&after);
	free(contents_after);
	teardown();
	shell_in(account, ".", "rm -rf index");
	ck_assert_int_eq(ms_open(account, &store), 0);
	contents_after = contents("INBOX");
	ck_assert_str_eq(contents_before, contents_after);
	free(contents_before);
	free(contents_after);
}
END_TEST

START_TEST(other_programs_touch_the_maildir)
{
	struct ms_mailbox *mailbox;
	char *text;

	(void)add("INBOX", "a", 0, NULL);
	(void)add("INBOX", "b", 0, NULL);
	(void)add("INBOX", "c", 0, NULL);
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	/* mutt marks one as read and flagged, removes another; somebody copies a file in; a folder is made by hand. */
	shell_in(account, ".", "f=$(grep -l 'Subject: a' Maildir/new/*) && mv $f Maildir/cur/$(basename $f):2,FS");
	shell_in(account, ".", "rm $(grep -l 'Subject: b' Maildir/new/*)");
	shell_in(account, ".", "printf 'Subject: by hand\\n\\nx\\n' > Maildir/new/1.cp.host");
	shell_in(account, ".", "mkdir -p Maildir/.Hand/tmp Maildir/.Hand/new Maildir/.Hand/cur && printf 'Subject: h\\n\\n' > Maildir/.Hand/cur/2.x.host:2,S");
	ck_assert_int_eq(ms_mailbox_sync(mailbox), 0);
	ms_mailbox_close(mailbox);
	text = contents("INBOX");
	ck_assert_str_eq(text, "1:5:0 3:0:0 4:0:0 ");
	free(text);
	text = contents("Hand");
	ck_assert_str_eq(text, "1:1:0 ");
	free(text);
	shell_in(account, ".", "rm -rf Maildir/.Hand");
	ck_assert_int_eq(ms_mailbox_open(store, "Hand", &mailbox), MS_E_NOTFOUND);
}
END_TEST

/* A file that mv(1) brings has the UID of the folder it was in; its time is older, so it comes first. */
START_TEST(uids_in_names_are_of_their_folder)
{
	static const char *const keywords[] = { NULL };
	struct ms_mailbox *mailbox;
	struct ms_message message;
	uint64_t email;
	uint32_t uid[2];

	ck_assert_int_eq(ms_mailbox_create(store, "A", MS_USE_NONE), 0);
	uid[0] = add("A", "moved", 0, keywords);
	uid[1] = add("INBOX", "here", 0, keywords);
	ck_assert_uint_eq(uid[0], uid[1]);
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	ck_assert_int_eq(ms_message_get(mailbox, uid[1], &message), 0);
	email = message.email_id;
	shell_in(account, ".", "mv Maildir/.A/new/* Maildir/new/");
	shell_in(account, ".", "rm -r index");
	ck_assert_int_eq(ms_mailbox_sync(mailbox), 0);
	ck_assert_uint_eq(ms_mailbox_info(mailbox)->messages, 2);
	ck_assert_int_eq(ms_message_get(mailbox, uid[1], &message), 0);
	ck_assert_uint_eq(message.email_id, email);
	ms_mailbox_close(mailbox);
}
END_TEST

START_TEST(damage_is_mended)
{
	char *before, *after;

	for (unsigned i = 0; i < 20; i++)
		(void)add("INBOX", "x", i % 3 == 0 ? MS_SEEN : 0, NULL);
	before = contents("INBOX");
	for (unsigned seed = 1; seed <= 12; seed++) {
		char script[300];

		teardown();
		(void)snprintf(script, sizeof(script),
		    "python3 -c \"import random,glob; random.seed(%u); f=open(random.choice(sorted(glob.glob('index/*.db')+glob.glob('index/log.*'))),'r+b'); b=bytearray(f.read());\n"
		    "for i in range(40): b[random.randrange(len(b))]^=255\nf.seek(0); f.write(b); f.close()\"", seed);
		shell_in(account, ".", script);
		ck_assert_int_eq(ms_open(account, &store), 0);
		after = contents("INBOX");
		ck_assert_msg(strcmp(before, after) == 0, "seed %u: %s", seed, after);
		free(after);
	}
	free(before);
}
END_TEST

static void
holds(const char *name, uint32_t messages, uint32_t unseen)
{
	struct ms_mailbox_info info = status(name);

	ck_assert_uint_eq(info.messages, messages);
	ck_assert_uint_eq(info.unseen, unseen);
	ms_mailbox_info_clear(&info);
}

/* What stands in the cache of the kernel alone is not for the next to build on. */
START_TEST(a_sync_that_fails_at_the_end_costs_the_index)
{
	char path[128];
	uint32_t uid = add("INBOX", "one", MS_SEEN, NULL);

	disk_fails = true;
	ms_close(store);
	disk_fails = false;
	(void)snprintf(path, sizeof(path), "%s/index", account);
	ck_assert_int_lt(access(path, F_OK), 0);
	ck_assert_int_eq(ms_open(account, &store), 0);
	holds("INBOX", 1, 0);
	ck_assert_uint_gt(add("INBOX", "two", 0, NULL), uid);
	holds("INBOX", 2, 1);
}
END_TEST

/* The folder's file is not written for every few of them. */
START_TEST(many_come_at_once)
{
	char command[512];

	(void)snprintf(command, sizeof(command), "cd %s/Maildir && for n in $(seq 600); do printf 'Subject: x\n\nx\n' > new/1.M$n.host; done", account);
	ck_assert_int_eq(system(command), 0);
	holds("INBOX", 600, 600);
	(void)snprintf(command, sizeof(command), "grep -q 'uidlimit 856' %s/Maildir/fourpost-folder", account);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

/* Two processes at once, then many messages from both, each with a UID of its own. */
START_TEST(two_processes_deliver)
{
	struct ms_mailbox_info info;
	pid_t pid;
	int end;

	teardown();
	pid = fork();
	ck_assert_int_eq(ms_open(account, &store), 0);
	for (unsigned i = 0; i < 100; i++)
		(void)add("INBOX", pid == 0 ? "child" : "parent", 0, NULL);
	if (pid == 0) {
		teardown();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &end, 0), pid);
	ck_assert_int_eq(end, 0);
	info = status("INBOX");
	ck_assert_uint_eq(info.messages, 200);
	ck_assert_uint_eq(info.uidnext, 201);
	ms_mailbox_info_clear(&info);
}
END_TEST

/* kill -9 at random moments: what was acknowledged is there once, UIDs never go back, the store opens by itself. */
START_TEST(killed_writers_lose_nothing)
{
	uint32_t last = 0;

	teardown();
	for (unsigned round = 0; round < 30; round++) {
		int pair[2], end;
		uint32_t acknowledged[4096], uid;
		size_t count = 0;
		char *text;
		pid_t pid;

		ck_assert_int_eq(pipe(pair), 0);
		pid = fork();
		if (pid == 0) {
			(void)close(pair[0]);
			if (ms_open(account, &store) != 0)
				_exit(1);
			for (;;) {
				uid = add("INBOX", "kill", 0, NULL);
				if (write(pair[1], &uid, sizeof(uid)) != sizeof(uid))
					_exit(1);
			}
		}
		(void)close(pair[1]);
		(void)usleep(20000 + round * 3000);
		(void)kill(pid, SIGKILL);
		while (count < 4096 && read(pair[0], &uid, sizeof(uid)) == sizeof(uid))
			acknowledged[count++] = uid;
		(void)close(pair[0]);
		ck_assert_int_eq(waitpid(pid, &end, 0), pid);
		ck_assert(WIFSIGNALED(end));
		ck_assert_int_eq(ms_open(account, &store), 0);
		text = contents("INBOX");
		for (size_t i = 0; i < count; i++) {
			char wanted[32];

			(void)snprintf(wanted, sizeof(wanted), "%u:0:0 ", acknowledged[i]);
			ck_assert_msg(acknowledged[i] > last, "uid %u after %u", acknowledged[i], last);
			ck_assert_msg(strstr(text, wanted) != NULL, "round %u: uid %u is gone", round, acknowledged[i]);
			last = acknowledged[i];
		}
		free(text);
		teardown();
	}
	ck_assert_int_eq(ms_open(account, &store), 0);
}
END_TEST

START_TEST(bitmaps_of_uids)
{
	for (unsigned i = 0; i < 200; i++) {
		uint8_t map[MS_UIDS_BYTES], again[MS_UIDS_BYTES];
		struct buf bytes = BUF_INIT(MS_RECORD_MAX);

		memset(map, i % 2 == 0 ? 0xff : 0, sizeof(map));
		for (unsigned k = 0; k < i / 2; k++)
			map[(size_t)rand() % sizeof(map)] ^= (uint8_t)(1u << rand() % 8);
		ms_uids_record_put(map, &bytes);
		ck_assert_uint_lt(bytes.len, i == 0 ? 10 : MS_UIDS_BYTES + 10);
		ck_assert_int_eq(ms_uids_record_get(buf_get(&bytes), again), 0);
		ck_assert_mem_eq(map, again, sizeof(map));
		ck_assert_int_eq(ms_uids_record_get(span_make(bytes.data, bytes.len - 1), again), MS_E_CORRUPT);
		bytes.data[rand() % (int)bytes.len] ^= 1;
		ck_assert_int_eq(ms_uids_record_get(buf_get(&bytes), again), MS_E_CORRUPT);
		buf_free(&bytes);
	}
}
END_TEST

START_TEST(waiting_wakes)
{
	int fd = ms_watch_fd(store);
	struct ms_mailbox *mailbox;
	fd_set set;
	struct timeval moment = { 2, 0 };

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	ms_watch_drain(store);
	(void)add("Archive", "x", 0, NULL);
	FD_ZERO(&set);
	FD_SET(fd, &set);
	ck_assert_int_eq(select(fd + 1, &set, NULL, NULL, &moment), 1);
	ms_watch_drain(store);
	shell_in(account, ".", "printf 'Subject: y\\n\\n' > Maildir/tmp/9.y.h && mv Maildir/tmp/9.y.h Maildir/new/9.y.h");
	FD_SET(fd, &set);
	moment = (struct timeval){ 2, 0 };
	ck_assert_int_eq(select(fd + 1, &set, NULL, NULL, &moment), 1);
	ms_mailbox_close(mailbox);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("store");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_set_timeout(tests, 120);
	tcase_add_test(tests, default_mailboxes);
	tcase_add_test(tests, messages_come_change_and_go);
	tcase_add_test(tests, changes_are_told);
	tcase_add_test(tests, copies_and_moves);
	tcase_add_test(tests, empty_messages);
	tcase_add_test(tests, email_ids_of_twins);
	tcase_add_test(tests, save_dates);
	tcase_add_test(tests, mailboxes_are_made_renamed_and_removed);
	tcase_add_test(tests, the_index_may_vanish);
	tcase_add_test(tests, other_programs_touch_the_maildir);
	tcase_add_test(tests, uids_in_names_are_of_their_folder);
	tcase_add_test(tests, damage_is_mended);
	tcase_add_test(tests, trees_are_renamed_whole);
	tcase_add_test(tests, a_sync_that_fails_at_the_end_costs_the_index);
	tcase_add_test(tests, many_come_at_once);
	tcase_add_test(tests, two_processes_deliver);
	tcase_add_test(tests, killed_writers_lose_nothing);
	tcase_add_test(tests, bitmaps_of_uids);
	tcase_add_test(tests, waiting_wakes);
	return run_case("store", tests, folder);
}
