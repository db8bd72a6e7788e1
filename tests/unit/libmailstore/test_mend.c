/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* An index that is damaged in one place: each kind of damage is named and mended, and nothing else is touched. Here the tables are
 * written to behind the store's back. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libmailstore/ms_entries.h"
#include "libmailstore/ms_set.h"
#include "tests/unit/libmailstore/store_tests.h"

static char folder[] = "/tmp/test_mend.XXXXXX";
static char account[64];
static struct ms_store *store;
static uint32_t inbox; /* its number */

/* --- a store --- */

static uint32_t
add(const char *mailbox, const char *subject, uint32_t flags, const char *const *keywords)
{
	struct ms_append *append;
	uint32_t uid, uidvalidity;
	char text[256];

	(void)snprintf(text, sizeof(text), "From: a@b.test\nSubject: %s\nMessage-ID: <%s@b.test>\n\nbody\n", subject, subject);
	append = ms_append_begin(store);
	ck_assert_int_eq(ms_append_write(append, text, strlen(text)), 0);
	ck_assert_int_eq(ms_append_commit(append, mailbox, flags, keywords, 1000000000, &uid, &uidvalidity, NULL), 0);
	return uid;
}

static void
open_store(void)
{
	struct ms_mailbox *mailbox;

	ms_close(store);
	store = NULL;
	ck_assert_int_eq(ms_open(account, &store), 0);
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	inbox = mailbox->number;
	ms_mailbox_close(mailbox);
}

/* INBOX has the UIDs 1, 2, 4. Its folder has been read, and changed long before: only what is damaged makes anybody read it again. */
static void
setup(void)
{
	struct ms_mailbox *mailbox;

	make_account(folder, account, sizeof(account));
	open_store();
	(void)add("INBOX", "one", MS_SEEN, (const char *const[]){ "$Label1", "Work", NULL });
	(void)add("INBOX", "two", 0, NULL);
	(void)add("INBOX", "three", MS_FLAGGED, NULL);
	(void)add("INBOX", "four", MS_ANSWERED | MS_DELETED, (const char *const[]){ "Work", NULL });
	(void)add("Sent", "five", MS_SEEN, NULL);
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	ck_assert_int_eq(ms_expunge(mailbox, &(uint32_t){ 3 }, 1), 0);
	ms_mailbox_close(mailbox);
	shell_in(account, "Maildir", "touch -d @1000000000 new cur");
	open_store();
}

static void
teardown(void)
{
	ms_close(store);
	store = NULL;
}

static struct ms_mailbox *open_mailbox;

static int
describe(void *context, const struct ms_message *message)
{
	const char *name;

	(void)buf_fmt(context, " %u:%x:", message->uid, message->flags);
	for (unsigned i = 0; (name = ms_keyword(open_mailbox, i)) != NULL; i++)
		if (ms_keywords_have(&message->keywords, i))
			(void)buf_fmt(context, "%s,", name);
	return 0;
}

/* What clients see of a mailbox, and must see after. */
static char *
contents(const char *name)
{
	struct buf text = BUF_INIT(65536);
	const struct ms_mailbox_info *info;
	uint32_t *uids;
	size_t count;

	ck_assert_int_eq(ms_mailbox_open(store, name, &open_mailbox), 0);
	info = ms_mailbox_info(open_mailbox);
	(void)buf_fmt(&text, "%u %s %u %u %u %llu", info->uidvalidity, info->id, info->messages, info->unseen, info->deleted, (unsigned long long)info->size);
	ck_assert_int_eq(ms_messages(open_mailbox, 1, UINT32_MAX, describe, &text), 0);
	ck_assert_int_eq(ms_mailbox_uids(open_mailbox, &uids, &count), 0);
	for (size_t i = 0; i < count; i++)
		(void)buf_fmt(&text, " %u", uids[i]);
	free(uids);
	ms_mailbox_close(open_mailbox);
	return buf_take(&text);
}

static uint64_t
modseq_of(const char *name, uint32_t uid)
{
	struct ms_mailbox *mailbox;
	struct ms_message message;

	ck_assert_int_eq(ms_mailbox_open(store, name, &mailbox), 0);
	ck_assert_int_eq(ms_message_get(mailbox, uid, &message), 0);
	ms_mailbox_close(mailbox);
	return message.modseq;
}

/* --- damage --- */

struct record {
	enum ms_table table;
	uint8_t key[32];
	size_t key_len;
	uint8_t value[4096];
	size_t len;
};

