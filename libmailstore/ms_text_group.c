/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Grams of a group: u8 place, and in its upper two bits how its documents are told; u8 length of gaps; the bytes that tell them. */
#include "libmailstore/ms_text_group.h"

#include "libmailstore/mailstore.h"

/* The only document of a map; or -1. */
static int
only_one(const uint8_t map[MS_POSTINGS_BYTES])
{
	int one = -1;

	for (int i = 0; i < (int)MS_POSTINGS_BYTES; i++) {
		if (map[i] == 0)
			continue;
		if (one >= 0 || (map[i] & (map[i] - 1)) != 0)
			return -1;
		one = i * 8 + __builtin_ctz(map[i]);
	}
	return one;
}

bool
ms_text_gram_set(struct ms_text_gram *gram, const uint8_t map[MS_POSTINGS_BYTES])
{
	struct buf bytes = BUF_INIT(MS_POSTINGS_BYTES + 1);
	int one = only_one(map);
	bool fits = true;

	if (one >= 0 && one < 256) {
		gram->how = MS_TEXT_NEAR;
		gram->len = 1;
		gram->bytes[0] = (uint8_t)one;
	} else if (one >= 0) {
		gram->how = MS_TEXT_FAR;
		gram->len = 2;
		gram->bytes[0] = (uint8_t)(one >> 8);
		gram->bytes[1] = (uint8_t)one;
	} else {
		ms_postings_put(map, &bytes);
		fits = bytes.data[0] == MS_POSTINGS_GAPS && bytes.len - 1 <= MS_TEXT_GAPS_MAX;
		gram->how = fits ? MS_TEXT_SOME : MS_TEXT_OWN;
		gram->len = fits ? (uint8_t)(bytes.len - 1) : 0;
		memcpy(gram->bytes, bytes.data + 1, gram->len);
		buf_free(&bytes);
	}
	return fits;
}

int
ms_text_gram_get(const struct ms_text_gram *gram, uint8_t map[MS_POSTINGS_BYTES])
{
	unsigned one = gram->bytes[0];

	if (gram->how == MS_TEXT_SOME)
		return ms_postings_get_gaps(span_make((const char *)gram->bytes, gram->len), map);
	if (gram->how == MS_TEXT_FAR)
		one = one << 8 | gram->bytes[1];
	if (one >= MS_POSTINGS_EACH)
		return MS_E_CORRUPT;
	map[one / 8] |= (uint8_t)(1u << one % 8);
	return 0;
}

void
ms_text_group_put(const struct ms_text_gram *gram, struct buf *out)
{
	(void)buf_char(out, (char)((unsigned)gram->how << 6 | gram->place));
	if (gram->how == MS_TEXT_SOME)
		(void)buf_char(out, (char)gram->len);
	(void)buf_put(out, gram->bytes, gram->len);
}

int
ms_text_group_next(struct span *bytes, int last, struct ms_text_gram *ret_gram)
{
	static const uint8_t lengths[] = { [MS_TEXT_NEAR] = 1, [MS_TEXT_FAR] = 2, [MS_TEXT_SOME] = 0, [MS_TEXT_OWN] = 0 };
	unsigned first;

	if (bytes->len == 0)
		return MS_E_NOTFOUND;
	first = (unsigned char)span_take(bytes, 1).ptr[0];
	ret_gram->place = first & 0x3f;
	ret_gram->how = (enum ms_text_how)(first >> 6);
	ret_gram->len = lengths[ret_gram->how];
	if (ret_gram->how == MS_TEXT_SOME) {
		if (bytes->len == 0)
			return MS_E_CORRUPT;
		ret_gram->len = (uint8_t)span_take(bytes, 1).ptr[0];
		if (ret_gram->len == 0 || ret_gram->len > MS_TEXT_GAPS_MAX)
			return MS_E_CORRUPT;
	}
	if ((int)ret_gram->place <= last || ret_gram->place >= MS_TEXT_GROUP_EACH || ret_gram->len > bytes->len)
		return MS_E_CORRUPT;
	memcpy(ret_gram->bytes, span_take(bytes, ret_gram->len).ptr, ret_gram->len);
	return 0;
}
