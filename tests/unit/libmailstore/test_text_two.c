/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Two processes that work on the text index at once, each with other messages gathered: no search misses any. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "libmailstore/ms_postings.h"
#include "libmailstore/ms_text_index.h"
#include "tests/unit/libmailstore/store_tests.h"

/* Documents until a block is full, as far as these tests are concerned; messages; steps in which so many are looked at (ms_text_work.c). */
#define ROOM 200
#define MESSAGES 500
#define STEPS(count) (((count) + 63) / 64)
#define X 70 /* of what is gathered, this one is flagged before the other gathers */

static char folder[] = "/tmp/test_text_two.XXXXXX";
static char account[64];
static struct ms_store *a, *b;
static struct ms_mailbox *inbox;

/* Messages that share one modification sequence, as when all are marked read. */
static void
fill(void)
{
	struct ms_message first, last;
	uint32_t uids[MESSAGES];

	make_account(folder, account, sizeof(account));
	ck_assert_int_eq(ms_open(account, &a), 0);
	for (unsigned i = 1; i <= MESSAGES; i++) {
		char *path = xasprintf("%s/Maildir/new/%u.M%uP1Q1.h", account, 1000000000 + i, i);
		FILE *file = fopen(path, "wx");

		ck_assert_ptr_nonnull(file);
		(void)fprintf(file, "Message-ID: <%u@x>\n\nword%uword\n", i, i);
		for (unsigned k = 0; k < 300; k++) /* more than is written in one step */
			(void)fputc('a' + rand() % 26, file);
		ck_assert_int_eq(fclose(file), 0);
		free(path);
		uids[i - 1] = i;
	}
	ck_assert_int_eq(ms_mailbox_open(a, "INBOX", &inbox), 0);
	ck_assert_uint_eq(ms_mailbox_info(inbox)->messages, MESSAGES);
	/* A folder that has just changed is read again, and its names follow some at a time. */
	(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ .tv_nsec = 2 * MS_FRESH_NANOSECONDS }, NULL);
	ck_assert_int_eq(ms_mailbox_sync(inbox), 0);
	ck_assert_int_eq(ms_store_flags(inbox, uids, MESSAGES, MS_FLAGS_ADD, MS_SEEN, NULL, 0, NULL, NULL), 0);
	ck_assert_int_eq(ms_follow_all(a, inbox->number), 0);
	ck_assert_int_eq(ms_message_get(inbox, 1, &first), 0);
	ck_assert_int_eq(ms_message_get(inbox, MESSAGES, &last), 0);
	ck_assert_uint_eq(first.modseq, last.modseq);
	ck_assert_int_eq(ms_open(account, &b), 0);
	a->text_least = b->text_least = 0;
}

static void
step(struct ms_store *store, unsigned count)
{
	bool more;

	while (count-- > 0)
		ck_assert_int_eq(ms_index_text(store, &more), 0);
}

static int
read_state(struct bdb *bdb, void *context)
{
	return ms_text_state(bdb, NULL, context);
}

static struct ms_text_state
state(void)
{
	struct ms_text_state state;

	ck_assert_int_eq(ms_read(a, read_state, &state), 0);
	return state;
}

static int
put_documents(struct ms_txn *txn, void *context)
{
	return ms_bdb(ms_meta_put(txn, MS_TEXT_DOCUMENTS, *(uint64_t *)context));
}

/* So many more, and a block is full: as if there had been thousands. */
static void
leave_room(uint64_t room, uint64_t blocks)
{
	uint64_t documents = blocks * MS_POSTINGS_EACH - room;

	ck_assert_int_eq(ms_run(a, put_documents, &documents), 0);
}

/* The index is there, and empty. */
static void
begin(void)
{
	do
		step(a, 1);
	while (!state().usable);
	ck_assert_uint_eq(state().documents, 0);
}

static void
flag(uint32_t uid)
{
	ck_assert_int_eq(ms_store_flags(inbox, &uid, 1, MS_FLAGS_ADD, MS_FLAGGED, NULL, 0, NULL, NULL), 0);
}

static int
count_hit(void *context, const struct ms_message *message)
{
	(void)message;
	++*(unsigned *)context;
	return 0;
}

static void
find(uint32_t uid)
{
	char text[32];
	struct ms_search_key key = { .kind = MS_SEARCH_TEXT, .where = MS_IN_BODY, .text = text, .text_len = (size_t)snprintf(text, sizeof(text), "word%uword", (unsigned)uid) };
	struct ms_search *search = ms_search_new(&key);
	unsigned hits = 0;
	bool done = false;

	ck_assert_int_eq(ms_search_begin(search, inbox), 0);
	while (!done)
		ck_assert_int_eq(ms_search_step(search, count_hit, &hits, &done), 0);
	ck_assert_msg(hits == 1, "%s is found %u times", text, hits);
	ms_search_free(search);
}

static void
finish(void)
{
	bool more = true;

	while (more)
		ck_assert_int_eq(ms_index_text(a, &more), 0);
	for (uint32_t uid = 1; uid <= MESSAGES; uid++)
		find(uid);
	ms_mailbox_close(inbox);
	ms_close(b);
	ms_close(a);
}

/* The modification sequence up to which all is known stays where it is. */
START_TEST(within_one_sequence)
{
	fill();
	begin();
	leave_room(ROOM, 1);
	while (state().documents != MS_POSTINGS_EACH)
		step(a, 1);
	leave_room(ROOM, 2);
	/* Those that are known come by again. */
	step(b, STEPS(2 * ROOM));
	flag(ROOM + X);
	step(a, STEPS(2 * ROOM));
	ck_assert_uint_eq(state().documents, 2 * MS_POSTINGS_EACH - ROOM);
	while (state().documents != 2 * MS_POSTINGS_EACH)
		step(b, 1);
	finish();
}
END_TEST

/* In a block that nobody has written yet. */
START_TEST(one_after_the_other)
{
	fill();
	begin();
	step(b, STEPS(MESSAGES) + 1);
	flag(X);
	step(a, STEPS(MESSAGES) + 1);
	step(b, 1);
	ck_assert_uint_eq(state().documents, 0);
	step(a, 1);
	ck_assert_uint_eq(state().documents, 0);
	while (state().documents == 0)
		step(b, 1);
	finish();
}
END_TEST

/* Half written when all is thrown away and begun again: the other half is none. */
START_TEST(cleared_meanwhile)
{
	fill();
	begin();
	step(a, STEPS(MESSAGES) + 2);
	ck_assert_uint_eq(state().documents, 0);
	ck_assert_int_eq(ms_run(b, ms_text_discard, NULL), 0);
	ck_assert(!state().usable);
	do
		step(b, 1);
	while (!state().usable);
	ck_assert_uint_eq(state().documents, 0);
	finish();
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("text_two");

	tcase_set_timeout(tests, 300);
	tcase_add_test(tests, within_one_sequence);
	tcase_add_test(tests, one_after_the_other);
	tcase_add_test(tests, cleared_meanwhile);
	return run_case("text_two", tests, folder);
}
