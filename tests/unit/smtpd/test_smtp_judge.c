/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What the SMTP machine sees of clients that speak badly, where it has them judged, and what it keeps out of messages. */
#include <check.h>
#include <stdlib.h>

#include "smtpd/smtp_state.h"

static const struct smtp_settings settings = {
	.hostname = "mail.example.test", .postmaster = "alice@example.test", .size_max = 100000, .recipients_max = 10, .hops_max = 10, .errors_max = 20, .junk_max = 100
};

/* Carries out what it asks for: each recipient is here, and gets that word. */
static void
run(struct smtp *smtp, struct span input, struct span word, struct buf *message)
{
	size_t taken = 1;

	while (taken != 0 || smtp->action != SMTP_NOTHING) {
		enum smtp_action action = smtp->action;

		(void)buf_span(message, buf_get(&smtp->message));
		buf_clear(&smtp->message);
		if (action == SMTP_NOTHING) {
			taken = smtp_input(smtp, input);
			input = span_skip(input, taken);
			continue;
		}
		smtp_acted(smtp);
		switch (action) {
		case SMTP_LOOKUP: smtp_looked_up(smtp, SMTP_IS_LOCAL, smtp->asked); break;
		case SMTP_JUDGE: smtp_judged(smtp, word); break;
		case SMTP_OPEN: smtp_opened(smtp, SMTP_STORED, SPAN("0123456789ABCDEF"), "date"); break;
		case SMTP_CHECK: smtp_checked(smtp, SMTP_FAULT_NONE); break;
		case SMTP_COMMIT: smtp_committed(smtp, SMTP_STORED, NULL, 0); break;
		default: break;
		}
	}
}

static const struct {
	const char *input;
	unsigned signs;
} sign_rows[] = {
	{ "EHLO x.example\r\n", 0 },
	{ "EHLO x.example\r\nMAIL FROM:<>\r\n", SMTP_SIGN_PIPELINING },
	{ "helo x.example\r\nNOOP\r\n", SMTP_SIGN_PIPELINING },
	{ "NOOP\r\nNOOP\r\nEHLO x.example\r\n", 0 },
	{ "NOOP\n", SMTP_SIGN_BARE_NEWLINE },
	{ "HELLO\r\n", SMTP_SIGN_UNKNOWN },
	{ "\x16\x03\x01\n", SMTP_SIGN_BARE_NEWLINE },
	/* Wrong here, but commands. */
	{ "RCPT TO:<a@b.c>\r\nDATA\r\n", 0 },
};

START_TEST(signs)
{
	struct buf message = BUF_INIT(10000);
	struct smtp smtp;

	smtp_init(&smtp, &settings, SMTP_MX, "192.0.2.1");
	run(&smtp, span_of(sign_rows[_i].input), SPAN_NULL, &message);
	ck_assert_uint_eq(smtp.signs, sign_rows[_i].signs);
	smtp_free(&smtp);
	buf_free(&message);
}
END_TEST

static const struct {
	bool guarded;
	const char *word, *reply;
	bool closed;
} judge_rows[] = {
	{ true, "", "250 2.1.5 Ok\r\n", false },
	{ true, "450 4.7.1 Later", "450 4.7.1 Later\r\n", false },
	{ true, "554 5.7.1 [192.0.2.1] is refused here", "554 5.7.1 [192.0.2.1] is refused here\r\n", false },
	{ true, "421 4.7.0 Too many", "421 4.7.0 Too many\r\n", true },
	{ true, "250 2.0.0 no refusal", "451 ", false },
	{ false, "450 4.7.1 Later", "250 2.1.5 Ok\r\n", false },
};

START_TEST(recipients_are_judged)
{
	struct buf message = BUF_INIT(10000);
	struct smtp smtp;

	smtp_init(&smtp, &settings, SMTP_MX, "192.0.2.1");
	smtp.guarded = judge_rows[_i].guarded;
	run(&smtp, SPAN("HELO x\r\n"), SPAN_NULL, &message);
	run(&smtp, SPAN("MAIL FROM:<a@b.example>\r\n"), SPAN_NULL, &message);
	buf_clear(&smtp.out);
	run(&smtp, SPAN("RCPT TO:<c@example.test>\r\n"), span_of(judge_rows[_i].word), &message);
	ck_assert_msg(span_starts(buf_get(&smtp.out), span_of(judge_rows[_i].reply)), "%s", buf_cstr(&smtp.out));
	ck_assert(judge_rows[_i].closed == (smtp.phase == SMTP_ENDED));
	ck_assert(judge_rows[_i].closed || smtp.envelope.count == (buf_cstr(&smtp.out)[0] == '2'));
	smtp_free(&smtp);
	buf_free(&message);
}
END_TEST

