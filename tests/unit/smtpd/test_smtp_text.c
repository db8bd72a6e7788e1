/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The texts of messages as the SMTP machine takes them: lengths, sizes, faults of the disk, filters. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/smtpd/smtp_owner.h"

static void
begin_text(struct owner *owner)
{
	init(owner, SMTP_MX);
	feed(owner, SPAN("HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n"), 100);
	buf_clear(&owner->out);
}

static void
put_text(struct owner *owner, char byte, size_t count)
{
	char *text = malloc(count);

	ck_assert_ptr_nonnull(text);
	memset(text, byte, count);
	feed(owner, span_make(text, count), 4000);
	free(text);
}

START_TEST(line_lengths)
{
	for (size_t len = SMTP_TEXT_LINE_MAX - 1; len <= SMTP_TEXT_LINE_MAX + 1; len++) {
		struct owner owner;

		begin_text(&owner);
		feed(&owner, SPAN("\r\n"), 10);
		put_text(&owner, 'x', len - 2);
		feed(&owner, SPAN("\r\n.\r\nNOOP\r\n"), 10);
		ck_assert_msg(span_starts(buf_get(&owner.out),
				  len <= SMTP_TEXT_LINE_MAX ? SPAN("250 ") : SPAN("554 5.6.0")),
		    "%zu: %s", len, buf_cstr(&owner.out));
		ck_assert(span_ends(buf_get(&owner.out), SPAN("250 2.0.0 Ok\r\n")));
		ck_assert_uint_eq(owner.aborted, len <= SMTP_TEXT_LINE_MAX ? 0 : 1);
		finish(&owner);
	}
	for (size_t len = SMTP_COMMAND_MAX - 1; len <= SMTP_COMMAND_MAX + 1; len++) {
		struct owner owner;

		init(&owner, SMTP_MX);
		feed(&owner, SPAN("NOOP "), 10);
		put_text(&owner, 'x', len - 7);
		feed(&owner, SPAN("\r\nNOOP\r\n"), 3);
		ck_assert_msg(span_starts(buf_get(&owner.out),
				  len <= SMTP_COMMAND_MAX ? SPAN("250 ") : SPAN("500 5.5.2")),
		    "%zu: %s", len, buf_cstr(&owner.out));
		ck_assert(span_ends(buf_get(&owner.out), SPAN("250 2.0.0 Ok\r\n")));
		finish(&owner);
	}
}
END_TEST

START_TEST(line_lengths_in_chunks)
{
	for (size_t len = SMTP_TEXT_LINE_MAX - 1; len <= SMTP_TEXT_LINE_MAX + 1; len++)
		for (size_t step = 1; step < 4000; step += 1999) {
			struct buf text = BUF_INIT(8000);
			struct owner owner;

			init(&owner, SMTP_MX);
			(void)buf_fmt(&text,
			    "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nBDAT %zu LAST\r\n\r\n%*s\r\nNOOP\r\n",
			    len + 2, (int)len - 2, "x");
			feed(&owner, buf_get(&text), step);
			ck_assert_uint_eq(owner.stored.len != 0, len <= SMTP_TEXT_LINE_MAX);
			ck_assert(span_ends(buf_get(&owner.out),
			    len <= SMTP_TEXT_LINE_MAX ?
				SPAN("queued as 00000000000000A1\r\n250 2.0.0 Ok\r\n") :
				SPAN("4.5.3.1.6)\r\n250 2.0.0 Ok\r\n")));
			buf_free(&text);
			finish(&owner);
		}
}
END_TEST

START_TEST(a_full_disk_between_chunks)
{
	struct owner owner;

	init(&owner, SMTP_MX);
	feed(&owner, SPAN("EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nBDAT 2\r\n\r\n"),
	    100);
	owner.write_fails = true;
	feed(&owner, SPAN("BDAT 3\r\nx\r\n"), 100);
	ck_assert(span_ends(buf_get(&owner.out), SPAN("250 2.0.0 3 octets received\r\n")));
	owner.write_fails = false;
	feed(&owner, SPAN("BDAT 3 LAST\r\nx\r\n"), 100);
	ck_assert_msg(span_find(buf_get(&owner.out), SPAN("452 4.3.1")) >= 0, "%s",
	    buf_cstr(&owner.out));
	ck_assert_uint_eq(owner.aborted, 1);
	ck_assert_uint_eq(owner.stored.len, 0);
	finish(&owner);
}
END_TEST

