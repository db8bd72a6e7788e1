/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Folding: ASCII eight bytes at a time, the rest by tables that libunistring fills when a page of Unicode is first met. */
#include "common/text_fold.h"

#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>

#include "common/xalloc.h"

#define PAGE_CHARACTERS 256
#define PAGES (0x110000 / PAGE_CHARACTERS)
#define FOLDED_MAX 15
#define DECOMPOSED_MAX 32

/* What the characters of a page become; longer ones are worked out each time. */
struct page {
	bool same; /* all of them stay as they are */
	struct folded {
		uint8_t len; /* FOLDED_MAX + 1: longer */
		char text[FOLDED_MAX];
	} characters[];
};

static struct page *pages[PAGES];

/* --- one character --- */

static size_t
encode(ucs4_t c, char out[4])
{
	size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	if (len == 1) {
		out[0] = (char)c;
		return 1;
	}
	for (size_t i = len - 1; i > 0; i--, c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)((0xf00 >> len) | c);
	return len;
}

/* Decomposes one character wholly; at most DECOMPOSED_MAX. */
static size_t
decompose(ucs4_t c, ucs4_t out[DECOMPOSED_MAX])
{
	ucs4_t parts[UC_DECOMPOSITION_MAX_LENGTH];
	size_t count = 1;
	int tag;

	out[0] = c;
	for (size_t i = 0; i < count;) {
		int n = uc_decomposition(out[i], &tag, parts);

		if (n < 1 || count + (size_t)n - 1 > DECOMPOSED_MAX || (n == 1 && parts[0] == out[i])) {
			i++;
			continue;
		}
		memmove(out + i + n, out + i + 1, (count - i - 1) * sizeof(*out));
		memcpy(out + i, parts, (size_t)n * sizeof(*out));
		count += (size_t)n - 1;
	}
	return count;
}

/* RFC 5051 section 2 compares titlecase forms; their small forms tell the same ones apart. */
static size_t
fold(ucs4_t c, char out[4 * DECOMPOSED_MAX])
{
	ucs4_t parts[DECOMPOSED_MAX];
	size_t count = decompose(c, parts), len = 0;

	for (size_t i = 0; i < count; i++) {
		ucs4_t small = uc_tolower(uc_totitle(parts[i]));

		len += encode(small < 0x20 || small == 0x7f ? ' ' : small, out + len);
	}
	return len;
}

static const struct page *
page_of(ucs4_t c)
{
	struct page *page = pages[c / PAGE_CHARACTERS];
	ucs4_t first = c - c % PAGE_CHARACTERS;
	bool same = true;

	if (page != NULL)
		return page;
	page = xcalloc(1, sizeof(*page) + PAGE_CHARACTERS * sizeof(page->characters[0]));
	for (ucs4_t i = 0; i < PAGE_CHARACTERS; i++) {
		struct folded *folded = &page->characters[i];
		char text[4 * DECOMPOSED_MAX], self[4];
		size_t len = fold(first + i, text);

		folded->len = len <= FOLDED_MAX ? (uint8_t)len : FOLDED_MAX + 1;
		memcpy(folded->text, text, len <= FOLDED_MAX ? len : 0);
		if (len != encode(first + i, self) || memcmp(text, self, len) != 0)
			same = false;
	}
	if (same)
		page = xreallocarray(page, 1, sizeof(*page)); /* ideographs: most of them need no table */
	page->same = same;
	return pages[c / PAGE_CHARACTERS] = page;
}

/* --- text --- */

/* The character at the front and its length; 0 when it is no UTF-8. */
static size_t
decode(struct span text, ucs4_t *ret)
{
	const unsigned char *byte = (const unsigned char *)text.ptr;
	size_t len = byte[0] < 0xc2 ? 0 : byte[0] < 0xe0 ? 2 : byte[0] < 0xf0 ? 3 : byte[0] < 0xf5 ? 4 : 0;
	ucs4_t c = len == 2 ? byte[0] & 0x1f : len == 3 ? byte[0] & 0xf : byte[0] & 7;

	if (len == 0 || len > text.len)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((byte[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (byte[i] & 0x3f);
	}
	if ((len == 3 && c < 0x800) || (len == 4 && c < 0x10000) || c > 0x10ffff)
		return 0;
	*ret = c;
	return len;
}

size_t
text_character(struct span text)
{
	ucs4_t c;
	size_t len = decode(text, &c);

	return len != 0 ? len : 1;
}

static char
fold_ascii(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f ? ' ' : ascii_lower(c);
}

/* Eight characters at once when they are ASCII and printable (or DEL, which is rare and harmless to leave to the other way). */
static bool
fold_eight(const char *from, char *to)
{
	static const uint64_t ones = 0x0101010101010101;
	uint64_t w, upper;

	memcpy(&w, from, sizeof(w));
	if ((w & 0x80 * ones) != 0 || ((w - 0x20 * ones) & 0x80 * ones) != 0 || ((w + ones) & 0x80 * ones) != 0)
		return false;
	upper = (w + (0x80 - 'A') * ones) & ~(w + (0x7f - 'Z') * ones) & 0x80 * ones;
	w |= upper >> 2;
	memcpy(to, &w, sizeof(w));
	return true;
}

/* Takes the ASCII off the front. False when there is no more room. */
static bool
fold_ascii_run(struct span *text, bool *after_cr, struct buf *out)
{
	size_t room = out->max - out->len, limit = text->len < room ? text->len : room, at = 0, len = 0;
	char *to = buf_reserve(out, limit);
	bool cr = *after_cr;

	if (to == NULL || limit == 0)
		return false;
	while (at < limit) {
		char c = text->ptr[at];

		if (!cr && limit - at >= 8 && fold_eight(text->ptr + at, to + len)) {
			at += 8;
			len += 8;
			continue;
		}
		if ((unsigned char)c >= 0x80)
			break;
		at++;
		if (cr && c == '\n') {
			cr = false; /* the CR was the space */
			continue;
		}
		cr = c == '\r';
		to[len++] = fold_ascii(c);
	}
	if (at < text->len && (unsigned char)text->ptr[at] >= 0x80)
		cr = false;
	*after_cr = cr;
	buf_added(out, len);
	*text = span_skip(*text, at);
	return true;
}

static int
put_character(ucs4_t c, struct span self, struct buf *out)
{
	const struct page *page = page_of(c);
	const struct folded *folded;
	char text[4 * DECOMPOSED_MAX];

	if (page->same)
		return buf_span(out, self);
	folded = &page->characters[c % PAGE_CHARACTERS];
	if (folded->len <= FOLDED_MAX)
		return buf_put(out, folded->text, folded->len);
	return buf_put(out, text, fold(c, text));
}

void
text_fold_piece(struct span piece, bool *after_cr, struct buf *out)
{
	while (piece.len != 0 && !out->overflow) {
		ucs4_t c;
		size_t len;

		if ((unsigned char)piece.ptr[0] < 0x80) {
			if (!fold_ascii_run(&piece, after_cr, out)) {
				out->overflow = true;
				return;
			}
			continue;
		}
		*after_cr = false;
		len = decode(piece, &c);
		if (len == 0)
			(void)buf_char(out, span_take(&piece, 1).ptr[0]);
		else
			(void)put_character(c, span_take(&piece, len), out);
	}
}

void
text_fold(struct span text, struct buf *out)
{
	bool after_cr = false;

	text_fold_piece(text, &after_cr, out);
}
