/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Delivery status notifications: their parts and fields, and that nothing from outside can add a line to them. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "smtpd/dsn.h"

#define OUT_MAX (1 << 20)

static struct dsn
example(const struct dsn_recipient *recipients, size_t count)
{
	return (struct dsn){
		.hostname = SPAN("mail.example"), .sender = SPAN("alice@example.test"), .queue_id = SPAN("0005E7F2A1B2C300"),
		.arrived = 1700000000, .now = 1700000100, .gives_up = 1700432000,
		.original = SPAN("Subject: hello\r\nFrom: alice@example.test\r\n\r\nthe body\r\n"),
		.recipients = recipients, .count = count, .boundary = SPAN("b0undary"),
	};
}

static char *
built(const struct dsn *dsn)
{
	struct buf out = BUF_INIT(OUT_MAX);

	ck_assert_int_eq(dsn_build(dsn, &out), 0);
	return buf_take(&out);
}

static void
assert_has(const char *text, const char *part)
{
	ck_assert_msg(strstr(text, part) != NULL, "\"%s\" is not in:\n%s", part, text);
}

static void
assert_has_not(const char *text, const char *part)
{
	ck_assert_msg(strstr(text, part) == NULL, "\"%s\" is in:\n%s", part, text);
}

/* Lines end with CRLF and are short enough for SMTP. */
static void
assert_lines(const char *text)
{
	struct span rest = span_of(text), line;

	while (span_split(&rest, '\n', &line)) {
		ck_assert_uint_ge(line.len, 1);
		ck_assert_uint_le(line.len, 999);
		ck_assert_int_eq(span_chr(line, '\r'), (ptrdiff_t)line.len - 1);
	}
}

static const struct dsn_recipient failed = {
	.action = DSN_FAILED, .address = SPAN("bob@far.example"), .orcpt = SPAN("rfc822;bob+2Blist@far.example"), .status = SPAN("5.1.1"), .code = 550,
	.text = SPAN("5.1.1 No such user"), .remote = SPAN("mx.far.example[192.0.2.1]:25"),
};

START_TEST(a_failure)
{
	struct dsn dsn = example(&failed, 1);
	char *text;

	dsn.envid = SPAN("id+2B1");
	text = built(&dsn);
	assert_lines(text);
	assert_has(text, "From: Mail Delivery System <MAILER-DAEMON@mail.example>\r\nTo: <alice@example.test>\r\n");
	assert_has(text, "\r\nSubject: Mail could not be delivered\r\n");
	assert_has(text, "\r\nDate: Tue, 14 Nov 2023 22:15:00 +0000\r\n");
	assert_has(text, "\r\nAuto-Submitted: auto-replied\r\n");
	assert_has(text, "\r\nContent-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"b0undary\"\r\n");
	assert_has(text, "\r\n--b0undary\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n");
	assert_has(text, "    <bob@far.example>\r\n        The host mx.far.example[192.0.2.1]:25 said: 550 5.1.1 No such\r\n        user\r\n        Check the address");
	assert_has(text, "\r\n--b0undary\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mail.example\r\n"
	    "Original-Envelope-Id: id+1\r\nArrival-Date: Tue, 14 Nov 2023 22:13:20 +0000\r\nX-Fourpost-Queue-Id: 0005E7F2A1B2C300\r\n\r\n"
	    "Original-Recipient: rfc822; bob+list@far.example\r\nFinal-Recipient: rfc822; bob@far.example\r\nAction: failed\r\nStatus: 5.1.1\r\n"
	    "Remote-MTA: dns; mx.far.example\r\nDiagnostic-Code: smtp; 550 5.1.1 No such user\r\nLast-Attempt-Date: ");
	assert_has(text, "\r\n--b0undary\r\nContent-Type: text/rfc822-headers\r\n\r\nSubject: hello\r\nFrom: alice@example.test\r\n\r\n");
	assert_has_not(text, "the body");
	assert_has_not(text, "8bit");
	ck_assert(span_ends(span_of(text), SPAN("\r\n--b0undary--\r\n")));
	free(text);
}
END_TEST

