/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The texts that are kept of many messages: packed together as they come and go, each is told of its own message alone. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libmailstore/ms_texts.h"
#include "tests/unit/libmailstore/store_tests.h"

#define COUNT 300u

static char folder[] = "/tmp/test_texts.XXXXXX";
static char account[64];
static struct ms_store *store;
static struct ms_mailbox *inbox;

static void
add(const char *mailbox, unsigned n)
{
	struct ms_append *append;
	uint32_t uid, uidvalidity;
	struct buf text = BUF_INIT(65536);

	(void)buf_fmt(&text, "From: Someone %u <s%u@b.test>\nSubject: number %u;\n", n % 20, n % 20, n);
	/* One that stands alone. */
	(void)buf_fmt(&text, "To: ");
	for (unsigned i = 0; i < (n == 150 ? 500 : 3); i++)
		(void)buf_fmt(&text, "%sp%u.%08x@c.test", i != 0 ? ",\n " : "", i, (n * 2654435761u) ^ (i * 40503u));
	(void)buf_fmt(&text, "\nMessage-ID: <%u.%08x@b.test>\n\nbody\n", n, n * 2246822519u);
	append = ms_append_begin(store);
	ck_assert_int_eq(ms_append_write(append, text.data, text.len), 0);
	ck_assert_int_eq(ms_append_commit(append, mailbox, 0, NULL, 1000000000, &uid, &uidvalidity, NULL), 0);
	buf_free(&text);
}

static void
setup(void)
{
	make_account(folder, account, sizeof(account));
	ck_assert_int_eq(ms_open(account, &store), 0);
	for (unsigned n = 1; n <= COUNT; n++)
		add("INBOX", n);
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &inbox), 0);
}

static void
teardown(void)
{
	ms_mailbox_close(inbox);
	ms_close(store);
}

struct count {
	uint32_t number;
	size_t records, bytes;
	uint32_t together, last; /* the most in a record; under that UID */
};

static int
count_record(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct count *count = context;
	struct ms_cache_head head;

	ck_assert_uint_eq(key_len, 8);
	ck_assert_int_eq(ms_cache_head(span_make((const char *)value, len), ms_key_get_u32(key + 4), &head), 0);
	count->records++;
	count->bytes += len;
	if (head.count > count->together) {
		count->together = head.count;
		count->last = ms_key_get_u32(key + 4);
	}
	return 0;
}

static int
count_all(struct bdb *bdb, void *context)
{
	uint8_t key[4];

	ms_key_u32(key, ((struct count *)context)->number);
	return ms_bdb(bdb_scan(bdb, NULL, T_CACHE, key, sizeof(key), sizeof(key), count_record, context));
}

static struct count
records_of(const struct ms_mailbox *mailbox)
{
	struct count count = { .number = mailbox->number };

	ck_assert_int_eq(ms_read(store, count_all, &count), 0);
	return count;
}

/* The number in the subject is that of the message. */
struct walk {
	uint32_t uids[COUNT], offset;
	size_t count;
};

static void
is_of(const char *envelope, size_t len, uint32_t number)
{
	char wanted[32];

	(void)snprintf(wanted, sizeof(wanted), "\"number %u;\"", number);
	ck_assert_msg(span_find(span_make(envelope, len), span_of(wanted)) >= 0, "%s: %.*s", wanted, (int)len, envelope);
}

static int
look(void *context, uint32_t uid, const struct ms_text texts[MS_CACHED_COUNT])
{
	struct walk *walk = context;

	is_of(texts[MS_ENVELOPE].ptr, texts[MS_ENVELOPE].len, uid + walk->offset);
	ck_assert(texts[MS_BODYSTRUCTURE].len > 10 && texts[MS_PREVIEW].ptr == NULL);
	walk->uids[walk->count++] = uid;
	return 0;
}

static struct walk
walk_of(struct ms_mailbox *mailbox, uint32_t first, uint32_t last, uint32_t offset)
{
	struct walk walk = { .offset = offset };

	ck_assert_int_eq(ms_messages_cached(mailbox, first, last, look, &walk), 0);
	return walk;
}

static void
is_told(uint32_t uid)
{
	char *envelope;
	size_t len;

	ck_assert_int_eq(ms_message_cached(inbox, uid, MS_ENVELOPE, &envelope, &len), 0);
	is_of(envelope, len, uid);
	free(envelope);
}

static void
tell(void *context, const struct ms_fault *fault)
{
	(void)context;
	ck_abort_msg("%s|%u|%s", fault->mailbox != NULL ? fault->mailbox : "", fault->uid, fault->what);
}