static int
take_first(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct record *record = context;

	ck_assert(key_len <= sizeof(record->key) && len <= sizeof(record->value));
	memcpy(record->key, key, key_len);
	record->key_len = key_len;
	memcpy(record->value, value, len);
	record->len = len;
	return 1;
}

static int
read_record(struct bdb *bdb, void *context)
{
	struct record *record = context;
	int r = bdb_scan(bdb, NULL, record->table, record->key, record->key_len, record->key_len, take_first, record);

	return r == 1 ? 0 : -ENOENT;
}

static int
put_record(struct ms_txn *txn, void *context)
{
	const struct record *record = context;

	return ms_bdb(bdb_put(txn->bdb, txn->txn, record->table, record->key, record->key_len, record->value, record->len));
}

static int
remove_record(struct ms_txn *txn, void *context)
{
	const struct record *record = context;

	return ms_bdb(bdb_del(txn->bdb, txn->txn, record->table, record->key, record->key_len));
}

/* The first record whose key begins so. */
static struct record
find(enum ms_table table, const void *key, size_t key_len)
{
	static struct record record;

	record = (struct record){ .table = table, .key_len = key_len };
	memcpy(record.key, key, key_len);
	ck_assert_int_eq(ms_read(store, read_record, &record), 0);
	return record;
}

static struct record
find_message(enum ms_table table, uint32_t uid)
{
	uint8_t key[8];

	ms_key_u32(key, inbox);
	ms_key_u32(key + 4, uid);
	return find(table, key, sizeof(key));
}

static struct record
find_row(void)
{
	uint8_t key[8] = { 0 };

	ms_key_u32(key, inbox);
	return find(T_MESSAGE, key, sizeof(key));
}

static void
flip(struct record record)
{
	record.value[record.len / 2] ^= 0x10;
	ck_assert_int_eq(ms_run(store, put_record, &record), 0);
}

static void
take_away(struct record record)
{
	ck_assert_int_eq(ms_run(store, remove_record, &record), 0);
}

static struct record
find_mailbox(void)
{
	uint8_t key[4];

	ms_key_u32(key, inbox);
	return find(T_MAILBOX, key, sizeof(key));
}

static void damage_messages(void) { flip(find_row()); }
static void damage_mailbox(void) { flip(find_mailbox()); }
static struct record
find_map(unsigned plane)
{
	uint8_t key[9] = { 0 };

	ms_key_u32(key, inbox);
	key[4] = (uint8_t)plane;
	return find(T_UIDS, key, sizeof(key));
}

static void damage_uids(void) { flip(find_map(MS_UIDS_ALL)); }
/* Nothing tells any more which messages the record had. */
static void
damage_messages_and_uids(void)
{
	damage_messages();
	damage_uids();
}

static void
damage_messages_and_lose_uids(void)
{
	damage_messages();
	take_away(find_map(MS_UIDS_ALL));
}

/* Nor do email ids. */
static void
damage_messages_uids_and_places(void)
{
	damage_messages_and_uids();
	flip(find(T_EMAIL, "e", 1));
}

static void lose_messages(void) { take_away(find_row()); }

static void
put_stray(enum ms_table table)
{
	struct record record = { .table = table, .key = "stray", .key_len = 5, .value = "bytes", .len = 5 };

	ck_assert_int_eq(ms_run(store, put_record, &record), 0);
}

static void stray_message(void) { put_stray(T_MESSAGE); }
static void stray_mailbox(void) { put_stray(T_MAILBOX); }
static void stray_uids(void) { put_stray(T_UIDS); }
static void stray_gone(void) { put_stray(T_GONE); }
static void stray_cache(void) { put_stray(T_CACHE); }

static void
message_of_no_uid(void)
{
	struct record record = find_row();

	ms_key_u32(record.key + 4, UINT32_MAX);
	ck_assert_int_eq(ms_run(store, put_record, &record), 0);
}

static void lose_uids(void) { take_away(find_map(MS_UIDS_ALL)); }
static void damage_flags(void) { flip(find_map(MS_UIDS_FLAG(0))); }
static void lose_flags(void) { take_away(find_map(MS_UIDS_KEYWORD(1))); }

static void
dangling_flags(void)
{
	struct record record = find_map(MS_UIDS_FLAG(0));

	record.key[4] = MS_UIDS_FLAG(4);
	ck_assert_int_eq(ms_run(store, put_record, &record), 0);
}

