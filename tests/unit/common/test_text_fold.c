/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Folding: which texts are the same, whatever pieces they come in, and what stays when there is no room. */
#include "common/text_fold.h"
#include "tests/unit/common/syntax.h"

static const char *
folded(struct span text)
{
	static struct buf out;

	buf_free(&out);
	out = BUF_INIT(TEXT_FOLD_GROWTH * text.len);
	text_fold(text, &out);
	ck_assert(!out.overflow);
	return buf_cstr(&out);
}

START_TEST(folds)
{
	static const struct {
		const char *text, *folded;
	} rows[] = {
		{ "", "" },
		{ "Hello, World 0123456789 [\\]^_`{|}~ @AZaz", "hello, world 0123456789 [\\]^_`{|}~ @azaz" },
		{ "a\r\nb\rc\nd\te\x01" "f\x7f", "a b c d e f " },
		{ "\r\r\n\n", "   " },
		{ "\u00c4pfel \u00e4PFEL", "a\u0308pfel a\u0308pfel" },
		{ "a\u0308", "a\u0308" },
		{ "\u039f\u03a3 \u03bf\u03c2 \u03bf\u03c3", "\u03bf\u03c3 \u03bf\u03c3 \u03bf\u03c3" },
		{ "\u0416\u0451", "\u0436\u0435\u0308" },
		{ "\uff28\uff49\uff01", "hi!" },
		{ "\ufb01n", "fin" },
		{ "\u00a0x", " x" },
		{ "\u017f\u212a\u0131", "ski" },
		{ "\u1e9e \u00df", "\u00df \u00df" },
		{ "\u4e2d\u6587\u3001\u53d1\u7968", "\u4e2d\u6587\u3001\u53d1\u7968" },
		{ "\ud55c", "\u1112\u1161\u11ab" },
		{ "\U0001f600\U00010400", "\U0001f600\U00010428" },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		ck_assert_str_eq(folded(span_of(rows[i].text)), rows[i].folded);
	/* What is no UTF-8 stays. */
	ck_assert_str_eq(folded(SPAN("A\xffZ\xc3")), "a\xffz\xc3");
	ck_assert_str_eq(folded(SPAN("\xe0\x80\x80\xf5")), "\xe0\x80\x80\xf5");
	/* The longest of all: U+FDFA. */
	ck_assert_uint_eq(strlen(folded(SPAN("\xef\xb7\xba"))), 33);
}
END_TEST

/* Folding twice changes nothing more, for every character there is. */
START_TEST(settles)
{
	struct buf once = BUF_INIT(256), twice = BUF_INIT(256);

	for (uint32_t c = 1; c < 0x110000; c++) {
		char text[4];
		size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
		uint32_t rest = c;

		if (c >= 0xd800 && c < 0xe000)
			continue;
		for (size_t i = len - 1; i > 0; i--, rest >>= 6)
			text[i] = (char)(0x80 | (rest & 0x3f));
		text[0] = (char)(len == 1 ? rest : ((0xf00u >> len) | rest));
		buf_clear(&once);
		buf_clear(&twice);
		text_fold(span_make(text, len), &once);
		text_fold(buf_get(&once), &twice);
		ck_assert_msg(once.len > 0 && once.len <= len * TEXT_FOLD_GROWTH && span_is_utf8(buf_get(&once)), "U+%04X", c);
		ck_assert_msg(span_eq(buf_get(&once), buf_get(&twice)), "U+%04X: %s, %s", c, buf_cstr(&once), buf_cstr(&twice));
		ck_assert_uint_eq(text_character(span_make(text, len)), len);
	}
	buf_free(&once);
	buf_free(&twice);
}
END_TEST

START_TEST(pieces)
{
	static const char text[] = "One \r\nTWO\r\r\n\u00c9\u4e2d three four FIVE six\r\nseven \u0416\r\n\n.";
	struct span whole = span_of(text);

	for (size_t first = 0; first <= whole.len; first++) {
		for (size_t second = first; second <= whole.len; second++) {
			struct buf out = BUF_INIT(1024);
			bool after_cr = false;

			/* Pieces are of whole characters. */
			if ((first < whole.len && (whole.ptr[first] & 0xc0) == 0x80) || (second < whole.len && (whole.ptr[second] & 0xc0) == 0x80))
				continue;
			text_fold_piece(span_make(text, first), &after_cr, &out);
			text_fold_piece(span_make(text + first, second - first), &after_cr, &out);
			text_fold_piece(span_skip(whole, second), &after_cr, &out);
			ck_assert_str_eq(buf_cstr(&out), folded(whole));
			buf_free(&out);
		}
	}
}
END_TEST

START_TEST(room)
{
	struct span text = SPAN("ABCDEFGHIJ\u00c9\u4e2dklmnop");

	for (size_t max = 0; max < 30; max++) {
		struct buf out = BUF_INIT(max);
		const char *all = folded(text);

		text_fold(text, &out);
		ck_assert_uint_le(out.len, max);
		ck_assert(out.overflow == (strlen(all) > max));
		ck_assert_int_eq(memcmp(buf_cstr(&out), all, out.len), 0);
		ck_assert(span_is_utf8(buf_get(&out)));
		buf_free(&out);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { folds, settles, pieces, room };

	return run_suite("text_fold", tests, COUNT(tests));
}
