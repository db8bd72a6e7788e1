/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Strings in IMAP answers. */
#include "common/imap_string.h"

#include <errno.h>

/* RFC 3501 section 9, QUOTED-CHAR; a few backslashes are cheaper than a literal. */
static bool
fits_quotes(struct span text, unsigned flags, size_t *ret_escapes)
{
	bool eight_bit = false;
	size_t escapes = 0;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c == '\r' || c == '\n' || c == '\0')
			return false;
		eight_bit |= c >= 0x80;
		escapes += c == '"' || c == '\\';
	}
	*ret_escapes = escapes;
	if (eight_bit && ((flags & IMAP_STRING_UTF8) == 0 || !span_is_utf8(text)))
		return false;
	return escapes <= 8 || escapes <= text.len / 4;
}

int
imap_string_append(struct buf *out, struct span text, unsigned flags)
{
	size_t escapes = 0, before = out->len;
	char *room;

	if (!fits_quotes(text, flags, &escapes)) {
		if (buf_fmt(out, "{%zu}\r\n", text.len) != 0 || buf_span(out, text) != 0) {
			buf_truncate(out, before);
			return -EMSGSIZE;
		}
		for (size_t i = out->len - text.len; i < out->len; i++)
			if (out->data[i] == '\0')
				out->data[i] = '?';
		return 0;
	}
	room = buf_reserve(out, text.len + escapes + 2);
	if (room == NULL)
		return -EMSGSIZE;
	*room++ = '"';
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '"' || text.ptr[i] == '\\')
			*room++ = '\\';
		*room++ = text.ptr[i];
	}
	*room = '"';
	buf_added(out, text.len + escapes + 2);
	return 0;
}

int
imap_nstring_append(struct buf *out, struct span text, unsigned flags)
{
	return text.ptr == NULL ? buf_str(out, "NIL") : imap_string_append(out, text, flags);
}
