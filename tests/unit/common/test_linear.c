/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What hostile mail costs: four times as much of it takes about four times the processor's time, where a loop within a loop takes sixteen.
 * The best of several tries counts, so that a busy machine is no fault. */
#include <time.h>

#include "common/address_list.h"
#include "common/encoded_word.h"
#include "common/imap_bodystructure.h"
#include "common/imap_envelope.h"
#include "common/message_id.h"
#include "common/mime_text.h"
#include "common/parameter.h"
#include "common/sanitizer.h"
#include "common/subject.h"
#include "tests/unit/common/syntax.h"

#define BYTES_MAX (64u << 20)
#define RATIO_MAX 9.0
#define TRIES 6
#define SHORTEST 0.002 /* seconds: less than this is nothing to compare */

#if UNDER_SANITIZER
/* Its memmem would look at all the bytes that it is given, however soon it finds what it looks for. */
const char *__asan_default_options(void);
const char *
__asan_default_options(void)
{
	return "intercept_memmem=0";
}
#endif

/* --- what is done --- */

static void
read_addresses(struct span bytes)
{
	struct address_list list;

	address_list_parse(bytes, &list);
	address_list_free(&list);
}

static void
read_parameters(struct span bytes)
{
	struct parameter_list list;

	parameter_list_parse(bytes, PARAMETER_DECODED, &list);
	parameter_list_free(&list);
}

static void
read_words(struct span bytes)
{
	struct buf out = BUF_INIT(BYTES_MAX);

	(void)encoded_word_decode(bytes, &out);
	buf_free(&out);
}

static void
write_words(struct span bytes)
{
	struct buf out = BUF_INIT(BYTES_MAX);
	size_t column = 9;

	(void)encoded_word_encode(bytes, ENCODED_WORD_TEXT, &column, &out);
	buf_free(&out);
}

static void
read_ids(struct span bytes)
{
	struct message_id_list list;

	message_id_list_parse(bytes, &list);
	message_id_list_free(&list);
}

static void
read_subject(struct span bytes)
{
	struct buf out = BUF_INIT(SUBJECT_MAX);

	(void)subject_base(bytes, &out, NULL);
	buf_free(&out);
}

static void
read_html(struct span bytes)
{
	struct buf out = BUF_INIT(BYTES_MAX);

	(void)mime_html_to_text(bytes, &out);
	buf_free(&out);
}

static void
read_lines(struct span bytes)
{
	struct flowed_line line;

	while (flowed_take(&bytes, (struct flowed_format){ true, true }, &line))
		continue;
}

static void
read_japanese(struct span bytes)
{
	struct buf out = BUF_INIT(BYTES_MAX);

	(void)charset_to_utf8(SPAN("iso-2022-jp"), bytes, &out);
	buf_free(&out);
}

/* All that a delivery and a FETCH make of a message. */
static void
read_message(struct span bytes)
{
	struct buf out = BUF_INIT(BYTES_MAX), preview = BUF_INIT(MIME_PREVIEW_SIZE);
	struct mime_message *message = mime_parse(bytes);

	(void)imap_envelope_append(&out, mime_header(message, &message->parts[0]), 0);
	(void)imap_bodystructure_append(&out, message, true, 0);
	(void)mime_preview(message, &preview);
	for (uint32_t i = 0; i < message->count; i++) {
		buf_clear(&out);
		(void)mime_filename(&message->parts[i], &out);
	}
	message = mime_free(message);
	buf_free(&out);
	buf_free(&preview);
}

/* --- of what --- */

