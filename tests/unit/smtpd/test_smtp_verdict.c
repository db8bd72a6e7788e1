/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What a client is told of deliveries that came before his answer. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "smtpd/smtp_state.h"

static const struct smtp_settings settings = {
	.hostname = "mail.example.test",
	.postmaster = "alice@example.test",
	.size_max = 100000,
	.recipients_max = 3,
	.hops_max = 10,
	.errors_max = 5,
	.junk_max = 100,
	.tls = true,
	.own_senders = true,
};

#define FULL { 552, { "5.2.2", 5 }, { "Full", 4 } }
#define SAYS(text) { 550, { "5.7.1", 5 }, { text, sizeof(text) - 1 } }
#define HAS_IT { 250, { "2.0.0", 5 }, { "Delivered", 9 } }

/* What the mailboxes have said: LMTP tells each, SMTP the first. */
START_TEST(verdicts_of_mailboxes)
{
	static const struct {
		enum smtp_kind kind;
		struct smtp_verdict verdicts[2];
		size_t count;
		const char *replies;
	} cases[] = {
		{ SMTP_MX, { HAS_IT, HAS_IT }, 2, "250 2.0.0 Ok: delivered as 1\r\n" },
		{ SMTP_MX, { FULL, FULL }, 2, "552 5.2.2 <bob@example.test> Full\r\n" },
		{ SMTP_LMTP, { FULL, HAS_IT }, 2, "552 5.2.2 <bob@example.test> Full\r\n250 2.0.0 <amy@example.test> delivered as 1\r\n" },
		/* RFC 5429 section 2.5; an empty line, and the end of the last one, are no end of the reply. */
		{ SMTP_MX, { SAYS("Not here.\n\nCall me.\n"), FULL }, 2,
		    "550-5.7.1 <bob@example.test> Not here.\r\n550-5.7.1 \r\n550 5.7.1 Call me.\r\n" },
		{ SMTP_LMTP, { SAYS("Not here.\nCall me."), SAYS("") }, 2,
		    "550-5.7.1 <bob@example.test> Not here.\r\n550 5.7.1 Call me.\r\n550 5.7.1 <amy@example.test> \r\n" },
		/* Not as many as were asked for: none is believed. */
		{ SMTP_MX, { HAS_IT, HAS_IT }, 1, "451 4.3.0 The message could not be stored: try again later\r\n" },
	};
	struct span text = SPAN("RCPT TO:<bob@example.test>\r\nRCPT TO:<amy@example.test>\r\nDATA\r\n");
	struct smtp smtp;

	smtp_init(&smtp, &settings, cases[_i].kind, "2001:db8::1");
	smtp_greet(&smtp);
	ck_assert_uint_ne(smtp_input(&smtp, cases[_i].kind == SMTP_LMTP ? SPAN("LHLO x\r\n") : SPAN("EHLO x\r\n")), 0);
	ck_assert_uint_ne(smtp_input(&smtp, SPAN("MAIL FROM:<>\r\n")), 0);
	while (text.len != 0) {
		size_t taken = smtp_input(&smtp, text);

		ck_assert_uint_ne(taken, 0);
		text = span_skip(text, taken);
		if (smtp.action == SMTP_LOOKUP) {
			smtp_acted(&smtp);
			smtp_looked_up(&smtp, SMTP_IS_LOCAL, smtp.asked);
		}
	}
	ck_assert_int_eq(smtp.action, SMTP_OPEN);
	smtp_acted(&smtp);
	smtp_opened(&smtp, SMTP_STORED, SPAN("1"), "x");
	ck_assert_uint_ne(smtp_input(&smtp, SPAN("x\r\n.\r\n")), 0);
	ck_assert_int_eq(smtp.action, SMTP_COMMIT);
	smtp_acted(&smtp);
	buf_clear(&smtp.out);
	smtp_committed(&smtp, SMTP_ANSWERED, cases[_i].verdicts, cases[_i].count);
	ck_assert_str_eq(buf_cstr(&smtp.out), cases[_i].replies);
	smtp_free(&smtp);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("smtp_verdict");
	TCase *tests = tcase_create("smtp_verdict");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, verdicts_of_mailboxes, 0, 6);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
