/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Reports on TLS: records, rows, the JSON of a day. */
#include <check.h>
#include <errno.h>
#include <openssl/x509_vfy.h>
#include <stdlib.h>

#include "smtpd/tlsrpt.h"

#define ROWS(table) (sizeof(table) / sizeof(*(table)))

static const struct {
	const char *text;
	int result;
	const char *addresses;
} records[] = {
	/* RFC 8460 section 3.1. */
	{ "v=TLSRPTv1;rua=mailto:reports@example.com", 0, "mailto:reports@example.com" },
	{ "v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt", 0, "https://reporting.example.com/v1/tlsrpt" },
	{ "v=TLSRPTv1 ; x=y; rua=mailto:a@b.example , mailto:c@d.example ;", 0, "mailto:a@b.example , mailto:c@d.example" },
	{ "v=TLSRPTv1", -EINVAL, NULL },
	{ "v=TLSRPTv1; rua=", -EINVAL, NULL },
	{ "v=TLSRPTv10; rua=mailto:a@b.example", -ENOENT, NULL },
	{ "v=spf1", -ENOENT, NULL },
	{ "", -ENOENT, NULL },
};

START_TEST(a_record)
{
	struct span addresses;

	ck_assert_int_eq(tlsrpt_record_parse(span_of(records[_i].text), &addresses), records[_i].result);
	if (records[_i].addresses != NULL)
		ck_assert(span_eq(addresses, span_of(records[_i].addresses)));
}
END_TEST

#define STS SPAN("version: STSv1\nmode: testing\nmx: mx1.example.com\nmx: *.example.net\nmax_age: 604800\n")
static const struct {
	struct tlsrpt_session session;
	const char *row;
} sessions[] = {
	{ { TLSRPT_NO_POLICY, TLSRPT_SUCCESS, SPAN("mx.example.com"), SPAN("192.0.2.1"), SPAN_NULL, SPAN_NULL }, "no-policy-found success - - - -" },
	{ { TLSRPT_STS, TLSRPT_EXPIRED, SPAN("mx1.example.com"), SPAN("192.0.2.1"), SPAN("certificate has expired"), STS },
		"sts certificate-expired mx1.example.com 192.0.2.1 certificate+has+expired "
		"version:+STSv1;mode:+testing;mx:+mx1.example.com;mx:+*.example.net;max_age:+604800;" },
	{ { TLSRPT_TLSA, TLSRPT_VALIDATION_FAILURE, SPAN("mx.example.com"), SPAN_NULL, SPAN("a\"\xc3\xa4\t"), SPAN("3 1 1 AB\n") },
		"tlsa validation-failure mx.example.com - a\"??? 3+1+1+AB;" },
};

START_TEST(a_row)
{
	struct buf out = BUF_INIT(4096), small = BUF_INIT(20);

	ck_assert_int_eq(tlsrpt_row_put(&sessions[_i].session, &out), 0);
	ck_assert_str_eq(buf_cstr(&out), sessions[_i].row);
	ck_assert_int_eq(tlsrpt_row_put(&sessions[_i].session, &small), -EMSGSIZE);
	buf_free(&out);
	buf_free(&small);
}
END_TEST

START_TEST(types_of_results)
{
	ck_assert_int_eq(tlsrpt_result_of(X509_V_OK), TLSRPT_SUCCESS);
	ck_assert_int_eq(tlsrpt_result_of(X509_V_ERR_HOSTNAME_MISMATCH), TLSRPT_HOST_MISMATCH);
	ck_assert_int_eq(tlsrpt_result_of(X509_V_ERR_CERT_HAS_EXPIRED), TLSRPT_EXPIRED);
	ck_assert_int_eq(tlsrpt_result_of(X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT), TLSRPT_NOT_TRUSTED);
	ck_assert_int_eq(tlsrpt_result_of(X509_V_ERR_DANE_NO_MATCH), TLSRPT_VALIDATION_FAILURE);
}
END_TEST

START_TEST(a_day)
{
	const struct tlsrpt_head head = { SPAN("mail.example.org"), SPAN("postmaster@example.org"), SPAN("tls.\"1\""), 1711929600, 1712015999 };
	const struct tlsrpt_row rows[] = {
		{ SPAN("sts success - - - version:+STSv1;mode:+testing;mx:+mx1.example.com;mx:+*.example.net;"), 5326 },
		{ SPAN("sts starttls-not-supported mx2.example.com 2001:db8::1 - version:+STSv1;mode:+testing;mx:+mx1.example.com;mx:+*.example.net;"), 200 },
		{ SPAN("tlsa success - - - 3+1+1+AB;"), 7 },
		{ SPAN("sts certificate-expired mx1.example.com 192.0.2.1 has\\expired version:+STSv1;mode:+testing;mx:+mx1.example.com;mx:+*.example.net;"), 103 },
		{ SPAN("nonsense"), 1 }, { SPAN("sts maybe - - - -"), 1 }, { SPAN(""), 1 },
	};
	struct buf out = BUF_INIT(8192), small = BUF_INIT(100);

	ck_assert_int_eq(tlsrpt_compose(&head, SPAN("example.com"), rows, ROWS(rows), &out), 0);
	ck_assert_str_eq(buf_cstr(&out),
	    "{\"organization-name\":\"mail.example.org\",\"date-range\":{\"start-datetime\":\"2024-04-01T00:00:00Z\",\"end-datetime\":\"2024-04-01T23:59:59Z\"},"
	    "\"contact-info\":\"postmaster@example.org\",\"report-id\":\"tls.\\\"1\\\"\",\"policies\":["
	    "{\"policy\":{\"policy-type\":\"sts\",\"policy-domain\":\"example.com\",\"policy-string\":[\"version: STSv1\",\"mode: testing\",\"mx: mx1.example.com\","
	    "\"mx: *.example.net\"],\"mx-host\":[\"mx1.example.com\",\"*.example.net\"]},"
	    "\"summary\":{\"total-successful-session-count\":5326,\"total-failure-session-count\":303},\"failure-details\":["
	    "{\"result-type\":\"starttls-not-supported\",\"receiving-mx-hostname\":\"mx2.example.com\",\"receiving-ip\":\"2001:db8::1\",\"failed-session-count\":200},"
	    "{\"result-type\":\"certificate-expired\",\"receiving-mx-hostname\":\"mx1.example.com\",\"receiving-ip\":\"192.0.2.1\","
	    "\"failure-reason-code\":\"has\\\\expired\",\"failed-session-count\":103}]},"
	    "{\"policy\":{\"policy-type\":\"tlsa\",\"policy-domain\":\"example.com\",\"policy-string\":[\"3 1 1 AB\"]},"
	    "\"summary\":{\"total-successful-session-count\":7,\"total-failure-session-count\":0}}]}\n");
	ck_assert_int_eq(tlsrpt_compose(&head, SPAN("example.com"), rows, ROWS(rows), &small), -EMSGSIZE);
	buf_clear(&out);
	ck_assert_int_eq(tlsrpt_compose(&head, SPAN("example.com"), &rows[4], 3, &out), 1);
	ck_assert_int_eq(tlsrpt_compose(&head, SPAN("example.com"), rows, 0, &out), 1);
	buf_free(&out);
	buf_free(&small);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("tlsrpt");
	TCase *tests = tcase_create("tlsrpt");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, a_record, 0, ROWS(records));
	tcase_add_loop_test(tests, a_row, 0, ROWS(sessions));
	tcase_add_test(tests, types_of_results);
	tcase_add_test(tests, a_day);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
