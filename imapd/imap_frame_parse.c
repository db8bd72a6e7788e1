/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Where a command ends, and what must be done before the rest of it comes. */
#include "imapd/imap_frame_parse.h"

#include <errno.h>

/* A literal of 4 GB or more is out of every bound; 63 bits keep sums exact. */
#define LITERAL_MAX INT64_MAX

static bool
is_tag_char(char c)
{
	return (unsigned char)c > ' ' && (unsigned char)c < 0x7f && strchr("(){%*\"\\+", c) == NULL;
}

struct span
imap_frame_tag(struct span text)
{
	size_t len = 0;

	while (len < text.len && len < 64 && is_tag_char(text.ptr[len]))
		len++;
	if (len == 0 || len >= text.len || (text.ptr[len] != ' ' && text.ptr[len] != '\r' && text.ptr[len] != '\n'))
		return SPAN("*");
	return span_make(text.ptr, len);
}

int
imap_frame_literal(struct span line, uint64_t *ret_size, bool *ret_sync)
{
	size_t at, digits_end;

	if (line.len < 2 || line.ptr[line.len - 1] != '}')
		return 0;
	digits_end = line.len - 1;
	*ret_sync = true;
	if (digits_end > 0 && (line.ptr[digits_end - 1] == '+' || line.ptr[digits_end - 1] == '-')) {
		/* RFC 7888 has "+" alone; an early draft's "-" meant the same. */
		*ret_sync = false;
		digits_end--;
	}
	at = digits_end;
	while (at > 0 && ascii_is_digit(line.ptr[at - 1]))
		at--;
	if (at == 0 || line.ptr[at - 1] != '{')
		return 0;
	if (span_to_u64(span_make(line.ptr + at, digits_end - at), LITERAL_MAX, ret_size) != 0)
		return -EINVAL;
	return 1;
}

/* RFC 3501 section 6.3.11: the message is APPEND's literal after the mailbox; one directly after the command's name is the
 * mailbox itself. */
static bool
awaits_message(struct span command)
{
	struct span rest = command, word;

	if (!span_split(&rest, ' ', &word) || !span_split(&rest, ' ', &word) || !span_ieq(word, SPAN("APPEND")))
		return false;
	return rest.len > 0 && rest.ptr[0] != '{' && rest.ptr[0] != '~';
}

/* After "APPEND {5}\r\nINBOX (\Seen) {300}" the message's literal is the second one. */
static bool
awaits_message_after_mailbox(struct span command, unsigned literals)
{
	struct span rest = command, word;

	return literals == 1 && span_split(&rest, ' ', &word) && span_split(&rest, ' ', &word) &&
	    span_ieq(word, SPAN("APPEND"));
}

static struct imap_frame_result
result(enum imap_frame_event event, size_t length)
{
	return (struct imap_frame_result){ .event = event, .length = length };
}

static struct imap_frame_result
literal_found(struct imap_frame *frame, struct span input, size_t line_end, uint64_t size, bool sync,
    const struct imap_frame_limits *limits)
{
	struct imap_frame_result found = { .length = line_end, .literal = size, .sync = sync };
	struct span before = span_make(input.ptr, line_end);

	if (limits->messages &&
	    ((frame->count == 0 && awaits_message(before)) || awaits_message_after_mailbox(before, frame->count))) {
		found.event = IMAP_FRAME_MESSAGE;
		return found;
	}
	if (size > limits->literal || line_end + size > limits->command || frame->count >= limits->count) {
		found.event = IMAP_FRAME_TOO_BIG;
		return found;
	}
	frame->count++;
	frame->literals += size;
	frame->line_start = frame->scanned = line_end + size;
	found.event = IMAP_FRAME_CONTINUE;
	return found;
}

struct imap_frame_result
imap_frame_next(struct imap_frame *frame, struct span input, const struct imap_frame_limits *limits)
{
	struct imap_frame_result found;
	ptrdiff_t newline;
	size_t text_end;
	uint64_t size;
	bool sync;
	int rc;

	for (;;) {
		if (input.len <= frame->scanned) {
			if (input.len > limits->line + frame->literals)
				return result(IMAP_FRAME_TOO_LONG, frame->line_start);
			return result(IMAP_FRAME_MORE, 0);
		}
		newline = span_chr(span_skip(input, frame->scanned), '\n');
		if (newline < 0) {
			frame->scanned = input.len;
			continue;
		}
		text_end = frame->scanned + (size_t)newline;
		if (text_end + 1 > limits->line + frame->literals)
			return result(IMAP_FRAME_TOO_LONG, frame->line_start);
		frame->scanned = text_end + 1;
		if (text_end > frame->line_start && input.ptr[text_end - 1] == '\r')
			text_end--;
		rc = imap_frame_literal(span_make(input.ptr + frame->line_start, text_end - frame->line_start), &size, &sync);
		if (rc < 0)
			return result(IMAP_FRAME_BAD_LITERAL, frame->scanned);
		if (rc == 0)
			return result(IMAP_FRAME_COMMAND, frame->scanned);
		found = literal_found(frame, input, frame->scanned, size, sync, limits);
		if (found.event != IMAP_FRAME_CONTINUE || sync)
			return found;
	}
}
