/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The site's rules: their lines, their wildcards, and where they look in a message. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "common/header.h"
#include "common/xalloc.h"
#include "smtpd/rules.h"
#include "smtpd/rules_parse.h"
#include "smtpd/smtp_data.h"

static const struct {
	const char *line, *pattern; /* NULL: it is wrong */
	enum rule_where where;
	enum rule_action action;
} line_rows[] = {
	{ "pills: header Subject contains \"cheap pills\" score 3", "cheap pills", RULE_HEADER, RULE_SCORE },
	{ "a-1:  header  From   matches \"*@bad.example\"  refuse ", "*@bad.example", RULE_HEADER, RULE_REFUSE },
	{ "exe: attachment \"*.exe\" junk", "*.exe", RULE_ATTACHMENT, RULE_JUNK },
	{ "exe: attachment \"*.exe\" quarantine", "*.exe", RULE_ATTACHMENT, RULE_QUARANTINE },
	{ "b: body contains \"#1: 'x'\" add \"X-Note: seen it\"", "#1: 'x'", RULE_BODY, RULE_ADD },
	{ "b: body matches \"x\" junk", NULL, 0, 0 },
	{ "header Subject contains \"x\" junk", NULL, 0, 0 },
	{ "a b: body contains \"x\" junk", NULL, 0, 0 },
	{ ": body contains \"x\" junk", NULL, 0, 0 },
	{ "b: body contains x junk", NULL, 0, 0 },
	{ "b: body contains \"x junk", NULL, 0, 0 },
	{ "b: body contains \"\" junk", NULL, 0, 0 },
	{ "b: body contains \"x\"", NULL, 0, 0 },
	{ "b: body contains \"x\" drop", NULL, 0, 0 },
	{ "b: body contains \"x\" score", NULL, 0, 0 },
	{ "b: body contains \"x\" score 0", NULL, 0, 0 },
	{ "b: body contains \"x\" junk junk", NULL, 0, 0 },
	{ "b: body contains \"x\" add \"X-Note\"", NULL, 0, 0 },
	{ "b: body contains \"x\" add \"X Note: y\"", NULL, 0, 0 },
	{ "b: header Sub:ject contains \"x\" junk", NULL, 0, 0 },
	{ "b: anywhere \"x\" junk", NULL, 0, 0 },
};

START_TEST(lines)
{
	struct rule_line rule;
	const char *fault = NULL;
	int r = rule_parse(span_of(line_rows[_i].line), &rule, &fault);

	ck_assert_msg((r == 0) == (line_rows[_i].pattern != NULL), "%s", line_rows[_i].line);
	ck_assert((r == 0) == (fault == NULL));
	ck_assert(r < 0 || (span_eq(rule.pattern, span_of(line_rows[_i].pattern)) && rule.where == line_rows[_i].where && rule.action == line_rows[_i].action));
}
END_TEST

