/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Networks: what is one, and what lies in it. */
#include <check.h>
#include <stdlib.h>

#include "common/network.h"

static const struct {
	const char *network, *address;
	bool good, holds;
} rows[] = {
	{ "192.0.2.1", "192.0.2.1", true, true },
	{ "192.0.2.1", "192.0.2.2", true, false },
	{ "192.0.2.0/24", "192.0.2.255", true, true },
	{ "192.0.2.0/24", "192.0.3.0", true, false },
	{ "192.0.2.128/25", "192.0.2.127", true, false },
	{ "192.0.2.128/25", "192.0.2.129", true, true },
	{ "0.0.0.0/0", "203.0.113.9", true, true },
	{ "0.0.0.0/0", "2001:db8::1", true, false },
	{ "2001:db8::/33", "2001:db8:7fff::1", true, true },
	{ "2001:db8::/33", "2001:db8:8000::1", true, false },
	{ "::1", "::1", true, true },
	{ "::1", "unknown", true, false },
	{ "192.0.2.0/24", "192.0.2.0/24", true, false },
	{ "192.0.2.0/33", "", false, false },
	{ "2001:db8::/129", "", false, false },
	{ "192.0.2.0/", "", false, false },
	{ "192.0.2", "", false, false },
	{ "", "", false, false },
	{ "host.example", "", false, false },
};

START_TEST(networks)
{
	struct network network;

	ck_assert_int_eq(network_parse(span_of(rows[_i].network), &network) == 0, rows[_i].good);
	if (rows[_i].good)
		ck_assert_int_eq(network_holds(&network, span_of(rows[_i].address)), rows[_i].holds);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("network");
	TCase *tests = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, networks, 0, (int)(sizeof(rows) / sizeof(*rows)));
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
