/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What a message's times are where the clock was wrong: by the rules alone, and of a queue whose clock is set while it runs. */
#include "smtpd/queue_age.h"

#include <sys/syscall.h>

#include "tests/unit/smtpd/queue_spool.h"

#define DAY 86400
#define YEAR (365 * DAY)
#define NOW (AGE_EPOCH + 300 * (int64_t)DAY)
#define UP 1000
#define MANY 100 /* more than are tried one after the other while the test waits */

/* --- the queue's clock: set a year on at SIGUSR1 and a year back at SIGUSR2; at SIGWINCH a minute passes --- */

static volatile sig_atomic_t years, minutes;

int
clock_gettime(clockid_t clock, struct timespec *ret)
{
	int r = (int)syscall(SYS_clock_gettime, clock, ret);

	if (clock == CLOCK_REALTIME)
		ret->tv_sec += (time_t)years * YEAR;
	ret->tv_sec += (time_t)minutes * 60;
	return r;
}

static void
set_clock(int number)
{
	years += number == SIGUSR1 ? 1 : number == SIGUSR2 ? -1 : 0;
	minutes += number == SIGWINCH;
}

__attribute__((constructor)) static void
begin(void)
{
	(void)signal(SIGUSR1, set_clock);
	(void)signal(SIGUSR2, set_clock);
	(void)signal(SIGWINCH, set_clock);
}

static void
tell_clock(const char *signal_name)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "pkill -%s -P %d -f '^queued: queue'", signal_name, (int)pid);
	ck_assert_int_eq(system(command), 0);
}

/* --- the rules --- */

static const struct {
	const char *what;
	int64_t created, first_now, first_uptime, now, uptime, wanted;
} cases[] = {
	{ "nothing happened", NOW - 50, NOW, UP, NOW + DAY, UP + DAY, NOW - 50 },
	{ "some seconds", NOW + 50, NOW, UP, NOW, UP, NOW + 50 },
	{ "it was taken by a clock a year ahead, and read by the right one", NOW + YEAR, NOW, UP, NOW + 5, UP + 5, NOW },
	{ "taken while the clock was a year ahead, which was put right two minutes later", NOW + YEAR, NOW + YEAR, UP, NOW + 120, UP + 120, NOW },
	{ "taken before, and now it is a year ahead", NOW - 50, NOW - 50, UP, NOW + YEAR, UP + 50, NOW + YEAR - 50 },
	{ "a clock that was never set, and then was", 100, 100, UP, NOW, UP + 60, NOW - 60 },
	{ "the same, after another start", 100, NOW, UP, NOW, UP, NOW },
	{ "a clock that is not set yet tells nothing of a message from before", NOW, 100, UP, 160, UP + 60, NOW },
	{ "and once it is, its age is its age", NOW - 3 * DAY, 100, UP, NOW, UP + 60, NOW - 3 * DAY },
	{ "or it was from the future after all", NOW + YEAR, 100, UP, NOW, UP + 60, NOW },
	{ "the clock was ten days behind", NOW - 10 * DAY, NOW - 10 * DAY, UP, NOW, UP + 60, NOW - 60 },
	{ "an old message, and the clock is set back by a day", NOW - 3 * DAY, NOW, UP, NOW - DAY, UP + 60, NOW - 3 * DAY },
};

START_TEST(rules)
{
	struct envelope envelope = { .created = cases[_i].created };
	int64_t born = age_born(cases[_i].created, cases[_i].first_now, cases[_i].first_uptime);

	ck_assert_msg(age_right(&envelope, born, cases[_i].now, cases[_i].uptime) == (cases[_i].wanted != cases[_i].created), "%s", cases[_i].what);
	ck_assert_msg(envelope.created == cases[_i].wanted, "%s: %lld", cases[_i].what, (long long)(envelope.created - NOW));
	ck_assert_msg(!age_right(&envelope, born, cases[_i].now, cases[_i].uptime), "%s: and then", cases[_i].what);
}
END_TEST

/* What was counted from it is moved with it (RFC 2852); what the sender said (RFC 4865) is not. */
START_TEST(times_beside)
{
	struct envelope envelope = { .created = NOW + YEAR, .by = ENVELOPE_BY_RETURN, .deliver_by = NOW + YEAR + 300, .release = NOW + 4 };

	ck_assert(age_right(&envelope, age_born(envelope.created, NOW, UP), NOW, UP));
	ck_assert_int_eq(envelope.created, NOW);
	ck_assert_int_eq(envelope.deliver_by, NOW + 300);
	ck_assert_int_eq(envelope.release, NOW + 4);
}
END_TEST

/* --- the queue --- */

static void
start_quick(void)
{
	char command[256];

	(void)snprintf(command, sizeof(command), "sed -i 's/retry_min = 3600; retry_max = 3600; queue_lifetime = \"52w\"/retry_min = 1; retry_max = 1; queue_lifetime = 60/' %s", conf_path);
	ck_assert_int_eq(system(command), 0);
	start();
}

