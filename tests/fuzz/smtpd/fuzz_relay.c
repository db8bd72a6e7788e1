/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What another host says: read at once or byte by byte, it is the same replies. */
#include <stdlib.h>

#include "smtpd/relay_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* So much is there at first, and more when it is asked for. Returns what relay_reply_input did last. */
static int
read_reply(struct relay_reply *reply, struct span *input, size_t there)
{
	int r = 1;

	while (r == 1 && there <= input->len) {
		size_t used = 0;

		r = relay_reply_input(reply, span_make(input->ptr, there), &used);
		if (used > there)
			abort();
		*input = span_skip(*input, used);
		there = there - used + 1;
	}
	return r;
}

static void
look(const struct relay_reply *reply)
{
	struct span text = buf_get(&reply->text);

	if (reply->code < 100 || reply->code > 999 || text.len > RELAY_TEXT_MAX)
		abort();
	(void)relay_parse_offer(text);
	for (unsigned class = 2; class <= 5; class++)
		if (relay_parse_status(text, class).len > text.len)
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct span whole = span_make(bytes, len), pieces = whole;
	struct relay_reply first, second;
	int r = 0;

	relay_reply_init(&first);
	relay_reply_init(&second);
	while (r == 0 && whole.len != 0) {
		relay_reply_clear(&first);
		relay_reply_clear(&second);
		r = read_reply(&first, &whole, whole.len);
		if (read_reply(&second, &pieces, 1) != r)
			abort();
		if (r != 0)
			break;
		if (first.code != second.code || !span_eq(buf_get(&first.text), buf_get(&second.text)) || whole.len != pieces.len)
			abort();
		look(&first);
	}
	relay_reply_free(&first);
	relay_reply_free(&second);
	return 0;
}
