/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Received-SPF: what each result tells, and what a sender cannot make of it. */
#include <check.h>
#include <errno.h>

#include "smtpd/spf_field.h"

static const struct {
	struct spf_outcome outcome;
	const char *sender, *field;
} rows[] = {
	{ { .result = SPF_PASS, .reason = "ip4:192.0.2.0/24" }, "a@dom.example",
		"Received-SPF: pass\r\n\tidentity=mailfrom;\r\n\tclient-ip=\"192.0.2.1\";\r\n\tenvelope-from=\"a@dom.example\";\r\n"
		"\thelo=\"h.example\";\r\n\treceiver=\"here.example\";\r\n\tmechanism=\"ip4:192.0.2.0/24\"\r\n" },
	{ { .result = SPF_TEMPERROR, .identity = SPF_HELO, .reason = "no answer" }, "",
		"Received-SPF: temperror\r\n\tidentity=helo;\r\n\tclient-ip=\"192.0.2.1\";\r\n\tenvelope-from=\"\";\r\n"
		"\thelo=\"h.example\";\r\n\treceiver=\"here.example\";\r\n\tproblem=\"no answer\"\r\n" },
	{ { .result = SPF_NONE, .reason = "no record" }, "\"a\\\r\nX: y\"@dom.example",
		"Received-SPF: none\r\n\tidentity=mailfrom;\r\n\tclient-ip=\"192.0.2.1\";\r\n\tenvelope-from=\"\\\"a\\\\?\?X: y\\\"@dom.example\";\r\n"
		"\thelo=\"h.example\";\r\n\treceiver=\"here.example\"\r\n" },
};

static int
put(size_t row, struct buf *out)
{
	return spf_put_field(&rows[row].outcome, SPAN("192.0.2.1"), SPAN("h.example"), span_of(rows[row].sender), SPAN("here.example"), out);
}

START_TEST(fields)
{
	struct buf out = BUF_INIT(2000);

	ck_assert_int_eq(put((size_t)_i, &out), 0);
	ck_assert_str_eq(buf_cstr(&out), rows[_i].field);
	buf_free(&out);
}
END_TEST

START_TEST(no_room)
{
	struct buf out = BUF_INIT(100);

	(void)buf_str(&out, "before");
	ck_assert_int_eq(put(0, &out), -EMSGSIZE);
	ck_assert_str_eq(buf_cstr(&out), "before");
	buf_free(&out);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("spf-field");
	TCase *tests = tcase_create("spf-field");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, fields, 0, sizeof(rows) / sizeof(*rows));
	tcase_add_test(tests, no_room);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
