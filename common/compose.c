/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Making messages. */
#include "common/compose.h"

#include <errno.h>

#include "common/base64.h"
#include "common/crlf.h"
#include "common/encoded_word.h"
#include "common/header.h"
#include "common/parameter.h"
#include "common/quoted_printable.h"

#define LINE_SOFT 78
#define LINE_HARD 998

int
compose_field_begin(struct buf *out, struct span name, size_t *ret_column)
{
	if (!header_name_is_valid(name))
		return -EINVAL;
	(void)buf_span(out, name);
	*ret_column = name.len + 1;
	return buf_char(out, ':');
}

int
compose_field_word(struct buf *out, struct span word, size_t *column)
{
	for (size_t i = 0; i < word.len; i++)
		if ((unsigned char)word.ptr[i] <= ' ' || word.ptr[i] == 127)
			return -EINVAL;
	if (word.len > LINE_HARD - 1 || word.len == 0)
		return -EINVAL;
	if (*column + 1 + word.len > LINE_SOFT && *column > 1) {
		(void)buf_str(out, "\r\n");
		*column = 0;
	}
	*column += 1 + word.len;
	(void)buf_char(out, ' ');
	return buf_span(out, word);
}

int
compose_field_end(struct buf *out)
{
	return buf_str(out, "\r\n");
}

/* RFC 2045 section 5.1: type "/" subtype. */
static bool
is_type(struct span type)
{
	ptrdiff_t slash = span_chr(type, '/');

	for (size_t i = 0; i < type.len; i++) {
		char c = type.ptr[i];

		if ((ptrdiff_t)i != slash && (c <= ' ' || c == 127 || strchr("()<>@,;:\\\"/[]?=", c) != NULL))
			return false;
	}
	return slash > 0 && (size_t)slash + 1 < type.len;
}

int
compose_content_type(struct buf *out, struct span type, struct span charset, struct span boundary, struct span name)
{
	size_t column;
	int r;

	if (!is_type(type))
		return -EINVAL;
	r = compose_field_begin(out, SPAN("Content-Type"), &column);
	if (r == 0)
		r = compose_field_word(out, type, &column);
	if (r == 0 && charset.ptr != NULL)
		r = parameter_append(out, SPAN("charset"), charset, &column);
	if (r == 0 && boundary.ptr != NULL)
		r = parameter_append(out, SPAN("boundary"), boundary, &column);
	if (r == 0 && name.ptr != NULL)
		r = parameter_append(out, SPAN("name"), name, &column);
	return r == 0 ? compose_field_end(out) : r;
}

int
compose_content_disposition(struct buf *out, struct span disposition, struct span filename)
{
	size_t column;
	int r = compose_field_begin(out, SPAN("Content-Disposition"), &column);

	if (r == 0)
		r = compose_field_word(out, disposition, &column);
	if (r == 0 && filename.ptr != NULL)
		r = parameter_append(out, SPAN("filename"), filename, &column);
	return r == 0 ? compose_field_end(out) : r;
}

/* RFC 5322 section 2.3, RFC 2045 section 2.7: no line past 998, CR and LF only together (a lone LF will get its CR), no NUL. */
static bool
may_stand(struct span text)
{
	size_t line = 0;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (c == '\0' || (c == '\r' && (i + 1 == text.len || text.ptr[i + 1] != '\n')))
			return false;
		line = c == '\n' ? 0 : line + (c != '\r');
		if (line > LINE_HARD)
			return false;
	}
	return true;
}

enum mime_encoding
compose_text_encoding(struct span text, bool allow_8bit)
{
	size_t escaped = 0;

	if (may_stand(text) && (span_is_ascii(text) || allow_8bit))
		return span_is_ascii(text) ? MIME_7BIT : MIME_8BIT;
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		escaped += c >= 127 || c == '=' || (c < ' ' && c != '\t' && c != '\n' && c != '\r');
	}
	/* Three characters for one against four for three. */
	return escaped > text.len / 6 ? MIME_BASE64 : MIME_QUOTED_PRINTABLE;
}

const char *
compose_encoding_name(enum mime_encoding encoding)
{
	switch (encoding) {
	case MIME_7BIT:
		return "7bit";
	case MIME_8BIT:
		return "8bit";
	case MIME_QUOTED_PRINTABLE:
		return "quoted-printable";
	case MIME_BASE64:
		return "base64";
	default:
		return "binary";
	}
}

int
compose_body(struct buf *out, struct span bytes, enum mime_encoding encoding)
{
	struct crlf crlf;
	uint64_t size;

	switch (encoding) {
	case MIME_7BIT:
	case MIME_8BIT:
		size = crlf_size(bytes);
		if (size > out->max - out->len)
			return -EMSGSIZE;
		crlf_begin(&crlf, bytes, 0, size);
		(void)crlf_take(&crlf, size, out);
		return 0;
	case MIME_QUOTED_PRINTABLE:
		return quoted_printable_encode(bytes, out);
	case MIME_BASE64:
		return base64_encode_body(bytes, out);
	default:
		return buf_span(out, bytes);
	}
}

struct span
compose_boundary(const uint8_t random[static 16], char text[static COMPOSE_BOUNDARY_SIZE])
{
	static const char hex[] = "0123456789abcdef";
	size_t len = 0;

	text[len++] = '=';
	text[len++] = '_';
	for (size_t i = 0; i < 16; i++) {
		text[len++] = hex[random[i] >> 4];
		text[len++] = hex[random[i] & 15];
	}
	text[len] = '\0';
	return span_make(text, len);
}

int
compose_delimiter(struct buf *out, struct span boundary, bool last)
{
	(void)buf_str(out, "\r\n--");
	(void)buf_span(out, boundary);
	return buf_str(out, last ? "--\r\n" : "\r\n");
}
