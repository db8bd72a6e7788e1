/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* keep and fileinto where the mailbox cannot have all that the script wants. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "smtpd/deliver.h"
#include "tests/unit/libmailstore/store_tests.h"

#define MESSAGE "Subject: x\r\n\r\nbody\r\n"

static char folder[] = "/tmp/test_deliver_store.XXXXXX";
static char account[64];
static struct proc proc = { .account = account };
static struct deliver deliver = { .proc = &proc };
static char queue_id[] = "0000000000000001", recipient[] = "alice@example.test", sender[] = "bob@example.test";
static struct delivery delivery = { .queue_id = queue_id, .recipient = recipient, .sender = sender, .length = sizeof(MESSAGE) - 1 };

static void
setup(void)
{
	FILE *file = tmpfile();

	make_account(folder, account, sizeof(account));
	ck_assert_int_eq(ms_open(account, &deliver.store), 0);
	deliver.stored = stored_new(account);
	stored_lock(deliver.stored);
	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fputs(MESSAGE, file) < 0, 0);
	ck_assert_int_eq(fflush(file), 0);
	delivery.fd = dup(fileno(file));
	(void)fclose(file);
}

static void
teardown(void)
{
	ms_close(deliver.store);
	deliver.stored = stored_free(deliver.stored);
	(void)close(delivery.fd);
}

/* Puts a message with so many keywords, from that number on, into INBOX. */
static void
fill(unsigned from, unsigned count)
{
	static char words[64][16];
	const char *keywords[65] = { NULL };
	struct ms_append *append = ms_append_begin(deliver.store);
	uint32_t uid, uidvalidity;

	for (unsigned i = 0; i < count; i++) {
		(void)snprintf(words[i], sizeof(words[i]), "k%u", from + i);
		keywords[i] = words[i];
	}
	ck_assert_int_eq(ms_append_write(append, MESSAGE, sizeof(MESSAGE) - 1), 0);
	ck_assert_int_eq(ms_append_commit(append, "INBOX", 0, keywords, 0, &uid, &uidvalidity, NULL), 0);
}

static void
store(const struct sieve_action *actions, size_t count)
{
	struct sieve_result result;

	sieve_result_init(&result);
	memcpy(result.actions, actions, count * sizeof(*actions));
	result.count = count;
	ck_assert_int_eq(deliver_store(&deliver, &delivery, SPAN(MESSAGE), &result), 0);
	sieve_result_free(&result);
}

/* What the message of the last store has: how many keywords, and whether that one is among them. */
static unsigned
keywords(const char *wanted, bool *ret_there, uint32_t *ret_flags)
{
	struct ms_mailbox *mailbox;
	struct ms_message message;
	unsigned count = 0;

	*ret_there = false;
	ck_assert_int_eq(ms_mailbox_open(deliver.store, "INBOX", &mailbox), 0);
	ck_assert_int_eq(ms_message_get(mailbox, delivery.uid, &message), 0);
	for (unsigned n = ms_keywords_next(&message.keywords, 0); n != MS_KEYWORD_NONE; n = ms_keywords_next(&message.keywords, n + 1)) {
		count++;
		*ret_there |= strcmp(ms_keyword(mailbox, n), wanted) == 0;
	}
	*ret_flags = message.flags;
	ms_mailbox_close(mailbox);
	return count;
}

START_TEST(flags_that_the_mailbox_has_no_room_for_are_left_out)
{
	const struct span flags[] = { SPAN("$New"), SPAN("\\Flagged"), SPAN("k2000") };
	const struct sieve_action keep = { .kind = SIEVE_KEEP, .list = flags, .list_count = 3 };
	uint32_t bits;
	bool there;

	for (unsigned n = 0; n < 2048; n += 64)
		fill(n, 64);
	store(&keep, 1);
	ck_assert_uint_eq(keywords("k2000", &there, &bits), 1);
	ck_assert(there);
	ck_assert_uint_eq(bits, MS_FLAGGED);
}
END_TEST

START_TEST(flags_that_the_message_has_no_room_for_are_left_out)
{
	static char words[SIEVE_FLAGS_MAX][16];
	struct span flags[SIEVE_FLAGS_MAX];
	const struct sieve_action keep = { .kind = SIEVE_KEEP, .list = flags, .list_count = SIEVE_FLAGS_MAX };
	uint32_t bits;
	bool there;

	fill(0, 64);
	for (unsigned i = 0; i < SIEVE_FLAGS_MAX; i++) {
		(void)snprintf(words[i], sizeof(words[i]), "w%u", i);
		flags[i] = span_of(words[i]);
	}
	store(&keep, 1);
	ck_assert_uint_eq(keywords("w0", &there, &bits), MS_KEYWORDS_MORE_MAX);
	ck_assert(there);
}
END_TEST

START_TEST(inbox_is_one_mailbox_in_any_letters)
{
	const struct sieve_action actions[] = { { .kind = SIEVE_FILEINTO, .text = SPAN("Inbox") }, { .kind = SIEVE_KEEP }, { .kind = SIEVE_FILEINTO, .text = SPAN("inbox") } };
	const struct sieve_action again = { .kind = SIEVE_FILEINTO, .text = SPAN("INbox") };
	struct ms_mailbox_info info;

	store(actions, 3);
	/* The queue gives it once more. */
	store(&again, 1);
	ck_assert_int_eq(ms_mailbox_status(deliver.store, "INBOX", &info), 0);
	ck_assert_uint_eq(info.messages, 1);
	ms_mailbox_info_clear(&info);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("all");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, flags_that_the_mailbox_has_no_room_for_are_left_out);
	tcase_add_test(tests, flags_that_the_message_has_no_room_for_are_left_out);
	tcase_add_test(tests, inbox_is_one_mailbox_in_any_letters);
	return run_case("deliver_store", tests, folder);
}
