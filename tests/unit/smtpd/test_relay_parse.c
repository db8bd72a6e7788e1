/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Replies of other hosts, and messages on their way out. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "smtpd/relay_data.h"
#include "smtpd/relay_parse.h"

static void
assert_span(struct span got, const char *wanted)
{
	ck_assert_msg(span_eq(got, span_of(wanted)), "got \"%.*s\", wanted \"%s\"", (int)got.len, got.ptr != NULL ? got.ptr : "", wanted);
}

static const struct {
	const char *input;
	int result;
	size_t used;
	unsigned code;
	const char *text;
} replies[] = {
	{ "250 fine\r\n", 0, 10, 250, "fine" },
	{ "250 fine\n", 0, 9, 250, "fine" },
	{ "250\r\n", 0, 5, 250, "" },
	{ "250-a\r\n250-b c\r\n250 d\r\n220 next\r\n", 0, 23, 250, "a\nb c\nd" },
	{ "250-a\r\n250\r\n", 0, 12, 250, "a\n" },
	{ "", 1, 0, 0, "" },
	{ "250 fin", 1, 0, 0, "" },
	{ "250-a\r\n250-b", 1, 7, 250, "a" },
	{ "250-a\r\n251 b\r\n", -EBADMSG, 14, 250, "a" },
	{ "150 a\r\n", -EBADMSG, 7, 0, "" },
	{ "650 a\r\n", -EBADMSG, 7, 0, "" },
	{ "25 a\r\n", -EBADMSG, 6, 0, "" },
	{ "25x a\r\n", -EBADMSG, 7, 0, "" },
	{ "2500 a\r\n", -EBADMSG, 8, 0, "" },
	{ "\r\n", -EBADMSG, 2, 0, "" },
	{ "HTTP/1.1 400 Bad Request\r\n", -EBADMSG, 26, 0, "" },
};

START_TEST(replies_are_read)
{
	struct relay_reply reply;
	size_t used;

	relay_reply_init(&reply);
	ck_assert_int_eq(relay_reply_input(&reply, span_of(replies[_i].input), &used), replies[_i].result);
	ck_assert_uint_eq(used, replies[_i].used);
	ck_assert_uint_eq(reply.code, replies[_i].code);
	assert_span(buf_get(&reply.text), replies[_i].text);
	relay_reply_free(&reply);
}
END_TEST

START_TEST(replies_come_in_pieces)
{
	static const char input[] = "250-mail.example\r\n250-SIZE 1000\r\n250 PIPELINING\r\n";
	struct relay_reply reply;
	size_t start = 0, used;

	relay_reply_init(&reply);
	for (size_t end = 1; end <= sizeof(input) - 1; end++) {
		int r = relay_reply_input(&reply, span_make(input + start, end - start), &used);

		ck_assert_int_eq(r, end < sizeof(input) - 1);
		start += used;
	}
	ck_assert_uint_eq(start, sizeof(input) - 1);
	assert_span(buf_get(&reply.text), "mail.example\nSIZE 1000\nPIPELINING");
	relay_reply_clear(&reply);
	ck_assert_uint_eq(reply.code, 0);
	ck_assert_int_eq(relay_reply_input(&reply, SPAN("354 go\r\n"), &used), 0);
	ck_assert_uint_eq(reply.code, 354);
	relay_reply_free(&reply);
}
END_TEST

START_TEST(replies_are_bounded)
{
	static char line[RELAY_LINE_MAX + 16];
	struct relay_reply reply;
	size_t used;
	int r = 1;

	relay_reply_init(&reply);
	memset(line, 'x', sizeof(line));
	memcpy(line, "250-", 4);
	ck_assert_int_eq(relay_reply_input(&reply, span_make(line, RELAY_LINE_MAX - 1), &used), 1);
	ck_assert_int_eq(relay_reply_input(&reply, span_make(line, RELAY_LINE_MAX), &used), -EMSGSIZE);
	/* Whole lines that are too many; the text that is kept stays within its bound. */
	line[RELAY_LINE_MAX - 1] = '\n';
	for (unsigned i = 0; i < RELAY_LINES_MAX; i++)
		ck_assert_int_eq(relay_reply_input(&reply, span_make(line, RELAY_LINE_MAX), &used), 1);
	ck_assert_uint_eq(reply.text.len, RELAY_TEXT_MAX);
	ck_assert(!reply.text.overflow);
	r = relay_reply_input(&reply, span_make(line, RELAY_LINE_MAX), &used);
	ck_assert_int_eq(r, -EMSGSIZE);
	relay_reply_free(&reply);
}
END_TEST

