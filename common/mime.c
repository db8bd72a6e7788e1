/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The MIME parser: lines in, a flat array of parts out. The parts that are still open, from the message down to the one that the line
 * belongs to, stand on a stack of bounded depth; nothing recurses and no byte is read more than twice. */
#include "common/mime.h"

#include <stdlib.h>

#include "common/mime_internal.h"
#include "common/parameter.h"
#include "common/xalloc.h"

/* Line ends up to some offset. */
struct count {
	uint64_t lines, bare;
};

/* A part whose end is not known yet. */
struct open {
	uint32_t index;
	struct count start;   /* at the start of its header, then of its body */
	bool in_header;
	char *boundary;       /* of a multipart until its last delimiter; owned */
	size_t boundary_len;
	uint64_t head, mask;  /* its first eight bytes: most lines that are none differ there */
};

struct parser {
	struct mime_message *message;
	size_t room;
	struct open open[MIME_DEPTH_MAX + 1];
	size_t depth;         /* how many are open */
	unsigned boundaries;  /* how many of them have one */
	uint64_t at;          /* start of the line */
	struct count count;   /* line ends before it */
	uint64_t before_len;  /* the line end just before it: 0, 1 or 2 bytes */
};

static struct open *
innermost(struct parser *parser)
{
	return &parser->open[parser->depth - 1];
}

static struct mime_part *
part_of(struct parser *parser, const struct open *open)
{
	return &parser->message->parts[open->index];
}

/* Opens a part at an offset, a child of the innermost one. False when there are too many. */
static bool
open_part(struct parser *parser, uint64_t at, struct count count)
{
	struct mime_message *message = parser->message;
	struct open *open = &parser->open[parser->depth];
	struct mime_part *part;

	if (message->count == MIME_PARTS_MAX || parser->depth > MIME_DEPTH_MAX) {
		message->cut = true;
		return false;
	}
	if (message->count == parser->room) {
		parser->room = parser->room != 0 ? parser->room * 2 : 8;
		message->parts = xreallocarray(message->parts, parser->room, sizeof(*message->parts));
	}
	part = &message->parts[message->count];
	*part = (struct mime_part){
		.header_at = at, .body_at = at, .parent = MIME_NONE, .next = MIME_NONE, .number = 1, .depth = (uint16_t)parser->depth,
	};
	*open = (struct open){ .index = message->count, .start = count, .in_header = true };
	if (parser->depth != 0) {
		struct mime_part *parent = part_of(parser, open - 1);

		part->parent = open[-1].index;
		part->number = ++parent->children;
	}
	message->count++;
	parser->depth++;
	return true;
}

static void
drop_boundary(struct parser *parser, struct open *open)
{
	if (open->boundary == NULL)
		return;
	free(open->boundary);
	open->boundary = NULL;
	parser->boundaries--;
}

static void
set_boundary(struct parser *parser, struct open *open, struct buf *boundary)
{
	open->boundary_len = boundary->len;
	open->boundary = buf_take(boundary);
	open->head = open->mask = 0;
	memcpy(&open->head, open->boundary, open->boundary_len < 8 ? open->boundary_len : 8);
	memset(&open->mask, 0xff, open->boundary_len < 8 ? open->boundary_len : 8);
	parser->boundaries++;
}

/* The header block is complete: what the part is follows from it. */
static void
end_header(struct parser *parser, uint64_t end, struct count count)
{
	struct open *open = innermost(parser);
	struct mime_message *message = parser->message;
	struct mime_part *part = part_of(parser, open);
	bool in_digest = part->parent != MIME_NONE && message->parts[part->parent].kind == MIME_MULTIPART &&
	    span_ieq(message->parts[part->parent].subtype, SPAN("digest"));
	struct buf boundary = BUF_INIT(MIME_BOUNDARY_MAX);

	open->in_header = false;
	part->header_len = end - part->header_at;
	part->header_bare = count.bare - open->start.bare;
	part->body_at = end;
	open->start = count;
	mime_read_header(part, mime_header(message, part), in_digest, &boundary);
	if (part->kind != MIME_LEAF && (part->depth == MIME_DEPTH_MAX || message->count == MIME_PARTS_MAX)) {
		mime_set_undivided(part);
		message->cut = true;
	}
	if (part->kind == MIME_MULTIPART)
		set_boundary(parser, open, &boundary);
	buf_free(&boundary);
	if (part->kind == MIME_MESSAGE)
		(void)open_part(parser, end, count);
}

/* The part ends before an empty line came: the first line that is no field begins its body. */
static void
end_header_early(struct parser *parser)
{
	struct open *open = innermost(parser);
	uint64_t start = part_of(parser, open)->header_at, end = start;
	struct count count = open->start;

	if (parser->at != start)
		end += header_fields_size(span_make(parser->message->bytes.ptr + start, (size_t)(parser->at - start)));
	for (uint64_t i = start; i < end; i++) {
		if (parser->message->bytes.ptr[i] != '\n')
			continue;
		count.lines++;
		count.bare += i == start || parser->message->bytes.ptr[i - 1] != '\r';
	}
	end_header(parser, end, count);
}

