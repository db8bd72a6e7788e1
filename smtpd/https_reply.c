/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* RFC 9112 sections 4 to 7, as far as the reply to a request with "Connection: close" goes. */
#include "smtpd/https_reply.h"

#include <errno.h>

void
https_reply_init(struct https_reply *reply, size_t body_max)
{
	*reply = (struct https_reply){ .phase = HTTPS_STATUS };
	buf_init(&reply->body, body_max);
}

void
https_reply_free(struct https_reply *reply)
{
	buf_free(&reply->body);
}

/* --- lines --- */

static int
on_status(struct https_reply *reply, struct span line)
{
	uint64_t status;

	if (!span_starts(line, SPAN("HTTP/1.")) || line.len < 12 || line.ptr[8] != ' ' || span_to_u64(span_make(line.ptr + 9, 3), 999, &status) < 0 ||
	    status < 200) /* an interim reply was not asked for */
		return -EBADMSG;
	reply->status = (unsigned)status;
	reply->phase = HTTPS_FIELD;
	return 0;
}

/* The header is over: how the body ends (section 6.3). */
static int
begin_body(struct https_reply *reply)
{
	if (reply->chunked && reply->counted)
		return -EBADMSG; /* two ends: somebody in between may see another one */
	reply->phase = reply->chunked ? HTTPS_CHUNK_SIZE : !reply->counted ? HTTPS_TO_END : reply->left == 0 ? HTTPS_WHOLE : HTTPS_COUNTED;
	return 0;
}

static int
on_field(struct https_reply *reply, struct span line)
{
	struct span name;
	uint64_t length;

	if (line.len == 0)
		return begin_body(reply);
	if (span_chr(line, ':') <= 0)
		return -EBADMSG;
	(void)span_split(&line, ':', &name);
	line = span_trim(line);
	if (span_ieq(name, SPAN("Content-Length"))) {
		if (span_to_u64(line, INT64_MAX, &length) < 0 || (reply->counted && length != reply->left))
			return -EBADMSG;
		reply->counted = true;
		reply->left = length;
	} else if (span_ieq(name, SPAN("Transfer-Encoding"))) {
		if (!span_ieq(line, SPAN("chunked")))
			return -EBADMSG;
		reply->chunked = true;
	} else if (span_ieq(name, SPAN("Content-Type"))) {
		struct span type;

		(void)span_split(&line, ';', &type);
		reply->is_text = span_ieq(span_trim(type), SPAN("text/plain"));
	}
	return 0;
}

static int
on_chunk_size(struct https_reply *reply, struct span line)
{
	struct span size;

	(void)span_split(&line, ';', &size);
	size = span_trim(size);
	if (size.len == 0 || size.len > 8)
		return -EBADMSG;
	reply->left = 0;
	for (size_t i = 0; i < size.len; i++) {
		int digit = ascii_hex(size.ptr[i]);

		if (digit < 0)
			return -EBADMSG;
		reply->left = reply->left << 4 | (unsigned)digit;
	}
	reply->phase = reply->left != 0 ? HTTPS_CHUNK : HTTPS_TRAILER;
	return 0;
}

static int
on_line(struct https_reply *reply, struct span line)
{
	switch (reply->phase) {
	case HTTPS_STATUS:
		return on_status(reply, line);
	case HTTPS_FIELD:
		return on_field(reply, line);
	case HTTPS_CHUNK_SIZE:
		return on_chunk_size(reply, line);
	case HTTPS_CHUNK_END:
		reply->phase = HTTPS_CHUNK_SIZE;
		return line.len == 0 ? 0 : -EBADMSG;
	case HTTPS_TRAILER:
		if (line.len == 0)
			reply->phase = HTTPS_WHOLE;
		return 0;
	case HTTPS_COUNTED:
	case HTTPS_TO_END:
	case HTTPS_CHUNK:
	case HTTPS_WHOLE:
		break;
	}
	return -EBADMSG;
}

/* --- pieces --- */

static int
take_line(struct https_reply *reply, struct span *input)
{
	ptrdiff_t at = span_chr(*input, '\n');
	struct span line;

	if (at < 0)
		return input->len < HTTPS_LINE_MAX ? 1 : -EMSGSIZE;
	line = span_take(input, (size_t)at);
	*input = span_skip(*input, 1);
	if (span_ends(line, SPAN("\r")))
		line.len--;
	/* Sizes of chunks count as well: a body in pieces of one octet is nobody's. */
	reply->head += line.len + 1;
	if (reply->head > HTTPS_HEAD_MAX)
		return -EMSGSIZE;
	return on_line(reply, line);
}

static int
take_body(struct https_reply *reply, struct span *input)
{
	bool counted = reply->phase != HTTPS_TO_END;
	struct span piece = span_take(input, counted && reply->left < input->len ? (size_t)reply->left : input->len);

	if (buf_span(&reply->body, piece) < 0)
		return -EMSGSIZE;
	if (!counted)
		return 0;
	reply->left -= piece.len;
	if (reply->left == 0)
		reply->phase = reply->phase == HTTPS_CHUNK ? HTTPS_CHUNK_END : HTTPS_WHOLE;
	return 0;
}

int
https_reply_input(struct https_reply *reply, struct span input, size_t *ret_used)
{
	size_t had = input.len;
	int r = 0;

	while (r == 0 && input.len != 0 && reply->phase != HTTPS_WHOLE)
		if (reply->phase == HTTPS_COUNTED || reply->phase == HTTPS_TO_END || reply->phase == HTTPS_CHUNK)
			r = take_body(reply, &input);
		else
			r = take_line(reply, &input);
	*ret_used = had - input.len;
	if (r != 0)
		return r;
	return reply->phase == HTTPS_WHOLE ? 0 : 1;
}

int
https_reply_end(struct https_reply *reply)
{
	if (reply->phase == HTTPS_TO_END)
		reply->phase = HTTPS_WHOLE;
	return reply->phase == HTTPS_WHOLE ? 0 : -EBADMSG;
}