static const struct {
	const char *text;
	unsigned class;
	const char *status;
} statuses[] = {
	{ "5.1.1 no such user", 5, "5.1.1" },
	{ "5.7.133 sender\nmore", 5, "5.7.133" },
	{ "2.0.0", 2, "2.0.0" },
	{ "2.1.0\nmore", 2, "2.1.0" },
	{ "4.1.1 x", 5, "" },
	{ "5.1 x", 5, "" },
	{ "5.1.1x", 5, "" },
	{ "5..1 x", 5, "" },
	{ "5.1.1000 x", 5, "" },
	{ "05.1.1 x", 5, "" },
	{ "5.1.1.1 x", 5, "" },
	{ "<a@b>: 5.1.1 x", 5, "" },
	{ "", 5, "" },
};

START_TEST(status_codes)
{
	assert_span(relay_parse_status(span_of(statuses[_i].text), statuses[_i].class), statuses[_i].status);
}
END_TEST

static const struct {
	const char *text;
	unsigned extensions;
	uint64_t size_max, rcpt_max, rcpt_domain_max;
} offers[] = {
	{ "mail.example hello", 0, 0, 0, 0 },
	{ "PIPELINING", 0, 0, 0, 0 }, /* the first line is a greeting whatever it says */
	{ "h\nPIPELINING\nSIZE 35882577\n8BITMIME\nDSN\nSMTPUTF8\nSTARTTLS\nENHANCEDSTATUSCODES", 127, 35882577, 0, 0 },
	{ "h\nsize\nPipelining", RELAY_EXT_SIZE | RELAY_EXT_PIPELINING, 0, 0, 0 },
	{ "h\nSIZE x", RELAY_EXT_SIZE, 0, 0, 0 },
	{ "h\nSIZE 99999999999999999999999", RELAY_EXT_SIZE, 0, 0, 0 },
	{ "h\nLIMITS MAILMAX=5 RCPTMAX=100 RCPTDOMAINMAX=1", RELAY_EXT_LIMITS, 0, 100, 1 },
	{ "h\nLIMITS RCPTMAX=x =7 RCPTMAX", RELAY_EXT_LIMITS, 0, 0, 0 },
	{ "h\nMT-PRIORITY MIXER", RELAY_EXT_MT_PRIORITY, 0, 0, 0 },
	{ "h\nXPIPELINING\nPIPELININGX\nAUTH CRAM-MD5\n\nCHUNKING-X", 0, 0, 0, 0 },
	{ "h\n chunking", RELAY_EXT_CHUNKING, 0, 0, 0 },
	{ "h\nAUTH CRAM-MD5 login PLAIN", RELAY_EXT_AUTH_PLAIN | RELAY_EXT_AUTH_LOGIN, 0, 0, 0 },
};

START_TEST(extensions)
{
	struct relay_offer offer = relay_parse_offer(span_of(offers[_i].text));

	ck_assert_uint_eq(offer.extensions, offers[_i].extensions);
	ck_assert_uint_eq(offer.size_max, offers[_i].size_max);
	ck_assert_uint_eq(offer.rcpt_max, offers[_i].rcpt_max);
	ck_assert_uint_eq(offer.rcpt_domain_max, offers[_i].rcpt_domain_max);
}
END_TEST

static const struct {
	const char *stored, *sent;
} messages[] = {
	{ "", ".\r\n" },
	{ "a\r\n", "a\r\n.\r\n" },
	{ "a", "a\r\n.\r\n" },
	{ ".\r\n", "..\r\n.\r\n" },
	{ ".a\r\n..\r\na.\r\n", "..a\r\n...\r\na.\r\n.\r\n" },
	/* No end of data but our own, whatever a spool file holds. */
	{ "a\n.\nb", "a\r\n..\r\nb\r\n.\r\n" },
	{ "a\r.\rb", "a\r\n..\r\nb\r\n.\r\n" },
	{ "a\n.\r\nb", "a\r\n..\r\nb\r\n.\r\n" },
	{ "a\r\n.\nb", "a\r\n..\r\nb\r\n.\r\n" },
	{ "a\r\r\n.\r\r\nb\r\n", "a\r\n\r\n..\r\n\r\nb\r\n.\r\n" },
	{ "a\r", "a\r\n.\r\n" },
	{ "\r\n\r\n", "\r\n\r\n.\r\n" },
};

