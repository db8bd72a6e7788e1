/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What is in what: bounded in depth, in number, and in bytes. */
#include "smtpd/report_unpack.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#include "common/mime_text.h"
#include "smtpd/received_report.h"

#define DEPTH_MAX 4
#define REPORTS_MAX 100
/* All that is looked at, packed and unpacked: the entries of a zip may be the same bytes again and again. */
#define LOOKED_AT_MAX (8 * (size_t)RECEIVED_REPORT_MAX)
#define CHUNK 65536
/* zlib: gzip with its header; deflate without any, as in a zip. */
#define GZIP_WINDOW (15 + 16)
#define RAW_WINDOW (-15)

struct unpacking {
	report_found found;
	void *context;
	unsigned depth, reports;
	size_t left; /* bytes that may still be looked at */
};

static int unpack(struct unpacking *unpacking, struct span bytes);

static bool
take_from_left(struct unpacking *unpacking, size_t len)
{
	bool there = len <= unpacking->left;

	unpacking->left -= there ? len : unpacking->left;
	return there;
}

/* --- deflate --- */

/* A file of gzip is one member or more (RFC 1952 section 2.2); what stands behind them and is none is passed over, as gzip(1) does. */
static bool
next_member(z_stream *stream, int window)
{
	return window == GZIP_WINDOW && stream->avail_in >= 2 && stream->next_in[0] == 0x1f && stream->next_in[1] == 0x8b && inflateReset(stream) == Z_OK;
}

static int
inflate_to(struct span packed, int window, struct buf *out)
{
	z_stream stream = { .next_in = (Bytef *)(uintptr_t)packed.ptr, .avail_in = (uInt)packed.len };
	int r = Z_OK;

	if (packed.len > UINT32_MAX)
		return -EFBIG;
	if (inflateInit2(&stream, window) != Z_OK)
		abort(); /* no memory */
	while (r == Z_OK) {
		size_t room = out->max - out->len < CHUNK ? out->max - out->len : CHUNK;
		char *at = room != 0 ? buf_reserve(out, room) : NULL;

		if (at == NULL)
			break;
		stream.next_out = (Bytef *)at;
		stream.avail_out = (uInt)room;
		r = inflate(&stream, Z_NO_FLUSH);
		buf_added(out, room - stream.avail_out);
		if (r == Z_STREAM_END && next_member(&stream, window))
			r = Z_OK;
	}
	(void)inflateEnd(&stream);
	return r == Z_STREAM_END ? 0 : r == Z_OK ? -EFBIG : -EBADMSG;
}

static int
unpack_deflated(struct unpacking *unpacking, struct span packed, int window)
{
	struct buf text = BUF_INIT(RECEIVED_REPORT_MAX);
	int r = take_from_left(unpacking, packed.len) ? inflate_to(packed, window, &text) : -EFBIG;

	if (r == 0)
		r = unpack(unpacking, buf_get(&text));
	buf_free(&text);
	return r;
}

/* --- zip (PKWARE's APPNOTE 4.3): by its directory, for sizes may not stand before the files --- */

#define ZIP_END_SIZE 22
#define ZIP_ENTRY_SIZE 46
#define ZIP_LOCAL_SIZE 30
#define ZIP_COMMENT_MAX 65535
#define ZIP_STORED 0
#define ZIP_DEFLATED 8

static uint32_t
number_at(struct span bytes, size_t at, size_t len)
{
	uint32_t number = 0;

	for (size_t i = len; i-- > 0;)
		number = number << 8 | (uint8_t)bytes.ptr[at + i];
	return number;
}

/* The part of the bytes from there on, when at least so many are there. */
static bool
slice(struct span bytes, size_t at, size_t len, struct span *ret_part)
{
	if (at > bytes.len || len > bytes.len - at)
		return false;
	*ret_part = span_skip(bytes, at);
	return true;
}

static bool
find_directory(struct span zip, size_t *ret_at, size_t *ret_count)
{
	size_t least = zip.len > ZIP_END_SIZE + ZIP_COMMENT_MAX ? zip.len - ZIP_END_SIZE - ZIP_COMMENT_MAX : 0;

	for (size_t at = zip.len < ZIP_END_SIZE ? 0 : zip.len - ZIP_END_SIZE + 1; at-- > least;)
		if (span_starts(span_skip(zip, at), SPAN("PK\x05\x06"))) {
			*ret_count = number_at(zip, at + 10, 2);
			*ret_at = number_at(zip, at + 16, 4);
			return true;
		}
	return false;
}

