/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Binary messages become lines: each row whole and in pieces of every length. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/quoted_printable.h"
#include "smtpd/smtp_binary.h"

#define CTE "Content-Transfer-Encoding: "
static const struct {
	const char *name;
	struct span binary, lines;
} rows[] = {
	{ "no encoding: as it is", SPAN("A: b\r\n\r\nx\r\n"), SPAN("A: b\r\n\r\nx\r\n") },
	{ "the whole message", SPAN("A: b\r\ncontent-transfer-encoding : binary\r\nC: d\r\n\r\n\0\n\r"),
	    SPAN("A: b\r\n" CTE "base64\r\nC: d\r\n\r\nAAoN\r\n") },
	{ "its last CRLF is kept", SPAN(CTE "binary\r\n\r\na\r\n"), SPAN(CTE "base64\r\n\r\nYQ0K\r\n") },
	{ "an empty body", SPAN(CTE "binary\r\n\r\n"), SPAN(CTE "base64\r\n\r\n") },
	{ "parts",
	    SPAN("Content-Type: multipart/mixed; boundary=\"q r\"\r\n" CTE "binary\r\n\r\npreamble\r\n--q r\r\n" CTE
		 "binary\r\n\r\n\0\r\n-\n--q\r\n--q r\t\r\n\r\ntext\r\n--q r\r\n" CTE "binary\r\n\r\n\r\n--q r--\r\nend\r\n"),
	    SPAN("Content-Type: multipart/mixed; boundary=\"q r\"\r\n" CTE "8bit\r\n\r\npreamble\r\n--q r\r\n" CTE
		 "base64\r\n\r\nAA0KLQotLXE=\r\n--q r\t\r\n\r\ntext\r\n--q r\r\n" CTE "base64\r\n\r\n--q r--\r\nend\r\n") },
	{ "a message within",
	    SPAN("Content-Type: message/rfc822\r\n" CTE "binary\r\n\r\nSubject: x\r\n" CTE "Binary\r\n\r\n\0"),
	    SPAN("Content-Type: message/rfc822\r\n" CTE "8bit\r\n\r\nSubject: x\r\n" CTE "base64\r\n\r\nAA==\r\n") },
	{ "the outer delimiter ends the inner parts",
	    SPAN("Content-Type: multipart/a; boundary=o\r\n\r\n--o\r\nContent-Type: multipart/b; boundary=i\r\n\r\n--i\r\n" CTE
		 "binary\r\n\r\n\0\r\n--o\r\n\r\n--i\r\n--o--"),
	    SPAN("Content-Type: multipart/a; boundary=o\r\n\r\n--o\r\nContent-Type: multipart/b; boundary=i\r\n\r\n--i\r\n" CTE
		 "base64\r\n\r\nAA==\r\n--o\r\n\r\n--i\r\n--o--") },
	{ "a header without its end", SPAN("Content-Type: multipart/a; boundary=o\r\n\r\n--o\r\n" CTE "binary\r\n--o--\r\n"),
	    SPAN("Content-Type: multipart/a; boundary=o\r\n\r\n--o\r\n" CTE "binary\r\n--o--\r\n") },
	{ "lines of base64",
	    SPAN(CTE "binary\r\n\r\n0123456789012345678901234567890123456789012345678901234567890123456789"),
	    SPAN(CTE "base64\r\n\r\nMDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2\r\n"
		     "Nzg5MDEyMzQ1Njc4OQ==\r\n") },
};

START_TEST(rows_become_lines)
{
	for (size_t step = 1; step <= rows[_i].binary.len + 1; step++) {
		struct smtp_binary *binary = smtp_binary_new(SMTP_BINARY_LINES);
		struct buf out = BUF_INIT(SMTP_BINARY_ROOM(4096));
		struct span rest = rows[_i].binary;

		while (rest.len != 0)
			ck_assert_int_eq(smtp_binary_put(binary, span_take(&rest, step), &out), 0);
		smtp_binary_end(binary, &out);
		ck_assert_msg(span_eq(buf_get(&out), rows[_i].lines), "%s (%zu): %s", rows[_i].name, step,
		    buf_cstr(&out));
		buf_free(&out);
		(void)smtp_binary_free(binary);
	}
}
END_TEST

