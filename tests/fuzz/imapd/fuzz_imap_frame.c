/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The whole pure path: bytes to frames to commands, in one piece and in small ones, which must give the same commands. */
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/xalloc.h"
#include "imapd/imap_frame_parse.h"
#include "imapd/imap_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct imap_frame_limits limits = { .line = 300, .literal = 100, .command = 600, .count = 4, .messages = true };

static void
understand(struct span text, struct buf *events)
{
	static const struct imap_place place = { .selected = true };
	struct imap_arena arena = { .max = 1 << 16 };
	struct imap_command command;
	char *copy = xmalloc(text.len + 1);
	struct imap_parser parser = { .at = copy, .end = copy + text.len, .arena = &arena };

	memcpy(copy, text.ptr, text.len);
	(void)buf_fmt(events, " %d", (int)imap_understand(&parser, &place, &command));
	imap_arena_free(&arena);
	free(copy);
}

/* Stops at the first thing after which a server would skip or close. */
static void
run(struct span input, size_t piece, struct buf *events)
{
	struct imap_frame frame = { 0 };
	struct imap_frame_result found;
	size_t start = 0, end = 0;

	for (;;) {
		found = imap_frame_next(&frame, span_make(input.ptr + start, end - start), &limits);
		if (found.length > end - start)
			abort();
		if (found.event == IMAP_FRAME_MORE) {
			if (end == input.len)
				return;
			end = end + piece < input.len ? end + piece : input.len;
			continue;
		}
		(void)buf_fmt(events, "%d", (int)found.event);
		if (found.event == IMAP_FRAME_CONTINUE)
			continue;
		if (found.event == IMAP_FRAME_COMMAND || found.event == IMAP_FRAME_MESSAGE)
			understand(span_make(input.ptr + start, found.length), events);
		if (found.event != IMAP_FRAME_COMMAND)
			return;
		start += found.length;
		frame = (struct imap_frame){ 0 };
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = BUF_INIT(1 << 20), pieces = BUF_INIT(1 << 20);
	struct span input;

	if (size < 1 || size > 4000)
		return 0;
	input = span_make(data + 1, size - 1);
	run(input, input.len + 1, &whole);
	run(input, 1 + data[0] % 16, &pieces);
	if (!span_eq(buf_get(&whole), buf_get(&pieces)))
		abort();
	buf_free(&whole);
	buf_free(&pieces);
	return 0;
}
