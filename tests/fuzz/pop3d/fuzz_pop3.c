/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* POP3 after login, and the way out of a message: commands up to an empty line, the rest is a
 * message's text. */
#include <assert.h>

#include "pop3d/pop3_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define COUNT 5

static void
run_commands(struct span *input)
{
	struct pop3_message messages[COUNT];
	struct pop3_state state = { .messages = messages, .count = COUNT, .uidvalidity = 7 };
	struct buf out = BUF_INIT(POP3_REPLY_MAX);
	struct span line;
	size_t used;

	for (uint32_t i = 0; i < COUNT; i++)
		messages[i] = (struct pop3_message){ .uid = i + 1, .size = i * 1000 };
	pop3_state_begin(&state, &out);
	while (pop3_take_line(*input, &used, &line)) {
		struct pop3_request request;

		*input = span_skip(*input, used);
		if (line.len == 0)
			break;
		buf_clear(&out);
		request = pop3_state_line(&state, line, &out);
		if (request.action == POP3_LISTING)
			while (pop3_listing(&state, 10, &out))
				continue;
		if (request.action == POP3_RETRIEVE) {
			assert(request.index < COUNT && !messages[request.index].deleted);
			pop3_retrieved(&state, &request, &out);
		}
		if (request.action == POP3_UPDATE)
			pop3_updated(&state, 0, &out);
		assert(!out.overflow && out.len != 0 && span_ends(buf_get(&out), SPAN("\r\n")));
		if (request.action == POP3_CLOSE || request.action == POP3_UPDATE)
			break;
	}
	buf_free(&out);
}

/* What goes out ends with the only line that is a lone dot, and has no bare LF. */
static void
send_text(struct span text, const uint64_t *lines)
{
	struct buf out = BUF_INIT(2 * text.len + 16);
	struct pop3_dot dot;

	pop3_dot_begin(&dot, lines);
	for (struct span rest = text; rest.len != 0;)
		pop3_dot_put(&dot, span_take(&rest, 7), &out);
	pop3_dot_end(&dot, &out);
	assert(!out.overflow && span_ends(buf_get(&out), SPAN(".\r\n")));
	for (size_t i = 0; i < out.len; i++) {
		if (out.data[i] != '\n')
			continue;
		assert(i != 0 && out.data[i - 1] == '\r');
		if (i + 1 < out.len && out.data[i + 1] == '.')
			assert(i + 4 == out.len || out.data[i + 2] == '.');
	}
	buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span input = span_make(data, size);
	uint64_t lines = size;

	run_commands(&input);
	send_text(input, NULL);
	send_text(input, &lines);
	lines = 0;
	send_text(input, &lines);
	return 0;
}
