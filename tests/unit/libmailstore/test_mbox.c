/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* mbox files, read and written: where messages begin and end, what is quoted, what their headers tell. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "libmailstore/mailstore.h"
#include "libmailstore/ms_mbox.h"
#include "tests/unit/libmailstore/store_tests.h"

struct reading {
	struct span text;
	struct buf out; /* "{date flags keywords|bytes}" for each message */
	struct buf message;
	bool cut; /* keywords were */
};

static int
on_begin(void *context)
{
	buf_clear(&((struct reading *)context)->message);
	return 0;
}

static int
on_bytes(void *context, struct span bytes)
{
	return buf_span(&((struct reading *)context)->message, bytes);
}

static int
on_end(void *context, const struct ms_mbox_status *status)
{
	struct reading *reading = context;

	reading->cut = status->keywords_cut;
	return buf_fmt(&reading->out, "{%lld %x %.*s%s|%s}", (long long)status->date, status->flags, (int)status->keywords.len, status->keywords.ptr,
	    status->internal ? "internal" : "", buf_cstr(&reading->message));
}

static bool
ends_at(void *context, uint64_t offset)
{
	struct span rest = ((struct reading *)context)->text;

	if (offset > rest.len)
		return false;
	rest = span_skip(rest, (size_t)offset);
	for (unsigned i = 0; i < 2 && rest.len != 0 && rest.ptr[0] == '\n'; i++)
		rest = span_skip(rest, 1);
	return rest.len == 0 || span_starts(rest, SPAN("From "));
}

static const struct ms_mbox_sink sink = { on_begin, on_bytes, on_end, ends_at };

/* In parts of that many bytes. */
static int
read_mbox(const char *text, enum ms_mbox_form form, size_t step, struct reading *ret)
{
	struct ms_mbox_reader *reader = ms_mbox_reader_new(form, &sink, ret);
	struct span rest;
	int r = 0;

	*ret = (struct reading){ .text = span_of(text), .out = BUF_INIT(100000), .message = BUF_INIT(100000) };
	rest = ret->text;
	while (r == 0 && rest.len != 0)
		r = ms_mbox_push(reader, span_take(&rest, step));
	if (r == 0)
		r = ms_mbox_finish(reader);
	ms_mbox_reader_free(reader);
	return r;
}

static void
assert_mbox(const char *text, enum ms_mbox_form form, const char *wanted)
{
	static const size_t steps[] = { 1, 2, 3, 7, 100000 };

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		struct reading reading;

		ck_assert_int_eq(read_mbox(text, form, steps[i], &reading), 0);
		ck_assert_str_eq(buf_cstr(&reading.out), wanted);
		buf_free(&reading.out);
		buf_free(&reading.message);
	}
}

#define FROM "From a@example.org Thu Jan  1 00:01:40 1970\n"

START_TEST(two_messages)
{
	assert_mbox(FROM "Subject: 1\n\nbody\n\n" FROM "Subject: 2\n\nbody\n\n\n", MS_MBOX_AUTO, "{100 0 |Subject: 1\n\nbody\n}{100 0 |Subject: 2\n\nbody\n\n}");
	/* No empty line at the end, no line end at the end, no body, no header's end, nothing. */
	assert_mbox(FROM "Subject: 1\n\nbody\n", MS_MBOX_AUTO, "{100 0 |Subject: 1\n\nbody\n}");
	assert_mbox(FROM "Subject: 1\n\nbody", MS_MBOX_AUTO, "{100 0 |Subject: 1\n\nbody}");
	assert_mbox(FROM "Subject: 1\n\n" FROM "Subject: 2\n\n\n", MS_MBOX_AUTO, "{100 0 |Subject: 1\n\n}{100 0 |Subject: 2\n\n}");
	assert_mbox(FROM "Subject: 1\n" FROM "Subject: 2\n", MS_MBOX_AUTO, "{100 0 |Subject: 1\n}{100 0 |Subject: 2\n}");
	assert_mbox("\n\n" FROM "\n\n", MS_MBOX_AUTO, "{100 0 |\n}");
	assert_mbox("", MS_MBOX_AUTO, "");
	assert_mbox("From a Thu Jan  1 00:01:40 1970\r\nSubject: 1\r\n\r\nbody\r\n\r\nFrom a Thu Jan  1 00:01:40 1970\r\nSubject: 2\r\n\r\n\r\n", MS_MBOX_AUTO,
	    "{100 0 |Subject: 1\n\nbody\n}{100 0 |Subject: 2\n\n}");
}
END_TEST