START_TEST(wildcards)
{
	static const struct {
		const char *pattern, *text;
		bool matches;
	} rows[] = {
		{ "*", "", true }, { "", "", true }, { "", "a", false }, { "?", "", false }, { "a?c", "abc", true }, { "a?c", "ac", false },
		{ "*.exe", "a.exe", true }, { "*.exe", "a.exe.txt", false }, { "*a*b*", "xxaxxbxx", true }, { "*a*b*", "xxbxxaxx", false },
		{ "**a", "aaab", false }, { "a*a", "a", false }, { "a*a", "aa", true }, { "*ab", "aab", true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		ck_assert_msg(rule_matches(span_of(rows[i].pattern), span_of(rows[i].text)) == rows[i].matches, "%s %s", rows[i].pattern, rows[i].text);
}
END_TEST

#define MESSAGE \
	"From: Bad <x@bad.example>\r\n" \
	"Subject: =?utf-8?Q?CHEAP?=\r\n =?utf-8?Q?_P=C3=8FLLS?=\r\n" \
	"MIME-Version: 1.0\r\n" \
	"Content-Type: multipart/mixed; boundary=b\r\n\r\n" \
	"--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: base64\r\n\r\nV2lyZSBUcmFuc2bpcg==\r\n" \
	"--b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename*0=\"bill.pdf\";\r\n filename*1=\".EXE\"\r\n\r\nx\r\n" \
	"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nContent-Disposition: attachment; filename=inner.js\r\n\r\ny\r\n--b--\r\n"

static const struct {
	const char *rules, *matched;
	int score;
	bool refused, junk;
	const char *fields;
} message_rows[] = {
	{ "s: header Subject contains \"cheap p\xc3\xafll\" score 3\nt: header subject matches \"cheap\" score 5\n", "s", 3, false, false, "" },
	{ "f: header From matches \"*@bad.example>\" refuse\n", "f", 0, true, false, "" },
	{ "# comment\n\ne: attachment \"*.exe\" junk\r\n", "e", 0, false, true, "" },
	{ "i: attachment \"INNER.*\" score 1\nj: attachment \"bill.pdf\" score 7\n", "i", 1, false, false, "" },
	{ "b: body contains \"wire transf\xc3\xa9r\" add \"X-Note: wire\"\n", "b", 0, false, false, "X-Note: wire\r\n" },
	{ "b: body contains \"bill.pdf\" junk\nh: header Subject contains \"inner\" junk\n", "", 0, false, false, "" },
	{ "a: header Subject contains \"p\" score 2\na: header From contains \"x\" score -9\n", "a a", -9, false, false, "" },
	{ "", "", 0, false, false, "" },
};

START_TEST(messages)
{
	struct buf errors = BUF_INIT(1000);
	struct rules *rules = rules_new(span_of(message_rows[_i].rules), "f:", &errors);
	struct rules_outcome outcome;

	ck_assert_str_eq(buf_cstr(&errors), "");
	rules_apply(rules, SPAN(MESSAGE), &outcome);
	ck_assert_str_eq(buf_cstr(&outcome.matched), message_rows[_i].matched);
	ck_assert_int_eq(outcome.score.total, message_rows[_i].score);
	ck_assert(outcome.refused == message_rows[_i].refused && outcome.junk == message_rows[_i].junk);
	ck_assert_str_eq(buf_cstr(&outcome.fields), message_rows[_i].fields);
	rules_outcome_free(&outcome);
	(void)rules_free(rules);
	buf_free(&errors);
}
END_TEST

/* As many as clients may send, and fields of our own before them. */
START_TEST(no_field_hides_behind_others)
{
	struct rules *rules = rules_new(SPAN("s: header Subject contains \"pills\" refuse\n"), "f:", NULL);
	struct buf message = BUF_INIT(2 * SMTP_HEADER_MAX);
	struct rules_outcome outcome;

	for (unsigned i = 1; i < HEADER_FIELDS_MAX; i++)
		(void)buf_str(&message, "X-Filler: x\r\n");
	(void)buf_str(&message, "Subject: pills\r\n\r\nText.\r\n");
	ck_assert(!message.overflow);
	rules_apply(rules, buf_get(&message), &outcome);
	ck_assert(outcome.refused);
	rules_outcome_free(&outcome);
	(void)rules_free(rules);
	buf_free(&message);
}
END_TEST

START_TEST(faults_are_told_by_line)
{
	struct buf errors = BUF_INIT(1000);
	struct rules *rules = rules_new(SPAN("# x\na: body contains \"x\" junk\nnonsense\n"), "rules:", &errors);

	ck_assert_uint_eq(rules_count(rules), 1);
	ck_assert_str_eq(buf_cstr(&errors), "rules:3: a rule begins with its name, of letters, digits, - and _, and a colon\n");
	(void)rules_free(rules);
	buf_free(&errors);
}
END_TEST

/* Whatever a program takes for the name of the file. */
START_TEST(names_of_a_file)
{
	static const char *const headers[] = {
		"Content-Disposition: attachment; filename=\"evil.exe\"",
		"Content-Disposition: attachment; filename=\"a.txt\"\r\nContent-Type: application/octet-stream; name=\"evil.exe\"",
		"Content-Type: application/octet-stream; name=\"evil.exe\"",
		"Content-Disposition: attachment; filename*=utf-8''a.txt; filename=\"evil.exe\"",
		"Content-Disposition: attachment; filename=\"evil.exe\"; filename*=utf-8''a.txt",
		"Content-Disposition: attachment; filename=a.txt; filename*=utf-8''evil%2Eexe",
		"Content-Disposition: attachment; filename=a.txt; filename*0=evil; filename*1=.exe",
		"Content-Disposition: attachment; filename=a.txt; FileName=\"=?utf-8?Q?evil=2Eexe?=\"",
		"Content-Disposition: attachment; filename=a.txt\r\nContent-Disposition: attachment; filename=evil.exe",
		"Content-Type: text/plain; name=evil.exe\r\nContent-Type: text/plain; name=a.txt",
		"Content-Disposition: attachment; filename=\"c:\\\\x\\\\evil.exe\"",
		"Content-Disposition: attachment; filename=\"../evil.exe. . \"",
		"Content-Disposition: attachment; filename*=utf-8''\xc3\xa9vil-%C3%89",
	};
	struct rules *rules = rules_new(SPAN("e: attachment \"evil.exe\" refuse\ne: attachment \"\xc3\x89vil-\xc3\xa9\" refuse\nt: attachment \"*.pdf\" refuse\n"), "f:", NULL);
	struct rules_outcome outcome;
	struct buf message = BUF_INIT(1000);

	(void)buf_fmt(&message, "%s\r\n\r\nx\r\n", headers[_i]);
	rules_apply(rules, buf_get(&message), &outcome);
	ck_assert_msg(outcome.refused && strcmp(buf_cstr(&outcome.matched), "e") == 0, "%s", headers[_i]);
	rules_outcome_free(&outcome);
	(void)rules_free(rules);
	buf_free(&message);
}
END_TEST

START_TEST(a_name_that_is_too_long)
{
	struct rules *rules = rules_new(SPAN("e: attachment \"*.exe\" refuse\n"), "f:", NULL);
	struct rules_outcome outcome;
	struct buf message = BUF_INIT(2 * RULES_FIELD_MAX);

	(void)buf_str(&message, "Content-Disposition: attachment; filename=");
	for (size_t i = 0; i < RULES_FIELD_MAX + 100; i++)
		(void)buf_char(&message, 'a');
	(void)buf_str(&message, ".exe\r\n\r\nx\r\n");
	rules_apply(rules, buf_get(&message), &outcome);
	ck_assert(outcome.refused);
	rules_outcome_free(&outcome);
	(void)rules_free(rules);
	buf_free(&message);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("rules");
	TCase *tests = tcase_create("rules");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, lines, 0, (int)(sizeof(line_rows) / sizeof(*line_rows)));
	tcase_add_test(tests, wildcards);
	tcase_add_loop_test(tests, names_of_a_file, 0, 13);
	tcase_add_test(tests, a_name_that_is_too_long);
	tcase_add_loop_test(tests, messages, 0, (int)(sizeof(message_rows) / sizeof(*message_rows)));
	tcase_add_test(tests, no_field_hides_behind_others);
	tcase_add_test(tests, faults_are_told_by_line);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