static int
unpack_entry(struct unpacking *unpacking, struct span zip, struct span entry)
{
	size_t method = number_at(entry, 10, 2), packed_len = number_at(entry, 20, 4), local_at = number_at(entry, 42, 4);
	struct span local, packed;

	if ((number_at(entry, 8, 2) & 1) != 0 || (method != ZIP_STORED && method != ZIP_DEFLATED))
		return -EBADMSG; /* encrypted, or packed otherwise */
	if (!slice(zip, local_at, ZIP_LOCAL_SIZE, &local) || !span_starts(local, SPAN("PK\x03\x04")) ||
	    !slice(local, ZIP_LOCAL_SIZE + number_at(local, 26, 2) + number_at(local, 28, 2), packed_len, &packed))
		return -EBADMSG;
	packed.len = packed_len;
	return method == ZIP_STORED ? unpack(unpacking, packed) : unpack_deflated(unpacking, packed, RAW_WINDOW);
}

static int
unpack_zip(struct unpacking *unpacking, struct span zip)
{
	size_t at, count;
	int r = 0;

	if (!find_directory(zip, &at, &count))
		return -EBADMSG;
	for (size_t i = 0; i < count && r == 0; i++) {
		struct span entry;

		if (!slice(zip, at, ZIP_ENTRY_SIZE, &entry) || !span_starts(entry, SPAN("PK\x01\x02")))
			return -EBADMSG;
		/* Folders have no bytes. */
		if (number_at(entry, 20, 4) != 0)
			r = unpack_entry(unpacking, zip, entry);
		at += ZIP_ENTRY_SIZE + number_at(entry, 28, 2) + number_at(entry, 30, 2) + number_at(entry, 32, 2);
	}
	return r;
}

/* --- messages --- */

static bool
is_packed(struct span bytes)
{
	return span_starts(bytes, SPAN("\x1f\x8b")) || span_starts(bytes, SPAN("PK\x03\x04"));
}

static bool
is_text_of_report(struct span bytes)
{
	if (span_starts(bytes, SPAN("\xef\xbb\xbf")))
		bytes = span_skip(bytes, 3);
	bytes = span_trim(bytes);
	return span_starts(bytes, SPAN("<?xml")) || span_starts(bytes, SPAN("<feedback")) || span_starts(bytes, SPAN("{"));
}

static int
unpack_part(struct unpacking *unpacking, const struct mime_message *message, uint32_t index)
{
	const struct mime_part *part = &message->parts[index];
	struct buf body = BUF_INIT(RECEIVED_REPORT_MAX);
	int r = 0;

	if (part->kind != MIME_LEAF || mime_is(part, SPAN("text"), SPAN("plain")) || mime_is(part, SPAN("text"), SPAN("html")))
		return 0;
	if (mime_body_decode(message, index, &body) < 0)
		r = -EFBIG;
	else if (is_packed(buf_get(&body)) || is_text_of_report(buf_get(&body)))
		r = unpack(unpacking, buf_get(&body));
	buf_free(&body);
	return r;
}

static int
unpack_message(struct unpacking *unpacking, struct span bytes)
{
	struct mime_message *message = mime_parse(bytes);
	int r = 0;

	for (uint32_t i = 0; i < message->count && r == 0; i++)
		r = unpack_part(unpacking, message, i);
	(void)mime_free(message);
	return r;
}

/* --- any --- */

static int
unpack_as(struct unpacking *unpacking, struct span bytes)
{
	if (span_starts(bytes, SPAN("\x1f\x8b")))
		return unpack_deflated(unpacking, bytes, GZIP_WINDOW);
	if (span_starts(bytes, SPAN("PK\x03\x04")))
		return unpack_zip(unpacking, bytes);
	if (!is_text_of_report(bytes))
		return unpack_message(unpacking, bytes);
	if (++unpacking->reports > REPORTS_MAX)
		return -EFBIG;
	unpacking->found(unpacking->context, bytes);
	return 0;
}

static int
unpack(struct unpacking *unpacking, struct span bytes)
{
	int r;

	if (unpacking->depth == DEPTH_MAX)
		return -EBADMSG;
	if (!take_from_left(unpacking, bytes.len))
		return -EFBIG;
	unpacking->depth++;
	r = unpack_as(unpacking, bytes);
	unpacking->depth--;
	return r;
}

int
report_unpack(struct span bytes, report_found found, void *context)
{
	struct unpacking unpacking = { .found = found, .context = context, .left = LOOKED_AT_MAX };

	return unpack(&unpacking, bytes);
}