/* A line of any length keeps its bytes, wherever it is cut. */
START_TEST(long_lines_of_text)
{
	struct buf eight = BUF_INIT(10000), body = BUF_INIT(10000), out = BUF_INIT(SMTP_BINARY_ROOM(10000)), back = BUF_INIT(10000);
	struct smtp_binary *binary = smtp_binary_new(SMTP_BINARY_SEVEN_BIT);

	(void)buf_str(&eight, CTE "8bit\r\n\r\n");
	for (int i = 0; i < 1000 + _i; i++)
		(void)buf_char(&body, i % 7 == 0 ? '\xe9' : 'x');
	(void)buf_str(&body, "\r\nend\r\n");
	(void)buf_span(&eight, buf_get(&body));
	ck_assert_int_eq(smtp_binary_put(binary, buf_get(&eight), &out), 0);
	smtp_binary_end(binary, &out);
	ck_assert_int_eq(quoted_printable_decode(span_skip(buf_get(&out), strlen(CTE "quoted-printable\r\n\r\n")), &back), 0);
	ck_assert(span_eq(buf_get(&back), buf_get(&body)));
	buf_free(&eight);
	buf_free(&body);
	buf_free(&out);
	buf_free(&back);
	(void)smtp_binary_free(binary);
}
END_TEST

START_TEST(eight_bits_become_seven)
{
	static const struct {
		struct span eight, seven;
	} cases[] = {
		{ SPAN("A: b\r\n" CTE "8bit\r\n\r\ncaf\xc3\xa9\r\n"), SPAN("A: b\r\n" CTE "quoted-printable\r\n\r\ncaf=C3=A9\r\n") },
		{ SPAN("Content-Type: text/html\r\n" CTE "8bit\r\n\r\n\xe9 \r\n\r\n.=\r\nx"),
		    SPAN("Content-Type: text/html\r\n" CTE "quoted-printable\r\n\r\n=E9=20\r\n\r\n=2E=3D\r\nx") },
		{ SPAN("Content-Type: application/pdf\r\n" CTE "8bit\r\n\r\ncaf\xc3\xa9\r\n"), SPAN("Content-Type: application/pdf\r\n" CTE "base64\r\n\r\nY2Fmw6kNCg==\r\n") },
		{ SPAN("Content-Type: multipart/mixed; boundary=b\r\n" CTE "8bit\r\n\r\n--b\r\n" CTE "7bit\r\n\r\nx\r\n--b\r\n" CTE "8BIT\r\n\r\n\xe9\r\n--b--\r\n"),
		    SPAN("Content-Type: multipart/mixed; boundary=b\r\n" CTE "7bit\r\n\r\n--b\r\n" CTE "7bit\r\n\r\nx\r\n--b\r\n" CTE "quoted-printable\r\n\r\n=E9\r\n--b--\r\n") },
		/* Messages and headers in UTF-8, and reports in it, may be encoded (RFC 6532 section 3.7, RFC 6533 section 4); once. */
		{ SPAN("Content-Type: message/global\r\n" CTE "8bit\r\n\r\nSubject: \xe9\r\n" CTE "8bit\r\n\r\n\xe9\r\n"),
		    SPAN("Content-Type: message/global\r\n" CTE "base64\r\n\r\nU3ViamVjdDog6Q0KQ29udGVudC1UcmFuc2Zlci1FbmNvZGluZzogOGJpdA0KDQrpDQo=\r\n") },
		{ SPAN("Content-Type: message/global-headers\r\n" CTE "8bit\r\n\r\nA: \xe9\r\n\r\n"), SPAN("Content-Type: message/global-headers\r\n" CTE "base64\r\n\r\nQTog6Q0KDQo=\r\n") },
		{ SPAN("Content-Type: Message/Global-Delivery-Status; x=y\r\n" CTE "8bit\r\n\r\n\xe9\r\n"),
		    SPAN("Content-Type: Message/Global-Delivery-Status; x=y\r\n" CTE "base64\r\n\r\n6Q0K\r\n") },
		{ SPAN("Content-Type: message/global\r\n" CTE "quoted-printable\r\n\r\n" CTE "8bit\r\n\r\n=C3=A9\r\n"),
		    SPAN("Content-Type: message/global\r\n" CTE "quoted-printable\r\n\r\n" CTE "8bit\r\n\r\n=C3=A9\r\n") },
		/* But not one of ASCII headers: its parts are. */
		{ SPAN("Content-Type: message/rfc822\r\n" CTE "8bit\r\n\r\n" CTE "8bit\r\n\r\n\xe9\r\n"),
		    SPAN("Content-Type: message/rfc822\r\n" CTE "7bit\r\n\r\n" CTE "quoted-printable\r\n\r\n=E9\r\n") },
		/* What is signed stays, whatever stands in it, and what does not say that it has eight bits. */
		{ SPAN("Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n"
			"--i\r\nContent-Type: message/global\r\n" CTE "8bit\r\n\r\nA: \xe9\r\n\r\n\xe9\r\n--i--\r\n--b\r\n" CTE "binary\r\n\r\n\xe9\r\n--o\r\n" CTE "8bit\r\n\r\n\xe9\r\n--o--\r\n"),
		    SPAN("Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n"
			 "--i\r\nContent-Type: message/global\r\n" CTE "8bit\r\n\r\nA: \xe9\r\n\r\n\xe9\r\n--i--\r\n--b\r\n" CTE "binary\r\n\r\n\xe9\r\n--o\r\n" CTE "quoted-printable\r\n\r\n=E9\r\n--o--\r\n") },
		{ SPAN("Content-Type: multipart/signed; boundary=b\r\n" CTE "8bit\r\n\r\n--b\r\n" CTE "8bit\r\n\r\n\xe9\r\n--b--\r\n"),
		    SPAN("Content-Type: multipart/signed; boundary=b\r\n" CTE "8bit\r\n\r\n--b\r\n" CTE "8bit\r\n\r\n\xe9\r\n--b--\r\n") },
		{ SPAN("A: b\r\n\r\n\xe9\r\n"), SPAN("A: b\r\n\r\n\xe9\r\n") },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct smtp_binary *binary = smtp_binary_new(SMTP_BINARY_SEVEN_BIT);
		struct buf out = BUF_INIT(SMTP_BINARY_ROOM(4096));

		ck_assert_int_eq(smtp_binary_put(binary, cases[i].eight, &out), 0);
		smtp_binary_end(binary, &out);
		ck_assert_msg(span_eq(buf_get(&out), cases[i].seven), "%zu: %s", i, buf_cstr(&out));
		buf_free(&out);
		(void)smtp_binary_free(binary);
	}
}
END_TEST