static void
damage_modseq(void)
{
	struct record record = find(T_META, "modseq", 6);

	record.len = 3;
	ck_assert_int_eq(ms_run(store, put_record, &record), 0);
}

static void
lower_modseq(void)
{
	struct record record = find(T_META, "modseq", 6);

	record.value[2] = record.value[3] = 0;
	ck_assert_int_eq(ms_run(store, put_record, &record), 0);
}

static void
damage_gone(void)
{
	struct record record = find(T_GONE, "", 0);

	record.len = 5;
	ck_assert_int_eq(ms_run(store, put_record, &record), 0);
}
static void lose_cache(void) { take_away(find_message(T_CACHE, 2)); }

static void
damage_cache(void)
{
	struct record record = find_message(T_CACHE, 2);

	record.len -= 3;
	ck_assert_int_eq(ms_run(store, put_record, &record), 0);
}

static void
dangling_cache(void)
{
	struct record record = find_message(T_CACHE, 2);

	ms_key_u32(record.key + 4, 99);
	ck_assert_int_eq(ms_run(store, put_record, &record), 0);
}

static void
change_counters(void)
{
	struct record record = find_mailbox();
	struct ms_mailbox_record mailbox;
	struct buf bytes = BUF_INIT(MS_RECORD_MAX);

	ck_assert_int_eq(ms_mailbox_record_get(span_make((const char *)record.value, record.len), &mailbox), 0);
	mailbox.messages += 7;
	mailbox.unseen--;
	mailbox.size *= 3;
	ms_mailbox_record_put(&mailbox, &bytes);
	ms_mailbox_record_clear(&mailbox);
	memcpy(record.value, bytes.data, bytes.len);
	record.len = bytes.len;
	buf_free(&bytes);
	ck_assert_int_eq(ms_run(store, put_record, &record), 0);
}

static int
read_entry(struct bdb *bdb, void *context)
{
	struct ms_message_record *record = context;

	return ms_entry_load(bdb, NULL, inbox, record->message.uid, record);
}

static struct ms_message_record
message_of(uint32_t uid)
{
	struct ms_message_record ret = { .message = { .uid = uid } };

	ck_assert_int_eq(ms_read(store, read_entry, &ret), 0);
	return ret;
}

static int
put_entry(struct ms_txn *txn, void *context)
{
	return ms_entry_put(txn, inbox, context);
}

static void
put_message(struct ms_message_record message)
{
	ck_assert_int_eq(ms_run(store, put_entry, &message), 0);
}

static void
change_flags(void)
{
	struct ms_message_record message = message_of(4);

	message.message.flags = MS_ANSWERED | MS_DELETED | MS_DRAFT;
	put_message(message);
}

struct pair {
	const struct ms_set *set;
	uint64_t a, b;
};

static int
add_pair(struct ms_txn *txn, void *context)
{
	const struct pair *pair = context;

	return ms_set_add(txn, pair->set, pair->a, pair->b);
}

static int
remove_pair(struct ms_txn *txn, void *context)
{
	const struct pair *pair = context;

	return ms_set_remove(txn, pair->set, pair->a, pair->b);
}

static struct pair
change_of(uint32_t uid)
{
	return (struct pair){ &ms_set_changes, message_of(uid).message.modseq, MS_PLACE(inbox, uid) };
}

static void
lose_change(void)
{
	struct pair pair = change_of(2);

	ck_assert_int_eq(ms_run(store, remove_pair, &pair), 0);
}

static void
dangling_change(void)
{
	struct pair pair = change_of(2);

	pair.b += 75;
	ck_assert_int_eq(ms_run(store, add_pair, &pair), 0);
}

static void damage_changes(void) { flip(find(T_CHANGE, "c", 1)); }

static void
lose_place(void)
{
	struct pair pair = { &ms_set_places, message_of(2).message.email_id, MS_PLACE(inbox, 2) };

	ck_assert_int_eq(ms_run(store, remove_pair, &pair), 0);
}

static void
dangling_place(void)
{
	struct pair pair = { &ms_set_places, 12345, MS_PLACE(inbox, 2) };

	ck_assert_int_eq(ms_run(store, add_pair, &pair), 0);
}

static void damage_places(void) { flip(find(T_EMAIL, "e", 1)); }

static void
lose_thread(void)
{
	struct pair pair = { &ms_set_threads, message_of(2).message.thread_id, message_of(2).message.email_id };

	ck_assert_int_eq(ms_run(store, remove_pair, &pair), 0);
}