START_TEST(not_an_mbox)
{
	struct reading reading;

	ck_assert_int_eq(read_mbox("Subject: 1\n\nbody\n", MS_MBOX_AUTO, 100, &reading), MS_E_CORRUPT);
	buf_free(&reading.out);
	buf_free(&reading.message);
}
END_TEST

START_TEST(quotes)
{
	const char *text = FROM "S: 1\n\n>From x\n>>From y\n> From z\nFrom me to you\n\nFrom here on it is a sentence\n";

	assert_mbox(text, MS_MBOX_AUTO, "{100 0 |S: 1\n\nFrom x\n>From y\n> From z\nFrom me to you\n\nFrom here on it is a sentence\n}");
	assert_mbox(text, MS_MBOX_RD, "{100 0 |S: 1\n\nFrom x\n>From y\n> From z\nFrom me to you\n\nFrom here on it is a sentence\n}");
	assert_mbox(text, MS_MBOX_CL2, "{100 0 |S: 1\n\n>From x\n>>From y\n> From z\nFrom me to you\n\nFrom here on it is a sentence\n}");
}
END_TEST

/* What is no separator is part of the message, the others begin one. */
START_TEST(sentences)
{
	assert_mbox("From a@b 1970-01-01 00:01:40\nS: 1\n\nbody\n\nFrom me at 10:30 in 2011 maybe\n\nFrom a@b 1970-01-01 00:01:40\nS: 2\n\nbody\n", MS_MBOX_AUTO,
	    "{100 0 |S: 1\n\nbody\n\nFrom me at 10:30 in 2011 maybe\n}{100 0 |S: 2\n\nbody\n}");
}
END_TEST

/* In one file with others: it must not become text of the one before. */
START_TEST(dates_in_words)
{
	assert_mbox("From a@b 1970-01-01 00:01:40\nS: 1\n\nbody\n\nFrom a@b 2 January 1970 10:00:00\nS: 2\n\nbody\n\nFrom a@b Di Jan  2 10:00:00 1970\nS: 3\n\nbody\n", MS_MBOX_AUTO,
	    "{100 0 |S: 1\n\nbody\n}{0 0 |S: 2\n\nbody\n}{0 0 |S: 3\n\nbody\n}");
}
END_TEST

START_TEST(lengths)
{
	const char *text = FROM "S: 1\nContent-Length: 53\n\n>From x\n\n" FROM "\n" FROM "S: 2\n\nb\n";

	ck_assert_uint_eq(strlen(">From x\n\n" FROM), 53);
	assert_mbox(text, MS_MBOX_AUTO, "{100 0 |S: 1\n\n>From x\n\n" FROM "}{100 0 |S: 2\n\nb\n}");
	assert_mbox(text, MS_MBOX_RD, "{100 0 |S: 1\n\nFrom x\n}{100 0 |\n}{100 0 |S: 2\n\nb\n}");
	/* One that leaves out the last line end is taken at its word, too. */
	assert_mbox(FROM "S: 1\nContent-Length: 3\n\nabc\n\n" FROM "S: 2\n\nb\n", MS_MBOX_AUTO, "{100 0 |S: 1\n\nabc}{100 0 |S: 2\n\nb\n}");
	assert_mbox(FROM "S: 1\nContent-Length: 0\n\n\n" FROM "S: 2\n\nb\n", MS_MBOX_AUTO, "{100 0 |S: 1\n\n}{100 0 |S: 2\n\nb\n}");
	assert_mbox(FROM "S: 1\nContent-Length: 9\n\n>From x\n\n\n" FROM "S: 2\n\nb\n", MS_MBOX_AUTO, "{100 0 |S: 1\n\n>From x\n\n}{100 0 |S: 2\n\nb\n}");
	assert_mbox(FROM "Content-Length: 99999999999999999999999\n\nx\n", MS_MBOX_CL2, "{100 0 |\nx\n}");
}
END_TEST

