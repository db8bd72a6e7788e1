/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What a delivery knows of those before it, also in another process, and what it must not take for one. */
#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "smtpd/deliver.h"
#include "tests/unit/libmailstore/store_tests.h"

static char folder[] = "/tmp/test_stored.XXXXXX";
static char account[64];
static struct proc proc = { .account = account };
static struct deliver deliver = { .proc = &proc };
static char queue_id[32], recipient[] = "alice@example.test";
static struct delivery delivery = { .queue_id = queue_id, .recipient = recipient, .fd = -1 };

static void
setup(void)
{
	make_account(folder, account, sizeof(account));
	ck_assert_int_eq(ms_open(account, &deliver.store), 0);
	deliver.stored = stored_new(account);
	stored_lock(deliver.stored);
}

static void
teardown(void)
{
	ms_close(deliver.store);
	deliver.stored = stored_free(deliver.stored);
}

static void
is_called(unsigned id)
{
	(void)snprintf(queue_id, sizeof(queue_id), "%016X", id);
}

/* As another process does. */
static void
read_anew(void)
{
	deliver.stored = stored_free(deliver.stored);
	deliver.stored = stored_new(account);
	stored_lock(deliver.stored);
}

/* Noted; stored, where that is said. */
static void
take(unsigned id, bool stored)
{
	struct ms_append *append;
	struct stored_key key;
	uint32_t uid;

	is_called(id);
	append = ms_append_begin(deliver.store);
	ck_assert_int_eq(ms_append_write(append, "Subject: x\r\n\r\n", 14), 0);
	key = stored_key(&deliver, &delivery, "INBOX");
	stored_note(&deliver, &key, append);
	if (stored)
		ck_assert_int_eq(ms_append_commit_all(&append, 1, "INBOX", &uid), 0);
	else
		ms_append_abort(append);
}

static bool
knows_in(unsigned id, const char *mailbox)
{
	struct stored_key key;

	is_called(id);
	key = stored_key(&deliver, &delivery, mailbox);
	return stored_before(&deliver, &delivery, &key);
}

static bool
knows(unsigned id)
{
	return knows_in(id, "INBOX");
}

START_TEST(known)
{
	struct ms_mailbox *mailbox;

	ck_assert(!knows(1));
	take(1, true);
	take(2, false);
	ck_assert(knows(1));
	ck_assert(!knows(2));
	ck_assert(!knows(3));
	read_anew();
	ck_assert(knows(1));
	ck_assert(!knows(2));
	ck_assert(!knows_in(1, "Archive"));
	ck_assert_int_eq(ms_mailbox_open(deliver.store, "INBOX", &mailbox), 0);
	ck_assert_int_eq(ms_expunge(mailbox, (uint32_t[]){ 1 }, 1), 0);
	ms_mailbox_close(mailbox);
	ck_assert(!knows(1));
}
END_TEST

/* The clock was set back, and another message has the same id. */
START_TEST(another_begins_otherwise)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/message", account);
	delivery.fd = open(path, O_RDWR | O_CREAT, 0600);
	ck_assert_int_eq(write(delivery.fd, "Received: one\r\n", 15), 15);
	delivery.length = 15;
	take(1, true);
	ck_assert(knows(1));
	ck_assert_int_eq(pwrite(delivery.fd, "two", 3, 10), 3);
	ck_assert(!knows(1));
	(void)close(delivery.fd);
	delivery = (struct delivery){ .queue_id = queue_id, .recipient = recipient, .fd = -1 };
}
END_TEST

START_TEST(only_the_last)
{
	for (unsigned id = 1; id <= 1026; id++)
		take(id, id <= 4 || id > 1024);
	for (unsigned again = 0; again < 2; again++) {
		ck_assert(!knows(1));
		ck_assert(!knows(2));
		ck_assert(knows(3));
		ck_assert(knows(1026));
		read_anew();
	}
	take(1027, true);
	ck_assert(!knows(3));
	ck_assert(knows(4));
}
END_TEST

/* Cut, and not a file: nothing is known, and nothing is in the way. */
START_TEST(damaged)
{
	static const char *const commands[] = { "truncate -s 40 delivered", "head -c 4096 /dev/urandom >delivered", "rm delivered && mkdir delivered", "rm delivered && ln -s x delivered" };
	take(1, true);
	take(2, true);
	shell_in(account, ".", commands[_i]);
	read_anew();
	ck_assert(!knows(2));
	take(3, true);
	ck_assert(knows(3));
}
END_TEST

/* One process at a time: what the first is still storing, the next one knows. Who has nothing to store keeps nobody waiting. */
START_TEST(one_waits_for_the_other)
{
	struct pollfd begun = { .events = POLLIN };
	int ends[2], status;
	pid_t other;

	ck_assert_int_eq(pipe(ends), 0);
	begun.fd = ends[0];
	other = fork();
	if (other == 0) {
		/* The descriptor that it has of its parent would keep the lock. */
		(void)stored_free(deliver.stored);
		deliver.stored = stored_new(account);
		stored_lock(deliver.stored);
		_exit(write(ends[1], knows(7) ? "y" : "n", 1) == 1 ? 0 : 1);
	}
	ck_assert_int_eq(poll(&begun, 1, 200), 0);
	take(7, true);
	stored_unlock(deliver.stored);
	ck_assert_int_eq(waitpid(other, &status, 0), other);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(read(ends[0], queue_id, 1), 1);
	ck_assert_int_eq(queue_id[0], 'y');
	stored_lock(deliver.stored);
	(void)close(ends[0]);
	(void)close(ends[1]);
}
END_TEST

int
main(void)
{
	TCase *tcase = tcase_create("stored");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, known);
	tcase_add_test(tcase, another_begins_otherwise);
	tcase_add_test(tcase, only_the_last);
	tcase_add_test(tcase, one_waits_for_the_other);
	tcase_add_loop_test(tcase, damaged, 0, 4);
	return run_case("stored", tcase, folder);
}
