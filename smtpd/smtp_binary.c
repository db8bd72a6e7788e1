/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* From binary MIME to lines. A delimiter (RFC 2046 section 5.1.1) stands at the beginning of a line,
 * and the CRLF before it is part of it: so a CRLF is held until it is known what follows. */
#include "smtpd/smtp_binary.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base64.h"
#include "common/header.h"
#include "common/parameter.h"
#include "common/quoted_printable.h"
#include "common/xalloc.h"

/* What a delimiter may be long, with "--" at both ends, blanks and CRLF. */
#define LINE_MAX_LEN (SMTP_BINARY_BOUNDARY_MAX + 64)
/* Octets of a line of base64 (RFC 2045 section 6.8). */
#define GROUP 57
/* What is held of a line of text until it ends; a longer one gets a soft line break there. */
#define TEXT_HELD_MAX 1000

struct smtp_binary {
	enum { HEADER, COPIED, ENCODED, QUOTED } phase;
	char *boundaries[SMTP_BINARY_DEPTH_MAX]; /* the outermost first */
	size_t depth;
	struct buf header; /* of the part that begins */
	struct buf line;   /* may yet be a delimiter, or the end of a header */
	struct buf group;  /* ENCODED: octets that do not fill a line yet */
	struct buf text;   /* QUOTED: a line that has not ended yet */
	struct span held;  /* ENCODED: a CR or CRLF before the line, literal */
	enum smtp_binary_form form;
	size_t kept;       /* the depth of a multipart/signed, whose parts stay; 0: none */
	bool utf8_header;  /* one that has passed is not ASCII */
	bool needs_utf8;   /* and is UTF-8 */
	bool changed;
	bool inside;       /* of a line that is no delimiter */
	bool after_cr;
};

struct smtp_binary *
smtp_binary_new(enum smtp_binary_form form)
{
	struct smtp_binary *binary = xcalloc(1, sizeof(*binary));

	binary->form = form;
	buf_init(&binary->header, SMTP_HEADER_MAX);
	buf_init(&binary->line, LINE_MAX_LEN);
	buf_init(&binary->group, GROUP);
	buf_init(&binary->text, TEXT_HELD_MAX);
	return binary;
}

static void
close_to(struct smtp_binary *binary, size_t depth)
{
	while (binary->depth > depth)
		free(binary->boundaries[--binary->depth]);
	if (depth < binary->kept)
		binary->kept = 0;
}

struct smtp_binary *
smtp_binary_free(struct smtp_binary *binary)
{
	if (binary == NULL)
		return NULL;
	close_to(binary, 0);
	buf_free(&binary->header);
	buf_free(&binary->line);
	buf_free(&binary->group);
	buf_free(&binary->text);
	free(binary);
	return NULL;
}

/* --- bodies --- */

static void
encode(struct smtp_binary *binary, struct span bytes, struct buf *out)
{
	while (bytes.len != 0) {
		size_t whole = bytes.len - bytes.len % GROUP;

		if (binary->group.len == 0 && whole != 0) {
			(void)base64_encode_body(span_take(&bytes, whole), out);
			continue;
		}
		(void)buf_span(&binary->group, span_take(&bytes, GROUP - binary->group.len));
		if (binary->group.len == GROUP) {
			(void)base64_encode_body(buf_get(&binary->group), out);
			buf_clear(&binary->group);
		}
	}
}

static void
put_encoded(struct smtp_binary *binary, struct span bytes, struct buf *out)
{
	if (binary->held.len == 1 && span_starts(bytes, SPAN("\n"))) {
		binary->held = SPAN("\r\n");
		bytes = span_skip(bytes, 1);
	}
	if (bytes.len == 0)
		return;
	encode(binary, binary->held, out);
	binary->held = span_ends(bytes, SPAN("\r\n")) ? SPAN("\r\n") :
	    span_ends(bytes, SPAN("\r"))               ? SPAN("\r") :
							SPAN_NULL;
	encode(binary, span_make(bytes.ptr, bytes.len - binary->held.len), out);
}

/* Text stays readable: quoted-printable, line by line. */
static void
put_quoted(struct smtp_binary *binary, struct span bytes, struct buf *out)
{
	while (bytes.len != 0) {
		ptrdiff_t lf = span_chr(bytes, '\n');
		size_t wanted = lf < 0 ? bytes.len : (size_t)lf + 1, room = TEXT_HELD_MAX - binary->text.len;
		bool cr;

		(void)buf_span(&binary->text, span_take(&bytes, wanted < room ? wanted : room));
		cr = span_ends(buf_get(&binary->text), SPAN("\r"));
		if (span_ends(buf_get(&binary->text), SPAN("\n"))) {
			(void)quoted_printable_encode(buf_get(&binary->text), out);
			buf_clear(&binary->text);
		} else if (binary->text.len == TEXT_HELD_MAX) {
			/* The CR may belong to the end of the line. */
			(void)quoted_printable_encode(span_make(binary->text.data, TEXT_HELD_MAX - cr), out);
			(void)buf_str(out, "=\r\n");
			buf_drop(&binary->text, TEXT_HELD_MAX - cr);
		}
	}
}

