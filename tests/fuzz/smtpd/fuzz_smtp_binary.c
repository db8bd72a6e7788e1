/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Binary messages in pieces: the first byte tells their length. What comes of one is the same however
 * it was cut. */
#include <stdint.h>
#include <stdlib.h>

#include "smtpd/smtp_binary.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

#define INPUT_MAX 65536

static void
convert(struct span input, size_t step, enum smtp_binary_form form, struct buf *out)
{
	struct smtp_binary *binary = smtp_binary_new(form);

	while (input.len != 0) {
		size_t before = out->len;
		struct span piece = span_take(&input, step);

		if (smtp_binary_put(binary, piece, out) < 0)
			break;
		if (out->len - before > SMTP_BINARY_ROOM(piece.len))
			abort();
	}
	smtp_binary_end(binary, out);
	if (out->overflow)
		abort();
	(void)smtp_binary_free(binary);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct span input = span_make(bytes, len < INPUT_MAX ? len : INPUT_MAX), how;
	enum smtp_binary_form form;
	struct buf whole = BUF_INIT(SMTP_BINARY_ROOM(INPUT_MAX)),
		   pieces = BUF_INIT(SMTP_BINARY_ROOM(INPUT_MAX));

	how = span_take(&input, 1);
	if (how.len == 0)
		return 0;
	form = (unsigned char)how.ptr[0] % 3;
	convert(input, INPUT_MAX, form, &whole);
	convert(input, 1 + (unsigned char)how.ptr[0], form, &pieces);
	if (!span_eq(buf_get(&whole), buf_get(&pieces)))
		abort();
	buf_free(&whole);
	buf_free(&pieces);
	return 0;
}