static void damage_threads(void) { flip(find(T_THREAD, "t", 1)); }

static void
damage_known(void)
{
	struct pair pair = { &ms_set_known, 77, 4711 };

	ck_assert_int_eq(ms_run(store, add_pair, &pair), 0);
	flip(find(T_THREAD, "m", 1));
}

static void
stray_thread(void)
{
	struct record record = { .table = T_THREAD, .key = "m123", .key_len = 4 };

	ck_assert_int_eq(ms_run(store, put_record, &record), 0);
}

static void
message_of_no_mailbox(void)
{
	struct record record = find_row();

	ms_key_u32(record.key, 1);
	ck_assert_int_eq(ms_run(store, put_record, &record), 0);
}

static void lose_folder_file(void) { shell_in(account, "Maildir", "rm fourpost-folder"); }
static void damage_folder_file(void) { shell_in(account, "Maildir", "echo rubbish >fourpost-folder"); }
static void rename_file(void) { shell_in(account, "Maildir", "for f in cur/*U=4.*; do mv $f $(echo $f | sed s/U=4[.]/U=2./); done"); }

/* --- what is found --- */

struct told {
	struct buf text;
	int count;
};

static void
tell(void *context, const struct ms_fault *fault)
{
	struct told *told = context;

	told->count++;
	ck_assert_str_ne(fault->mending, "");
	(void)buf_fmt(&told->text, "%s|%u|%.3s|%s\n", fault->mailbox != NULL ? fault->mailbox : "", fault->uid, fault->file != NULL ? fault->file : "", fault->what);
}

static const struct {
	void (*damage)(void);
	const char *fault;
	bool alone; /* takes away what others damage, or cannot be told from them */
} damages[] = {
	{ damage_messages, "INBOX|1||its record is damaged", true },
	{ damage_messages, "INBOX|4||its record is damaged", true },
	{ damage_messages_and_uids, "INBOX|1||its record is damaged", true },
	{ damage_messages_and_uids, "INBOX|0||the list of its messages' UIDs is damaged or wrong", true },
	{ damage_messages_and_lose_uids, "INBOX|4||its record is damaged", true },
	{ damage_messages_uids_and_places, "INBOX|2||its record is damaged", true },
	{ lose_messages, "INBOX|2||the mailbox's list of UIDs has it, but the index has no record of it", true },
	{ stray_message, "|0||the index has a record that belongs to nothing", false },
	{ message_of_no_uid, "|0||the index has a record that belongs to nothing", false },
	{ stray_mailbox, "|0||the index has a record that belongs to nothing", false },
	{ stray_uids, "|0||a list of UIDs or flags has some that no message has", false },
	{ stray_gone, "|0||the note of a message that was expunged makes no sense", false },
	{ stray_cache, "|0||an envelope is kept of it, but it is not there", false },
	{ damage_mailbox, "|0||the index's record of a mailbox is damaged", true },
	{ damage_uids, "INBOX|0||the list of its messages' UIDs is damaged or wrong", false },
	{ lose_uids, "INBOX|0||the list of its messages' UIDs is damaged or wrong", true },
	{ damage_flags, "INBOX|0||the list of its messages with a flag is damaged or wrong", false },
	{ lose_flags, "INBOX|0||the list of its messages with a flag is damaged or wrong", true },
	{ dangling_flags, "INBOX|0||a list of UIDs or flags has some that no message has", false },
	{ damage_modseq, "|0||a number that the index keeps for the whole account is damaged", false },
	{ lower_modseq, "|0||the number of the last change is below that of a message", false },
	{ damage_gone, "|0||the note of a message that was expunged makes no sense", false },
	{ damage_cache, "INBOX|2||its envelope and structure", false },
	{ lose_cache, "INBOX|2||its envelope and structure", true },
	{ dangling_cache, "INBOX|99||an envelope is kept of it, but it is not there", false },
	{ change_counters, "INBOX|0||the counts of its messages and of their sizes do not add up", false },
	{ change_flags, "INBOX|4|cur|its file's name tells other flags than the index", false },
	{ lose_change, "INBOX|2||its last change is not noted", true },
	{ dangling_change, "INBOX|77||a change is noted of it, but it is not there", false },
	{ lose_place, "INBOX|2||its email id does not lead to it", true },
	{ dangling_place, "INBOX|2||an email id leads to it, but it is not there", false },
	{ lose_thread, "INBOX|2||its thread does not have it", false },
	{ damage_changes, "|0||a list of changes is damaged", false },
	{ damage_places, "|0||a list of email ids is damaged", false },
	{ damage_threads, "|0||a list of threads is damaged", false },
	{ damage_known, "|0||a list of threads is damaged", false },
	{ stray_thread, "|0||a list of threads is damaged", false },
	{ message_of_no_mailbox, "|2||its mailbox is not in the index", false },
	{ lose_folder_file, "INBOX|0||the folder's file fourpost-folder is missing or damaged", false },
	{ damage_folder_file, "INBOX|0||the folder's file fourpost-folder is missing or damaged", false },
	{ rename_file, "INBOX|4|cur|its file's name tells another UID than the index", true },
};