static int
damage_together(struct ms_txn *txn, void *context)
{
	struct count *count = context;
	uint8_t key[8];
	void *record;
	size_t len;

	ms_key_u32(key, count->number);
	ms_key_u32(key + 4, count->last);
	ck_assert_int_eq(bdb_get(txn->bdb, txn->txn, T_CACHE, key, sizeof(key), &record, &len), 0);
	((uint8_t *)record)[12] ^= 0x40;
	ck_assert_int_eq(bdb_put(txn->bdb, txn->txn, T_CACHE, key, sizeof(key), record, len), 0);
	free(record);
	return 0;
}

static void
count_fault(void *context, const struct ms_fault *fault)
{
	struct count *count = context;

	ck_assert(fault->uid <= count->last && fault->uid > count->last - count->together);
	ck_assert(span_find(span_of(fault->what), SPAN("missing or damaged")) >= 0);
	count->records++;
}

static void
expunge(uint32_t first, uint32_t last, uint32_t step)
{
	uint32_t uids[COUNT];
	size_t count = 0;

	for (uint32_t uid = first; uid <= last; uid += step)
		uids[count++] = uid;
	ck_assert_int_eq(ms_expunge(inbox, uids, count), 0);
}

START_TEST(packed_as_they_come)
{
	struct count count = records_of(inbox);
	struct walk walk = walk_of(inbox, 1, UINT32_MAX, 0);

	ck_assert_uint_gt(count.together, 10);
	ck_assert_uint_lt(count.records, COUNT / 2);
	ck_assert_uint_eq(walk.count, COUNT);
	for (uint32_t uid = 1; uid <= COUNT; uid++)
		ck_assert_uint_eq(walk.uids[uid - 1], uid);
	for (uint32_t uid = COUNT; uid > 7; uid -= 7)
		is_told(uid);
	/* What is asked for may begin and end within a record. */
	walk = walk_of(inbox, 5, 5, 0);
	ck_assert(walk.count == 1 && walk.uids[0] == 5);
	walk = walk_of(inbox, 17, 160, 0);
	ck_assert(walk.count == 144 && walk.uids[0] == 17 && walk.uids[143] == 160);
	ck_assert_int_eq(ms_check(store, tell, NULL), 0);
}
END_TEST

/* The same, all at once. */
START_TEST(packed_when_made_anew)
{
	struct count count;

	ck_assert_int_eq(ms_rebuild(store), 0);
	count = records_of(inbox);
	ck_assert_uint_gt(count.together, 10);
	ck_assert_uint_lt(count.records, COUNT / 3);
	ck_assert_uint_eq(walk_of(inbox, 1, UINT32_MAX, 0).count, COUNT);
	ck_assert_int_eq(ms_check(store, tell, NULL), 0);
}
END_TEST

START_TEST(some_leave)
{
	size_t before = records_of(inbox).bytes;
	struct walk walk;

	expunge(1, COUNT, 3);
	walk = walk_of(inbox, 1, UINT32_MAX, 0);
	ck_assert_uint_eq(walk.count, COUNT - COUNT / 3);
	for (size_t i = 0; i < walk.count; i++)
		ck_assert_uint_ne(walk.uids[i] % 3, 1);
	ck_assert_int_eq(ms_check(store, tell, NULL), 0);
	expunge(2, COUNT, 3);
	walk = walk_of(inbox, 1, UINT32_MAX, 0);
	ck_assert_uint_eq(walk.count, COUNT / 3);
	is_told(99);
	ck_assert_uint_lt(records_of(inbox).bytes, before * 3 / 4);
	ck_assert_int_eq(ms_check(store, tell, NULL), 0);
	expunge(3, COUNT, 3);
	ck_assert_uint_eq(records_of(inbox).records, 0);
	ck_assert_int_eq(ms_check(store, tell, NULL), 0);
}
END_TEST

/* Into another mailbox, and out of it. */
START_TEST(copied_and_moved)
{
	uint32_t uids[100], new_uids[100], uidvalidity;
	struct ms_mailbox *sent;

	for (unsigned i = 0; i < 100; i++)
		uids[i] = 101 + i;
	ck_assert_int_eq(ms_copy(inbox, uids, 100, "Sent", false, new_uids, &uidvalidity), 0);
	ck_assert_int_eq(ms_copy(inbox, uids, 100, "Sent", true, new_uids, &uidvalidity), 0);
	ck_assert_int_eq(ms_mailbox_open(store, "Sent", &sent), 0);
	ck_assert_uint_gt(records_of(sent).together, 10);
	ck_assert_uint_eq(walk_of(sent, 1, 100, 100).count, 100);
	ck_assert_uint_eq(walk_of(sent, 101, 200, 0).count, 100);
	ck_assert_uint_eq(walk_of(inbox, 1, UINT32_MAX, 0).count, COUNT - 100);
	ck_assert_int_eq(ms_check(store, tell, NULL), 0);
	ms_mailbox_close(sent);
}
END_TEST

