/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* XCLIENT: attributes that are taken, and what is none. */
#include <check.h>
#include <stdlib.h>

#include "smtpd/xclient_parse.h"

static const struct {
	const char *args, *address, *helo, *login; /* address NULL: malformed */
} rows[] = {
	{ "ADDR=192.0.2.7", "192.0.2.7", "", "" },
	{ "addr=IPV6:2001:DB8::0:1 helo=h.example", "2001:db8::1", "h.example", "" },
	{ "ADDR=IPV6:::FFFF:192.0.2.7", "192.0.2.7", "", "" },
	{ "NAME=x PORT=1 PROTO=ESMTP HELO=[UNAVAILABLE]  LOGIN=a+40b.example", "", "", "a@b.example" },
	{ "ADDR=[TEMPUNAVAIL] DESTADDR=x DESTPORT=25", "", "", "" },
	{ "", NULL, "", "" },
	{ "ADDR=2001:db8::1", NULL, "", "" },
	{ "ADDR=192.0.2.999", NULL, "", "" },
	{ "ADDR=", NULL, "", "" },
	{ "ADDR", NULL, "", "" },
	{ "ADDR=192.0.2.1 ADDR=192.0.2.1", NULL, "", "" },
	{ "COLOUR=red", NULL, "", "" },
	{ "LOGIN=a+0D+0Ab", NULL, "", "" },
	{ "LOGIN=a+4", NULL, "", "" },
	{ "HELO=a+20b", NULL, "", "" },
};

START_TEST(attributes)
{
	struct xclient xclient;
	int r = xclient_parse(span_of(rows[_i].args), &xclient);

	ck_assert_int_eq(r == 0, rows[_i].address != NULL);
	if (r < 0)
		return;
	ck_assert_str_eq(xclient.address, rows[_i].address);
	ck_assert_str_eq(buf_cstr(&xclient.helo), rows[_i].helo);
	ck_assert_str_eq(buf_cstr(&xclient.login), rows[_i].login);
	xclient_free(&xclient);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("xclient_parse");
	TCase *tests = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, attributes, 0, (int)(sizeof(rows) / sizeof(*rows)));
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