/* The part ends here, before a delimiter or at the end of the message. */
static void
end_body(struct smtp_binary *binary, struct buf *out)
{
	/* A CRLF that is held is the delimiter's: the last line of base64 ends with one. */
	if (binary->held.len == 1)
		encode(binary, binary->held, out);
	binary->held = SPAN_NULL;
	if (binary->phase == ENCODED)
		(void)base64_encode_body(buf_get(&binary->group), out);
	buf_clear(&binary->group);
	(void)quoted_printable_encode(buf_get(&binary->text), out);
	buf_clear(&binary->text);
}

/* --- headers --- */

/* What the header says of its body, and what is done about it. */
struct kind {
	bool multipart, message; /* parts, or another header, follow */
	bool encoded;            /* the header gets another encoding */
	bool text;               /* in quoted-printable */
};

/* Content-Type is this one, whatever its parameters. */
static bool
is_type(struct span value, struct span type)
{
	return span_istarts(value, type) && (value.len == type.len || span_chr(SPAN(";( \t\r\n"), value.ptr[type.len]) >= 0);
}

/* Enters the multipart. False when it has no boundary that can be looked for. */
static bool
open_multipart(struct smtp_binary *binary, struct span value)
{
	struct parameter_list parameters;
	struct span boundary;
	bool known;

	parameter_list_parse(value, PARAMETER_RAW, &parameters);
	boundary = parameter_get(&parameters, SPAN("boundary"));
	known = boundary.len != 0 && boundary.len <= SMTP_BINARY_BOUNDARY_MAX && binary->depth < SMTP_BINARY_DEPTH_MAX;
	if (known)
		binary->boundaries[binary->depth++] = span_dup(boundary);
	parameter_list_free(&parameters);
	return known;
}

static struct kind
read_header(struct smtp_binary *binary, struct span block)
{
	struct header_field field;
	struct kind kind = { .encoded = false };
	struct span encoding = SPAN_NULL, type = SPAN_NULL;
	bool lines = binary->form == SMTP_BINARY_LINES, global, eight_bit, opened;

	if (header_find(block, SPAN("Content-Transfer-Encoding"), &field)) {
		encoding = field.value;
		header_skip_cfws(&encoding);
	}
	/* RFC 2045 section 5.2: without the field it is text. */
	if (header_find(block, SPAN("Content-Type"), &field)) {
		type = field.value;
		header_skip_cfws(&type);
	}
	/* RFC 6532 section 3.7, RFC 6533 sections 4 and 5: these may be encoded, messages or not. Headers and reports are none. */
	global = is_type(type, SPAN("message/global"));
	eight_bit = span_istarts(encoding, SPAN("8bit")) &&
	    (binary->form == SMTP_BINARY_SEVEN_BIT || (!lines && (global || span_istarts(type, SPAN("message/global-")))));
	kind.encoded = binary->kept == 0 && (eight_bit || span_istarts(encoding, SPAN("binary")));
	kind.text = kind.encoded && eight_bit && (type.ptr == NULL || span_istarts(type, SPAN("text/")));
	kind.message = is_type(type, SPAN("message/rfc822")) ||
	    (global && (lines || !kind.encoded) && !span_istarts(encoding, SPAN("base64")) && !span_istarts(encoding, SPAN("quoted-printable")));
	kind.multipart = span_istarts(type, SPAN("multipart/"));
	opened = kind.multipart && open_multipart(binary, type);
	if (!lines && is_type(type, SPAN("multipart/signed"))) {
		kind.encoded = false;
		if (opened && binary->kept == 0)
			binary->kept = binary->depth;
	}
	return kind;
}

/* The header as it was, but for its encoding. */
static void
put_header(struct span block, const char *encoding, struct buf *out)
{
	struct header_field field;
	struct header_iter iter;
	size_t end = 0;

	header_begin(&iter, block);
	while (header_next(&iter, &field)) {
		if (span_ieq(field.name, SPAN("Content-Transfer-Encoding")))
			(void)buf_fmt(out, "Content-Transfer-Encoding: %s\r\n", encoding);
		else
			(void)buf_span(out, field.whole);
		end = field.at + field.whole.len;
	}
	(void)buf_span(out, span_skip(block, end));
}

/* Nothing more of the header will come. */
static void
drop_header(struct smtp_binary *binary)
{
	struct span block = buf_get(&binary->header);

	binary->utf8_header |= !span_is_ascii(block);
	binary->needs_utf8 |= !span_is_ascii(block) && span_is_utf8(block);
	buf_clear(&binary->header);
}