/* RFC 4865 section 5.1.2. */
START_TEST(asked_for_later)
{
	struct dsn dsn = example(&failed, 1);
	char *text;

	dsn.release = 1700000600;
	text = built(&dsn);
	assert_has_not(text, "Future-Release");
	free(text);
	dsn.hold = 3600;
	text = built(&dsn);
	assert_has(text, "\r\nArrival-Date: Tue, 14 Nov 2023 22:13:20 +0000\r\nFuture-Release-Request: for;3600\r\n");
	free(text);
	dsn.hold = ENVELOPE_HOLD_UNTIL;
	text = built(&dsn);
	assert_lines(text);
	assert_has(text, "\r\nFuture-Release-Request: until;2023-11-14T22:23:20Z\r\n");
	free(text);
}
END_TEST

START_TEST(the_whole_message)
{
	struct dsn dsn = example(&failed, 1);
	char *text;

	dsn.full = true;
	text = built(&dsn);
	assert_has(text, "\r\nContent-Type: message/rfc822\r\n\r\nSubject: hello\r\nFrom: alice@example.test\r\n\r\nthe body\r\n\r\n--b0undary--\r\n");
	free(text);
	dsn.original = SPAN("Subject: x\r\nContent-Transfer-Encoding: 8bit\r\n\r\nb\xc3\xb6" "dy");
	text = built(&dsn);
	assert_lines(text);
	assert_has(text, "\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: x\r\nContent-Transfer-Encoding: 8bit\r\n\r\nb\xc3\xb6" "dy\r\n\r\n--b0undary--");
	assert_has(text, "boundary=\"b0undary\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n");
	assert_has(text, "and your message");
	free(text);
}
END_TEST

/* What no host of 7-bit text could have: its header alone goes back, which can be encoded. */
START_TEST(what_cannot_be_encoded)
{
	static const struct {
		const char *original, *header;
	} rows[] = {
		{ "Subject: x\r\n\r\nb\xc3\xb6" "dy\r\n", "text/rfc822-headers\r\n\r\nSubject: x\r\n" },
		{ "Subject: \xc3\xb6\r\n\r\nbody\r\n", "text/rfc822-headers\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: \xc3\xb6\r\n" },
		{ "Content-Type: multipart/signed; boundary=q\r\n\r\n--q\r\nContent-Transfer-Encoding: 8bit\r\n\r\nb\xc3\xb6" "dy\r\n--q--\r\n",
		    "text/rfc822-headers\r\n\r\nContent-Type: multipart/signed; boundary=q\r\n" },
	};
	struct dsn dsn = example(&failed, 1);
	char *text;

	dsn.full = true;
	dsn.original = span_of(rows[_i].original);
	text = built(&dsn);
	assert_lines(text);
	assert_has(text, rows[_i].header);
	assert_has(text, "and the header of your message");
	assert_has_not(text, "dy\r\n");
	free(text);
}
END_TEST

START_TEST(each_action)
{
	static const struct {
		enum dsn_action action;
		const char *subject, *word, *text;
	} rows[] = {
		{ DSN_DELAYED, "Subject: Mail is late", "Action: delayed\r\n", "not send the message again" },
		{ DSN_DELIVERED, "Subject: Mail was delivered", "Action: delivered\r\n", "was delivered to" },
		{ DSN_RELAYED, "Subject: Mail was handed on", "Action: relayed\r\n", "handed on, and what becomes of it there" },
	};
	struct dsn_recipient recipient = { .action = rows[_i].action, .address = SPAN("bob@far.example"), .status = SPAN("2.0.0"), .text = SPAN("why") };
	struct dsn dsn = example(&recipient, 1);
	char *text = built(&dsn);

	assert_has(text, rows[_i].subject);
	assert_has(text, rows[_i].word);
	assert_has(text, rows[_i].text);
	assert_has(text, "Diagnostic-Code: x-fourpost; why\r\n");
	if (rows[_i].action == DSN_DELAYED)
		assert_has(text, "Will-Retry-Until: Sun, 19 Nov 2023 22:13:20 +0000\r\n");
	else
		assert_has_not(text, "Will-Retry-Until");
	free(text);
}
END_TEST

START_TEST(several_recipients)
{
	const struct dsn_recipient recipients[] = {
		{ .action = DSN_DELIVERED, .address = SPAN("a@x.example"), .status = SPAN("2.1.5") },
		failed,
		{ .action = DSN_FAILED, .address = SPAN("c@x.example"), .status = SPAN("5.2.2"), .text = SPAN("The mailbox is full") },
	};
	struct dsn dsn = example(recipients, 3);
	char *text = built(&dsn);

	assert_has(text, "Subject: Mail could not be delivered");
	assert_has(text, "\r\n\r\nFinal-Recipient: rfc822; a@x.example\r\nAction: delivered\r\nStatus: 2.1.5\r\n\r\nOriginal-Recipient");
	assert_has(text, "\r\n\r\nFinal-Recipient: rfc822; c@x.example\r\nAction: failed\r\n");
	assert_has(text, "    <c@x.example>\r\n        The mailbox is full\r\n        The mailbox is full: send");
	free(text);
}
END_TEST

