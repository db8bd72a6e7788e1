/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* keep and fileinto where the mailbox cannot have all that the script wants. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "smtpd/deliver.h"
#include "tests/unit/libmailstore/store_tests.h"

#define NOBODY 65534
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
	/* Root may write everything, so it is somebody else's account then. */
	if (geteuid() == 0) {
		ck_assert_int_eq(chmod(folder, 0711), 0);
		ck_assert_int_eq(chown(account, NOBODY, NOBODY), 0);
		ck_assert_int_eq(setegid(NOBODY), 0);
		ck_assert_int_eq(seteuid(NOBODY), 0);
	}
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
	/* A sanitizer that looks for leaks at the end traces the process. */
	if (getuid() == 0) {
		ck_assert_int_eq(seteuid(0), 0);
		ck_assert_int_eq(setegid(0), 0);
		ck_assert_int_eq(prctl(PR_SET_DUMPABLE, 1), 0);
	}
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

static unsigned
messages_in(const char *mailbox)
{
	struct ms_mailbox_info info;
	unsigned count;

	ck_assert_int_eq(ms_mailbox_status(deliver.store, mailbox, &info), 0);
	count = info.messages;
	ms_mailbox_info_clear(&info);
	return count;
}

static const char *const shuts[][2] = {
	{ "chmod 0 .Archive", "chmod 700 .Archive" },
	{ "chmod 0 .Archive/new", "chmod 700 .Archive/new" },
	{ "chmod 500 .Archive/new", "chmod 700 .Archive/new" },
	{ "mv .Archive/new aside && touch .Archive/new", "rm .Archive/new && mv aside .Archive/new" },
	{ "mv .Archive/new aside && ln -s nowhere .Archive/new", "rm .Archive/new && mv aside .Archive/new" },
	{ "mv .Archive aside && ln -s nowhere .Archive", "rm .Archive && mv aside .Archive" },
	{ "mv .Archive aside && touch .Archive", "rm .Archive && mv aside .Archive" },
};

/* Once in INBOX, however often the script wants it there, and the other mailboxes have it too. */
START_TEST(a_mailbox_that_is_shut_is_inbox)
{
	const struct span flagged[] = { SPAN("\\Flagged") };
	const struct sieve_action actions[] = {
		{ .kind = SIEVE_FILEINTO, .text = SPAN("Archive"), .create = _i % 2 != 0, .list = flagged, .list_count = _i < 2 ? 1 : 0 },
		{ .kind = SIEVE_FILEINTO, .text = SPAN("Sent") }, { .kind = SIEVE_KEEP },
	};
	uint32_t bits;
	bool there;

	shell_in(account, "Maildir", shuts[_i / 2][0]);
	store(actions, 1);
	ck_assert_uint_eq(messages_in("INBOX"), 1);
	(void)keywords("", &there, &bits);
	ck_assert_uint_eq(bits, _i < 2 ? MS_FLAGGED : 0);
	/* The queue gives it once more. */
	store(actions, 1);
	ck_assert_uint_eq(messages_in("INBOX"), 1);
	queue_id[sizeof(queue_id) - 2] = '2';
	store(actions, 3);
	ck_assert_uint_eq(messages_in("INBOX"), 2);
	ck_assert_uint_eq(messages_in("Sent"), 1);
	shell_in(account, "Maildir", shuts[_i / 2][1]);
	queue_id[sizeof(queue_id) - 2] = '3';
	store(actions, 1);
	ck_assert_uint_eq(messages_in("INBOX"), 2);
	ck_assert_uint_eq(messages_in("Archive"), 1);
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
	tcase_add_loop_test(tests, a_mailbox_that_is_shut_is_inbox, 0, 2 * (int)(sizeof(shuts) / sizeof(*shuts)));
	return run_case("deliver_store", tests, folder);
}
