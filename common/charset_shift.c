/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The charsets of 7 bits: ISO 2022 as Japanese and Korean mail has it (RFC 1468, 1554, 1557, 2237), HZ (RFC 1843), UTF-7 (RFC 2152). What
 * they switch between are sets of characters that iconv knows as charsets of 8 bits without any state, so the switching is here: it takes
 * bytes one by one, and whatever is broken costs no more than itself. */
#include "common/charset_internal.h"

#define ESC '\x1b'
#define SO '\x0e'
#define SI '\x0f'
#define RUN 1024

/* --- sets of characters --- */

enum set { SET_NONE, SET_ASCII, SET_KANA, SET_JIS0208, SET_JIS0212, SET_JIS0213_1, SET_JIS0213_2, SET_GB2312, SET_KSC5601, SET_LATIN1, SET_GREEK };

static const struct {
	enum charset charset; /* has the set's characters, each byte with the high bit */
	uint8_t width;
	char prefix;
} sets[] = {
	[SET_ASCII] = { US_ASCII, 1, 0 },
	[SET_KANA] = { CP932, 1, 0 },
	/* Windows' form of it: with NEC's row 13 and the rows 89 to 92 that Outlook writes. */
	[SET_JIS0208] = { CP932, 2, 0 },
	[SET_JIS0212] = { EUC_JP, 2, '\x8f' },
	[SET_JIS0213_1] = { EUC_JISX0213, 2, 0 },
	[SET_JIS0213_2] = { EUC_JISX0213, 2, '\x8f' },
	[SET_GB2312] = { GB18030, 2, 0 },
	[SET_KSC5601] = { UHC, 2, 0 },
	[SET_LATIN1] = { CP1252, 1, 0 },
	[SET_GREEK] = { ISO_8859_7, 1, 0 },
};

/* What follows ESC. The Latin sets of Japan and Sweden are ASCII to those who write them. */
static const struct {
	struct span text;
	uint8_t place; /* 0: G0, 1: G1, 2: G2 */
	uint8_t set;
} designations[] = {
	{ { "(B", 2 }, 0, SET_ASCII }, { { "(J", 2 }, 0, SET_ASCII }, { { "(H", 2 }, 0, SET_ASCII }, { { "(I", 2 }, 0, SET_KANA },
	{ { "$@", 2 }, 0, SET_JIS0208 }, { { "$B", 2 }, 0, SET_JIS0208 }, { { "$(@", 3 }, 0, SET_JIS0208 }, { { "$(B", 3 }, 0, SET_JIS0208 },
	{ { "$(D", 3 }, 0, SET_JIS0212 }, { { "$(O", 3 }, 0, SET_JIS0213_1 }, { { "$(Q", 3 }, 0, SET_JIS0213_1 },
	{ { "$(P", 3 }, 0, SET_JIS0213_2 }, { { "$A", 2 }, 0, SET_GB2312 }, { { "$(A", 3 }, 0, SET_GB2312 },
	{ { "$(C", 3 }, 0, SET_KSC5601 }, { { "$)C", 3 }, 1, SET_KSC5601 }, { { ")I", 2 }, 1, SET_KANA },
	{ { ".A", 2 }, 2, SET_LATIN1 }, { { ".F", 2 }, 2, SET_GREEK },
};

/* --- runs of one charset --- */

struct run {
	struct charset_shift *shift;
	struct buf *out;
	enum charset charset;
	size_t size; /* of each character */
	size_t len;
	int r;
	char bytes[RUN];
};

static void
flush(struct run *run)
{
	struct span bytes = span_make(run->bytes, run->len);

	if (run->r == 0)
		run->r = run->charset == US_ASCII ? charset_put(run->out, bytes) : charset_convert_run(run->charset, bytes, run->size, run->out);
	run->len = 0;
}

static void
put(struct run *run, enum charset charset, const char *bytes, size_t len)
{
	if (run->charset != charset || run->size != len || run->len + len > sizeof(run->bytes))
		flush(run);
	run->charset = charset;
	run->size = len;
	memcpy(run->bytes + run->len, bytes, len);
	run->len += len;
}

static void
put_ascii(struct run *run, char c)
{
	put(run, US_ASCII, &c, 1);
}

static void
put_bad(struct run *run)
{
	flush(run);
	if (run->r == 0)
		run->r = charset_put_bad(run->out);
}

/* JIS X 0208 as Shift JIS: two rows of 94 in one of 188. */
static void
put_jis0208(struct run *run, unsigned first, unsigned second)
{
	unsigned row = (first - 0x21) / 2 + 0x81, cell = first % 2 != 0 ? second + (second >= 0x60 ? 0x20 : 0x1f) : second + 0x7e;

	put(run, CP932, (const char[]){ (char)(row > 0x9f ? row + 0x40 : row), (char)cell }, 2);
}

