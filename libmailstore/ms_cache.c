/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Envelopes repeat themselves (a sender stands there three times) and each other, so they are kept deflated (RFC 1951) with a dictionary
 * of what most of them have: those of one message in 2/5 of their bytes, those of a page full of neighbours in less than a quarter. */
#include "libmailstore/ms_cache.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "common/xalloc.h"
#include "libmailstore/ms_record.h"

/* Stands for the length of what is not kept. */
#define NOT_KEPT UINT32_MAX
/* Of the record: its first byte. A change of the dictionary is another. */
#define RECORD_VERSION 2
/* Before what is deflated: version, length of all texts (3), how far the last UID is from the first (2), how many they are (2). */
#define HEAD 8
/* Of one message: large enough for most texts and the dictionary; small, as it is made for each message. Of several. */
#define WINDOW_BITS_ONE (-12)
#define MEMORY_LEVEL_ONE 5
#define WINDOW_BITS (-15)
#define MEMORY_LEVEL 8

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

/* Takes the next text off. 0, MS_E_NOTFOUND (not kept) or MS_E_CORRUPT. */
static int
next_text(struct span *rest, struct span *ret)
{
	uint32_t len;

	if (rest->len < 4)
		return MS_E_CORRUPT;
	len = ms_key_get_u32((const uint8_t *)rest->ptr);
	*rest = span_skip(*rest, 4);
	*ret = span_make(rest->ptr, 0);
	if (len == NOT_KEPT)
		return MS_E_NOTFOUND;
	if (len > rest->len)
		return MS_E_CORRUPT;
	*ret = span_take(rest, len);
	return 0;
}

int
ms_cache_text(struct span texts, enum ms_cached what, struct span *ret)
{
	int r = 0;

	for (unsigned i = 0; i <= (unsigned)what && r != MS_E_CORRUPT; i++)
		r = next_text(&texts, ret);
	return r;
}

bool
ms_cache_next(struct span *unpacked, struct ms_cache_member *ret)
{
	struct span rest, text;

	if (unpacked->len < 4)
		return false;
	ret->uid = ms_key_get_u32((const uint8_t *)unpacked->ptr);
	rest = ret->texts = span_skip(*unpacked, 4);
	for (unsigned i = 0; i < MS_CACHED_COUNT; i++)
		if (next_text(&rest, &text) == MS_E_CORRUPT)
			return false;
	ret->texts.len -= rest.len;
	*unpacked = rest;
	return true;
}

int
ms_cache_find(struct span unpacked, uint32_t uid, struct span *ret)
{
	struct ms_cache_member member;

	while (ms_cache_next(&unpacked, &member))
		if (member.uid == uid) {
			*ret = member.texts;
			return 0;
		}
	return MS_E_NOTFOUND;
}

void
ms_cache_add_member(struct buf *unpacked, const struct ms_cache_member *member)
{
	uint8_t uid[4];

	ms_key_u32(uid, member->uid);
	(void)buf_put(unpacked, uid, sizeof(uid));
	(void)buf_span(unpacked, member->texts);
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

/* Before each message's texts: how far its UID is from the one before. */
static void
put_members(const struct ms_cache_member *members, size_t count, struct buf *out)
{
	for (size_t i = 0; i < count; i++)
		ms_cache_add_member(out, &(struct ms_cache_member){ members[i].uid - members[i != 0 ? i - 1 : 0].uid, members[i].texts });
}

static void
put_head(size_t len, uint32_t distance, size_t count, struct buf *out)
{
	uint8_t head[HEAD];

	ms_key_u32(head, (uint32_t)RECORD_VERSION << 24 | (uint32_t)len);
	ms_key_u32(head + 4, distance << 16 | (uint32_t)count);
	(void)buf_put(out, head, sizeof(head));
}

void
ms_cache_pack(const struct ms_cache_member *members, size_t count, struct buf *out)
{
	struct buf texts = BUF_INIT(MS_CACHE_UNPACKED_MAX);
	z_stream stream;
	unsigned long room;
	char *at;

	put_members(members, count, &texts);
	put_head(texts.len, members[count - 1].uid - members[0].uid, count, out);
	stream = stream_of(buf_get(&texts));
	/* With codes of its own the record of one message would be 3% smaller, and take twice as long to read. */
	if (count == 1)
		(void)deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_BITS_ONE, MEMORY_LEVEL_ONE, Z_FIXED);
	else
		(void)deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL, Z_DEFAULT_STRATEGY);
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
	buf_free(&texts);
}

int
ms_cache_head(struct span record, uint32_t last, struct ms_cache_head *ret)
{
	uint32_t words[2];

	if (record.len < HEAD)
		return MS_E_CORRUPT;
	words[0] = ms_key_get_u32((const uint8_t *)record.ptr);
	words[1] = ms_key_get_u32((const uint8_t *)record.ptr + 4);
	*ret = (struct ms_cache_head){ .len = words[0] & 0xffffff, .first = last - (words[1] >> 16), .count = words[1] & 0xffff };
	if (words[0] >> 24 != RECORD_VERSION || ret->len > MS_CACHE_UNPACKED_MAX || ret->first == 0 || ret->first > last || ret->count == 0 ||
	    ret->count > last - ret->first + 1)
		return MS_E_CORRUPT;
	return 0;
}

static int
inflate_into(struct span bytes, uint32_t len, struct buf *out)
{
	z_stream stream = stream_of(bytes);
	char *at = buf_reserve(out, len + 1); /* one more, to see an end that does not come */
	bool good;

	if (at == NULL)
		return MS_E_CORRUPT;
	stream.next_out = (unsigned char *)at;
	stream.avail_out = len + 1;
	good = inflateInit2(&stream, WINDOW_BITS) == Z_OK && inflateSetDictionary(&stream, DICTIONARY) == Z_OK &&
	    inflate(&stream, Z_FINISH) == Z_STREAM_END && stream.avail_in == 0 && stream.avail_out == 1;
	(void)inflateEnd(&stream);
	if (good)
		buf_added(out, len);
	return good ? 0 : MS_E_CORRUPT;
}

/* UIDs where the distances between them were. */
static int
number_members(struct buf *unpacked, size_t from, const struct ms_cache_head *head, uint32_t last)
{
	struct span rest = span_skip(buf_get(unpacked), from);
	struct ms_cache_member member;
	uint32_t uid = head->first;

	for (uint32_t i = 0; i < head->count; i++) {
		uint8_t *at = (uint8_t *)unpacked->data + (unpacked->len - rest.len);

		if (!ms_cache_next(&rest, &member) || (member.uid == 0) != (i == 0) || member.uid > last - uid)
			return MS_E_CORRUPT;
		uid += member.uid;
		ms_key_u32(at, uid);
	}
	return uid == last && rest.len == 0 ? 0 : MS_E_CORRUPT;
}

int
ms_cache_unpack(struct span record, uint32_t last, struct buf *out)
{
	struct ms_cache_head head;
	size_t from = out->len;
	int r = ms_cache_head(record, last, &head);

	if (r == 0)
		r = inflate_into(span_skip(record, HEAD), head.len, out);
	if (r == 0)
		r = number_members(out, from, &head, last);
	if (r != 0)
		buf_truncate(out, from);
	return r;
}
