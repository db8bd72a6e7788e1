/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Passwords right and wrong, unknown accounts, limits by address and account, the queue's bound,
 * late answers, forgotten roles. */
#include <check.h>
#include <crypt.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "frame/verifier.h"

#define ANSWERS_MAX 1000

static struct event_base *base;
static struct verifier *verifier;
static struct verifier_limits limits;
static char hash_text[VERIFIER_HASH_MAX + 1];
static unsigned hashes_asked;
static int find_error;
static struct {
	uint32_t id;
	enum auth_result result;
} answers[ANSWERS_MAX];
static unsigned answer_count, expected;
static char last_account[100], last_hash[VERIFIER_HASH_MAX + 1];
static bool changes; /* the hash, as soon as it has been looked up */

static bool
account_of(void *context, struct span user, struct buf *account)
{
	(void)context;
	return user.len != 0 && span_chr(user, ' ') < 0 && buf_span(account, user) == 0;
}

static int
find_hash(void *context, struct span account, struct buf *hash)
{
	(void)context;
	hashes_asked++;
	if (find_error != 0)
		return find_error;
	if (!span_eq(account, SPAN("alice")) || buf_str(hash, hash_text) < 0)
		return 1;
	if (changes)
		hash_text[strlen(hash_text) - 1] = hash_text[strlen(hash_text) - 1] == '.' ? '/' : '.';
	return 0;
}

static void
on_done(void *context, uint8_t role, uint32_t id, enum auth_result result, struct span account, struct span hash)
{
	(void)context;
	ck_assert_uint_eq(role, ROLE_FRONT);
	ck_assert_uint_lt(answer_count, ANSWERS_MAX);
	answers[answer_count].id = id;
	answers[answer_count++].result = result;
	ck_assert_int_eq(account.len != 0, result == AUTH_OK);
	ck_assert_int_eq(hash.len != 0, result == AUTH_OK);
	(void)snprintf(last_hash, sizeof(last_hash), "%.*s", (int)hash.len, hash.ptr != NULL ? hash.ptr : "");
	(void)snprintf(last_account, sizeof(last_account), "%.*s", (int)account.len,
	    account.ptr != NULL ? account.ptr : "");
	if (answer_count == expected)
		(void)event_base_loopbreak(base);
}

static const struct verifier_ops ops = { account_of, find_hash, on_done };

static void
add(uint32_t id, const char *user, const char *password, const char *address)
{
	verifier_add(verifier, ROLE_FRONT, id, span_of(user), span_of(password), span_of(address));
}

/* Runs until so many answers have come in all (or 20 s), and says how long that took in
 * milliseconds. */
static long
wait_for(unsigned count)
{
	static const struct timeval patience = { 20, 0 };
	struct timespec start, end;

	expected = count;
	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	(void)event_base_loopexit(base, &patience);
	if (answer_count < count)
		(void)event_base_dispatch(base);
	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	ck_assert_uint_eq(answer_count, count);
	return (end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000;
}

static void
setup(void)
{
	struct crypt_data data = { .initialized = 0 };
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];

	base = event_base_new();
	limits = (struct verifier_limits){ .failures_max = 3,
		.failure_window = 600,
		.failure_delay = 0 };
	verifier = verifier_new(base, &limits, &ops, NULL);
	ck_assert_ptr_nonnull(verifier);
	ck_assert_ptr_nonnull(crypt_gensalt_rn("$y$", 0, NULL, 0, setting, sizeof(setting)));
	(void)snprintf(hash_text, sizeof(hash_text), "%s", crypt_r("demo", setting, &data));
	answer_count = hashes_asked = 0;
	find_error = 0;
	changes = false;
}

static void
teardown(void)
{
	verifier = verifier_free(verifier);
	event_base_free(base);
}

START_TEST(right_and_wrong)
{
	static const struct {
		const char *user, *password;
		enum auth_result result;
	} cases[] = {
		{ "alice", "demo", AUTH_OK },
		{ "alice", "demO", AUTH_BAD },
		{ "bob", "demo", AUTH_BAD },
		{ "a b", "demo", AUTH_BAD },
		{ "alice", "", AUTH_BAD },
	};

	limits.failures_max = 100;
	for (uint32_t i = 0; i < 5; i++) {
		add(i, cases[i].user, cases[i].password, "192.0.2.1");
		(void)wait_for(i + 1);
		ck_assert_uint_eq(answers[i].id, i);
		ck_assert_int_eq(answers[i].result, cases[i].result);
	}
	verifier_add(verifier, ROLE_FRONT, 5, SPAN("alice"), SPAN("demo\0x"), SPAN("192.0.2.1"));
	(void)wait_for(6);
	ck_assert_int_eq(answers[5].result, AUTH_BAD);
	find_error = -EIO;
	add(6, "alice", "demo2", "192.0.2.1");
	(void)wait_for(7);
	ck_assert_int_eq(answers[6].result, AUTH_TEMPFAIL);
}
END_TEST

START_TEST(a_second_login_is_cheap)
{
	long first, second;

	add(1, "alice", "demo", "192.0.2.1");
	first = wait_for(1);
	add(2, "alice", "demo", "192.0.2.1");
	second = wait_for(2);
	ck_assert_int_eq(answers[1].result, AUTH_OK);
	ck_assert_str_eq(last_account, "alice");
	ck_assert_int_lt(second, first);
	/* A changed password is not masked by it. */
	hash_text[strlen(hash_text) - 1] = hash_text[strlen(hash_text) - 1] == '.' ? '/' : '.';
	add(3, "alice", "demo", "192.0.2.1");
	(void)wait_for(3);
	ck_assert_int_eq(answers[2].result, AUTH_BAD);
}
END_TEST

