/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Whole messages: parts lie inside each other in order, counts are those of the bytes, numbers lead back, what IMAP shows is balanced, decoded
 * text is UTF-8. */
#include <stdlib.h>

#include "common/crlf.h"
#include "common/imap_bodystructure.h"
#include "common/imap_envelope.h"
#include "common/mime_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool ok)
{
	if (!ok)
		abort();
}

static void
check_part(const struct mime_message *message, uint32_t index)
{
	const struct mime_part *part = &message->parts[index];
	struct buf number = BUF_INIT(1000), name = BUF_INIT(1 << 20);
	uint64_t lines = 0;

	check(part->header_at + part->header_len == part->body_at && part->body_at + part->body_len <= message->bytes.len);
	check(crlf_size(mime_body(message, part)) == part->body_len + part->body_bare);
	check(crlf_size(mime_header(message, part)) == part->header_len + part->header_bare);
	for (uint64_t i = 0; i < part->body_len; i++)
		lines += message->bytes.ptr[part->body_at + i] == '\n';
	check(lines == part->body_lines);
	if (index != 0) {
		const struct mime_part *parent = &message->parts[part->parent];

		check(part->parent < index && parent->depth + 1 == part->depth && part->number <= parent->children);
		check(part->header_at >= parent->body_at && part->body_at + part->body_len <= parent->body_at + parent->body_len);
		check(parent->kind == MIME_MULTIPART || (parent->kind == MIME_MESSAGE && parent->children == 1));
	}
	check(part->kind == MIME_MESSAGE ? part->children == 1 : part->kind != MIME_LEAF || part->children == 0);
	check(part->next == MIME_NONE || message->parts[part->next].parent == part->parent);
	check(mime_number(message, index, &number) == 0);
	if (index == 0 || message->parts[part->parent].kind != MIME_MESSAGE)
		check(mime_find_number(message, buf_get(&number)) == (number.len == 0 ? 0 : index));
	if (mime_filename(part, &name))
		check(span_is_utf8(buf_get(&name)) && span_chr(buf_get(&name), '/') < 0 && span_chr(buf_get(&name), '\n') < 0);
	buf_free(&number);
	buf_free(&name);
}

/* Brackets outside of strings are balanced; strings hold what they may; literals are as long as they say. */
static void
check_imap(struct span text)
{
	long depth = 0;

	while (text.len != 0) {
		char c = span_take(&text, 1).ptr[0];
		uint64_t len;

		check(((unsigned char)c & 0x80) == 0 && c != '\0' && c != '\r' && c != '\n');
		if (c == '(' || c == ')') {
			depth += c == '(' ? 1 : -1;
			check(depth >= 0);
		} else if (c == '"') {
			for (;;) {
				check(text.len != 0);
				c = span_take(&text, 1).ptr[0];
				check(((unsigned char)c & 0x80) == 0 && c != '\0' && c != '\r' && c != '\n');
				if (c == '"')
					break;
				if (c == '\\')
					(void)span_take(&text, 1);
			}
		} else if (c == '{') {
			check(span_take_u64(&text, text.len, &len) == 0 && span_eq(span_take(&text, 3), SPAN("}\r\n")));
			check(span_chr(span_take(&text, (size_t)len), '\0') < 0);
		}
	}
	check(depth == 0);
}

/* Lines lie in the text one after the other, and cut no character. */
static void
check_lines(struct span text, struct flowed_format format)
{
	struct span rest = text;
	const char *last = text.ptr;
	struct flowed_line line;

	while (flowed_take(&rest, format, &line)) {
		check(line.text.ptr >= last && line.text.ptr + line.text.len <= text.ptr + text.len && span_is_utf8(line.text));
		check(!line.soft || (format.flowed && rest.len != 0));
		last = line.text.ptr + line.text.len;
	}
	check(rest.len == 0);
}

static void
check_text(const struct mime_message *message, uint32_t index)
{
	struct buf text = BUF_INIT(1 << 22), plain = BUF_INIT(1 << 22), body = BUF_INIT(1 << 22), pieces = BUF_INIT(1 << 22);
	struct mime_decoder decoder;

	check(mime_text_decode(message, index, &text) >= 0);
	check(span_is_utf8(buf_get(&text)) && span_chr(buf_get(&text), '\0') < 0);
	check_lines(buf_get(&text), mime_text_format(&message->parts[index]));
	check_lines(buf_get(&text), (struct flowed_format){ true, index % 2 == 0 });
	check(mime_html_to_text(buf_get(&text), &plain) == 0);
	check(span_is_utf8(buf_get(&plain)));
	check(mime_body_decode(message, index, &body) == 0);
	mime_decoder_init(&decoder, message, index);
	while (mime_decoder_take(&decoder, 1025, &pieces) != 0)
		continue;
	check(span_eq(buf_get(&body), buf_get(&pieces)));
	buf_free(&text);
	buf_free(&plain);
	buf_free(&body);
	buf_free(&pieces);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mime_message *message = mime_parse(span_make(data, size));
	struct buf out = BUF_INIT(1 << 24), preview = BUF_INIT(MIME_PREVIEW_SIZE);

	check(message->count >= 1 && message->count <= MIME_PARTS_MAX);
	for (uint32_t i = 0; i < message->count; i++) {
		check_part(message, i);
		if (i < 4)
			check_text(message, i);
	}
	check(imap_bodystructure_append(&out, message, data != NULL && size % 2 != 0, 0) == 0);
	(void)buf_char(&out, ' ');
	check(imap_envelope_append(&out, mime_header(message, &message->parts[0]), 0) == 0);
	check_imap(buf_get(&out));
	check(mime_preview(message, &preview) == 0 && span_is_utf8(buf_get(&preview)));
	message = mime_free(message);
	buf_free(&out);
	buf_free(&preview);
	return 0;
}
