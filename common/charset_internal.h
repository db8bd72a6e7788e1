/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Between the files of charset conversion only. */
#ifndef COMMON_CHARSET_INTERNAL_H
#define COMMON_CHARSET_INTERNAL_H

#include "common/charset.h"

/* Where mail uses the name of a standard for its larger successor, the successor is here (iso-8859-1 is windows-1252, gb2312 is GB18030,
 * ...), as in the WHATWG Encoding Standard. */
enum charset {
	CHARSET_UNKNOWN,
	/* Ours: it is checked. */
	UTF_8, US_ASCII,
	/* One of two of iconv's, as the mark at the beginning tells. */
	UTF_16, UTF_32,
	/* 7 bits wide, with shifts: ours too, turned into the charsets below. */
	UTF_7, HZ, ISO_2022_JP, ISO_2022_KR,
	/* iconv's. */
	CHARSET_ICONV,
	UTF_16BE = CHARSET_ICONV, UTF_16LE, UTF_32BE, UTF_32LE,
	ISO_8859_2, ISO_8859_3, ISO_8859_4, ISO_8859_5, ISO_8859_6, ISO_8859_7, ISO_8859_8, ISO_8859_10, ISO_8859_13, ISO_8859_14,
	ISO_8859_15, ISO_8859_16,
	CP1250, CP1251, CP1252, CP1253, CP1254, CP1255, CP1256, CP1257, CP1258, CP874,
	KOI8_R, KOI8_U, KOI8_T, IBM437, IBM850, IBM852, IBM855, IBM857, IBM858, IBM862, IBM864, IBM866, MACINTOSH, MAC_CYRILLIC, MAC_CE,
	VISCII, TCVN, ARMSCII_8, GEORGIAN_PS,
	GB18030, BIG5, BIG5_HKSCS, EUC_TW, CP932, EUC_JP, SHIFT_JISX0213, EUC_JISX0213, UHC, JOHAB,
	CHARSETS
};

/* charset_names.c */

enum charset charset_of_label(struct span label);
/* What iconv calls it. */
const char *charset_name(enum charset charset);

/* charset.c: characters of `size` bytes each of one of iconv's charsets, at most 4096 bytes;
 * one that means nothing is one U+FFFD. 0, or -EMSGSIZE. */
int charset_convert_run(enum charset charset, struct span bytes, size_t size, struct buf *out);
/* Appends UTF-8, U+FFFD for NUL, up to the last whole character that fits. The same results. */
int charset_put(struct buf *out, struct span text);
int charset_put_bad(struct buf *out);

/* charset_shift.c: the 7-bit charsets. The same results. */

bool charset_shift_is_for(enum charset charset);
void charset_shift_init(struct charset_shift *shift, enum charset charset);
int charset_shift_feed(struct charset_shift *shift, struct span piece, struct buf *out);
int charset_shift_finish(struct charset_shift *shift, struct buf *out);

#endif
