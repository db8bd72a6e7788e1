/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Where a command ends: lines, literals of both kinds, APPEND's message, limits at N-1, N, N+1, and any chunking. */
#include <check.h>
#include <stdlib.h>

#include "imapd/imap_frame_parse.h"

static const struct imap_frame_limits limits = { .line = 40, .literal = 10, .command = 60, .count = 2, .messages = true };

static const struct {
	const char *input;
	enum imap_frame_event event;
	size_t length;
	uint64_t literal;
	bool sync;
} rows[] = {
	{ "", IMAP_FRAME_MORE, 0, 0, false },
	{ "a NOOP", IMAP_FRAME_MORE, 0, 0, false },
	{ "a NOOP\r\n", IMAP_FRAME_COMMAND, 8, 0, false },
	{ "a NOOP\nb", IMAP_FRAME_COMMAND, 7, 0, false },
	{ "\r\n", IMAP_FRAME_COMMAND, 2, 0, false },
	{ "a LOGIN {3}\r\n", IMAP_FRAME_CONTINUE, 13, 3, true },
	{ "a LOGIN {3+}\r\n", IMAP_FRAME_MORE, 0, 0, false },
	{ "a LOGIN {3+}\r\nx\r\n y\r\n", IMAP_FRAME_COMMAND, 21, 0, false },
	{ "a LOGIN {3-}\r\nx\r\n y\r\n", IMAP_FRAME_COMMAND, 21, 0, false },
	{ "a LOGIN {0+}\r\n x\r\n", IMAP_FRAME_COMMAND, 18, 0, false },
	{ "a LOGIN {10}\r\n", IMAP_FRAME_CONTINUE, 14, 10, true },
	{ "a LOGIN {11}\r\n", IMAP_FRAME_TOO_BIG, 14, 11, true },
	{ "a LOGIN {11+}\r\n", IMAP_FRAME_TOO_BIG, 15, 11, false },
	{ "a LOGIN {99999999999999999999}\r\n", IMAP_FRAME_BAD_LITERAL, 32, 0, false },
	{ "a LOGIN {}\r\n", IMAP_FRAME_BAD_LITERAL, 12, 0, false },
	{ "a LOGIN x{y}\r\n", IMAP_FRAME_COMMAND, 14, 0, false },
	{ "a X {1+}\r\n1 {1+}\r\n2 {1+}\r\n3\r\n", IMAP_FRAME_TOO_BIG, 26, 1, false },
	{ "a APPEND x {99}\r\nabc", IMAP_FRAME_MESSAGE, 17, 99, true },
	{ "a append \"x\" (\\Seen) {99+}\r\nabc", IMAP_FRAME_MESSAGE, 28, 99, false },
	{ "a APPEND {3}\r\n", IMAP_FRAME_CONTINUE, 14, 3, true },
	{ "a APPEND {3+}\r\nabc {99}\r\n", IMAP_FRAME_MESSAGE, 25, 99, true },
	{ "a FETCH 1:2 {99}\r\n", IMAP_FRAME_TOO_BIG, 18, 99, true },
	{ "a 4567890123456789012345678901234567890", IMAP_FRAME_MORE, 0, 0, false },
	{ "a 45678901234567890123456789012345678901", IMAP_FRAME_MORE, 0, 0, false },
	{ "a 4567890123456789012345678901234567\r\n", IMAP_FRAME_COMMAND, 38, 0, false },
	{ "a 456789012345678901234567890123456789\r\n", IMAP_FRAME_COMMAND, 40, 0, false },
	{ "a 4567890123456789012345678901234567890\r\n", IMAP_FRAME_TOO_LONG, 0, 0, false },
	{ "a 456789012345678901234567890123456789012", IMAP_FRAME_TOO_LONG, 0, 0, false },
	{ "a {3+}\r\nabc 78901234567890123456789012345678 {9+}\r\n", IMAP_FRAME_TOO_LONG, 11, 0, false },
	{ "a {3+}\r\nabc 78901234567890123456789012345678 {9", IMAP_FRAME_TOO_LONG, 11, 0, false },
};

START_TEST(whole)
{
	struct imap_frame frame = { 0 };
	struct imap_frame_result found = imap_frame_next(&frame, span_of(rows[_i].input), &limits);

	ck_assert_msg(found.event == rows[_i].event, "%s: event %d", rows[_i].input, (int)found.event);
	ck_assert_uint_eq(found.length, rows[_i].length);
	if (found.event == IMAP_FRAME_MORE || found.event == IMAP_FRAME_COMMAND || found.event == IMAP_FRAME_TOO_LONG ||
	    found.event == IMAP_FRAME_BAD_LITERAL)
		return;
	ck_assert_uint_eq(found.literal, rows[_i].literal);
	ck_assert_int_eq(found.sync, rows[_i].sync);
}
END_TEST

/* The same events whether a byte or a line comes at a time. */
START_TEST(byte_by_byte)
{
	struct imap_frame frame = { 0 };
	struct imap_frame_result found = { .event = IMAP_FRAME_MORE };
	struct span input = span_of(rows[_i].input);
	size_t len;

	for (len = 0; len <= input.len && found.event == IMAP_FRAME_MORE; len++)
		found = imap_frame_next(&frame, span_make(input.ptr, len), &limits);
	ck_assert_msg(found.event == rows[_i].event, "%s: event %d", rows[_i].input, (int)found.event);
	ck_assert_uint_eq(found.length, rows[_i].length);
}
END_TEST

START_TEST(continues)
{
	struct imap_frame frame = { 0 };
	struct span input = SPAN("a LOGIN {1}\r\nx {1}\r\ny\r\nb NOOP\r\n");

	ck_assert_int_eq(imap_frame_next(&frame, input, &limits).event, IMAP_FRAME_CONTINUE);
	ck_assert_int_eq(imap_frame_next(&frame, input, &limits).event, IMAP_FRAME_CONTINUE);
	ck_assert_int_eq(imap_frame_next(&frame, input, &limits).event, IMAP_FRAME_COMMAND);
}
END_TEST

START_TEST(tags)
{
	ck_assert(span_eq(imap_frame_tag(SPAN("a1 NOOP")), SPAN("a1")));
	ck_assert(span_eq(imap_frame_tag(SPAN("a1\r\n")), SPAN("a1")));
	ck_assert(span_eq(imap_frame_tag(SPAN(" NOOP")), SPAN("*")));
	ck_assert(span_eq(imap_frame_tag(SPAN("")), SPAN("*")));
	ck_assert(span_eq(imap_frame_tag(SPAN("a*b NOOP")), SPAN("*")));
	ck_assert(span_eq(imap_frame_tag(SPAN("a1")), SPAN("*")));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("imap_frame");
	TCase *tests = tcase_create("frame");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, whole, 0, sizeof(rows) / sizeof(rows[0]));
	tcase_add_loop_test(tests, byte_by_byte, 0, sizeof(rows) / sizeof(rows[0]));
	tcase_add_test(tests, continues);
	tcase_add_test(tests, tags);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