/* Words from outside with line ends, encoded or not, stay on their line. */
START_TEST(nothing_is_injected)
{
	struct dsn_recipient recipient = {
		.action = DSN_FAILED, .address = SPAN("bob@far.example"), .orcpt = SPAN("rfc822;x+0D+0AEvil: 1"), .status = SPAN("5.0.0"), .code = 550,
		.text = SPAN("no\r\nEvil: 2\r\n\r\n--b0undary"), .remote = SPAN("mx\r\nEvil: 3"),
	};
	struct dsn dsn = example(&recipient, 1);
	char *text;

	dsn.envid = SPAN("+0AEvil: 4");
	dsn.sender = SPAN("a\nEvil: 5@b");
	text = built(&dsn);
	assert_lines(text);
	assert_has_not(text, "\nEvil");
	assert_has_not(text, "\r\n--b0undary\r\n\r\n");
	assert_has(text, "Original-Recipient: rfc822; x+0D+0AEvil: 1\r\n");
	assert_has(text, "Original-Envelope-Id: +0AEvil: 4\r\n");
	free(text);
	recipient.orcpt = SPAN("utf-8;x\\x{0A}Evil: 6\\x{D800}\\x{110000}");
	recipient.text = SPAN("\xff\x80 bad \x01");
	dsn.smtputf8 = true;
	text = built(&dsn);
	assert_has_not(text, "\nEvil");
	assert_has(text, "Original-Recipient: utf-8; x\\x{0A}Evil: 6\\x{D800}\\x{110000}\r\n");
	assert_has(text, "550 ?? bad ?\r\n");
	ck_assert(span_is_ascii(span_of(text)));
	free(text);
}
END_TEST

/* RFC 3461 section 9.2 */
START_TEST(several_lines)
{
	static const uint16_t breaks[] = { 14, 26, 34, 1000 };
	struct dsn_recipient recipient = failed;
	struct dsn dsn = example(&recipient, 1);
	char *text;

	recipient.text = SPAN("5.1.1 No such 5.1.1 user: \r\nX: y  last");
	recipient.breaks = breaks;
	recipient.break_count = 4;
	text = built(&dsn);
	assert_has(text, "Diagnostic-Code: smtp; 550-5.1.1 No such\r\n 550-5.1.1 user:\r\n 550-??X: y \r\n 550 last\r\nLast-Attempt-Date");
	assert_has(text, "        The host mx.far.example[192.0.2.1]:25 said: 550 5.1.1 No such");
	assert_lines(text);
	free(text);
}
END_TEST

