/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Text of any charset that mail uses, to UTF-8: iconv behind a list of allowed names (never
 * ISO-2022-CN-EXT). Bad bytes become U+FFFD; nothing in a message makes these functions fail.
 *
 * Jails: iconv loads a module for most charsets. A process that loses the file system calls
 * charset_preload() before; where Landlock lets a process read the gconv folder (sessions),
 * modules load when a message first needs them. A charset whose module cannot be loaded is
 * treated as unknown. */
#ifndef COMMON_CHARSET_H
#define COMMON_CHARSET_H

#include <iconv.h>

#include "common/buf.h"

/* The name that iconv knows of the charset of this label (case, aliases and stray quotes do not
 * matter), or NULL when it is not allowed or unknown. Static. */
const char *charset_find(struct span label);

/* Opens every allowed charset and keeps it open for the life of the process. Returns how many
 * could not be opened (0 on a system with the whole of libc's gconv modules). */
unsigned charset_preload(void);

/* Appends the text as UTF-8. The empty label means us-ascii; an unknown one, us-ascii and utf-8
 * take UTF-8 where the bytes are UTF-8 (and U+FFFD for each byte that is not). The result holds
 * no NUL (U+FFFD instead). 0; 1: the label is unknown (the text is there all the same);
 * -EMSGSIZE: out is filled up to the last whole character that fits. */
int charset_to_utf8(struct span label, struct span bytes, struct buf *out);

/* The same for bytes that come in pieces. One decoder is one text. */
struct charset_decoder {
	iconv_t iconv;   /* (iconv_t)-1: UTF-8 checked by ourselves */
	int kept;        /* index of the shared handle in use, or -1 */
	char held[16];   /* an incomplete character at the end of the last piece */
	size_t held_len;
};

/* 0, or 1 when the label is unknown. */
int charset_decoder_init(struct charset_decoder *decoder, struct span label);
/* 0, or -EMSGSIZE: out is filled up to the last whole character that fits. */
int charset_decoder_feed(struct charset_decoder *decoder, struct span piece, struct buf *out);
int charset_decoder_finish(struct charset_decoder *decoder, struct buf *out);
void charset_decoder_free(struct charset_decoder *decoder);

/* Appends text with every byte that is not UTF-8 (and NUL) replaced by U+FFFD. 0, or -EMSGSIZE
 * as above. */
int charset_repair(struct span text, struct buf *out);

#endif