/* The innermost part ends at an offset. The line end before a boundary is not the body's, unless it is the one that ended the header: then
 * the offset moves behind it, for the parts around this one hold all of its header. */
static void
close_part(struct parser *parser, uint64_t *end, struct count *count)
{
	struct open *open;
	struct mime_part *part;

	/* A message/rfc822 part opens one more, whose header ends here as well. */
	while (innermost(parser)->in_header)
		end_header_early(parser);
	open = innermost(parser);
	part = part_of(parser, open);
	if (*end < part->body_at) {
		*end = part->body_at;
		*count = open->start;
	}
	part->body_len = *end - part->body_at;
	part->body_lines = count->lines - open->start.lines;
	part->body_bare = count->bare - open->start.bare;
	drop_boundary(parser, open);
	parser->depth--;
}

/* RFC 2046 section 5.1.1: the boundary need only begin the line; of several the longest counts, then the innermost. Its place on the stack,
 * or -1. */
static int
find_boundary(const struct parser *parser, struct span line)
{
	struct span text = span_skip(line, 2);
	uint64_t head = 0;
	int found = -1;

	if (text.len != 0)
		memcpy(&head, text.ptr, text.len < 8 ? text.len : 8);
	for (int i = (int)parser->depth - 1; i >= 0; i--) {
		const struct open *open = &parser->open[i];

		if (open->boundary == NULL || ((open->head ^ head) & open->mask) != 0 || open->boundary_len > text.len ||
		    (found >= 0 && open->boundary_len <= parser->open[found].boundary_len))
			continue;
		if (memcmp(open->boundary, text.ptr, open->boundary_len) == 0)
			found = i;
	}
	return found;
}

static void
take_delimiter(struct parser *parser, size_t level, struct span line, const struct count *after)
{
	struct count end = parser->count;
	uint64_t end_at = parser->at - parser->before_len;
	struct open *open = &parser->open[level];

	/* The line end before it, which is the boundary's. */
	end.lines -= parser->before_len != 0;
	end.bare -= parser->before_len == 1;
	while (parser->depth > level + 1)
		close_part(parser, &end_at, &end);
	if (span_starts(span_skip(line, 2 + open->boundary_len), SPAN("--")))
		drop_boundary(parser, open);
	else
		(void)open_part(parser, parser->at + line.len, *after);
}

static bool
is_empty_line(struct span line)
{
	return span_eq(line, SPAN("\n")) || span_eq(line, SPAN("\r\n"));
}

/* True when the part that the line stands in, or one around it, ends with it. After the last part that may be, nothing ends any more: the
 * rest of the message is the last one's. */
static bool
is_delimiter(const struct parser *parser, struct span line, size_t *ret_level)
{
	int level;

	if (parser->boundaries == 0 || !span_starts(line, SPAN("--")) || parser->message->count == MIME_PARTS_MAX)
		return false;
	level = find_boundary(parser, line);
	*ret_level = level >= 0 ? (size_t)level : 0;
	return level >= 0;
}

static void
take_line(struct parser *parser, struct span line)
{
	bool ended = line.ptr[line.len - 1] == '\n', bare = ended && (line.len == 1 || line.ptr[line.len - 2] != '\r');
	struct count after = { parser->count.lines + ended, parser->count.bare + bare };
	size_t level;

	if (is_delimiter(parser, line, &level))
		take_delimiter(parser, level, line, &after);
	else if (innermost(parser)->in_header && is_empty_line(line))
		end_header(parser, parser->at + line.len, after);
	parser->at += line.len;
	parser->count = after;
	parser->before_len = ended ? bare ? 1 : 2 : 0;
}

/* Siblings know each other: the array is in order, so walking it backwards meets the next one first. */
static void
link_siblings(struct mime_message *message)
{
	uint32_t *newest = xreallocarray(NULL, message->count, sizeof(*newest));

	memset(newest, 0xff, message->count * sizeof(*newest)); /* MIME_NONE */
	for (uint32_t i = message->count; i-- > 1;) {
		message->parts[i].next = newest[message->parts[i].parent];
		newest[message->parts[i].parent] = i;
	}
	free(newest);
}

struct mime_message *
mime_parse(struct span bytes)
{
	struct mime_message *message = xcalloc(1, sizeof(*message));
	struct parser *parser = xcalloc(1, sizeof(*parser));
	struct span rest = bytes;

	message->bytes = bytes;
	parser->message = message;
	(void)open_part(parser, 0, parser->count);
	while (rest.len != 0) {
		ptrdiff_t newline = span_chr(rest, '\n');

		take_line(parser, span_take(&rest, newline >= 0 ? (size_t)newline + 1 : rest.len));
	}
	while (parser->depth != 0)
		close_part(parser, &parser->at, &parser->count);
	free(parser);
	link_siblings(message);
	return message;
}

struct mime_message *
mime_free(struct mime_message *message)
{
	if (message != NULL)
		free(message->parts);
	free(message);
	return NULL;
}