START_TEST(messages_are_sent)
{
	struct span stored = span_of(messages[_i].stored);

	/* The same in one piece and in every division into pieces of one length. */
	for (size_t piece = 1; piece <= stored.len + 1; piece++) {
		struct relay_data data = { 0 };
		struct buf out = BUF_INIT(4096);
		struct span rest = stored;

		while (rest.len != 0)
			relay_data_put(&data, span_take(&rest, piece), &out);
		relay_data_end(&data, &out);
		assert_span(buf_get(&out), messages[_i].sent);
		buf_free(&out);
	}
}
END_TEST

static void
assert_lines(struct span text)
{
	struct span line;

	while (span_split(&text, '\n', &line)) {
		/* Its CR is left; a dot that was added does not count (RFC 5321 4.5.3.1.6). */
		ck_assert_uint_le(line.len, RELAY_TEXT_LINE_MAX + 1 + (line.ptr[0] == '.'));
		ck_assert_int_eq(line.ptr[line.len - 1], '\r');
		ck_assert_int_eq(span_chr(line, '\r'), (ptrdiff_t)line.len - 1);
		line.len--;
		ck_assert(span_is_utf8(line));
	}
}

START_TEST(long_lines_are_cut)
{
	/* Characters of one to four octets, so that a cut falls within each kind. */
	static const char *const characters[] = { "x", "\xc3\xa4", "\xe4\xbd\xa0", "\xf0\x9f\x98\x80", "." };
	struct relay_data data = { 0 };
	struct buf stored = BUF_INIT(20000), out = BUF_INIT(60000);

	for (int lead = 0; lead < _i / 5; lead++)
		(void)buf_char(&stored, 'l');
	while (stored.len < 5000)
		(void)buf_str(&stored, characters[_i % 5]);
	relay_data_put(&data, buf_get(&stored), &out);
	relay_data_end(&data, &out);
	assert_lines(buf_get(&out));
	/* Nothing is lost: without what was put between, it is what it was. */
	for (size_t i = 0, at = 0; at < stored.len; i++)
		if (out.data[i] == '\r' && out.data[i + 1] == '\n' && out.data[i + 2] == ' ')
			i += 2;
		else if (!(i == 0 && out.data[0] == '.' && stored.data[0] == '.'))
			ck_assert_int_eq(out.data[i], stored.data[at++]);
	buf_free(&stored);
	buf_free(&out);
}
END_TEST

static const struct {
	const char *text;
	bool eight_bit, utf8_header;
} scans[] = {
	{ "Subject: x\r\n\r\nbody\r\n", false, false },
	{ "Subject: x\r\n\r\nb\xc3\xb6" "dy\r\n", true, false },
	{ "Subject: \xc3\xb6\r\n\r\nbody\r\n", true, true },
	{ "Subject: x\n\nb\xc3\xb6" "dy\n", true, false },
	{ "\r\n\xff\r\n", true, false },
	{ "\xff", true, true },
};

START_TEST(messages_are_scanned)
{
	struct span text = span_of(scans[_i].text);

	for (size_t piece = 1; piece <= text.len; piece++) {
		struct relay_scan scan = { 0 };
		struct span rest = text;

		while (rest.len != 0)
			relay_scan_put(&scan, span_take(&rest, piece));
		ck_assert_int_eq(scan.eight_bit, scans[_i].eight_bit);
		ck_assert_int_eq(scan.utf8_header, scans[_i].utf8_header);
	}
}
END_TEST

#define ROWS(table) (sizeof(table) / sizeof(*(table)))

int
main(void)
{
	Suite *suite = suite_create("relay_parse");
	TCase *tests = tcase_create("relay_parse");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, replies_are_read, 0, ROWS(replies));
	tcase_add_test(tests, replies_come_in_pieces);
	tcase_add_test(tests, replies_are_bounded);
	tcase_add_loop_test(tests, status_codes, 0, ROWS(statuses));
	tcase_add_loop_test(tests, extensions, 0, ROWS(offers));
	tcase_add_loop_test(tests, messages_are_sent, 0, ROWS(messages));
	tcase_add_loop_test(tests, long_lines_are_cut, 0, 50);
	tcase_add_loop_test(tests, messages_are_scanned, 0, ROWS(scans));
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
