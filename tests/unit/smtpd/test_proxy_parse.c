/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Headers of the PROXY protocol: each row whole, with bytes behind it, and cut anywhere. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "common/buf.h"
#include "smtpd/proxy_parse.h"

#define V2 "\r\n\r\n\0\r\nQUIT\n"
static const struct {
	struct span header;
	const char *address; /* NULL: malformed */
} rows[] = {
	{ SPAN("PROXY TCP4 192.0.2.7 192.0.2.1 56324 25\r\n"), "192.0.2.7" },
	{ SPAN("PROXY TCP6 2001:DB8::7 2001:db8::1 1 25\r\n"), "2001:db8::7" },
	{ SPAN("PROXY TCP6 ::ffff:192.0.2.7 ::ffff:192.0.2.1 1 25\r\n"), "192.0.2.7" },
	{ SPAN("PROXY TCP6 ::192.0.2.7 ::1 1 25\r\n"), "::192.0.2.7" },
	{ SPAN("PROXY UNKNOWN\r\n"), "" },
	{ SPAN("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"), "" },
	{ SPAN(V2 "\x21\x11\0\x0c\xc0\0\2\7\xc0\0\2\1\0\1\0\x19"), "192.0.2.7" },
	{ SPAN(V2 "\x21\x11\0\x0f\xc0\0\2\7\xc0\0\2\1\0\1\0\x19\x04\0\0"), "192.0.2.7" },
	{ SPAN(V2 "\x21\x21\0\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\0\1\0\x19"), "2001:db8::7" },
	{ SPAN(V2 "\x21\x21\0\x24\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\7\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1\0\1\0\x19"), "192.0.2.7" },
	{ SPAN(V2 "\x20\0\0\0"), "" },
	{ SPAN(V2 "\x21\0\0\0"), "" },
	{ SPAN(V2 "\x21\0\0\3\4\0\0"), "" },
	{ SPAN("PROXY TCP4 192.0.2.7 192.0.2.1 0 25\r\n"), "192.0.2.7" },
	{ SPAN("PROXY TCP4 192.0.2.7 192.0.2.1 056324 25\r\n"), NULL },
	{ SPAN("PROXY  TCP4 192.0.2.7 192.0.2.1 56324 25\r\n"), NULL },
	{ SPAN("PROXY tcp4 192.0.2.7 192.0.2.1 56324 25\r\n"), NULL },
	{ SPAN(V2 "\x21\x12\0\x0c\xc0\0\2\7\xc0\0\2\1\0\1\0\x19"), NULL },
	{ SPAN(V2 "\x22\x11\0\x0c\xc0\0\2\7\xc0\0\2\1\0\1\0\x19"), NULL },
	{ SPAN("EHLO x\r\n"), NULL },
	{ SPAN("PROXY TCP4 192.0.2.7 192.0.2.1 56324\r\n"), NULL },
	{ SPAN("PROXY TCP4 192.0.2.7 192.0.2.1 56324 25 x\r\n"), NULL },
	{ SPAN("PROXY TCP4 2001:db8::7 192.0.2.1 1 25\r\n"), NULL },
	{ SPAN("PROXY TCP4 192.0.2.7 192.0.2.1 65536 25\r\n"), NULL },
	{ SPAN("PROXY TCP4 192.0.2.7 192.0.2.1 1 25\n"), NULL },
	{ SPAN("PROXY TCP9 192.0.2.7 192.0.2.1 1 25\r\n"), NULL },
	{ SPAN("PROXY UNKNOWN xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"), NULL },
	{ SPAN(V2 "\x11\x11\0\x0c\xc0\0\2\7\xc0\0\2\1\0\1\0\x19"), NULL },
	{ SPAN(V2 "\x21\x11\0\x08\xc0\0\2\7\xc0\0\2\1"), NULL },
	{ SPAN(V2 "\x21\x31\0\x0c\xc0\0\2\7\xc0\0\2\1\0\1\0\x19"), NULL },
	{ SPAN(V2 "\x21\x11\xff\xff"), NULL },
};

START_TEST(headers)
{
	struct span whole = rows[_i].header;
	struct buf text = BUF_INIT(2000);
	struct proxy_header header;
	size_t len;

	(void)buf_span(&text, whole);
	(void)buf_str(&text, "EHLO x\r\n");
	if (rows[_i].address == NULL) {
		ck_assert_int_eq(proxy_parse(buf_get(&text), &header, &len), -EBADMSG);
	} else {
		ck_assert_int_eq(proxy_parse(buf_get(&text), &header, &len), 0);
		ck_assert_uint_eq(len, whole.len);
		ck_assert_str_eq(header.address, rows[_i].address);
		for (size_t part = 0; part < whole.len; part++)
			ck_assert_int_eq(proxy_parse(span_make(whole.ptr, part), &header, &len), 1);
	}
	buf_free(&text);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("proxy_parse");
	TCase *tests = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, headers, 0, (int)(sizeof(rows) / sizeof(*rows)));
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