/* What signatures are of is no text to be written: the file is gone, and whoever tried would tell of a failure that there was not. */
START_TEST(a_full_disk_leaves_nothing_to_be_written)
{
	static const struct {
		struct span begin, more;
	} cases[] = {
		{ SPAN("MAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\nAuthentication-Results: mail.example.test; spf=pass\r\nA: b\r\n"),
		    SPAN("\r\nx\r\n") },
		{ SPAN("MAIL FROM:<> BODY=BINARYMIME\r\nRCPT TO:<bob@example.test>\r\nBDAT 1000 LAST\r\nA: b\r\n\r\nx"), SPAN("more\r\n") },
	};
	struct smtp *smtp;
	struct owner owner;

	init(&owner, SMTP_MX);
	smtp = &owner.smtp;
	smtp->checks = true;
	feed(&owner, SPAN("EHLO x\r\n"), 100);
	for (struct span rest = cases[_i].begin; rest.len != 0; rest = span_skip(rest, smtp_input(smtp, rest)))
		if (smtp->action != SMTP_NOTHING)
			act(&owner);
	ck_assert_uint_ne(smtp->original.len, 0);
	smtp_write_failed(smtp, true);
	ck_assert_uint_eq(smtp->message.len, 0);
	ck_assert_uint_eq(smtp->original.len, 0);
	ck_assert_uint_eq(smtp_input(smtp, cases[_i].more), cases[_i].more.len);
	ck_assert_uint_eq(smtp->message.len, 0);
	ck_assert_uint_eq(smtp->original.len, 0);
	finish(&owner);
}
END_TEST

START_TEST(sizes)
{
	struct owner owner;

	/* One line of 998 with its CRLF is 1000; the empty line is 2. */
	for (size_t lines = 99; lines <= 100; lines++) {
		begin_text(&owner);
		feed(&owner, SPAN("\r\n"), 10);
		for (size_t i = 0; i < lines; i++) {
			put_text(&owner, 'x', 998);
			feed(&owner, SPAN("\r\n"), 10);
		}
		feed(&owner, SPAN(".\r\n"), 10);
		ck_assert(span_starts(
		    buf_get(&owner.out), lines == 99 ? SPAN("250 ") : SPAN("552 5.3.4")));
		finish(&owner);
	}
	/* A text that never ends is cut off. */
	begin_text(&owner);
	put_text(&owner, 'x', 250000);
	ck_assert(span_starts(buf_get(&owner.out), SPAN("554 5.6.0")));
	ck_assert(owner.closed);
	finish(&owner);
	/* A command that never ends costs no memory and one reply. */
	init(&owner, SMTP_MX);
	put_text(&owner, 'x', 250000);
	ck_assert_str_eq(buf_cstr(&owner.out), "500 5.5.2 The line is too long\r\n");
	finish(&owner);
	begin_text(&owner);
	for (size_t i = 0; i <= SMTP_HEADER_MAX / 1000; i++) {
		feed(&owner, SPAN("A: "), 10);
		put_text(&owner, 'x', 995);
		feed(&owner, SPAN("\r\n"), 10);
	}
	finish(&owner);
}
END_TEST

START_TEST(nul)
{
	struct owner owner;

	begin_text(&owner);
	feed(&owner, span_make("\r\na\0b\r\n.\r\n", 10), 1);
	ck_assert(span_starts(buf_get(&owner.out), SPAN("550 5.6.0 NUL")));
	ck_assert(!owner.closed);
	buf_clear(&owner.out);
	feed(&owner, span_make("NO\0OP\r\nNOOP\r\n", 13), 1);
	ck_assert_str_eq(buf_cstr(&owner.out), "500 5.5.2 That is no command\r\n250 2.0.0 Ok\r\n");
	finish(&owner);
}
END_TEST