static void
drop(void)
{
	put("drop/tmp.m.1.a", ENVELOPE("to P - - later@local.test\n") MESSAGE);
	ck_assert_int_eq(renameat(spool, "drop/tmp.m.1.a", spool, "drop/m.1.a"), 0);
}

static int64_t
created_of(const char *path)
{
	struct spool_file file;
	int64_t created = 0;

	if (spool_open(spool, path, O_RDONLY, &file) == 0) {
		created = file.envelope.created;
		spool_close(&file);
	}
	return created;
}

/* Written in its file, so that it is so after another start as well; and what is due by that time is. */
START_TEST(from_the_future)
{
	char text[512];
	int64_t now = (int64_t)time(NULL);
	struct spool_file file;

	(void)snprintf(text, sizeof(text), "fourpost 1\ncreated %lld\nfrom alice@local.test\nby %lld N\nto P - - later@local.test\n\n" MESSAGE,
	    (long long)now + 3600, (long long)now + 3700);
	put(PATH, text);
	start();
	WAIT_FOR(logs("deferred id=" ID));
	WAIT_FOR(created_of(PATH) >= now && created_of(PATH) < now + 60);
	ck_assert_int_eq(spool_open(spool, PATH, O_RDONLY, &file), 0);
	ck_assert_int_eq(file.envelope.deliver_by - file.envelope.created, 100);
	ck_assert_str_eq(file.envelope.recipients[0].address, "later@local.test");
	spool_close(&file);
}
END_TEST

START_TEST(from_the_future_expires)
{
	char text[512];

	(void)snprintf(text, sizeof(text), "fourpost 1\ncreated %lld\nfrom alice@local.test\nto P - - later@local.test\n\n" MESSAGE, (long long)time(NULL) + 3600);
	put(PATH, text);
	start_quick();
	WAIT_FOR(times_logged("deferred id=" ID) >= 2);
	tell_clock("WINCH");
	WAIT_FOR(files_in("mail/local.test/alice") == 1 && queued_files() == 0);
	ck_assert(logs("status=4.4.7"));
}
END_TEST

/* Handed in while the clock was a year ahead. */
START_TEST(set_back)
{
	start_quick();
	WAIT_FOR(logs("queue-read"));
	tell_clock("USR1");
	drop();
	WAIT_FOR(logs(" deferred "));
	tell_clock("USR2");
	WAIT_FOR(logs("clock-set-back"));
	tell_clock("WINCH");
	WAIT_FOR(files_in("mail/local.test/alice") == 1 && queued_files() == 0);
	ck_assert(logs("status=4.4.7"));
}
END_TEST

/* Mail for a destination that is down has its own time to be looked at. */
START_TEST(set_back_while_down)
{
	start_quick();
	WAIT_FOR(logs("queue-read"));
	tell_clock("USR1");
	for (int i = 0; i < MANY; i++) {
		char name[32], to[32];

		(void)snprintf(name, sizeof(name), "drop/tmp.m.1.%d", i);
		(void)snprintf(to, sizeof(to), "drop/m.1.%d", i);
		put(name, ENVELOPE("to P - - x@down.test\n") MESSAGE);
		ck_assert_int_eq(renameat(spool, name, spool, to), 0);
	}
	/* All of them, for one that comes after the last leap is young. */
	WAIT_FOR(logs("destination-down") && files_in("spool/drop") == 0 && queued_files() == MANY);
	tell_clock("USR2");
	WAIT_FOR(logs("clock-set-back"));
	tell_clock("WINCH");
	WAIT_FOR(files_in("mail/local.test/alice") == MANY && queued_files() == 0);
}
END_TEST

/* Handed in before the clock was set. */
START_TEST(set_forward)
{
	size_t before;

	start_quick();
	WAIT_FOR(logs("queue-read"));
	drop();
	WAIT_FOR(logs(" deferred "));
	before = times_logged(" deferred ");
	tell_clock("USR1");
	WAIT_FOR(times_logged(" deferred ") >= before + 2);
	ck_assert(!logs(" failed "));
	/* Its time is what it is. */
	tell_clock("WINCH");
	WAIT_FOR(files_in("mail/local.test/alice") == 1 && queued_files() == 0);
	ck_assert(logs("status=4.4.7"));
}
END_TEST

static void
add(TCase *tests)
{
	tcase_add_loop_test(tests, rules, 0, (int)(sizeof(cases) / sizeof(*cases)));
	tcase_add_test(tests, times_beside);
	tcase_add_test(tests, from_the_future);
	tcase_add_test(tests, from_the_future_expires);
	tcase_add_test(tests, set_back);
	tcase_add_test(tests, set_back_while_down);
	tcase_add_test(tests, set_forward);
}

int
main(int argc, char **argv)
{
	return run_on_spool("queue_age", add, argc, argv);
}
