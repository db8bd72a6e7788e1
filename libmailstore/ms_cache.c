/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Envelopes repeat themselves (a sender stands there three times) and each other, so they are kept deflated (RFC 1951) with a dictionary
 * of what most of them have. Each record stands alone. */
#include "libmailstore/ms_cache.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "common/xalloc.h"
#include "libmailstore/ms_record.h"

/* Stands for the length of what is not kept. */
#define NOT_KEPT UINT32_MAX
/* Of the record: its first byte, before three of the length of the texts. A change of the dictionary is another. */
#define RECORD_VERSION 1
/* Large enough for most texts and the dictionary; small, as it is made for each message. */
#define WINDOW_BITS (-12)
#define MEMORY_LEVEL 5

/* What is most frequent stands last: it is then near. */
static const char dictionary[] =
    "\"application\" \"octet-stream\" (\"name\" \"image001.png\" \"jpeg\" \"vnd.openxmlformats-officedocument.wordprocessingml.document\" \"zip\" \"calendar\" "
    "(\"charset\" \"utf-8\" \"method\" \"REQUEST\") \"message\" \"rfc822\" \"delivery-status\" \"report\" (\"report-type\" \"signed\" \"pgp-signature\" "
    "\"related\" (\"boundary\" \"=_ ----=_NextPart_000_ --===============\" \"type\" \"text/html\" (\"inline\" (\"filename\" \"<image@ "
    "\"application\" \"pdf\" (\"name\" \".pdf\") NIL NIL \"base64\" NIL (\"attachment\" (\"filename\" \".pdf\")) NIL NIL) \"mixed\" (\"boundary\" \"=_"
    "(\"charset\" \"us-ascii\" \"iso-8859-1\" \"windows-1252\" \"gb2312\" \"format\" \"flowed\") NIL NIL \"8bit\" \"quoted-printable\" "
    "Mon, Tue, Wed, Thu, Fri, Sat, Sun, Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec 2023 2024 2025 2026 2027 -0500 +0100 +0200 GMT +0800 "
    "=?UTF-8?Q? =?utf-8?B? Re: Fwd: noreply info support @mail. .org .net .de .example \"gmail.com\")) NIL NIL \"<"
    ".com\")) ((\" +0000\" \"Re: \xff\xff\xff\xff"
    "((\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"7bit\" NIL NIL NIL NIL)(\"text\" \"html\" (\"charset\" \"utf-8\") NIL NIL \"7bit\" "
    "NIL NIL NIL NIL) \"alternative\" (\"boundary\" \"=_\") NIL NIL NIL)\xff\xff\xff\xff\0\0\1(\" 2026 :00 +0000\" \" \" (("
    "\" NIL \")) NIL NIL NIL \"<@>\")\0\0\0(\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"7bit\" NIL NIL NIL NIL)\xff\xff\xff\xff";
#define DICTIONARY (const unsigned char *)dictionary, sizeof(dictionary) - 1

void
ms_cache_add(struct buf *texts, const struct buf *text)
{
	uint8_t len[4];

	ms_key_u32(len, text != NULL ? (uint32_t)text->len : NOT_KEPT);
	(void)buf_put(texts, len, sizeof(len));
	if (text != NULL)
		(void)buf_span(texts, buf_get(text));
}

int
ms_cache_text(struct span texts, enum ms_cached what, struct span *ret)
{
	for (unsigned i = 0; i < MS_CACHED_COUNT; i++) {
		uint32_t len;

		if (texts.len < 4)
			return MS_E_CORRUPT;
		len = ms_key_get_u32((const uint8_t *)texts.ptr);
		texts = span_skip(texts, 4);
		if (len == NOT_KEPT) {
			*ret = span_make(texts.ptr, 0);
			if (i == (unsigned)what)
				return MS_E_NOTFOUND;
			continue;
		}
		if (texts.len < len)
			return MS_E_CORRUPT;
		if (i == (unsigned)what) {
			*ret = span_make(texts.ptr, len);
			return 0;
		}
		texts = span_skip(texts, len);
	}
	return MS_E_CORRUPT;
}

static void *
take_memory(void *context, unsigned count, unsigned size)
{
	(void)context;
	return xreallocarray(NULL, count, size);
}

static void
give_memory(void *context, void *memory)
{
	(void)context;
	free(memory);
}

static z_stream
stream_of(struct span in)
{
	z_stream stream = { .zalloc = take_memory, .zfree = give_memory, .avail_in = (unsigned)in.len };

	memcpy(&stream.next_in, &in.ptr, sizeof(stream.next_in)); /* the library does not write through it; its type has no const */
	return stream;
}

void
ms_cache_pack(struct span texts, struct buf *out)
{
	z_stream stream = stream_of(texts);
	uint8_t head[4];
	unsigned long room;
	char *at;

	ms_key_u32(head, (uint32_t)RECORD_VERSION << 24 | (uint32_t)texts.len);
	(void)buf_put(out, head, sizeof(head));
	/* With codes of its own a record would be 3% smaller, and take twice as long to read. */
	(void)deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL, Z_FIXED);
	(void)deflateSetDictionary(&stream, DICTIONARY);
	room = deflateBound(&stream, texts.len);
	at = buf_reserve(out, room);
	if (at != NULL) {
		stream.next_out = (unsigned char *)at;
		stream.avail_out = (unsigned)room;
		(void)deflate(&stream, Z_FINISH);
		buf_added(out, room - stream.avail_out);
	}
	(void)deflateEnd(&stream);
}

int
ms_cache_unpack(struct span record, struct buf *out)
{
	uint32_t head = record.len >= 4 ? ms_key_get_u32((const uint8_t *)record.ptr) : 0, len = head & 0xffffff;
	z_stream stream;
	bool good;
	char *at;

	if (head >> 24 != RECORD_VERSION || len > MS_CACHE_TEXTS_MAX)
		return MS_E_CORRUPT;
	stream = stream_of(span_skip(record, 4));
	at = buf_reserve(out, len + 1); /* one more, to see an end that does not come */
	if (at == NULL)
		return MS_E_CORRUPT;
	stream.next_out = (unsigned char *)at;
	stream.avail_out = len + 1;
	good = inflateInit2(&stream, WINDOW_BITS) == Z_OK && inflateSetDictionary(&stream, DICTIONARY) == Z_OK &&
	    inflate(&stream, Z_FINISH) == Z_STREAM_END && stream.avail_in == 0 && stream.avail_out == 1;
	(void)inflateEnd(&stream);
	if (!good)
		return MS_E_CORRUPT;
	buf_added(out, len);
	return 0;
}