static void
put_character(struct run *run, enum set set, char first, char second)
{
	char bytes[3];
	size_t len = 0;

	if (set == SET_ASCII) {
		put_ascii(run, first);
	} else if (set == SET_JIS0208) {
		put_jis0208(run, (unsigned char)first, (unsigned char)second);
	} else {
		if (sets[set].prefix != 0)
			bytes[len++] = sets[set].prefix;
		bytes[len++] = (char)(first | '\x80');
		if (sets[set].width == 2)
			bytes[len++] = (char)(second | '\x80');
		put(run, sets[set].charset, bytes, len);
	}
}

/* The first half of a character, or what announced one, stands alone. */
static void
drop_lead(struct run *run)
{
	if (run->shift->lead != 0)
		put_bad(run);
	run->shift->lead = 0;
}

/* --- ISO 2022 --- */

static bool
is_graphic(char c)
{
	return c > ' ' && c < 127;
}

static void
take_graphic(struct run *run, char c)
{
	struct charset_shift *shift = run->shift;
	enum set set = (enum set)shift->places[shift->shifted ? 1 : 0];

	if (shift->single) {
		shift->single = false;
		if (shift->places[2] != SET_NONE)
			put_character(run, (enum set)shift->places[2], c, 0);
		else
			put_bad(run);
	} else if (sets[set].width == 2 && shift->lead == 0) {
		shift->lead = c;
	} else if (set == SET_KANA && c > '_') {
		put_bad(run); /* there are 63 of them */
	} else {
		put_character(run, set, shift->lead != 0 ? shift->lead : c, c);
		shift->lead = 0;
	}
}

static void
take_plain_2022(struct run *run, char c)
{
	struct charset_shift *shift = run->shift;

	if (is_graphic(c)) {
		take_graphic(run, c);
		return;
	}
	drop_lead(run);
	shift->single = false;
	if (c == SO || c == SI) {
		shift->shifted = c == SO;
	} else if ((unsigned char)c < 128) {
		/* A line begins anew: what one forgot to switch back spoils no more than itself. */
		if (c == '\n') {
			shift->places[0] = SET_ASCII;
			shift->places[2] = SET_NONE;
			shift->shifted = false;
		}
		put_ascii(run, c);
	} else if (shift->charset == ISO_2022_JP && (unsigned char)c > 0xa0 && (unsigned char)c < 0xe0) {
		put_character(run, SET_KANA, c, 0); /* of 8 bits, as JIS X 0201 allows */
	} else {
		put_bad(run);
	}
}

static bool
designate(struct charset_shift *shift, struct span text)
{
	if (span_eq(text, SPAN("N")))
		shift->single = true;
	if (span_eq(text, SPAN("N")) || span_eq(text, SPAN("&@"))) /* the latter only announces a revision of JIS X 0208 */
		return true;
	for (size_t i = 0; i < sizeof(designations) / sizeof(designations[0]); i++) {
		if (span_eq(text, designations[i].text)) {
			shift->places[designations[i].place] = designations[i].set;
			return true;
		}
	}
	return false;
}

/* The escape sequence that is being read does not go on: its bytes are text. */
static void
drop_escape(struct run *run)
{
	char text[sizeof(run->shift->escape)];
	size_t len = run->shift->escape_len;

	memcpy(text, run->shift->escape, len);
	run->shift->escape_len = 0;
	put_bad(run);
	for (size_t i = 1; i < len; i++)
		take_plain_2022(run, text[i]);
}

static void
take_2022(struct run *run, char c)
{
	struct charset_shift *shift = run->shift;

	if (c == ESC) {
		if (shift->escape_len != 0)
			drop_escape(run);
		drop_lead(run);
		shift->single = false;
		shift->escape[shift->escape_len++] = c;
	} else if (shift->escape_len == 0) {
		take_plain_2022(run, c);
	} else if (!is_graphic(c)) {
		drop_escape(run);
		take_plain_2022(run, c);
	} else {
		shift->escape[shift->escape_len++] = c;
		if (designate(shift, span_make(shift->escape + 1, shift->escape_len - 1u)))
			shift->escape_len = 0;
		else if (shift->escape_len == sizeof(shift->escape) || c >= '0')
			drop_escape(run);
	}
}

/* --- HZ --- */