/* For hosts without SMTPUTF8 what is in UTF-8 by its type is encoded, and nothing else. */
START_TEST(headers_become_ascii)
{
	static const struct {
		struct span message, ascii; /* SPAN_NULL: nothing changes */
		bool utf8;
	} cases[] = {
		{ SPAN("Content-Type: multipart/report; boundary=b\r\n" CTE "8bit\r\n\r\n--b\r\nContent-Type: text/plain\r\n" CTE "8bit\r\n\r\n\xc3\xa9\r\n"
			"--b\r\nContent-Type: message/global-delivery-status\r\n" CTE "8bit\r\n\r\n\xc3\xa9\r\n--b\r\nContent-Type: message/global\r\n" CTE "8bit\r\n\r\nA: \xc3\xa9\r\n\r\nx\r\n\r\n--b--\r\n"),
		    SPAN("Content-Type: multipart/report; boundary=b\r\n" CTE "8bit\r\n\r\n--b\r\nContent-Type: text/plain\r\n" CTE "8bit\r\n\r\n\xc3\xa9\r\n"
			 "--b\r\nContent-Type: message/global-delivery-status\r\n" CTE "base64\r\n\r\nw6k=\r\n--b\r\nContent-Type: message/global\r\n" CTE "base64\r\n\r\nQTogw6kNCg0KeA0K\r\n--b--\r\n"),
		    false },
		{ SPAN("Content-Type: message/rfc822\r\n" CTE "8bit\r\n\r\n" CTE "8bit\r\n\r\n\xc3\xa9\r\n"), SPAN_NULL, false },
		{ SPAN("Content-Type: message/rfc822\r\n" CTE "8bit\r\n\r\nA: \xc3\xa9\r\n\r\n\xc3\xa9\r\n"), SPAN_NULL, true },
		{ SPAN("Content-Type: message/global\r\n\r\nA: \xc3\xa9\r\n\r\nx\r\n"), SPAN_NULL, true },
		{ SPAN("Content-Type: message/global-headers\r\n\r\nA: \xc3\xa9\r\n\r\n"), SPAN_NULL, false },
		{ SPAN("Content-Type: message/globalization\r\n" CTE "8bit\r\n\r\nA: \xc3\xa9\r\n\r\n"), SPAN_NULL, false },
		{ SPAN("Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\nContent-Type: message/global\r\n" CTE "8bit\r\n\r\nA: \xc3\xa9\r\n\r\nx\r\n--b--\r\n"), SPAN_NULL, true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct smtp_binary *binary = smtp_binary_new(SMTP_BINARY_ASCII_HEADERS);
		struct buf out = BUF_INIT(SMTP_BINARY_ROOM(4096));
		struct span wanted = cases[i].ascii.len != 0 ? cases[i].ascii : cases[i].message;

		ck_assert_int_eq(smtp_binary_put(binary, cases[i].message, &out), 0);
		smtp_binary_end(binary, &out);
		ck_assert_msg(span_eq(buf_get(&out), wanted), "%zu: %s", i, buf_cstr(&out));
		ck_assert_msg(smtp_binary_changed(binary) == (cases[i].ascii.len != 0), "%zu", i);
		ck_assert_msg(smtp_binary_utf8_header(binary) == cases[i].utf8, "%zu", i);
		buf_free(&out);
		(void)smtp_binary_free(binary);
	}
}
END_TEST

START_TEST(headers_that_are_not_ascii)
{
	static const struct {
		struct span message;
		bool utf8;
	} cases[] = {
		{ SPAN("A: b\r\n\r\n\xc3\xa9\r\n"), false },
		{ SPAN("A: \xc3\xa9\r\n\r\nx\r\n"), true },
		{ SPAN("A: \xc3\xa9\r\n"), true },
		{ SPAN("Content-Type: multipart/mixed; boundary=b\r\n\r\n\xc3\xa9\r\n--b\r\nA: b\r\n\r\n\xc3\xa9\r\n--b--\r\n\xc3\xa9\r\n"), false },
		{ SPAN("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n\r\n--b\r\nA: \xc3\xa9\r\n\r\nx\r\n--b--\r\n"), true },
		{ SPAN("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nA: \xc3\xa9\r\n--b--\r\n"), true },
		{ SPAN("Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\nA: \xc3\xa9\r\n\r\nx\r\n--b--\r\n"), true },
		{ SPAN("Content-Type: message/global\r\n\r\nSubject: \xc3\xa9\r\n\r\nx\r\n"), true },
		{ SPAN("Content-Type: message/global\r\n" CTE "8bit\r\n\r\nSubject: \xc3\xa9\r\n\r\nx\r\n"), true },
		{ SPAN("Content-Type: message/global-headers\r\n" CTE "8bit\r\n\r\nSubject: \xc3\xa9\r\n\r\n"), false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct smtp_binary *binary = smtp_binary_new(SMTP_BINARY_LINES);
		struct buf out = BUF_INIT(SMTP_BINARY_ROOM(4096));

		ck_assert_int_eq(smtp_binary_put(binary, cases[i].message, &out), 0);
		smtp_binary_end(binary, &out);
		ck_assert_msg(smtp_binary_utf8_header(binary) == cases[i].utf8, "%zu", i);
		ck_assert(span_eq(buf_get(&out), cases[i].message));
		buf_free(&out);
		(void)smtp_binary_free(binary);
	}
}
END_TEST

START_TEST(a_header_has_its_bound)
{
	struct smtp_binary *binary = smtp_binary_new(SMTP_BINARY_LINES);
	struct buf out = BUF_INIT(SMTP_BINARY_ROOM(4096));
	char line[1000];
	int r = 0;

	memset(line, 'x', sizeof(line));
	for (size_t i = 0; i < SMTP_HEADER_MAX / sizeof(line) + 1 && r == 0; i++)
		r = smtp_binary_put(binary, span_make(line, sizeof(line)), &out);
	ck_assert_int_lt(r, 0);
	buf_free(&out);
	(void)smtp_binary_free(binary);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("smtp_binary");
	TCase *tests = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, rows_become_lines, 0, (int)(sizeof(rows) / sizeof(*rows)));
	tcase_add_test(tests, a_header_has_its_bound);
	tcase_add_test(tests, headers_that_are_not_ascii);
	tcase_add_test(tests, eight_bits_become_seven);
	tcase_add_test(tests, headers_become_ascii);
	tcase_add_loop_test(tests, long_lines_of_text, -4, 4);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
