/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* state/ledger that cannot be opened at the start: the queue goes on without it, and has it as soon as that is possible; what accounts may send; and
 * that the options of greylisting take effect. The clock is the test's. */
#include <check.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
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

/* --- greylisting --- */

static const struct msg_row rows[] = {
	{ MSG_GREYLIST, "GREYLIST", ROLE_FRONT, ROLE_QUEUE, 6, 2048, MSG_NOFD },
	{ MSG_GREYLISTED, "GREYLISTED", ROLE_QUEUE, ROLE_FRONT, 4, 4, MSG_NOFD },
};
static const struct msg_row *const row_tables[] = { rows };
static const size_t row_counts[] = { 2 };
static const struct msg_table table = { row_tables, row_counts, 1 };

/* Asks as smtp does: how long that client is to stay away. */
static uint32_t
stays_away(struct msg_channel *front, struct msg_channel *asked, const char *client, const char *sender)
{
	static char buffer[MSG_MAX];
	struct msg_writer question;
	struct msg_reader answer;
	struct msg msg;
	uint32_t wait;

	msg_writer_init(&question);
	msg_put_span(&question, span_of(client));
	msg_put_span(&question, span_of(sender));
	msg_put_span(&question, SPAN("x@example.test"));
	ck_assert_int_eq(msg_send(front, MSG_GREYLIST, 1, &question, -1), 0);
	ck_assert_int_eq(msg_receive(asked, buffer, &msg), 0);
	ck_assert_int_eq(greylist_message(&queue, &msg), 0);
	ck_assert_int_eq(msg_receive(front, buffer, &msg), 0);
	answer = msg_read(&msg);
	wait = msg_get_u32(&answer);
	ck_assert(msg_done(&answer));
	return wait;
}

#define HOUR 3600

/* Each option beside a site that differs in it alone: how long a client is to stay away when it comes for the first time, again and once more, and so
 * is another sender's mail from there in the end. */
static const struct {
	int64_t delay, window, lifetime, passes;
	unsigned again, used; /* the seconds between */
	uint32_t first, second, third, other;
} sites[] = {
	{ 300, 2 * HOUR, 10 * HOUR, 0, 400, HOUR, 300, 0, 0, 300 },
	{ 600, 2 * HOUR, 10 * HOUR, 0, 400, HOUR, 600, 200, 0, 600 }, /* greylist_delay */
	{ 300, 2 * HOUR, 10 * HOUR, 0, HOUR, HOUR, 300, 0, 0, 300 },
	{ 300, HOUR / 2, 10 * HOUR, 0, HOUR, HOUR / 3, 300, 300, 0, 300 }, /* greylist_window */
	{ 300, 2 * HOUR, 10 * HOUR, 0, 400, 9 * HOUR, 300, 0, 0, 300 },
	{ 300, 2 * HOUR, 8 * HOUR, 0, 400, 9 * HOUR, 300, 0, 300, 300 }, /* greylist_lifetime */
	{ 300, 2 * HOUR, 10 * HOUR, 1, 400, HOUR, 300, 0, 0, 0 }, /* greylist_passes */
	{ 300, 2 * HOUR, 10 * HOUR, 2, 400, HOUR, 300, 0, 0, 300 },
};

START_TEST(greylisting_is_as_configured)
{
	struct msg_channel *front, *asked;
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	front = msg_channel_new(pair[0], &table, ROLE_FRONT, ROLE_QUEUE);
	asked = proc.peers[ROLE_FRONT] = msg_channel_new(pair[1], &table, ROLE_QUEUE, ROLE_FRONT);
	conf.greylist_delay = sites[_i].delay;
	conf.greylist_window = sites[_i].window;
	conf.greylist_lifetime = sites[_i].lifetime;
	conf.greylist_passes = sites[_i].passes;
	start();
	ck_assert_uint_eq(stays_away(front, asked, "192.0.2.1", "a@far.example"), sites[_i].first);
	pass(sites[_i].again);
	ck_assert_uint_eq(stays_away(front, asked, "192.0.2.1", "a@far.example"), sites[_i].second);
	pass(sites[_i].used);
	ck_assert_uint_eq(stays_away(front, asked, "192.0.2.1", "a@far.example"), sites[_i].third);
	ck_assert_uint_eq(stays_away(front, asked, "192.0.2.1", "b@far.example"), sites[_i].other);
	proc.peers[ROLE_FRONT] = msg_channel_free(asked);
	(void)msg_channel_free(front);
	ahead = 0; /* Check cannot report that a test took hours */
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
	tcase_add_loop_test(tests, greylisting_is_as_configured, 0, (int)(sizeof(sites) / sizeof(*sites)));
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
