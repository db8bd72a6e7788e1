/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* simple and relaxed, for header fields and for bodies. */
#include "smtpd/dkim_canon.h"

#include <errno.h>

static bool
is_wsp(char c)
{
	return c == ' ' || c == '\t';
}

/* --- header fields --- */

/* RFC 6376 section 3.4.2: name in lower case, no white space around the colon and at the end, one space for each run of it, no folds. */
static int
relax_field(struct span field, struct buf *out)
{
	ptrdiff_t colon = span_chr(field, ':');
	struct span name = span_trim(span_make(field.ptr, colon < 0 ? field.len : (size_t)colon));
	struct span value = span_trim(span_skip(field, colon < 0 ? field.len : (size_t)colon + 1));
	bool blank = false;

	for (size_t i = 0; i < name.len; i++)
		(void)buf_char(out, ascii_lower(name.ptr[i]));
	(void)buf_char(out, ':');
	for (size_t i = 0; i < value.len; i++) {
		char c = value.ptr[i];

		if (c == '\r' && i + 1 < value.len && value.ptr[i + 1] == '\n') {
			i++;
			continue;
		}
		if (is_wsp(c)) {
			blank = true;
			continue;
		}
		if (blank)
			(void)buf_char(out, ' ');
		blank = false;
		(void)buf_char(out, c);
	}
	return out->overflow ? -EMSGSIZE : 0;
}

int
dkim_canon_field(enum dkim_canon canon, struct span field, struct buf *out)
{
	if (canon == DKIM_RELAXED)
		return relax_field(field, out);
	if (span_ends(field, SPAN("\r\n")))
		field.len -= 2;
	return buf_span(out, field);
}

/* --- bodies (sections 3.4.3 and 3.4.4) --- */

static void
put(struct dkim_body *body, struct span bytes)
{
	body->total += bytes.len;
	if (bytes.len > body->left)
		bytes.len = (size_t)body->left;
	body->left -= bytes.len;
	if (bytes.len != 0)
		body->put(body->context, bytes);
}

static void
put_newlines(struct dkim_body *body)
{
	static const char lines[] = "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n";
	const size_t most = (sizeof(lines) - 1) / 2;

	while (body->newlines != 0) {
		size_t count = body->newlines < most ? (size_t)body->newlines : most;

		put(body, span_make(lines, 2 * count));
		body->newlines -= count;
	}
}

/* Bytes of a line that are not white space (relaxed) and not its end. */
static void
put_content(struct dkim_body *body, struct span bytes)
{
	put_newlines(body);
	if (body->blank)
		put(body, SPAN(" "));
	body->blank = false;
	put(body, bytes);
}

/* How many bytes at the front are content. */
static size_t
content_run(const struct dkim_body *body, struct span bytes)
{
	size_t i = 0;

	if (body->canon == DKIM_SIMPLE) {
		ptrdiff_t cr = span_chr(bytes, '\r');

		return cr < 0 ? bytes.len : (size_t)cr;
	}
	while (i < bytes.len && bytes.ptr[i] != '\r' && !is_wsp(bytes.ptr[i]))
		i++;
	return i;
}

void
dkim_body_feed(struct dkim_body *body, struct span bytes)
{
	while (bytes.len != 0) {
		char c = bytes.ptr[0];
		size_t run;

		if (body->cr) {
			body->cr = false;
			if (c == '\n') {
				body->newlines++;
				body->blank = false;
				bytes = span_skip(bytes, 1);
				continue;
			}
			put_content(body, SPAN("\r"));
		}
		run = content_run(body, bytes);
		if (run != 0) {
			put_content(body, span_make(bytes.ptr, run));
			bytes = span_skip(bytes, run);
			continue;
		}
		body->cr = c == '\r';
		body->blank |= c != '\r';
		bytes = span_skip(bytes, 1);
	}
}

void
dkim_body_finish(struct dkim_body *body)
{
	if (body->cr)
		put_content(body, SPAN("\r"));
	/* Empty lines at the end are left out, one CRLF stays or is added; of an empty body it stays in simple alone. */
	if (body->total != 0 || body->canon == DKIM_SIMPLE)
		put(body, SPAN("\r\n"));
}