/* RFC 5321 section 4.5.1: whether a score may refuse the message. */
static const struct {
	const char *recipients;
	bool has_choosy;
} choosy_rows[] = {
	{ "RCPT TO:<postmaster>\r\n", false },
	{ "RCPT TO:<Postmaster@example.test>\r\nRCPT TO:<abuse@example.test>\r\n", false },
	{ "RCPT TO:<c@example.test>\r\n", true },
	{ "RCPT TO:<abuser@example.test>\r\n", true },
	{ "RCPT TO:<abuse@example.test>\r\nRCPT TO:<c@example.test>\r\n", true },
	{ "RCPT TO:<postmaster>\r\nRCPT TO:<alice@example.test>\r\n", true }, /* who is the same */
	{ "RCPT TO:<c@example.test>\r\nRSET\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster>\r\n", false },
};

START_TEST(some_hear_everybody)
{
	struct buf message = BUF_INIT(10000);
	struct smtp smtp;

	smtp_init(&smtp, &settings, SMTP_MX, "192.0.2.1");
	run(&smtp, SPAN("HELO x\r\n"), SPAN_NULL, &message);
	run(&smtp, SPAN("MAIL FROM:<>\r\n"), SPAN_NULL, &message);
	run(&smtp, span_of(choosy_rows[_i].recipients), SPAN_NULL, &message);
	ck_assert_uint_ne(smtp.envelope.count, 0);
	ck_assert(smtp.has_choosy == choosy_rows[_i].has_choosy);
	smtp_free(&smtp);
	buf_free(&message);
}
END_TEST

START_TEST(forged_scores_go)
{
	struct buf message = BUF_INIT(10000);
	struct smtp smtp;

	smtp_init(&smtp, &settings, SMTP_MX, "192.0.2.1");
	smtp.guarded = smtp.checks = true;
	run(&smtp, SPAN("HELO x\r\n"), SPAN_NULL, &message);
	run(&smtp, SPAN("MAIL FROM:<>\r\nRCPT TO:<c@example.test>\r\nDATA\r\n"), SPAN_NULL, &message);
	run(&smtp, SPAN("X-Fourpost-Score: 0/6\r\nx-fourpost-score:\r\n -5/6;\r\n\ta=1\r\nSubject: kept\r\nX-Fourpost-Scores: kept\r\n\r\nX-Fourpost-Score: text\r\n.\r\n"),
	    SPAN_NULL, &message);
	ck_assert_msg(span_ends(buf_get(&message), SPAN("\tdate\r\nSubject: kept\r\nX-Fourpost-Scores: kept\r\n\r\nX-Fourpost-Score: text\r\n")), "%s",
	    buf_cstr(&message));
	smtp_free(&smtp);
	buf_free(&message);
}
END_TEST

START_TEST(a_teaser_is_a_part_of_the_greeting)
{
	struct smtp smtp;

	smtp_init(&smtp, &settings, SMTP_MX, "192.0.2.1");
	smtp_tease(&smtp);
	smtp_greet(&smtp);
	ck_assert_str_eq(buf_cstr(&smtp.out), "220-mail.example.test ESMTP\r\n220 mail.example.test ESMTP Fourpost\r\n");
	smtp_free(&smtp);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("smtp_judge");
	TCase *tests = tcase_create("smtp_judge");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, signs, 0, (int)(sizeof(sign_rows) / sizeof(*sign_rows)));
	tcase_add_loop_test(tests, recipients_are_judged, 0, (int)(sizeof(judge_rows) / sizeof(*judge_rows)));
	tcase_add_loop_test(tests, some_hear_everybody, 0, (int)(sizeof(choosy_rows) / sizeof(*choosy_rows)));
	tcase_add_test(tests, forged_scores_go);
	tcase_add_test(tests, a_teaser_is_a_part_of_the_greeting);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
