/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Addresses in the form by which they are found: RFC 8265 section 3.3, by libunistring's tables. */
#include "common/address_fold.h"

#include <errno.h>
#include <stdlib.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#include "common/address.h"

/* --- folding --- */

static int
lower_ascii(struct span text, struct buf *out)
{
	int r = 0;

	for (size_t i = 0; i < text.len && r == 0; i++)
		r = buf_char(out, ascii_lower(text.ptr[i]));
	return r;
}

/* Fullwidth and halfwidth characters become the others (RFC 8265 section 3.3.1). False when it is no UTF-8. */
static bool
map_widths(struct span text, struct buf *out)
{
	const uint8_t *at = (const uint8_t *)text.ptr, *end = at + text.len;

	while (at < end) {
		ucs4_t character, parts[UC_DECOMPOSITION_MAX_LENGTH];
		uint8_t bytes[6];
		int tag, len = u8_mbtoucr(&character, at, (size_t)(end - at));

		if (len <= 0)
			return false;
		at += len;
		if (uc_decomposition(character, &tag, parts) == 1 && (tag == UC_DECOMP_WIDE || tag == UC_DECOMP_NARROW))
			character = parts[0];
		len = u8_uctomb(bytes, character, sizeof(bytes));
		(void)buf_put(out, bytes, len > 0 ? (size_t)len : 0);
	}
	return true;
}

int
local_part_fold(struct span content, struct buf *out)
{
	struct buf mapped;
	uint8_t *folded;
	size_t len;
	int r;

	if (span_is_ascii(content))
		return lower_ascii(content, out);
	/* No character is longer without its width. */
	mapped = BUF_INIT(content.len);
	if (!map_widths(content, &mapped)) {
		buf_free(&mapped);
		return -EINVAL;
	}
	folded = u8_tolower((const uint8_t *)mapped.data, mapped.len, NULL, UNINORM_NFC, NULL, &len);
	buf_free(&mapped);
	if (folded == NULL)
		abort(); /* no memory */
	r = buf_put(out, folded, len);
	free(folded);
	return r;
}

/* "@" and the domain. */
static int
put_domain(struct span domain, struct buf *out)
{
	int r = buf_char(out, '@');

	if (r == 0)
		r = address_domain_canonical(domain, out);
	return r == -EINVAL ? lower_ascii(domain, out) : r;
}

int
address_fold(struct span address, struct buf *out)
{
	ptrdiff_t at = span_rchr(address, '@');
	size_t start = out->len;
	struct buf copy = BUF_INIT(ADDRESS_FOLD_ROOM(address.len));
	int r;

	if (at >= 0) {
		r = local_part_fold(span_make(address.ptr, (size_t)at), out);
		return r < 0 ? r : put_domain(span_skip(address, (size_t)at + 1), out);
	}
	r = local_part_fold(address, out);
	/* A fullwidth "@" is one by now. */
	at = r == 0 ? span_rchr(span_skip(buf_get(out), start), '@') : -1;
	if (at < 0)
		return r;
	(void)buf_span(&copy, span_skip(buf_get(out), start + (size_t)at + 1));
	buf_truncate(out, start + (size_t)at);
	r = put_domain(buf_get(&copy), out);
	buf_free(&copy);
	return r;
}

/* --- names --- */

static bool
is_old_jamo(ucs4_t c)
{
	return (c >= 0x1100 && c <= 0x11ff) || (c >= 0xa960 && c <= 0xa97c) || (c >= 0xd7b0 && c <= 0xd7fb);
}

/* Compatibility forms look like others (RFC 8264 section 9.17). */
static bool
is_stable(ucs4_t c)
{
	ucs4_t normal[UC_DECOMPOSITION_MAX_LENGTH];
	size_t len = UC_DECOMPOSITION_MAX_LENGTH;
	ucs4_t *result = u32_normalize(UNINORM_NFKC, &c, 1, normal, &len);
	bool stable = result != NULL && len == 1 && result[0] == c;

	if (result != normal)
		free(result);
	return stable;
}

static bool
is_identifier(ucs4_t c)
{
	const uint32_t letters = UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_Mn | UC_CATEGORY_MASK_Mc | UC_CATEGORY_MASK_Nd;

	if (c < 0x80)
		return ascii_is_alnum((char)c) || c == '.' || c == '-' || c == '_';
	return uc_is_general_category_withtable(c, letters) && !uc_is_property_default_ignorable_code_point(c) && !is_old_jamo(c) && is_stable(c);
}

/* What the characters of a name tell of its direction. */
struct directions {
	int first, last; /* last: but for marks */
	bool right, left, arabic_digit, digit;
};

static void
note_direction(struct directions *seen, ucs4_t c)
{
	int class = uc_bidi_class(c);

	if (seen->first < 0)
		seen->first = class;
	if (class != UC_BIDI_NSM)
		seen->last = class;
	seen->right |= class == UC_BIDI_R || class == UC_BIDI_AL;
	seen->left |= class == UC_BIDI_L;
	seen->arabic_digit |= class == UC_BIDI_AN;
	seen->digit |= class == UC_BIDI_EN;
}

/* RFC 5893 section 2: conditions 1 to 4; the others are met by what is_identifier takes. */
static bool
has_one_direction(const struct directions *seen)
{
	if (!seen->right && !seen->arabic_digit)
		return true;
	return (seen->first == UC_BIDI_R || seen->first == UC_BIDI_AL) && !seen->left && !(seen->digit && seen->arabic_digit) &&
	    (seen->last == UC_BIDI_R || seen->last == UC_BIDI_AL || seen->last == UC_BIDI_EN || seen->last == UC_BIDI_AN);
}

bool
local_part_is_account(struct span folded)
{
	const uint8_t *at = (const uint8_t *)folded.ptr, *end = at + folded.len;
	struct directions seen = { .first = -1, .last = -1 };
	uint8_t before = '.';

	if (folded.len == 0)
		return false;
	while (at < end) {
		ucs4_t c;
		int len = u8_mbtoucr(&c, at, (size_t)(end - at));

		if (len <= 0 || !is_identifier(c) || (c == '.' && before == '.'))
			return false;
		note_direction(&seen, c);
		before = *at;
		at += len;
	}
	return before != '.' && seen.first != UC_BIDI_NSM && has_one_direction(&seen); /* a mark must have something to stand on */
}