/* A password that is changed while the former one is being checked: which one was right is told. */
START_TEST(what_was_right)
{
	char former[sizeof(hash_text)];

	memcpy(former, hash_text, sizeof(former));
	changes = _i == 1;
	add(1, "alice", "demo", "192.0.2.1");
	if (_i == 1) /* it is looked up for the cache, too: back, so that the check finds what is right */
		memcpy(hash_text, former, sizeof(former));
	(void)wait_for(1);
	ck_assert_int_eq(answers[0].result, AUTH_OK);
	ck_assert_str_eq(last_hash, former);
	ck_assert_int_eq(strcmp(hash_text, former) != 0, _i == 1);
	if (_i == 0) {
		add(2, "alice", "demo", "192.0.2.1"); /* cached */
		(void)wait_for(2);
		ck_assert_str_eq(last_hash, former);
	}
}
END_TEST

START_TEST(limits_by_address)
{
	for (uint32_t i = 0; i < 3; i++)
		add(i, i == 0 ? "x" : i == 1 ? "y" : "z", "wrong", "2001:db8:0:1::5");
	(void)wait_for(3);
	/* The same /64, and even a right password. */
	add(3, "alice", "demo", "2001:db8:0:1::6");
	add(4, "alice", "demo", "2001:db8:0:2::5");
	(void)wait_for(5);
	ck_assert_int_eq(answers[answers[3].id == 3 ? 3 : 4].result, AUTH_LIMITED);
	ck_assert_int_eq(answers[answers[3].id == 4 ? 3 : 4].result, AUTH_OK);
}
END_TEST

START_TEST(limits_by_account_but_not_its_owner)
{
	add(0, "alice", "demo", "198.51.100.1");
	(void)wait_for(1);
	add(1, "alice", "wrong", "192.0.2.1");
	add(2, "alice", "wrong", "192.0.2.2");
	add(3, "alice", "wrong", "192.0.2.3");
	(void)wait_for(4);
	add(4, "alice", "wrong", "192.0.2.4");
	(void)wait_for(5);
	ck_assert_int_eq(answers[4].result, AUTH_LIMITED);
	/* Known to be right a moment ago. */
	add(5, "alice", "demo", "198.51.100.1");
	(void)wait_for(6);
	ck_assert_int_eq(answers[5].result, AUTH_OK);
}
END_TEST

START_TEST(waiting_ones_meet_the_limit)
{
	/* All at once from one address: the first three are wrong, and the rest is not even
	 * tried. */
	for (uint32_t i = 0; i < 10; i++)
		add(i, "alice", "wrong", "192.0.2.1");
	(void)wait_for(10);
	for (unsigned i = 0; i < 10; i++)
		ck_assert_int_eq(answers[i].result, answers[i].id < 3 ? AUTH_BAD : AUTH_LIMITED);
}
END_TEST

START_TEST(the_queue_is_bounded)
{
	char address[32];
	unsigned limited = 0;

	for (uint32_t i = 0; i < VERIFIER_QUEUE_MAX + 5; i++) {
		(void)snprintf(address, sizeof(address), "10.0.%u.%u", i / 250, i % 250);
		/* never an account of anybody: each counts by its address only */
		add(i, "a b", "x", address);
	}
	limits.failures_max = 0; /* those that wait are turned away without a hash */
	(void)wait_for(VERIFIER_QUEUE_MAX + 5);
	for (unsigned i = 0; i < 5; i++)
		limited += answers[i].id >= VERIFIER_QUEUE_MAX && answers[i].result == AUTH_LIMITED;
	ck_assert_uint_eq(limited, 5);
}
END_TEST

START_TEST(wrong_ones_are_answered_late)
{
	limits.failure_delay = 1;
	add(1, "alice", "wrong", "192.0.2.1");
	add(2, "alice", "demo", "192.0.2.1");
	ck_assert_int_lt(wait_for(1), 900);
	ck_assert_uint_eq(answers[0].id, 2);
	ck_assert_int_ge(wait_for(2), 700);
	ck_assert_int_eq(answers[1].result, AUTH_BAD);
}
END_TEST

START_TEST(forgotten_roles_get_no_answer)
{
	limits.failure_delay = 1;
	add(1, "alice", "wrong", "192.0.2.1");
	(void)event_base_loop(base, EVLOOP_ONCE);
	add(2, "alice", "demo", "192.0.2.1");
	verifier_forget(verifier, ROLE_FRONT);
	add(3, "alice", "demo", "192.0.2.1");
	(void)wait_for(1);
	ck_assert_uint_eq(answers[0].id, 3);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("verifier");
	TCase *tests = tcase_create("verifier");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, right_and_wrong);
	tcase_add_test(tests, a_second_login_is_cheap);
	tcase_add_loop_test(tests, what_was_right, 0, 2);
	tcase_add_test(tests, limits_by_address);
	tcase_add_test(tests, limits_by_account_but_not_its_owner);
	tcase_add_test(tests, waiting_ones_meet_the_limit);
	tcase_add_test(tests, the_queue_is_bounded);
	tcase_add_test(tests, wrong_ones_are_answered_late);
	tcase_add_test(tests, forgotten_roles_get_no_answer);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