static void
take_hz(struct run *run, char c)
{
	struct charset_shift *shift = run->shift;
	char lead = shift->lead;

	if (lead == '~' && c == (shift->shifted ? '}' : '{')) {
		shift->shifted = !shift->shifted;
		shift->lead = 0;
	} else if (lead == '~' && !shift->shifted) {
		shift->lead = 0;
		if (c != '\n')
			put_ascii(run, '~');
		if (c != '\n' && c != '~')
			take_hz(run, c); /* without a lead now */
	} else if (shift->shifted && is_graphic(c)) {
		if (lead == 0) {
			shift->lead = c;
		} else {
			put_character(run, SET_GB2312, lead, c);
			shift->lead = 0;
		}
	} else if (c == '~') {
		shift->lead = c;
	} else {
		drop_lead(run);
		if (c == '\n')
			shift->shifted = false;
		if ((unsigned char)c < 128)
			put_ascii(run, c);
		else
			put_bad(run);
	}
}

/* --- UTF-7 --- */

static int
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (ascii_is_digit(c))
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* UTF-16: a unit, or the second of two. */
static void
take_unit(struct run *run, unsigned unit)
{
	struct charset_shift *shift = run->shift;
	bool low = unit >= 0xdc00 && unit <= 0xdfff, paired = low && shift->high != 0;
	const char bytes[] = { (char)(shift->high >> 8), (char)shift->high, (char)(unit >> 8), (char)unit };

	if (shift->high != 0 && !paired)
		put_bad(run);
	shift->high = 0;
	if (unit >= 0xd800 && unit <= 0xdbff)
		shift->high = (uint16_t)unit;
	else if (low && !paired)
		put_bad(run);
	else
		put(run, UTF_16BE, bytes + (paired ? 0 : 2), paired ? 4 : 2);
}

static void
end_base64(struct run *run)
{
	struct charset_shift *shift = run->shift;

	/* A unit that is not whole, or half a pair. Bits that only fill up are zero. */
	if (shift->high != 0 || shift->bit_count >= 6 || shift->bits != 0)
		put_bad(run);
	shift->high = 0;
	shift->bits = shift->bit_count = 0;
	shift->shifted = false;
}

static void
take_utf7(struct run *run, char c)
{
	struct charset_shift *shift = run->shift;
	int value = shift->shifted ? base64_value(c) : -1;

	if (value >= 0) {
		shift->lead = 0;
		shift->bits = shift->bits << 6 | (uint32_t)value;
		shift->bit_count += 6;
		if (shift->bit_count < 16)
			return;
		shift->bit_count -= 16;
		take_unit(run, shift->bits >> shift->bit_count & 0xffff);
		shift->bits &= (1u << shift->bit_count) - 1;
		return;
	}
	if (shift->shifted) {
		bool empty = shift->lead != 0;

		shift->lead = 0;
		end_base64(run);
		if (empty)
			put_ascii(run, '+'); /* "+-" stands for it; before anything else it is meant so */
		if (c == '-')
			return;
	}
	if (c == '+') {
		shift->shifted = true;
		shift->lead = c;
	} else if ((unsigned char)c < 128) {
		put_ascii(run, c);
	} else {
		put_bad(run);
	}
}

/* --- all of them --- */

bool
charset_shift_is_for(enum charset charset)
{
	return charset >= UTF_7 && charset < CHARSET_ICONV;
}

void
charset_shift_init(struct charset_shift *shift, enum charset charset)
{
	*shift = (struct charset_shift){ .charset = charset, .places = { SET_ASCII, charset == ISO_2022_KR ? SET_KSC5601 : SET_KANA, SET_NONE } };
}

int
charset_shift_feed(struct charset_shift *shift, struct span piece, struct buf *out)
{
	struct run run = { .shift = shift, .out = out, .charset = US_ASCII };

	for (size_t i = 0; i < piece.len && run.r == 0; i++) {
		if (shift->charset == UTF_7)
			take_utf7(&run, piece.ptr[i]);
		else if (shift->charset == HZ)
			take_hz(&run, piece.ptr[i]);
		else
			take_2022(&run, piece.ptr[i]);
	}
	flush(&run);
	return run.r;
}

int
charset_shift_finish(struct charset_shift *shift, struct buf *out)
{
	struct run run = { .shift = shift, .out = out, .charset = US_ASCII };

	if (shift->escape_len != 0)
		drop_escape(&run);
	if (shift->charset == UTF_7)
		end_base64(&run);
	if (shift->lead != 0 && (shift->charset == UTF_7 || (shift->charset == HZ && !shift->shifted)))
		put_ascii(&run, shift->lead); /* a "+" or "~" that nothing followed */
	else
		drop_lead(&run);
	flush(&run);
	charset_shift_init(shift, (enum charset)shift->charset);
	return run.r;
}