START_TEST(full_disk)
{
	struct owner owner;

	begin_text(&owner);
	owner.write_fails = true;
	feed(&owner, SPAN("\r\nx\r\n.\r\nNOOP\r\n"), 100);
	ck_assert_msg(
	    span_starts(buf_get(&owner.out), SPAN("452 4.3.1")), "%s", buf_cstr(&owner.out));
	ck_assert(span_ends(buf_get(&owner.out), SPAN("250 2.0.0 Ok\r\n")));
	ck_assert_uint_eq(owner.aborted, 1);
	finish(&owner);
	begin_text(&owner);
	owner.write_fails = true;
	feed(&owner, SPAN("\r\nx\r\n.\r\nNOOP\r\n"), 1);
	ck_assert_msg(
	    span_starts(buf_get(&owner.out), SPAN("452 4.3.1")), "%s", buf_cstr(&owner.out));
	ck_assert_uint_eq(owner.aborted, 1);
	finish(&owner);
	begin_text(&owner);
	owner.commit_result = SMTP_NO_SPACE;
	feed(&owner, SPAN("\r\nx\r\n.\r\n"), 100);
	ck_assert(span_starts(buf_get(&owner.out), SPAN("452 4.3.1")));
	buf_clear(&owner.out);
	owner.open_result = SMTP_NOT_STORED;
	feed(&owner, SPAN("MAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\nNOOP\r\n"), 100);
	ck_assert_str_eq(buf_cstr(&owner.out), "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n451 4.3.0 The message could not be stored: try again later\r\n250 2.0.0 Ok\r\n");
	finish(&owner);
}
END_TEST

/* RFC 3207 section 4.2: who logged in before may have been somebody in between. */
START_TEST(starttls_forgets_who_logged_in)
{
	struct smtp_settings in_clear = settings;
	struct owner owner;

	in_clear.plaintext_login = true;
	init(&owner, SMTP_SUBMISSION);
	owner.smtp.settings = &in_clear;
	feed(&owner, SPAN("EHLO x\r\nAUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABkZW1v\r\nSTARTTLS\r\nEHLO x\r\n"), 100);
	buf_clear(&owner.out);
	feed(&owner, SPAN("MAIL FROM:<alice@example.test>\r\n"), 100);
	ck_assert_msg(span_starts(buf_get(&owner.out), SPAN("530 5.7.0")), "%s", buf_cstr(&owner.out));
	finish(&owner);
}
END_TEST

/* RFC 2033 section 4.2: the last chunk is answered for each recipient, also when the message cannot even begin; another chunk and DATA once. */
START_TEST(chunks_that_cannot_begin)
{
	static const struct {
		const char *command;
		unsigned replies;
	} cases[] = { { "BDAT 6 LAST\r\nRSET\r\n", 2 }, { "BDAT 6\r\nRSET\r\n", 1 }, { "DATA\r\n", 1 } };
	struct owner owner;
	struct span out, line;
	unsigned replies = 0;

	init(&owner, SMTP_LMTP);
	owner.open_result = SMTP_NOT_STORED;
	feed(&owner, SPAN("LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nRCPT TO:<alice@example.test>\r\n"), 100);
	buf_clear(&owner.out);
	feed(&owner, span_of(cases[_i].command), 100);
	for (out = buf_get(&owner.out); span_split(&out, '\n', &line);)
		replies += span_starts(line, SPAN("451 4.3.0 "));
	ck_assert_msg(replies == cases[_i].replies, "%s", buf_cstr(&owner.out));
	buf_clear(&owner.out);
	feed(&owner, SPAN("NOOP\r\n"), 100);
	ck_assert_str_eq(buf_cstr(&owner.out), "250 2.0.0 Ok\r\n");
	finish(&owner);
}
END_TEST

