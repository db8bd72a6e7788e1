/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What of a text may be shown. */
#include "common/visible.h"

/* In UTF-8, the controls of C1 (U+0080 to U+009F), and U+061C, U+200E, U+200F, U+2028 to U+202E, U+2066 to U+2069. None of their bytes
 * may stay: a terminal without UTF-8 takes the second one of U+009B for CSI. */
static size_t
disguise(struct span text)
{
	const unsigned char *c = (const unsigned char *)text.ptr;

	if (text.len >= 2 && ((c[0] == 0xc2 && c[1] < 0xa0) || (c[0] == 0xd8 && c[1] == 0x9c)))
		return 2;
	if (text.len < 3 || c[0] != 0xe2)
		return 0;
	if (c[1] == 0x80)
		return c[2] == 0x8e || c[2] == 0x8f || (c[2] >= 0xa8 && c[2] <= 0xae) ? 3 : 0;
	return c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9 ? 3 : 0;
}

size_t
visible_hidden(struct span text, bool utf8)
{
	unsigned char c = (unsigned char)text.ptr[0];

	return c < ' ' || c == 0x7f || (c >= 0x80 && !utf8) ? 1 : disguise(text);
}
