/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Lines of SMTP: verbs, paths, mailboxes, parameters. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "common/envelope.h"
#include "smtpd/smtp_parse.h"

static void
assert_span(struct span got, const char *wanted)
{
	ck_assert_msg(span_eq(got, span_of(wanted)), "got \"%.*s\", wanted \"%s\"", (int)got.len,
	    got.ptr, wanted);
}

static const struct {
	const char *line, *verb, *args; /* verb NULL: refused */
} commands[] = {
	{ "EHLO x", "EHLO", "x" },
	{ "quit", "quit", "" },
	{ "MAIL FROM:<a@b>  SIZE=1 \t", "MAIL", "FROM:<a@b>  SIZE=1" },
	{ "NOOP\tx", "NOOP", "x" },
	{ "", NULL, NULL },
	{ " QUIT", NULL, NULL },
	{ "QU1T", NULL, NULL },
	{ "QUIT\r", NULL, NULL },
	{ "QUIT\x7f", NULL, NULL },
};

/* Not the same as no command at all: the reply is another (RFC 5321 section 4.1.2). */
START_TEST(control_characters)
{
	static const char *const lines[] = { "MAIL FROM:<a\x01@b>", "NOOP \x7f", "NOOP \xc2\x85" };
	struct smtp_command command;

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		ck_assert_int_eq(smtp_parse_command(span_of(lines[i]), &command), -EILSEQ);
}
END_TEST

START_TEST(command_lines)
{
	struct smtp_command command;
	int r = smtp_parse_command(span_of(commands[_i].line), &command);

	if (commands[_i].verb == NULL) {
		ck_assert_int_eq(r, -EINVAL);
		return;
	}
	ck_assert_int_eq(r, 0);
	assert_span(command.verb, commands[_i].verb);
	assert_span(command.args, commands[_i].args);
}
END_TEST

static const struct {
	const char *args, *mailbox, *rest; /* mailbox NULL: refused */
} paths[] = {
	{ "FROM:<>", "", "" },
	{ "FROM:<a@b>", "a@b", "" },
	{ "from: <a@b> SIZE=5", "a@b", "SIZE=5" },
	{ "FROM:a@b BODY=7BIT", "a@b", "BODY=7BIT" },
	{ "FROM:<@r1,@r2:a@b>", "a@b", "" },
	{ "FROM:<\"a>b\"@c> X", "\"a>b\"@c", "X" },
	{ "FROM:<\"a\\\">b\"@c>", "\"a\\\">b\"@c", "" },
	{ "FROM:<a@b>X", NULL, NULL },
	{ "FROM:<a@b", NULL, NULL },
	{ "FROM:<\"a@b>", NULL, NULL },
	{ "FROM:", NULL, NULL },
	{ "FROM <a@b>", NULL, NULL },
	{ "FROM:a>b", NULL, NULL },
	{ "FROM:\"a b\"@c", NULL, NULL },
	{ "FROM:<@r>", NULL, NULL },
	{ "TO:<a@b>", NULL, NULL },
};

START_TEST(paths_are_found)
{
	struct span args = span_of(paths[_i].args);
	struct address address;
	enum address_result result = smtp_parse_path(&args, SPAN("FROM"), ADDRESS_NULL, &address);

	if (paths[_i].mailbox == NULL) {
		ck_assert_int_eq(result, ADDRESS_SYNTAX);
		assert_span(args, paths[_i].args);
		return;
	}
	ck_assert_int_eq(result, ADDRESS_OK);
	assert_span(address.mailbox, paths[_i].mailbox);
	assert_span(args, paths[_i].rest);
}
END_TEST

START_TEST(postmaster)
{
	struct span args = SPAN("TO:<Postmaster> NOTIFY=NEVER");
	struct address address;

	ck_assert_int_eq(
	    smtp_parse_path(&args, SPAN("TO"), ADDRESS_POSTMASTER, &address), ADDRESS_OK);
	assert_span(address.local, "Postmaster");
	ck_assert_uint_eq(address.domain.len, 0);
	args = SPAN("TO:<>");
	ck_assert_int_eq(
	    smtp_parse_path(&args, SPAN("TO"), ADDRESS_POSTMASTER, &address), ADDRESS_SYNTAX);
	args = SPAN("TO:<alice>");
	ck_assert_int_eq(
	    smtp_parse_path(&args, SPAN("TO"), ADDRESS_POSTMASTER, &address), ADDRESS_SYNTAX);
	args = SPAN("TO:<a@0123456789012345678901234567890123456789012345678901234567890123>");
	ck_assert_int_eq(smtp_parse_path(&args, SPAN("TO"), 0, &address), ADDRESS_TOO_LONG);
}
END_TEST