static void
no_fault(void)
{
	struct told told = { .text = BUF_INIT(65536) };

	ck_assert_int_eq(ms_check(store, tell, &told), 0);
	ck_assert_msg(told.count == 0, "%s", buf_cstr(&told.text));
	buf_free(&told.text);
}

static void
is_told(const struct told *told, const char *fault)
{
	ck_assert_msg(span_find(buf_get(&told->text), span_of(fault)) >= 0, "wanted: %s\n%s", fault, buf_cstr(&told->text));
}

START_TEST(named_and_mended)
{
	struct told checked = { .text = BUF_INIT(65536) }, mended = { .text = BUF_INIT(65536) };
	char *inbox_before = contents("INBOX"), *sent_before = contents("Sent"), *inbox_after, *sent_after;
	uint64_t modseq = modseq_of("Sent", 1);

	no_fault();
	damages[_i].damage();
	ck_assert_int_eq(ms_check(store, tell, &checked), 0);
	is_told(&checked, damages[_i].fault);
	/* What stands in the way of a look is mended by it. Else it is left, and told again. */
	ck_assert_int_eq(ms_repair(store, tell, &mended), 0);
	if (mended.count != 0)
		is_told(&mended, damages[_i].fault);
	no_fault();
	open_store();
	inbox_after = contents("INBOX");
	sent_after = contents("Sent");
	ck_assert_str_eq(inbox_after, inbox_before);
	ck_assert_str_eq(sent_after, sent_before);
	/* Everything else is as it was. */
	ck_assert_uint_eq(modseq_of("Sent", 1), modseq);
	free(inbox_before);
	free(inbox_after);
	free(sent_before);
	free(sent_after);
	buf_free(&checked.text);
	buf_free(&mended.text);
}
END_TEST

/* What a daemon does: it opens, lists, reads, adds, and never asks for a repair. */
START_TEST(met_by_a_daemon)
{
	char *before = contents("INBOX"), *after, *envelope;
	struct told told = { .text = BUF_INIT(65536) };
	uint64_t modseq = modseq_of("Sent", 1);
	struct ms_mailbox *mailbox;
	uint32_t uid;
	size_t len;

	damages[_i].damage();
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	ck_assert_int_eq(ms_message_cached(mailbox, 2, MS_ENVELOPE, &envelope, &len), 0);
	ck_assert(len > 10);
	free(envelope);
	ms_mailbox_close(mailbox);
	after = contents("INBOX");
	/* A count or a flag that is wrong, or a record that is missing, is found by the next look at the folder. */
	if (damages[_i].damage != change_counters && damages[_i].damage != change_flags && damages[_i].damage != lose_messages)
		ck_assert_str_eq(after, before);
	free(after);
	/* Without a record of the next UID it is above all that were promised. */
	uid = add("INBOX", "six", 0, NULL);
	if (damages[_i].damage == damage_mailbox)
		ck_assert_uint_gt(uid, 4);
	else
		ck_assert_uint_eq(uid, 5);
	ck_assert_uint_eq(modseq_of("Sent", 1), modseq);
	ck_assert_int_eq(ms_repair(store, tell, &told), 0);
	no_fault();
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	ck_assert_int_eq(ms_expunge(mailbox, &uid, 1), 0);
	ms_mailbox_close(mailbox);
	after = contents("INBOX");
	ck_assert_str_eq(after, before);
	free(after);
	free(before);
	buf_free(&told.text);
}
END_TEST