START_TEST(status_headers)
{
	assert_mbox(FROM "Status: RO\nX-Status: AFTD\nX-Keywords: $Label1 work\n  more\nX-UID: 5\nX-IMAPbase: 1 2\nS: 1\n\nb\n", MS_MBOX_AUTO,
	    "{100 1f $Label1 work more|S: 1\n\nb\n}");
	assert_mbox(FROM "X-IMAP: 1 2\nSubject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n\nb\n", MS_MBOX_AUTO,
	    "{100 0 internal|Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n\nb\n}");
	/* Only the first message is such notes, and only with their subject: nobody's mail is lost for a field that its sender made up. */
	assert_mbox(FROM "X-IMAP: 1 2\nSubject: mail\n\nb\n\n" FROM "Subject: FOLDER INTERNAL DATA\nX-IMAP: 1 2\n\nc\n", MS_MBOX_AUTO,
	    "{100 0 |Subject: mail\n\nb\n}{100 0 |Subject: FOLDER INTERNAL DATA\n\nc\n}");
	assert_mbox(FROM "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1 2\n\nb\n\n" FROM "S: 2\n\nc\n", MS_MBOX_AUTO,
	    "{100 0 internal|Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n\nb\n}{100 0 |S: 2\n\nc\n}");
	assert_mbox(FROM "S: 1\n Status: folded\n\nStatus: R\n", MS_MBOX_AUTO, "{100 0 |S: 1\n Status: folded\n\nStatus: R\n}");
}
END_TEST

/* More than one line of ours, and more than may be. */
START_TEST(many_keywords)
{
	struct buf text = BUF_INIT(200000), wanted = BUF_INIT(200000);
	struct reading reading;

	(void)buf_str(&text, FROM "X-Keywords:\tk0");
	(void)buf_str(&wanted, "{100 0 k0");
	for (unsigned i = 1; i < 3000; i++) {
		(void)buf_fmt(&text, "%sk%u", i % 3 == 0 ? "\t" : i % 3 == 1 ? " " : "  ", i);
		(void)buf_fmt(&wanted, " k%u", i);
	}
	(void)buf_str(&text, "\nS: 1\n\nb\n");
	(void)buf_str(&wanted, "|S: 1\n\nb\n}");
	assert_mbox(buf_cstr(&text), MS_MBOX_AUTO, buf_cstr(&wanted));
	buf_clear(&text);
	(void)buf_str(&text, FROM);
	for (unsigned i = 0; i < 10000; i++)
		(void)buf_fmt(&text, "X-Keywords: keyword%u\n", i);
	(void)buf_str(&text, "\nb\n");
	ck_assert_int_eq(read_mbox(buf_cstr(&text), MS_MBOX_AUTO, 1000, &reading), 0);
	ck_assert(reading.cut);
	buf_free(&reading.out);
	buf_free(&reading.message);
	buf_free(&text);
	buf_free(&wanted);
}
END_TEST