START_TEST(parameters)
{
	struct span args = SPAN("SIZE=100  BODY=8BITMIME SMTPUTF8 X= =Y a_b=1"), key, value;

	ck_assert(smtp_next_parameter(&args, &key, &value));
	assert_span(key, "SIZE");
	assert_span(value, "100");
	ck_assert(smtp_next_parameter(&args, &key, &value));
	assert_span(key, "BODY");
	ck_assert(smtp_next_parameter(&args, &key, &value));
	assert_span(key, "SMTPUTF8");
	assert_span(value, "");
	for (int i = 0; i < 3; i++) {
		ck_assert(smtp_next_parameter(&args, &key, &value));
		assert_span(key, "");
	}
	ck_assert(!smtp_next_parameter(&args, &key, &value));
}
END_TEST

START_TEST(words_of_dsn)
{
	uint8_t notify;

	ck_assert(smtp_is_xtext(SPAN("QQ314159"), 100));
	ck_assert(smtp_is_xtext(SPAN("a+2Bb"), 100));
	ck_assert(smtp_is_xtext(SPAN("a+2bb+fF"), 100));
	ck_assert(smtp_is_orcpt(SPAN("rfc822;bob+2bx@example.test")));
	ck_assert(!smtp_is_orcpt(SPAN("rfc822;bob+2gx@example.test")));
	ck_assert(!smtp_is_xtext(SPAN("a+2"), 100));
	ck_assert(!smtp_is_xtext(SPAN("a+zz"), 100));
	ck_assert(!smtp_is_xtext(SPAN("a=b"), 100));
	ck_assert(!smtp_is_xtext(SPAN(""), 100));
	ck_assert(!smtp_is_xtext(SPAN("abc"), 2));
	ck_assert_int_eq(smtp_parse_notify(SPAN("never"), &notify), 0);
	ck_assert_int_eq(notify, ENVELOPE_NEVER);
	ck_assert_int_eq(smtp_parse_notify(SPAN("SUCCESS,delay"), &notify), 0);
	ck_assert_int_eq(notify, ENVELOPE_SUCCESS | ENVELOPE_DELAY);
	ck_assert_int_eq(smtp_parse_notify(SPAN("NEVER,SUCCESS"), &notify), -EINVAL);
	ck_assert_int_eq(smtp_parse_notify(SPAN("SUCCESS,"), &notify), -EINVAL);
	ck_assert_int_eq(smtp_parse_notify(SPAN(""), &notify), -EINVAL);
	ck_assert(smtp_is_orcpt(SPAN("rfc822;a+40b@c")));
	ck_assert(smtp_is_orcpt(SPAN("utf-8;\xc3\xa9@c")));
	ck_assert(!smtp_is_orcpt(SPAN("rfc822;\xc3\xa9@c")));
	ck_assert(!smtp_is_orcpt(SPAN(";a")));
	ck_assert(!smtp_is_orcpt(SPAN("rfc822;")));
	ck_assert(!smtp_is_orcpt(SPAN("rfc822")));
	ck_assert(!smtp_is_orcpt(SPAN("a b;c")));
}
END_TEST

START_TEST(hellos)
{
	ck_assert(smtp_is_helo(SPAN("mail.example.org")));
	ck_assert(smtp_is_helo(SPAN("[192.0.2.1]")));
	ck_assert(smtp_is_helo(SPAN("host_name")));
	ck_assert(!smtp_is_helo(SPAN("b\xc3\xbc" "cher.example")));
	ck_assert(!smtp_is_helo(SPAN("")));
	ck_assert(!smtp_is_helo(SPAN("a b")));
	ck_assert(!smtp_is_helo(SPAN("a(b")));
	ck_assert(!smtp_is_helo(SPAN("\xff")));
	ck_assert(
	    smtp_is_http(SPAN("GET")) && smtp_is_http(SPAN("post")) && !smtp_is_http(SPAN("EHLO")));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("smtp_parse");
	TCase *tests = tcase_create("smtp_parse");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, command_lines, 0, sizeof(commands) / sizeof(*commands));
	tcase_add_test(tests, control_characters);
	tcase_add_loop_test(tests, paths_are_found, 0, sizeof(paths) / sizeof(*paths));
	tcase_add_test(tests, postmaster);
	tcase_add_test(tests, parameters);
	tcase_add_test(tests, words_of_dsn);
	tcase_add_test(tests, hellos);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