START_TEST(nothing_is_taken_while_an_answer_is_due)
{
	struct smtp smtp;

	smtp_init(&smtp, &settings, SMTP_MX, "2001:db8::1");
	ck_assert_uint_eq(smtp_input(&smtp, SPAN("HELO x\r\nMAIL FROM:<>\r\n")), 8);
	ck_assert_uint_eq(smtp_input(&smtp, SPAN("MAIL FROM:<>\r\n")), 14);
	ck_assert_uint_eq(smtp_input(&smtp, SPAN("RCPT TO:<bob@example.test>\r\nRSET\r\n")), 28);
	ck_assert_int_eq(smtp.action, SMTP_LOOKUP);
	ck_assert_uint_eq(smtp_input(&smtp, SPAN("RSET\r\n")), 0);
	smtp_acted(&smtp);
	ck_assert_uint_eq(smtp_input(&smtp, SPAN("RSET\r\n")), 0);
	/* An answer to what was not asked changes nothing. */
	smtp_committed(&smtp, SMTP_STORED, NULL, 0);
	smtp_opened(&smtp, SMTP_STORED, SPAN("x"), "x");
	ck_assert_uint_eq(smtp_input(&smtp, SPAN("RSET\r\n")), 0);
	smtp_looked_up(&smtp, SMTP_IS_LOCAL, SPAN("bob@example.test"));
	ck_assert_uint_eq(smtp_input(&smtp, SPAN("RSET\r\n")), 6);
	smtp_hang_up(&smtp, "4.4.2", "Timeout");
	ck_assert_int_eq(smtp.action, SMTP_CLOSE);
	ck_assert_uint_eq(smtp_input(&smtp, SPAN("RSET\r\n")), 0);
	smtp_free(&smtp);
}
END_TEST

/* What a filter says at each step, and what is left of the message. */
static const struct {
	enum smtp_filter_step step;
	enum smtp_filter_word word;
	const char *wanted; /* the replies in their order */
	bool stored;
} filter_rows[] = {
	{ SMTP_FILTER_TEXT, SMTP_FILTER_PASS, "250 2.1.0|250 2.1.5|354|250 2.0.0", true },
	{ SMTP_FILTER_MAIL, SMTP_FILTER_REFUSE, "554 5.7.1 Spam|503 5.5.1|503 5.5.1", false },
	{ SMTP_FILTER_RCPT, SMTP_FILTER_REFUSE, "250 2.1.0|554 5.7.1 Spam|554 5.5.1", false },
	{ SMTP_FILTER_TEXT, SMTP_FILTER_REFUSE, "250 2.1.0|250 2.1.5|354|554 5.7.1 Spam", false },
	{ SMTP_FILTER_MAIL, SMTP_FILTER_DISCARD, "250 2.1.0|250 2.1.5|354|250 2.0.0", false },
	{ SMTP_FILTER_TEXT, SMTP_FILTER_DISCARD, "250 2.1.0|250 2.1.5|354|250 2.0.0", false },
};

START_TEST(filters_have_a_word)
{
	struct smtp_settings filtering = settings;
	struct span wanted = span_of(filter_rows[_i].wanted), one, out;
	struct owner owner;

	filtering.filters = true;
	init(&owner, SMTP_MX);
	owner.smtp.settings = &filtering;
	owner.filter_step = filter_rows[_i].step;
	owner.filter_word = filter_rows[_i].word;
	feed(&owner, SPAN("EHLO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n"), SIZE_MAX);
	if (owner.smtp.phase == SMTP_TEXT)
		feed(&owner, SPAN("Subject: x\r\n\r\n.\r\n"), SIZE_MAX);
	out = buf_get(&owner.out);
	while (span_split(&wanted, '|', &one)) {
		ck_assert_msg(span_find(out, one) >= 0, "%.*s in %s", (int)one.len, one.ptr, buf_cstr(&owner.out));
		out = span_skip(out, (size_t)span_find(out, one) + one.len);
	}
	ck_assert(filter_rows[_i].stored == (owner.stored.len != 0));
	finish(&owner);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("smtp_text");
	TCase *tests = tcase_create("smtp_text");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 30);
	tcase_add_loop_test(tests, filters_have_a_word, 0, (int)(sizeof(filter_rows) / sizeof(*filter_rows)));
	tcase_add_test(tests, line_lengths);
	tcase_add_test(tests, line_lengths_in_chunks);
	tcase_add_test(tests, a_full_disk_between_chunks);
	tcase_add_loop_test(tests, a_full_disk_leaves_nothing_to_be_written, 0, 2);
	tcase_add_test(tests, sizes);
	tcase_add_test(tests, nul);
	tcase_add_test(tests, full_disk);
	tcase_add_loop_test(tests, chunks_that_cannot_begin, 0, 3);
	tcase_add_test(tests, starttls_forgets_who_logged_in);
	tcase_add_test(tests, nothing_is_taken_while_an_answer_is_due);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
