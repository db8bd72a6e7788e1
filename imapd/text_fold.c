/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Letters without their case. */
#include "imapd/text_fold.h"

/* Capitals between first and last; `step` 1: all of them, lie `distance` below their small letters; 2: every other one from
 * first on, with its small letter behind it. */
static const struct {
	uint32_t first, last;
	uint8_t step;
	int32_t distance;
} capitals[] = {
	{ 0x41, 0x5a, 1, 32 },       /* Latin */
	{ 0xc0, 0xd6, 1, 32 },
	{ 0xd8, 0xde, 1, 32 },
	{ 0x100, 0x12e, 2, 1 },
	{ 0x132, 0x136, 2, 1 },
	{ 0x139, 0x147, 2, 1 },
	{ 0x14a, 0x176, 2, 1 },
	{ 0x178, 0x178, 1, 0xff - 0x178 },
	{ 0x179, 0x17d, 2, 1 },
	{ 0x386, 0x386, 1, 0x3ac - 0x386 }, /* Greek */
	{ 0x388, 0x38a, 1, 37 },
	{ 0x38c, 0x38c, 1, 64 },
	{ 0x38e, 0x38f, 1, 63 },
	{ 0x391, 0x3a1, 1, 32 },
	{ 0x3a3, 0x3ab, 1, 32 },
	{ 0x3c2, 0x3c2, 1, 1 },      /* the sigma at a word's end */
	{ 0x400, 0x40f, 1, 80 },     /* Cyrillic */
	{ 0x410, 0x42f, 1, 32 },
	{ 0x460, 0x480, 2, 1 },
	{ 0x48a, 0x4be, 2, 1 },
	{ 0x4c1, 0x4cd, 2, 1 },
	{ 0x4d0, 0x52e, 2, 1 },
	{ 0x531, 0x556, 1, 48 },     /* Armenian */
	{ 0x1e00, 0x1e94, 2, 1 },    /* Latin with more marks */
	{ 0x1e9e, 0x1e9e, 1, 0xdf - 0x1e9e },
	{ 0x1ea0, 0x1efe, 2, 1 },
	{ 0xff21, 0xff3a, 1, 32 },   /* full width */
};

static uint32_t
fold(uint32_t letter)
{
	size_t i;

	for (i = 0; i < sizeof(capitals) / sizeof(capitals[0]) && letter >= capitals[i].first; i++)
		if (letter <= capitals[i].last)
			return (letter - capitals[i].first) % capitals[i].step == 0 ? letter + (uint32_t)capitals[i].distance : letter;
	return letter;
}

/* The letter at the front of text (2 or 3 bytes; others have no case) and its length; 0 when there is none such. */
static size_t
decode(struct span text, uint32_t *ret_letter)
{
	const unsigned char *byte = (const unsigned char *)text.ptr;

	if (text.len >= 2 && (byte[0] & 0xe0) == 0xc0 && (byte[1] & 0xc0) == 0x80) {
		*ret_letter = (uint32_t)(byte[0] & 0x1f) << 6 | (byte[1] & 0x3f);
		return 2;
	}
	if (text.len >= 3 && (byte[0] & 0xf0) == 0xe0 && (byte[1] & 0xc0) == 0x80 && (byte[2] & 0xc0) == 0x80) {
		*ret_letter = (uint32_t)(byte[0] & 0xf) << 12 | (uint32_t)(byte[1] & 0x3f) << 6 | (byte[2] & 0x3f);
		return 3;
	}
	return 0;
}

static void
put(uint32_t letter, struct buf *out)
{
	char bytes[3] = { (char)(0xe0 | letter >> 12), (char)(0x80 | (letter >> 6 & 0x3f)), (char)(0x80 | (letter & 0x3f)) };

	if (letter >= 0x800) {
		(void)buf_put(out, bytes, 3);
		return;
	}
	bytes[1] = (char)(0xc0 | letter >> 6);
	(void)buf_put(out, bytes + 1, 2);
}

void
text_fold(struct span text, struct buf *out)
{
	uint32_t letter;
	size_t len, run;
	char *room;

	while (text.len > 0) {
		for (run = 0; run < text.len && (unsigned char)text.ptr[run] < 0x80; run++)
			continue;
		if (run > 0) {
			if ((room = buf_reserve(out, run)) == NULL)
				return;
			for (len = 0; len < run; len++)
				room[len] = ascii_lower(text.ptr[len]);
			buf_added(out, run);
			text = span_skip(text, run);
			continue;
		}
		len = decode(text, &letter);
		if (len != 0)
			put(fold(letter), out);
		else
			(void)buf_char(out, text.ptr[0]);
		text = span_skip(text, len != 0 ? len : 1);
	}
}
