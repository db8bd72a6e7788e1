/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Text of any charset that mail uses, to UTF-8: iconv behind a list of allowed names, and the
 * charsets that switch between others (ISO-2022-JP, ISO-2022-KR, HZ, UTF-7) by ourselves. Bad
 * bytes become U+FFFD; nothing in a message makes these functions fail.
 *
 * Jails: iconv loads a module for most charsets, when a message first needs it: a role that reads
 * mail may see the folder of the modules (JAIL_MODULES). A charset whose module cannot be loaded
 * is treated as unknown. */
#ifndef COMMON_CHARSET_H
#define COMMON_CHARSET_H

#include <iconv.h>

#include "common/buf.h"

/* The name of the charset of this label (case, aliases and stray quotes do not matter), or NULL
 * when it is not allowed or unknown. Static. */
const char *charset_find(struct span label);

/* Opens every charset of iconv's that may be needed and keeps it open for the life of the
 * process: a role that will lose sight of the modules calls it before. Returns how many could not
 * be opened (0 on a system with the whole of libc's gconv modules). */
unsigned charset_preload(void);

/* Appends the text as UTF-8. The empty label means us-ascii; an unknown one, us-ascii and utf-8
 * take UTF-8 where the bytes are UTF-8 (and U+FFFD for each byte that is not). The result holds
 * no NUL (U+FFFD instead). 0; 1: the label is unknown (the text is there all the same);
 * -EMSGSIZE: out is filled up to the last whole character that fits. */
int charset_to_utf8(struct span label, struct span bytes, struct buf *out);

/* What escape sequences and the like have switched on. */
struct charset_shift {
	uint8_t charset;
	uint8_t places[3];   /* the sets of characters that G0, G1 and G2 hold */
	bool shifted;        /* G1, the other set of HZ, the base64 of UTF-7 */
	bool single;         /* one character of G2 */
	char lead;           /* the first half of a character */
	char escape[4];
	uint8_t escape_len;
	uint8_t bit_count;   /* UTF-7: bits of the next unit, and half a pair */
	uint32_t bits;
	uint16_t high;
};

/* The same for bytes that come in pieces. One decoder is one text. */
struct charset_decoder {
	iconv_t iconv;   /* (iconv_t)-1: by ourselves */
	int kept;        /* index of the shared handle in use, or -1 */
	uint8_t charset; /* of iconv */
	uint8_t mark;    /* length of the mark that is to tell which charset it is; 0: that is known */
	bool shifts;
	struct charset_shift shift;
	char held[16];   /* an incomplete character at the end of the last piece */
	size_t held_len;
};

/* 0, or 1 when the label is unknown. */
int charset_decoder_init(struct charset_decoder *decoder, struct span label);
/* True when ASCII that comes now, NUL aside, is itself: nothing is held back and nothing shifts. */
bool charset_decoder_passes_ascii(const struct charset_decoder *decoder);
/* 0, or -EMSGSIZE: out is filled up to the last whole character that fits. */
int charset_decoder_feed(struct charset_decoder *decoder, struct span piece, struct buf *out);
int charset_decoder_finish(struct charset_decoder *decoder, struct buf *out);
void charset_decoder_free(struct charset_decoder *decoder);

/* Appends text with every byte that is not UTF-8 (and NUL) replaced by U+FFFD. 0, or -EMSGSIZE
 * as above. */
int charset_repair(struct span text, struct buf *out);

#endif