/* RFC 3464 section 2.3.5 has the name, or the address in its brackets, and no port. */
START_TEST(hosts)
{
	static const struct {
		struct span remote;
		const char *field;
	} rows[] = {
		{ SPAN("mx.far.example[192.0.2.1]:25"), "Remote-MTA: dns; mx.far.example\r\n" },
		{ SPAN("[192.0.2.1][192.0.2.1]:25"), "Remote-MTA: dns; [192.0.2.1]\r\n" },
		{ SPAN("[IPv6:2001:db8::1][2001:db8::1]:25"), "Remote-MTA: dns; [IPv6:2001:db8::1]\r\n" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct dsn_recipient recipient = failed;
		struct dsn dsn = example(&recipient, 1);
		char *text;

		recipient.remote = rows[i].remote;
		text = built(&dsn);
		assert_has(text, rows[i].field);
		free(text);
	}
}
END_TEST

START_TEST(utf8_addresses)
{
	struct dsn_recipient recipient = {
		.action = DSN_FAILED, .address = SPAN("j\xc3\xb6rg@far.example"), .orcpt = SPAN("utf-8;j\\x{F6}\\x{1F600}@far.example"), .status = SPAN("5.1.1"),
		.text = SPAN("n\xc3\xb6"),
	};
	struct dsn dsn = example(&recipient, 1);
	static char said[1001];
	char *text;

	dsn.original = SPAN("Subject: \xc3\xb6\r\n\r\nx\r\n");
	/* The sender cannot take RFC 6533: ASCII forms. */
	text = built(&dsn);
	assert_has(text, "Final-Recipient: utf-8; j\\x{F6}rg@far.example\r\n");
	assert_has(text, "Original-Recipient: utf-8; j\\x{F6}\\x{1F600}@far.example\r\n");
	assert_has(text, "Content-Type: message/delivery-status\r\n\r\n");
	assert_has(text, "Diagnostic-Code: x-fourpost; n??\r\n");
	free(text);
	dsn.smtputf8 = true;
	text = built(&dsn);
	assert_has(text, "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n");
	assert_has(text, "Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n\r\n");
	assert_has(text, "Final-Recipient: utf-8; j\xc3\xb6rg@far.example\r\n");
	assert_has(text, "Original-Recipient: utf-8; j\xc3\xb6\xf0\x9f\x98\x80@far.example\r\n");
	assert_has(text, "Diagnostic-Code: x-fourpost; n\xc3\xb6\r\n");
	assert_has(text, "Content-Type: message/global-headers\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: \xc3\xb6\r\n");
	free(text);
	/* What is too long is cut between characters, or all of it would be none. */
	memset(said, 'w', sizeof(said));
	for (size_t i = 1; i + 1 < sizeof(said); i += 2)
		memcpy(said + i, "\xc3\xb6", 2);
	recipient.text = span_make(said, sizeof(said));
	text = built(&dsn);
	assert_has(text, "Diagnostic-Code: x-fourpost; w\xc3\xb6\xc3\xb6");
	free(text);
	dsn.full = true;
	text = built(&dsn);
	assert_has(text, "Content-Type: message/global\r\nContent-Transfer-Encoding: 8bit\r\n\r\n");
	free(text);
	/* RFC 6532 section 3.7: so is one whose parts have such a header. */
	dsn.original = SPAN("Subject: x\r\nContent-Type: multipart/mixed; boundary=q\r\n\r\n--q\r\nContent-Disposition: attachment; filename=\"\xc3\xb6\"\r\n\r\nx\r\n--q--\r\n");
	text = built(&dsn);
	assert_has(text, "Content-Type: message/global\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: x\r\n");
	free(text);
	/* And whatever else could not be sent to hosts that want ASCII; but not one whose text can be encoded. */
	dsn.original = SPAN("Subject: x\r\n\r\n\xc3\xb6\r\n");
	text = built(&dsn);
	assert_has(text, "Content-Type: message/global\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: x\r\n");
	free(text);
	dsn.original = SPAN("Subject: x\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xc3\xb6\r\n");
	text = built(&dsn);
	assert_has(text, "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: x\r\n");
	free(text);
}
END_TEST

START_TEST(long_words)
{
	static char word[1023];
	struct dsn_recipient recipient = failed;
	struct dsn dsn = example(&recipient, 1);
	struct buf small = BUF_INIT(1000);
	char *text;

	memset(word, 'w', sizeof(word));
	recipient.text = span_make(word, sizeof(word));
	text = built(&dsn);
	assert_lines(text);
	free(text);
	/* As those of languages that have no spaces. */
	for (size_t i = 1; i + 1 < sizeof(word); i += 2)
		memcpy(word + i, "\303\251", 2);
	text = built(&dsn);
	assert_lines(text);
	assert_has(text, "\r\n        w\303\251");
	assert_has_not(text, "\303\r\n");
	free(text);
	ck_assert_int_eq(dsn_build(&dsn, &small), -EMSGSIZE);
	buf_free(&small);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("dsn");
	TCase *tests = tcase_create("dsn");
	SRunner *runner = srunner_create(suite);
	int failures;

	tcase_add_test(tests, a_failure);
	tcase_add_test(tests, asked_for_later);
	tcase_add_test(tests, the_whole_message);
	tcase_add_loop_test(tests, what_cannot_be_encoded, 0, 3);
	tcase_add_loop_test(tests, each_action, 0, 3);
	tcase_add_test(tests, several_recipients);
	tcase_add_test(tests, nothing_is_injected);
	tcase_add_test(tests, utf8_addresses);
	tcase_add_test(tests, hosts);
	tcase_add_test(tests, several_lines);
	tcase_add_test(tests, long_words);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failures = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failures != 0;
}
