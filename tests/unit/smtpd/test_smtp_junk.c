/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Commands that lead to no mail: so many are free, some more make the client wait and count as errors, the next is the last. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "smtpd/smtp_state.h"

static const struct smtp_settings settings = { .hostname = "mail.example.test", .postmaster = "alice@example.test", .size_max = 100000,
	.recipients_max = 10, .hops_max = 10, .errors_max = 5, .junk_max = 3 };

struct client {
	struct smtp smtp;
	unsigned waits;
	enum smtp_stored stored; /* what becomes of its messages */
	bool closed;
	struct buf replies; /* to the last words */
};

static void
begin(struct client *client, enum smtp_kind kind)
{
	*client = (struct client){ .replies = BUF_INIT(1 << 20) };
	smtp_init(&client->smtp, &settings, kind, "192.0.2.1");
}

static void
end(struct client *client)
{
	smtp_free(&client->smtp);
	buf_free(&client->replies);
}

/* Every address is somebody's here. */
static void
act(struct client *client)
{
	struct smtp *smtp = &client->smtp;
	enum smtp_action action = smtp->action;

	smtp_acted(smtp);
	switch (action) {
	case SMTP_LOOKUP:
		smtp_looked_up(smtp, SMTP_IS_LOCAL, smtp->asked);
		break;
	case SMTP_OPEN:
		smtp_opened(smtp, SMTP_STORED, SPAN("00000000000000A1"), "Thu, 1 Jan 1970 00:00:00 +0000");
		break;
	case SMTP_COMMIT:
		smtp_committed(smtp, client->stored, NULL, 0);
		break;
	case SMTP_TARPIT:
		client->waits++;
		ck_assert_uint_eq(smtp_input(smtp, SPAN("NOOP\r\n")), 0);
		smtp_waited(smtp);
		break;
	case SMTP_CLOSE:
		client->closed = true;
		break;
	default:
		break;
	}
}

static void
say(struct client *client, struct span words)
{
	struct smtp *smtp = &client->smtp;
	size_t taken = 1;

	buf_clear(&client->replies);
	while (taken != 0 || smtp->action != SMTP_NOTHING) {
		taken = smtp_input(smtp, words);
		words = span_skip(words, taken);
		(void)buf_span(&client->replies, buf_get(&smtp->out));
		buf_clear(&smtp->out);
		buf_clear(&smtp->message);
		if (smtp->action != SMTP_NOTHING)
			act(client);
	}
}

START_TEST(each_kind_is_counted)
{
	static const char *const kinds[] = { "NOOP\r\n", "RSET\r\n", "VRFY bob\r\n", "EXPN list\r\n", "HELP\r\n", "EHLO x\r\n", "HELO x\r\n" };
	struct client client;

	begin(&client, SMTP_MX);
	say(&client, SPAN("EHLO x\r\n"));
	for (unsigned n = 1; n <= 9; n++) {
		ck_assert(!client.closed);
		say(&client, span_of(kinds[_i]));
		ck_assert_uint_eq(client.waits, n <= 3 ? 0 : n <= 8 ? n - 3 : 5);
	}
	ck_assert(client.closed);
	ck_assert(span_find(buf_get(&client.replies), SPAN("421 4.7.0 mail.example.test Too many commands")) > 0);
	end(&client);
}
END_TEST

#define JUNK "NOOP\r\nRSET\r\nHELP\r\n"
#define MESSAGE "MAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n\r\nx\r\n.\r\n"

START_TEST(mail_makes_up_for_it)
{
	struct client client;

	begin(&client, SMTP_MX);
	say(&client, SPAN("EHLO x\r\n"));
	for (unsigned n = 0; n < 10; n++)
		say(&client, SPAN(JUNK MESSAGE));
	ck_assert_uint_eq(client.waits, 0);
	/* What is refused does not. */
	client.stored = SMTP_NO_SPACE;
	say(&client, SPAN(JUNK MESSAGE "NOOP\r\n"));
	ck_assert_uint_eq(client.waits, 1);
	end(&client);
}
END_TEST

/* One that is wrong, too, is the last word for both reasons: it is said once. */
START_TEST(the_last_word_is_one)
{
	struct client client;

	begin(&client, SMTP_MX);
	say(&client, SPAN("NOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\n"));
	ck_assert(!client.closed);
	say(&client, SPAN("VRFY\r\n"));
	ck_assert(client.closed);
	ck_assert(span_eq(buf_get(&client.replies), SPAN("501 5.5.4 Syntax: VRFY address\r\n421 4.7.0 mail.example.test Too many errors\r\n")));
	end(&client);
}
END_TEST

/* As many as recipients_max are taken, whoever they are; as many again are told, and what is beyond counts as errors. */
START_TEST(recipients_without_end)
{
	struct client client;

	begin(&client, SMTP_MX);
	say(&client, SPAN("EHLO x\r\nMAIL FROM:<>\r\n"));
	for (unsigned n = 1; n <= 26; n++) {
		char line[64];

		ck_assert(!client.closed);
		(void)snprintf(line, sizeof(line), "RCPT TO:<bob+%u@example.test>\r\n", _i == 0 ? 0 : n);
		say(&client, span_of(line));
		ck_assert(span_starts(buf_get(&client.replies), n <= 10 ? SPAN("250 2.1.5 ") : SPAN("452 4.5.3 ")));
	}
	ck_assert(client.closed);
	ck_assert(span_find(buf_get(&client.replies), SPAN("421 4.7.0 mail.example.test Too many errors")) > 0);
	end(&client);
}
END_TEST

START_TEST(each_transaction_has_its_recipients)
{
	struct client client;

	begin(&client, SMTP_MX);
	say(&client, SPAN("EHLO x\r\n"));
	for (unsigned transaction = 0; transaction < 3; transaction++) {
		say(&client, SPAN("MAIL FROM:<>\r\n"));
		for (unsigned n = 1; n <= 15; n++) {
			say(&client, SPAN("RCPT TO:<bob@example.test>\r\n"));
			ck_assert(span_starts(buf_get(&client.replies), n <= 10 ? SPAN("250 2.1.5 ") : SPAN("452 4.5.3 ")));
		}
		ck_assert_uint_eq(client.smtp.envelope.count, 1);
		say(&client, transaction == 0 ? SPAN("RSET\r\n") : SPAN("DATA\r\n\r\nx\r\n.\r\n"));
	}
	ck_assert(!client.closed);
	end(&client);
}
END_TEST

START_TEST(programs_of_this_host_are_not_counted)
{
	struct client client;

	begin(&client, SMTP_LMTP);
	for (unsigned n = 0; n < 100; n++)
		say(&client, SPAN("LHLO x\r\nRSET\r\n"));
	ck_assert(!client.closed);
	ck_assert_uint_eq(client.waits, 0);
	end(&client);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("smtp_junk");
	TCase *tests = tcase_create("smtp_junk");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, each_kind_is_counted, 0, 7);
	tcase_add_test(tests, mail_makes_up_for_it);
	tcase_add_test(tests, the_last_word_is_one);
	tcase_add_loop_test(tests, recipients_without_end, 0, 2);
	tcase_add_test(tests, each_transaction_has_its_recipients);
	tcase_add_test(tests, programs_of_this_host_are_not_counted);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