static const struct {
	const char *name;
	void (*read)(struct span bytes);
	const char *begin;
	const char *repeated; /* "%zu" counts */
	const char *end;
	size_t count;         /* of the smaller one */
} rows[] = {
	{ "addresses", read_addresses, "", "a@b,", "", 50000 },
	{ "quoted names", read_addresses, "", "\"x\"", " <a@b>", 70000 },
	{ "comments", read_addresses, "", "(", "", 200000 }, { "comments beside each other", read_addresses, "", "(x)", "", 80000 },
	{ "at signs", read_addresses, "a", "@b", "", 100000 }, { "brackets", read_addresses, "", "<", "", 200000 },
	{ "routes", read_addresses, "", "<@a,", "", 60000 }, { "literals", read_addresses, "a@", "[", "", 200000 },
	{ "groups", read_addresses, "", "g:;", "", 80000 }, { "words of a local-part", read_addresses, "", "a.", "@b", 100000 },
	{ "encoded words of names", read_addresses, "", "=?a?q?", "", 40000 },
	{ "continued parameters", read_parameters, "x/y", "; n*%zu=x", "", 1200 }, { "semicolons", read_parameters, "x/y", ";", "", 16000 },
	{ "parameters without a value", read_parameters, "x/y", ";n", "", 8000 },
	{ "percent signs", read_parameters, "x/y; n*=utf-8''", "%%c3%%a9", "", 2500 },
	{ "encoded words", read_words, "", "=?utf-8?q?a?= ", "", 40000 },
	{ "encoded words of two charsets", read_words, "", "=?gbk?q?a?= =?koi8-r?q?b?= ", "", 10000 },
	{ "encoded words that do not end", read_words, "", "=?utf-8?q?a", "", 60000 }, { "question marks", read_words, "", "=?", "", 300000 },
	{ "folds", read_words, "a", "\r\n ", "b", 200000 }, { "long labels", read_words, "", "=?aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "", 20000 },
	{ "words to encode", write_words, "", "\xc3\xa9 a ", "", 40000 }, { "one word to encode", write_words, "", "\xe6\x97\xa5", "", 60000 },
	{ "blanks to encode", write_words, "a", " ", "b", 300000 },
	{ "message ids", read_ids, "", "<a@b> ", "", 100000 }, { "ids that do not end", read_ids, "", "<a", "", 300000 },
	{ "comments of ids", read_ids, "", "(", "", 500000 },
	{ "blobs of a subject", read_subject, "", "[a]", "x", 680 }, { "replies", read_subject, "", "Re: ", "x", 500 },
	{ "forwards", read_subject, "", "[fwd:", "", 400 }, { "trailers", read_subject, "x", "(fwd)", "", 400 },
	{ "open tags", read_html, "", "<div>", "", 100000 }, { "tags that do not end", read_html, "", "<a b=\"", "", 200000 },
	{ "comments of HTML", read_html, "", "<!--", "", 300000 }, { "styles", read_html, "", "<style></", "", 100000 },
	{ "entities", read_html, "", "&#38;&unknown", "", 60000 },
	{ "quoted lines", read_lines, "", ">>>> \n", "", 200000 }, { "quote marks", read_lines, "", ">", "\n", 500000 },
	{ "designations", read_japanese, "", "\x1b$BF|\x1b(B", "", 20000 }, { "escapes", read_japanese, "", "\x1b", "", 200000 },
	{ "addresses of an envelope", read_message, "To: ", "a@b,\r\n ", "\r\n\r\n", 50000 },
	{ "folders of a file name", read_message, "Content-Disposition: attachment; filename=", "\\", "x\n\n", 15000 },
	{ "fields", read_message, "", "X: y\r\n", "\r\n", 200000 }, { "a long field", read_message, "X: ", "yyyyyyyyyyyyyyy\r\n ", "\r\n\r\n", 100000 },
	{ "a header without an end", read_message, "", "no field\n", "", 200000 },
	{ "parts", read_message, "Content-Type: multipart/mixed; boundary=b\n\n", "--b\nContent-Type: text/plain; name=x\n\nx\n", "--b--\n", 2400 },
	{ "parts that are past the limit", read_message, "Content-Type: multipart/mixed; boundary=b\n\n", "--b\n", "", 100000 },
	{ "messages in a digest", read_message, "Content-Type: multipart/digest; boundary=b\n\n", "--b\n\nTo: a@b\n\nx\n", "", 1200 },
	{ "depth", read_message, "", "Content-Type: multipart/mixed; boundary=b%zu\n\n--b%zu\n", "\nx", 20000 },
	{ "lines like a boundary", read_message, "Content-Type: multipart/mixed; boundary=bbbbbbbbbbbbbbbbbc\n\n", "--bbbbbbbbbbbbbbbbbb\n", "", 100000 },
	{ "empty lines", read_message, "\n", "\n", "", 500000 }, { "carriage returns", read_message, "", "\r", "", 500000 },
};

static void
repeat(const char *text, size_t number, struct buf *out)
{
	struct span rest = span_of(text);
	ptrdiff_t at;

	while ((at = span_chr(rest, '%')) >= 0) {
		(void)buf_span(out, span_take(&rest, (size_t)at));
		if (span_starts(rest, SPAN("%%"))) {
			(void)buf_char(out, '%');
			rest = span_skip(rest, 2);
		} else {
			(void)buf_fmt(out, "%zu", number);
			rest = span_skip(rest, strlen("%zu"));
		}
	}
	(void)buf_span(out, rest);
}

static void
make(size_t row, size_t count, struct buf *out)
{
	(void)buf_str(out, rows[row].begin);
	for (size_t i = 0; i < count; i++)
		repeat(rows[row].repeated, i, out);
	ck_assert_int_eq(buf_str(out, rows[row].end), 0);
}

static double
now(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Seconds for `times` readings. */
static double
cost_of(size_t row, struct span bytes, unsigned times)
{
	double start = now();

	for (unsigned i = 0; i < times; i++)
		rows[row].read(bytes);
	return now() - start;
}

static double
best_ratio(size_t row, struct span once, struct span four)
{
	double least = 0, most = 0;
	unsigned times = 1;

	while (times < 1024 && cost_of(row, once, times) < SHORTEST)
		times *= 2;
	for (unsigned i = 0; i < TRIES; i++) {
		double a = cost_of(row, once, times), b = cost_of(row, four, times);

		least = i == 0 || a < least ? a : least;
		most = i == 0 || b < most ? b : most;
		if (i > 0 && most <= least * RATIO_MAX)
			break;
	}
	return most < SHORTEST || least <= 0 ? 0 : most / least;
}

START_TEST(linear)
{
	struct buf once = BUF_INIT(BYTES_MAX), four = BUF_INIT(BYTES_MAX);
	double ratio;

	make((size_t)_i, rows[_i].count, &once);
	make((size_t)_i, 4 * rows[_i].count, &four);
	ratio = best_ratio((size_t)_i, buf_get(&once), buf_get(&four));
	ck_assert_msg(ratio <= RATIO_MAX, "%s: four times as much costs %.1f times as much", rows[_i].name, ratio);
	buf_free(&once);
	buf_free(&four);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("linear");
	TCase *tcase = tcase_create("linear");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 120);
	tcase_add_loop_test(tcase, linear, 0, (int)COUNT(rows));
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