START_TEST(from_lines)
{
	static const struct {
		const char *line;
		bool is;
		long long date;
	} rows[] = {
		{ "From a@b Thu Jan  1 00:01:40 1970", true, 100 },
		{ "From - Thu Jan  1 00:01:40 1970", true, 100 },
		{ "From a@b  Thu Jan  1 01:01:40 1970 +0100", true, 100 },
		{ "From \"a b\"@c Thu Jan  1 00:01:40 1970", true, 100 },
		{ "From Mon@c Thu Jan  1 00:01:40 1970", true, 100 },
		{ "From 1500@xxx Tue Jan 07 12:13:14 +0000 2020", true, 1578399194 },
		{ "From a@b Jan 1 00:01 1970 remote from x", true, 0 },
		{ "From a@b 1970-01-01 00:01:40", true, 100 },
		{ "From a@b 1970-01-01 01:01:40 +0100", true, 100 },
		{ "From a@b 1970-01-01T00:01:40Z", true, 100 },
		{ "From a@b 1970-01-01T01:01:40+01:00 ", true, 100 },
		{ "From - 2024-01-02 10:00", true, 0 },
		{ "From MAILER-DAEMON  2 Jan 2024 10:00:00 CEST", true, 0 },
		{ "From \"a b\"@c Jan 1, 2024 10:00", true, 0 },
		{ "From a@b 2024-01-02 11:00:00 +01:00", true, 1704189600 },
		{ "From a@b 2 January 2024 10:00:00", true, 0 },
		{ "From a@b Monday, 2. Sept. 2024 10:00:00", true, 1725271200 },
		{ "From a@b Di Jan  2 10:00:00 2024", true, 0 },
		{ "From a@b Mittwoch, 2. M\xc3\xa4rz 2024 10:00", true, 0 },
		{ "From a@b So. 3 Dez 10:00:00 2023", true, 0 },
		{ "From a@b Tue Jan  2 10:00:00 W. Europe Standard Time 2024", true, 0 },
		{ "From a@b Jan  2 2024 10:00:00 (Central European Summer Time)", true, 0 },
		{ "From a@b Tue Jan  2 10:00:00 GMT Standard Time 2024", true, 0 },
		{ "From a@b Jan 2 10:00:00 2024 GMT-5", true, 0 },
		{ "From a@b 2 Jan 2024 10:00:00 +01:00 (CET)", true, 0 },
		{ "From a@b 2024-01-02", false, 0 },
		{ "From a@b Mayor 2 Jan 2024 10:00", false, 0 },
		{ "From Bob do 2 Jan 2024 10:00", false, 0 },
		{ "From Bob 2 Jan 2024 10:00 so", false, 0 },
		{ "From Bob Maybe 2 Jan 2024 10:00", false, 0 },
		{ "From Bob 10:30 Lunch Time 2011", false, 0 },
		{ "From Bob 10:30 by Standard Time 2011", false, 0 },
		{ "From Bob 10:30 Standard Time of 2011", false, 0 },
		{ "From 10:30 Standard Time 2011", false, 0 },
		{ "From 2024-01-02 10:00:00", false, 0 },
		{ "From me at 10:30 in 2011 maybe", false, 0 },
		{ "From what I saw 2011 at 10:30", false, 0 },
		{ "From what I saw 2 Jan 2011 10:30", false, 0 },
		{ "From a@b 10:30 2011 and on", false, 0 },
		{ "From here on", false, 0 },
		{ "From Monday to Friday at 12:00", false, 0 },
		{ "from a@b Thu Jan  1 00:01:40 1970", false, 0 },
		{ ">From a@b Thu Jan  1 00:01:40 1970", false, 0 },
		{ "From: a@b Thu Jan  1 00:01:40 1970", false, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int64_t date;

		ck_assert_msg(ms_mbox_is_from(span_of(rows[i].line), &date) == rows[i].is, "%s", rows[i].line);
		ck_assert_msg(!rows[i].is || date == rows[i].date || (rows[i].date == 1578399194 && date == 0), "%s: %lld", rows[i].line, (long long)date);
	}
}
END_TEST

static void
write_one(const char *message, enum ms_mbox_form form, const struct ms_mbox_status *status, size_t step, struct buf *out)
{
	struct ms_mbox_writer writer;
	struct span rest = span_of(message);

	ms_mbox_begin(&writer, form, SPAN("a@example.org"), status, rest.len, out);
	while (rest.len != 0)
		ms_mbox_put(&writer, span_take(&rest, step), out);
	ms_mbox_end(&writer, out);
}

START_TEST(written)
{
	struct ms_mbox_status status = { .date = 100, .flags = MS_SEEN | MS_FLAGGED, .keywords = SPAN("one two") };
	struct buf out = BUF_INIT(100000);

	write_one("S: 1\nStatus: O\nX-UID: 5\n more\nT: 2\n\nFrom x\n>From y\nFro\n", MS_MBOX_RD, &status, 3, &out);
	ck_assert_str_eq(buf_cstr(&out), FROM "S: 1\nT: 2\nStatus: RO\nX-Status: F\nX-Keywords: one two\n\n>From x\n>>From y\nFro\n\n");
	buf_clear(&out);
	write_one("S: 1\n\nFrom x\n", MS_MBOX_CL2, &status, 1, &out);
	ck_assert_str_eq(buf_cstr(&out), FROM "S: 1\nStatus: RO\nX-Status: F\nX-Keywords: one two\nContent-Length: 7\n\nFrom x\n\n");
	buf_clear(&out);
	status = (struct ms_mbox_status){ .date = 100 };
	write_one("From a line that is no header\nS: 1", MS_MBOX_RD, &status, 100, &out);
	ck_assert_str_eq(buf_cstr(&out), FROM ">From a line that is no header\nS: 1\nStatus: O\n\n\n");
	buf_free(&out);
	ck_assert(!ms_mbox_sender_is_valid(SPAN("a b")));
	ck_assert(!ms_mbox_sender_is_valid(SPAN("a\nb")));
	ck_assert(!ms_mbox_sender_is_valid(SPAN("")));
}
END_TEST

/* Each of these comes back as it was, in either form, beside others, in parts of any size. */
START_TEST(round_trip)
{
	static const char *const messages[] = {
		"S: 1\n\nbody\n", "S: 1\n\n", "S: 1\n\n\n\n\n", "S: 1\n\nFrom x\n\n" FROM "\n>From z\n>>>From z\n", "\nbody\n", "S: 1\n\n\nFrom \n",
	};
	struct ms_mbox_status status = { .date = 100 };

	for (int form = MS_MBOX_RD; form <= MS_MBOX_CL2; form++) {
		struct buf text = BUF_INIT(100000), wanted = BUF_INIT(100000);

		for (size_t i = 0; i < sizeof(messages) / sizeof(*messages); i++) {
			write_one(messages[i], (enum ms_mbox_form)form, &status, i + 1, &text);
			(void)buf_fmt(&wanted, "{100 0 |%s}", messages[i]);
		}
		assert_mbox(buf_cstr(&text), MS_MBOX_AUTO, buf_cstr(&wanted));
		assert_mbox(buf_cstr(&text), (enum ms_mbox_form)form, buf_cstr(&wanted));
		buf_free(&text);
		buf_free(&wanted);
	}
}
END_TEST

/* With its length told, a body comes back even without a line end. */
START_TEST(unended_round_trip)
{
	struct ms_mbox_status status = { .date = 100 };
	struct buf text = BUF_INIT(100000);

	write_one("S: 1\n\nbody\n\n" FROM "x", MS_MBOX_CL2, &status, 2, &text);
	write_one("S: 2\n\nx", MS_MBOX_CL2, &status, 2, &text);
	assert_mbox(buf_cstr(&text), MS_MBOX_AUTO, "{100 0 |S: 1\n\nbody\n\n" FROM "x}{100 0 |S: 2\n\nx}");
	buf_free(&text);
}
END_TEST

START_TEST(long_lines)
{
	struct ms_mbox_status status = { .date = 100 };
	struct buf message = BUF_INIT(100000), text = BUF_INIT(200000), wanted = BUF_INIT(200000);

	(void)buf_str(&message, "S: ");
	for (size_t i = 0; i < 20000; i++)
		(void)buf_char(&message, (char)('a' + i % 26));
	(void)buf_str(&message, "\n\nFrom ");
	for (size_t i = 0; i < 3 * MS_MBOX_LINE_MAX - 5; i++)
		(void)buf_char(&message, i % 100 == 7 ? '>' : 'x');
	(void)buf_str(&message, "\n\nend\n");
	write_one(buf_cstr(&message), MS_MBOX_RD, &status, 999, &text);
	(void)buf_fmt(&wanted, "{100 0 |%s}", buf_cstr(&message));
	assert_mbox(buf_cstr(&text), MS_MBOX_RD, buf_cstr(&wanted));
	buf_free(&message);
	buf_free(&text);
	buf_free(&wanted);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("mbox");

	tcase_add_test(tests, two_messages);
	tcase_add_test(tests, not_an_mbox);
	tcase_add_test(tests, quotes);
	tcase_add_test(tests, sentences);
	tcase_add_test(tests, dates_in_words);
	tcase_add_test(tests, lengths);
	tcase_add_test(tests, status_headers);
	tcase_add_test(tests, many_keywords);
	tcase_add_test(tests, from_lines);
	tcase_add_test(tests, written);
	tcase_add_test(tests, round_trip);
	tcase_add_test(tests, unended_round_trip);
	tcase_add_test(tests, long_lines);
	return run_case("mbox", tests, NULL);
}