/* The empty line has come. */
static void
end_header(struct smtp_binary *binary, struct buf *out)
{
	struct span block = buf_get(&binary->header);
	struct kind kind = read_header(binary, block);
	bool composite = kind.multipart || kind.message;

	if (kind.encoded)
		put_header(block, kind.text ? "quoted-printable" : !composite ? "base64" : binary->form == SMTP_BINARY_SEVEN_BIT ? "7bit" : "8bit", out);
	else
		(void)buf_span(out, block);
	drop_header(binary);
	binary->changed |= kind.encoded;
	binary->phase = kind.message ? HEADER : kind.text ? QUOTED : kind.encoded && !composite ? ENCODED : COPIED;
}

/* --- lines --- */

/* How deep the delimiter that this line is belongs, and whether it is the last; 0: it is none. */
static size_t
delimiter_depth(const struct smtp_binary *binary, struct span line, bool *ret_last)
{
	if (!span_starts(line, SPAN("--")))
		return 0;
	line = span_trim(span_skip(line, 2));
	for (size_t depth = binary->depth; depth > 0; depth--) {
		struct span boundary = span_of(binary->boundaries[depth - 1]);

		*ret_last = line.len == boundary.len + 2 && span_ends(line, SPAN("--"));
		if (span_starts(line, boundary) && (line.len == boundary.len || *ret_last))
			return depth;
	}
	return 0;
}

/* Bytes that are no delimiter. 0 or -EMSGSIZE. */
static int
put_bytes(struct smtp_binary *binary, struct span bytes, struct buf *out)
{
	switch (binary->phase) {
	case HEADER: return buf_span(&binary->header, bytes);
	case ENCODED: put_encoded(binary, bytes, out); return 0;
	case QUOTED: put_quoted(binary, bytes, out); return 0;
	default: (void)buf_span(out, bytes); return 0;
	}
}

/* A line with its CRLF, or the last without, that is short enough for a delimiter. */
static int
take_line(struct smtp_binary *binary, struct span line, struct buf *out)
{
	bool last = false;
	size_t depth = delimiter_depth(binary, line, &last);
	int r;

	if (depth == 0) {
		r = put_bytes(binary, line, out);
		if (r == 0 && binary->phase == HEADER && span_eq(line, SPAN("\r\n")))
			end_header(binary, out);
		return r;
	}
	(void)buf_span(out, buf_get(&binary->header)); /* one without its empty line */
	drop_header(binary);
	end_body(binary, out);
	(void)buf_span(out, line);
	close_to(binary, last ? depth - 1 : depth);
	binary->phase = last ? COPIED : HEADER;
	return 0;
}

/* True while the line that comes in may be a delimiter or the end of a header. */
static bool
is_open(const struct smtp_binary *binary)
{
	struct span line = buf_get(&binary->line);

	return line.len < LINE_MAX_LEN && !span_ends(line, SPAN("\n")) &&
	    (line.len < 2 || binary->phase == HEADER || span_starts(line, SPAN("--")));
}

/* At the beginning of a line: collects as much of it as must be seen. */
static int
begin_line(struct smtp_binary *binary, struct span *piece, struct buf *out)
{
	int r;

	while (piece->len != 0 && is_open(binary))
		(void)buf_span(&binary->line, span_take(piece, 1));
	if (is_open(binary))
		return 0;
	binary->inside = !span_ends(buf_get(&binary->line), SPAN("\r\n"));
	binary->after_cr = span_ends(buf_get(&binary->line), SPAN("\r"));
	r = binary->inside ? put_bytes(binary, buf_get(&binary->line), out) :
			     take_line(binary, buf_get(&binary->line), out);
	buf_clear(&binary->line);
	return r;
}

static int
go_on_with_line(struct smtp_binary *binary, struct span *piece, struct buf *out)
{
	ptrdiff_t lf = span_chr(*piece, '\n');
	struct span bytes = span_take(piece, lf < 0 ? piece->len : (size_t)lf + 1);

	binary->inside = !(span_ends(bytes, SPAN("\r\n")) ||
	    (binary->after_cr && span_eq(bytes, SPAN("\n"))));
	binary->after_cr = span_ends(bytes, SPAN("\r"));
	return put_bytes(binary, bytes, out);
}

int
smtp_binary_put(struct smtp_binary *binary, struct span piece, struct buf *out)
{
	int r = 0;

	while (r == 0 && piece.len != 0)
		r = binary->inside ? go_on_with_line(binary, &piece, out) :
				     begin_line(binary, &piece, out);
	return r;
}

void
smtp_binary_end(struct smtp_binary *binary, struct buf *out)
{
	(void)take_line(binary, buf_get(&binary->line), out);
	(void)buf_span(out, buf_get(&binary->header));
	drop_header(binary);
	encode(binary, binary->held, out); /* no delimiter followed */
	binary->held = SPAN_NULL;
	end_body(binary, out);
}

bool
smtp_binary_utf8_header(const struct smtp_binary *binary)
{
	return binary->utf8_header;
}

bool
smtp_binary_needs_utf8(const struct smtp_binary *binary)
{
	return binary->needs_utf8;
}

bool
smtp_binary_changed(const struct smtp_binary *binary)
{
	return binary->changed;
}
