/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* POP3 lines, and messages on their way out: whole, and cut at every place. */
#include <check.h>

#include "pop3d/pop3_parse.h"

START_TEST(takes_lines)
{
	size_t used = 0;
	struct span line;

	ck_assert(!pop3_take_line(SPAN("NOOP"), &used, &line));
	ck_assert(!pop3_take_line(SPAN(""), &used, &line));
	ck_assert(pop3_take_line(SPAN("NOOP\r\nQUIT\r\n"), &used, &line) && used == 6 &&
	    span_eq(line, SPAN("NOOP")));
	ck_assert(pop3_take_line(SPAN("NOOP\n"), &used, &line) && used == 5 &&
	    span_eq(line, SPAN("NOOP")));
	ck_assert(pop3_take_line(SPAN("\r\n"), &used, &line) && used == 2 && line.len == 0);
	ck_assert(pop3_take_line(SPAN("a\r\r\n"), &used, &line) && span_eq(line, SPAN("a\r")));
}
END_TEST

START_TEST(commands)
{
	static const struct {
		struct span line;
		enum pop3_parsed parsed;
		enum pop3_verb verb;
		unsigned numbers;
		uint64_t first, second;
	} cases[] = {
		{ SPAN("STAT"), POP3_GOOD, POP3_STAT, 0, 0, 0 },
		{ SPAN("stat "), POP3_GOOD, POP3_STAT, 0, 0, 0 },
		{ SPAN("STAT 1"), POP3_BAD_ARGS, POP3_STAT, 0, 0, 0 },
		{ SPAN("list"), POP3_GOOD, POP3_LIST, 0, 0, 0 },
		{ SPAN("LIST 7"), POP3_GOOD, POP3_LIST, 1, 7, 0 },
		{ SPAN("LIST 7 8"), POP3_BAD_ARGS, POP3_LIST, 1, 7, 0 },
		{ SPAN("LIST -1"), POP3_BAD_ARGS, POP3_LIST, 0, 0, 0 },
		{ SPAN("LIST 1x"), POP3_BAD_ARGS, POP3_LIST, 1, 1, 0 },
		{ SPAN("RETR"), POP3_BAD_ARGS, POP3_RETR, 0, 0, 0 },
		{ SPAN("RETR 4294967295"), POP3_GOOD, POP3_RETR, 1, UINT32_MAX, 0 },
		{ SPAN("RETR 4294967296"), POP3_BAD_ARGS, POP3_RETR, 0, 0, 0 },
		{ SPAN("RETR 99999999999999999999"), POP3_BAD_ARGS, POP3_RETR, 0, 0, 0 },
		{ SPAN("TOP 1 0"), POP3_GOOD, POP3_TOP, 2, 1, 0 },
		{ SPAN("TOP 1  10 "), POP3_GOOD, POP3_TOP, 2, 1, 10 },
		{ SPAN("TOP 1"), POP3_BAD_ARGS, POP3_TOP, 1, 1, 0 },
		{ SPAN("TOP 1 2 3"), POP3_BAD_ARGS, POP3_TOP, 2, 1, 2 },
		{ SPAN("TOP 1\t2"), POP3_BAD_ARGS, POP3_TOP, 1, 1, 0 },
		{ SPAN("USER"), POP3_BAD_ARGS, POP3_USER, 0, 0, 0 },
		{ SPAN("USER a"), POP3_GOOD, POP3_USER, 0, 0, 0 },
		{ SPAN(""), POP3_UNKNOWN, POP3_VERBS, 0, 0, 0 },
		{ SPAN("STATS"), POP3_UNKNOWN, POP3_VERBS, 0, 0, 0 },
		{ SPAN("APOP a b"), POP3_UNKNOWN, POP3_VERBS, 0, 0, 0 },
		{ SPAN("USER a\0b"), POP3_BAD_BYTES, POP3_VERBS, 0, 0, 0 },
		{ SPAN("NOOP\rQUIT"), POP3_BAD_BYTES, POP3_VERBS, 0, 0, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct pop3_command command;

		ck_assert_msg(pop3_parse(cases[i].line, &command) == cases[i].parsed, "%s",
		    cases[i].line.ptr);
		ck_assert_int_eq(command.verb, cases[i].verb);
		ck_assert_uint_eq(command.number_count, cases[i].numbers);
		ck_assert_uint_eq(command.number[0], cases[i].first);
		ck_assert_uint_eq(command.number[1], cases[i].second);
	}
}
END_TEST

START_TEST(passwords_keep_their_spaces)
{
	struct pop3_command command;

	ck_assert_int_eq(pop3_parse(SPAN("PASS  two  words "), &command), POP3_GOOD);
	ck_assert(span_eq(command.rest, SPAN(" two  words ")));
}
END_TEST

/* The whole reply, the text cut after `cut` bytes. */
static void
encode(const char *text, size_t cut, const uint64_t *lines, struct buf *out)
{
	struct pop3_dot dot;

	buf_clear(out);
	pop3_dot_begin(&dot, lines);
	pop3_dot_put(&dot, span_make(text, cut), out);
	pop3_dot_put(&dot, span_skip(span_of(text), cut), out);
	pop3_dot_end(&dot, out);
}

START_TEST(dots)
{
	static const uint64_t zero = 0, one = 1, many = 99;
	static const struct {
		const char *text;
		const uint64_t *lines;
		const char *sent;
	} cases[] = {
		{ "", NULL, ".\r\n" },
		{ "A: b\n\nx\n", NULL, "A: b\r\n\r\nx\r\n.\r\n" },
		{ "A: b\r\n\r\nx\r\n", NULL, "A: b\r\n\r\nx\r\n.\r\n" },
		{ "A: b\n\nx", NULL, "A: b\r\n\r\nx\r\n.\r\n" },
		{ "A: b\n\nx\r", NULL, "A: b\r\n\r\nx\r\r\n.\r\n" },
		{ ".\n..\n.x\na.b\n", NULL, "..\r\n...\r\n..x\r\na.b\r\n.\r\n" },
		{ "a\rb\n\r\r\n", NULL, "a\rb\r\n\r\r\n.\r\n" },
		{ "A: b\n\nx\ny\nz\n", &zero, "A: b\r\n\r\n.\r\n" },
		{ "A: b\n\nx\ny\nz\n", &one, "A: b\r\n\r\nx\r\n.\r\n" },
		{ "A: b\n\nx\ny\nz", &many, "A: b\r\n\r\nx\r\ny\r\nz\r\n.\r\n" },
		{ "A: b\n\n\n\nz\n", &one, "A: b\r\n\r\n\r\n.\r\n" },
		{ "A: b\nC: d", &zero, "A: b\r\nC: d\r\n.\r\n" },
		{ "\nx\n", &zero, "\r\n.\r\n" },
	};
	struct buf out = BUF_INIT(1000);

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		for (size_t cut = 0; cut <= strlen(cases[i].text); cut++) {
			encode(cases[i].text, cut, cases[i].lines, &out);
			ck_assert_str_eq(buf_cstr(&out), cases[i].sent);
		}
	buf_free(&out);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("pop3_parse");
	TCase *tests = tcase_create("pop3_parse");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, takes_lines);
	tcase_add_test(tests, commands);
	tcase_add_test(tests, passwords_keep_their_spaces);
	tcase_add_test(tests, dots);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
