/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* state/ledger that cannot be opened at the start: the queue goes on without it, and has it as soon as that is possible; and what accounts may send.
 * The clock is the test's. */
#include <check.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "smtpd/queue.h"
#include "smtpd/smtpd_conf.h"
#include "smtpd/smtpd_msg.h"
#include "tests/unit/clock_ahead.h"


static char limit[] = "messages/account=3/10h", *limits[] = { limit };
static struct smtpd_conf conf = { .limits = { limits, 1 } };
static struct proc proc = { .conf = &conf };
static struct queue queue = { .proc = &proc };
static char spool[] = "/tmp/test_queue_ledger.XXXXXX";
static int folder = -1;
static unsigned alerts[2];

/* --- around queue_ledger.c --- */

int64_t
queue_now(void)
{
	return 1800000000 + ahead;
}

int64_t
queue_now_us(void)
{
	return queue_now() * 1000000;
}

uint32_t
queue_random(void)
{
	return 4711;
}

int
queue_files_folder(const struct queue_files *files)
{
	(void)files;
	return folder;
}

void
alert_submit(struct queue *q, const struct limit *of, struct span account, enum account_mail mail)
{
	(void)q, (void)of, (void)account;
	alerts[mail]++;
}

/* --- the tests --- */

static void
setup(void)
{
	memcpy(spool + strlen(spool) - 6, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(spool));
	folder = open(spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(mkdirat(folder, "state", 0700), 0);
	proc.base = event_base_new();
}

static void
clean(void)
{
	(void)unlinkat(folder, "state/ledger", 0);
	(void)unlinkat(folder, "state/ledger", AT_REMOVEDIR);
	(void)unlinkat(folder, "state/moved", 0);
	(void)unlinkat(folder, "state", AT_REMOVEDIR);
	(void)rmdir(spool);
}

/* A queue has one as long as it lives. */
static void
start(void)
{
	static struct queue_ledger *volatile former[4];
	static unsigned count;

	former[count] = queue.ledger;
	ck_assert_ptr_eq(former[count++], queue.ledger);
	queue.ledger = queue_ledger_open(&queue);
}

static void
pass(unsigned seconds)
{
	ahead += seconds;
	(void)event_base_loop(proc.base, EVLOOP_NONBLOCK);
}

/* How many messages that account may send in a row. */
static unsigned
sends_by(const char *account, enum account_mail mail)
{
	unsigned count = 0;

	while (count < 10 && account_may_send(&queue, span_of(account), mail, 1))
		count++;
	return count;
}

static unsigned
sends(const char *account)
{
	return sends_by(account, ACCOUNT_SUBMITS);
}

static void
lose(void)
{
	ck_assert_int_eq(mkdirat(folder, "state/ledger", 0700), 0);
}

static void
bring_back(void)
{
	ck_assert_int_eq(unlinkat(folder, "state/ledger", AT_REMOVEDIR), 0);
}

/* There is none yet: what was seen meanwhile is written, and what comes then. */
START_TEST(a_new_one)
{
	lose();
	start();
	ck_assert_uint_eq(sends("a@example.test"), 3);
	pass(61);
	ck_assert_uint_eq(sends("a@example.test"), 0);
	bring_back();
	if (_i == 1) {
		int fd = openat(folder, "state/ledger", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		ck_assert_int_eq(write(fd, "nonsense", 8), 8);
		(void)close(fd);
	}
	pass(61);
	ck_assert_uint_eq(sends("a@example.test"), 0);
	ck_assert_uint_eq(sends("b@example.test"), 3);
	start();
	ck_assert_uint_eq(sends("a@example.test"), 0);
	ck_assert_uint_eq(sends("b@example.test"), 0);
}
END_TEST

/* One that remembers: that is what counts. */
START_TEST(a_former_one)
{
	start();
	ck_assert_uint_eq(sends("a@example.test"), 3);
	ck_assert_int_eq(renameat(folder, "state/ledger", folder, "state/moved"), 0);
	lose();
	start();
	ck_assert_uint_eq(sends("a@example.test"), 3);
	pass(61);
	bring_back();
	ck_assert_int_eq(renameat(folder, "state/moved", folder, "state/ledger"), 0);
	ck_assert_uint_eq(sends("c@example.test"), 3);
	pass(61);
	ck_assert_uint_eq(sends("a@example.test"), 0);
	ck_assert_uint_eq(sends("b@example.test"), 3);
	start();
	ck_assert_uint_eq(sends("b@example.test"), 0);
}
END_TEST

/* What comes of the mail that an account gets is counted by the same limit, and apart. */
START_TEST(apart)
{
	start();
	ck_assert_uint_eq(sends_by("a@example.test", ACCOUNT_SENDS_ON), 3);
	ck_assert_uint_eq(alerts[ACCOUNT_SENDS_ON], 1);
	ck_assert_uint_eq(sends_by("a@example.test", ACCOUNT_SENDS_ON), 0);
	ck_assert_uint_eq(alerts[ACCOUNT_SENDS_ON], 1);
	ck_assert_uint_eq(alerts[ACCOUNT_SUBMITS], 0);
	account_sent_nothing(&queue, SPAN("a@example.test"), ACCOUNT_SENDS_ON, 1);
	ck_assert_uint_eq(sends("a@example.test"), 3);
	ck_assert_uint_eq(alerts[ACCOUNT_SUBMITS], 1);
	start();
	ck_assert_uint_eq(sends_by("a@example.test", ACCOUNT_SENDS_ON), 1);
	ck_assert_uint_eq(sends("a@example.test"), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("queue_ledger");
	TCase *tests = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, clean);
	tcase_add_loop_test(tests, a_new_one, 0, 2);
	tcase_add_test(tests, a_former_one);
	tcase_add_test(tests, apart);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