/* Whoever asks for the message has it made again; its file is not taken for a new message when the folder is read. */
START_TEST(a_missing_record)
{
	char *before = contents("INBOX"), *after;
	struct ms_mailbox *mailbox;
	struct ms_message message;

	lose_messages();
	if (_i == 1)
		shell_in(account, "Maildir", "touch new cur");
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	ck_assert_int_eq(ms_message_get(mailbox, 2, &message), 0);
	ck_assert_int_eq(ms_message_get(mailbox, 3, &message), MS_E_NOTFOUND);
	ms_mailbox_close(mailbox);
	after = contents("INBOX");
	ck_assert_str_eq(after, before);
	no_fault();
	free(before);
	free(after);
}
END_TEST

START_TEST(a_file_that_was_cut)
{
	struct told told = { .text = BUF_INIT(65536) };
	struct ms_mailbox *mailbox;
	struct ms_message message;

	shell_in(account, "Maildir", "truncate -s 20 cur/*U=1.*");
	ck_assert_int_eq(ms_check(store, tell, &told), 0);
	is_told(&told, "INBOX|1|cur|its file has another size");
	ck_assert_int_eq(ms_repair(store, tell, &told), 0);
	no_fault();
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	ck_assert_int_eq(ms_message_get(mailbox, 1, &message), MS_E_NOTFOUND);
	/* Another UID: the last that was given. */
	ck_assert_uint_ge(ms_mailbox_info(mailbox)->uidnext, 6);
	ck_assert_int_eq(ms_message_get(mailbox, ms_mailbox_info(mailbox)->uidnext - 1, &message), 0);
	ck_assert_uint_eq(message.flags, MS_SEEN);
	ck_assert_uint_eq(message.keywords.first, 3);
	ck_assert_uint_eq(ms_mailbox_info(mailbox)->messages, 3);
	ms_mailbox_close(mailbox);
	buf_free(&told.text);
}
END_TEST

/* Two names tell the same UID: one of the files gets another. */
START_TEST(a_uid_twice)
{
	struct told told = { .text = BUF_INIT(65536) };
	struct ms_mailbox *mailbox;

	shell_in(account, "Maildir", "for f in cur/*U=1.*; do cp $f $(echo $f | sed 's/cur\\/[0-9]*/&1/'); done");
	ck_assert_int_eq(ms_repair(store, tell, &told), 0);
	is_told(&told, "INBOX|1|cur|another file's name tells this UID too");
	no_fault();
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	ck_assert_uint_eq(ms_mailbox_info(mailbox)->messages, 4);
	ms_mailbox_close(mailbox);
	shell_in(account, "Maildir", "test $(ls cur | grep -c U=1[.]) = 1");
	buf_free(&told.text);
}
END_TEST

START_TEST(a_record_whose_file_is_gone)
{
	struct told told = { .text = BUF_INIT(65536) };
	struct ms_mailbox *mailbox;
	struct ms_message message;

	damage_messages();
	shell_in(account, "Maildir", "rm cur/*U=1.*");
	ck_assert_int_eq(ms_repair(store, tell, &told), 0);
	is_told(&told, "INBOX|1||its record is damaged");
	no_fault();
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &mailbox), 0);
	ck_assert_int_eq(ms_message_get(mailbox, 1, &message), MS_E_NOTFOUND);
	ck_assert_uint_eq(ms_mailbox_info(mailbox)->messages, 2);
	ms_mailbox_close(mailbox);
	buf_free(&told.text);
}
END_TEST

START_TEST(everything_at_once)
{
	struct told told = { .text = BUF_INIT(65536) };
	char *before = contents("INBOX"), *after;

	for (size_t i = 0; i < sizeof(damages) / sizeof(*damages); i++)
		if (!damages[i].alone)
			damages[i].damage();
	damage_messages();
	damage_mailbox();
	ck_assert_int_eq(ms_repair(store, tell, &told), 0);
	no_fault();
	/* With neither its record nor its folder's file nothing knows INBOX any more: it is another one, with all its mail. */
	after = contents("INBOX");
	ck_assert_ptr_nonnull(strstr(after, " 1:1:"));
	free(after);
	free(before);
	buf_free(&told.text);
}
END_TEST

int
main(void)
{
	static const int count = sizeof(damages) / sizeof(*damages);
	TCase *tcase = tcase_create("mend");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, named_and_mended, 0, count);
	tcase_add_loop_test(tcase, met_by_a_daemon, 0, count);
	tcase_add_loop_test(tcase, a_missing_record, 0, 2);
	tcase_add_test(tcase, a_file_that_was_cut);
	tcase_add_test(tcase, a_uid_twice);
	tcase_add_test(tcase, a_record_whose_file_is_gone);
	tcase_add_test(tcase, everything_at_once);
	return run_case("mend", tcase, folder);
}
