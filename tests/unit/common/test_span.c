/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Spans and buffers: limits at N-1, N, N+1, and the scanners' edges. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/span.h"

START_TEST(cut)
{
	ck_assert(span_eq(span_utf8_cut(SPAN("abc"), 3), SPAN("abc")));
	ck_assert(span_eq(span_utf8_cut(SPAN("abc"), 2), SPAN("ab")));
	ck_assert(span_eq(span_utf8_cut(SPAN("a\xc3\xa9"), 2), SPAN("a")));
	ck_assert(span_eq(span_utf8_cut(SPAN("\xc3\xa9z"), 2), SPAN("\xc3\xa9")));
	ck_assert_uint_eq(span_utf8_cut(SPAN("\xf0\x9f\x93\xaf"), 3).len, 0);
}
END_TEST

START_TEST(numbers)
{
	uint64_t value = 0;
	struct span text = SPAN("12x");

	ck_assert_int_eq(span_to_u64(SPAN("4294967295"), UINT32_MAX, &value), 0);
	ck_assert_uint_eq(value, UINT32_MAX);
	ck_assert_int_eq(span_to_u64(SPAN("4294967296"), UINT32_MAX, &value), -ERANGE);
	ck_assert_int_eq(span_to_u64(SPAN("18446744073709551615"), UINT64_MAX, &value), 0);
	ck_assert_uint_eq(value, UINT64_MAX);
	ck_assert_int_eq(span_to_u64(SPAN("18446744073709551616"), UINT64_MAX, &value), -ERANGE);
	ck_assert_int_eq(span_to_u64(SPAN(""), 10, &value), -EINVAL);
	ck_assert_int_eq(span_to_u64(SPAN("-1"), 10, &value), -EINVAL);
	ck_assert_int_eq(span_to_u64(SPAN("1 "), 10, &value), -EINVAL);
	ck_assert_int_eq(span_take_u64(&text, 99, &value), 0);
	ck_assert_uint_eq(value, 12);
	ck_assert(span_eq(text, SPAN("x")));
}
END_TEST

START_TEST(splitting)
{
	struct span text = SPAN("a,,b"), part;

	ck_assert(span_split(&text, ',', &part) && span_eq(part, SPAN("a")));
	ck_assert(span_split(&text, ',', &part) && part.len == 0);
	ck_assert(span_split(&text, ',', &part) && span_eq(part, SPAN("b")));
	ck_assert(!span_split(&text, ',', &part));
	ck_assert(span_eq(span_trim(SPAN(" \t x y\r\n")), SPAN("x y")));
	ck_assert_int_eq(span_ifind(SPAN("Content-TYPE"), SPAN("type")), 8);
	ck_assert_int_eq(span_find(SPAN("aaab"), SPAN("ab")), 2);
	ck_assert_int_eq(span_find(SPAN_NULL, SPAN("a")), -1);
	ck_assert(span_iends(SPAN("host.EXAMPLE"), SPAN(".example")));
}
END_TEST

START_TEST(utf8)
{
	ck_assert(span_is_utf8(SPAN("caf\xc3\xa9 \xe4\xb8\xad\xe6\x96\x87 \xf0\x9f\x93\xa7")));
	ck_assert(!span_is_utf8(SPAN("\xc0\x80")));
	ck_assert(!span_is_utf8(SPAN("\xed\xa0\x80")));
	ck_assert(!span_is_utf8(SPAN("\xf4\x90\x80\x80")));
	ck_assert(!span_is_utf8(SPAN("\xe4\xb8")));
	ck_assert(!span_is_utf8(SPAN("\xff")));
}
END_TEST

START_TEST(buffer_limits)
{
	struct buf buf = BUF_INIT(5);

	ck_assert_int_eq(buf_put(&buf, "1234", 4), 0);
	ck_assert_int_eq(buf_put(&buf, "56", 2), -EMSGSIZE);
	ck_assert(buf.overflow);
	ck_assert_str_eq(buf_cstr(&buf), "1234");
	ck_assert_int_eq(buf_put(&buf, "5", 1), -EMSGSIZE);
	buf_clear(&buf);
	ck_assert_int_eq(buf_fmt(&buf, "%d", 12345), 0);
	ck_assert_int_eq(buf_u64(&buf, 0), -EMSGSIZE);
	buf_drop(&buf, 2);
	ck_assert_str_eq(buf_cstr(&buf), "345");
	buf_free(&buf);
	ck_assert_str_eq(buf_cstr(&buf), "");
}
END_TEST

/* Vectors of FNV-1a with 64 bits. */
START_TEST(hashes)
{
	const uint64_t basis = UINT64_C(0xcbf29ce484222325);

	ck_assert_uint_eq(span_hash(basis, SPAN_NULL), basis);
	ck_assert_uint_eq(span_hash(basis, SPAN("a")), UINT64_C(0xaf63dc4c8601ec8c));
	ck_assert_uint_eq(span_hash(basis, SPAN("foobar")), UINT64_C(0x85944171f73967e8));
	ck_assert_uint_eq(span_hash(span_hash(basis, SPAN("foo")), SPAN("bar")), span_hash(basis, SPAN("foobar")));
	ck_assert_uint_eq(span_ihash(basis, SPAN("FooBAR")), span_hash(basis, SPAN("foobar")));
	ck_assert_uint_ne(span_ihash(basis, SPAN("\xc3\x84")), span_ihash(basis, SPAN("\xc3\xa4")));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("span");
	TCase *tests = tcase_create("span and buf");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, cut);
	tcase_add_test(tests, numbers);
	tcase_add_test(tests, splitting);
	tcase_add_test(tests, utf8);
	tcase_add_test(tests, hashes);
	tcase_add_test(tests, buffer_limits);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