/* All of a record's are made again. */
START_TEST(damaged_together)
{
	struct count count = records_of(inbox), faults = count;

	ck_assert_int_eq(ms_run(store, damage_together, &count), 0);
	is_told(count.last);
	is_told(count.last - 3);
	ck_assert_uint_lt(walk_of(inbox, 1, UINT32_MAX, 0).count, COUNT);
	faults.records = 0;
	ck_assert_int_eq(ms_check(store, count_fault, &faults), 0);
	ck_assert_uint_eq(faults.records, count.together);
	ck_assert_int_eq(ms_repair(store, count_fault, &faults), 0);
	ck_assert_uint_eq(walk_of(inbox, 1, UINT32_MAX, 0).count, COUNT);
	ck_assert_int_eq(ms_check(store, tell, NULL), 0);
}
END_TEST

/* Whatever order the UIDs come in: a file that was renamed while its folder was read is taken in later than the others. */
struct batch {
	uint32_t number, uids[COUNT];
	size_t count;
};

static int
forget_all(struct ms_txn *txn, void *context)
{
	const struct batch *batch = context;
	uint8_t key[8];

	ms_key_u32(key, batch->number);
	for (uint32_t uid = 1; uid <= COUNT; uid++) {
		int r;

		ms_key_u32(key + 4, uid);
		r = bdb_del(txn->bdb, txn->txn, T_CACHE, key, sizeof(key));
		ck_assert(r == 0 || r == BDB_NONE);
	}
	return 0;
}

static int
put_batch(struct ms_txn *txn, void *context)
{
	const struct batch *batch = context;
	int r = 0;

	for (size_t i = 0; r == 0 && i < batch->count; i++) {
		struct buf texts = BUF_INIT(4096), text = BUF_INIT(1024);

		(void)buf_fmt(&text, "\"number %u;\" %0*u", batch->uids[i], (int)(batch->uids[i] * 7919 % 400), batch->uids[i] * 2654435761u);
		ms_cache_add(&texts, &text);
		ms_cache_add(&texts, &text);
		ms_cache_add(&texts, NULL);
		r = ms_texts_put(txn, batch->number, batch->uids[i], buf_get(&texts));
		buf_free(&texts);
		buf_free(&text);
	}
	return r;
}

static int
compare_uids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void
put_shuffled(unsigned *seed, size_t swaps, size_t batch_max)
{
	struct batch batch = { .number = inbox->number };
	uint32_t order[COUNT];

	ck_assert_int_eq(ms_run(store, forget_all, &batch), 0);
	for (uint32_t i = 0; i < COUNT; i++)
		order[i] = i + 1;
	for (size_t i = 0; i < swaps; i++) {
		size_t a = (size_t)rand_r(seed) % COUNT, b = (size_t)rand_r(seed) % COUNT;
		uint32_t kept = order[a];

		order[a] = order[b];
		order[b] = kept;
	}
	for (size_t at = 0; at < COUNT; at += batch.count) {
		batch.count = 1 + (size_t)rand_r(seed) % batch_max;
		if (batch.count > COUNT - at)
			batch.count = COUNT - at;
		memcpy(batch.uids, order + at, batch.count * sizeof(*order));
		if (rand_r(seed) % 8 != 0) /* each look at a folder takes them in in order */
			qsort(batch.uids, batch.count, sizeof(*batch.uids), compare_uids);
		ck_assert_int_eq(ms_run(store, put_batch, &batch), 0);
	}
}

START_TEST(in_any_order)
{
	static const size_t swaps[] = { 0, 1, 3, 10, 1000 }, batches[] = { 1, 2, 20, 100 };
	unsigned seed = (unsigned)_i + 1;
	struct walk walk;

	put_shuffled(&seed, swaps[(unsigned)_i % 5], batches[(unsigned)_i % 4]);
	for (uint32_t uid = 1; uid <= COUNT; uid++)
		is_told(uid);
	walk = walk_of(inbox, 1, UINT32_MAX, 0);
	ck_assert_uint_eq(walk.count, COUNT);
	for (uint32_t uid = 1; uid <= COUNT; uid++)
		ck_assert_uint_eq(walk.uids[uid - 1], uid);
	ck_assert_int_eq(ms_check(store, tell, NULL), 0);
	/* Nothing hides behind another: each that leaves is seen to leave. */
	expunge(1, COUNT, 1);
	ck_assert_uint_eq(records_of(inbox).records, 0);
}
END_TEST

int
main(void)
{
	TCase *tcase = tcase_create("texts");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, packed_as_they_come);
	tcase_add_test(tcase, packed_when_made_anew);
	tcase_add_test(tcase, some_leave);
	tcase_add_test(tcase, copied_and_moved);
	tcase_add_test(tcase, damaged_together);
	tcase_add_loop_test(tcase, in_any_order, 0, 40);
	return run_case("texts", tcase, folder);
}
