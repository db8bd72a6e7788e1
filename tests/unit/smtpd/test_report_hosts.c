/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* How long hosts are left alone that did not take reports. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "smtpd/report_hosts.h"

#define HOST SPAN("rua.example")
#define NOW INT64_C(1800000000)

static struct report_hosts *hosts;

static void
setup(void)
{
	hosts = report_hosts_new();
}

static void
teardown(void)
{
	hosts = report_hosts_free(hosts);
}

static bool
rests(int64_t now)
{
	return report_hosts_rests(hosts, SPAN("RUA.example"), 443, now);
}

/* A host that fails whenever it is asked, for a day. */
START_TEST(longer_and_longer)
{
	unsigned tries = 0;
	int64_t last = 0, pause = 0;

	for (int64_t now = NOW; now < NOW + 86400; now += 600) {
		if (rests(now))
			continue;
		ck_assert_int_ge(now - last, pause);
		pause = last == 0 ? 0 : now - last;
		last = now;
		tries++;
		report_hosts_failed(hosts, HOST, 443, now);
	}
	ck_assert_uint_eq(tries, 10);
	ck_assert_int_eq(pause, REPORT_PAUSE_MAX);
}
END_TEST

START_TEST(one_that_works)
{
	report_hosts_failed(hosts, HOST, 443, NOW);
	ck_assert(rests(NOW));
	ck_assert(rests(NOW + REPORT_PAUSE_MIN - 1));
	ck_assert(!rests(NOW + REPORT_PAUSE_MIN));
	ck_assert(!report_hosts_rests(hosts, HOST, 8443, NOW));
	ck_assert(!report_hosts_rests(hosts, SPAN("a.example"), 443, NOW));
	/* The clock was put back. */
	ck_assert(!rests(NOW - 1));
	report_hosts_failed(hosts, HOST, 443, NOW);
	ck_assert(rests(NOW + REPORT_PAUSE_MIN));
	report_hosts_worked(hosts, HOST, 443);
	report_hosts_worked(hosts, HOST, 443);
	ck_assert(!rests(NOW));
	report_hosts_failed(hosts, HOST, 443, NOW);
	ck_assert(!rests(NOW + REPORT_PAUSE_MIN));
}
END_TEST

START_TEST(many)
{
	char name[32];

	for (unsigned i = 0; i < REPORT_HOSTS_MAX + 10; i++) {
		(void)snprintf(name, sizeof(name), "h%u.example", i);
		report_hosts_failed(hosts, span_of(name), 443, NOW + i);
	}
	ck_assert(!report_hosts_rests(hosts, SPAN("h9.example"), 443, NOW + REPORT_HOSTS_MAX));
	ck_assert(report_hosts_rests(hosts, SPAN("h1009.example"), 443, NOW + 1009));
	ck_assert(report_hosts_rests(hosts, SPAN("h500.example"), 443, NOW + 500));
}
END_TEST

int
main(void)
{
	TCase *test = tcase_create("report_hosts");
	Suite *suite = suite_create("report_hosts");
	SRunner *runner = srunner_create(suite);
	int failures;

	tcase_add_checked_fixture(test, setup, teardown);
	tcase_add_test(test, longer_and_longer);
	tcase_add_test(test, one_that_works);
	tcase_add_test(test, many);
	suite_add_tcase(suite, test);
	srunner_run_all(runner, CK_NORMAL);
	failures = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
