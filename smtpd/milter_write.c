/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Packets for milters. */
#include "smtpd/milter.h"

void
milter_put_u32(struct buf *out, uint32_t value)
{
	const uint8_t bytes[] = { (uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value };

	(void)buf_put(out, bytes, sizeof(bytes));
}

size_t
milter_begin(struct buf *out, char command)
{
	size_t at = out->len;

	milter_put_u32(out, 0);
	(void)buf_char(out, command);
	return at;
}

void
milter_end(struct buf *out, size_t at)
{
	uint32_t len;

	if (out->overflow)
		return;
	len = (uint32_t)(out->len - at - sizeof(len));
	for (size_t i = 0; i < sizeof(len); i++)
		out->data[at + i] = (char)(uint8_t)(len >> (24 - 8 * i));
}

void
milter_put_text(struct buf *out, struct span text)
{
	ptrdiff_t nul = span_chr(text, '\0');

	if (nul >= 0)
		text.len = (size_t)nul;
	(void)buf_span(out, text);
	(void)buf_char(out, '\0');
}

void
milter_put_negotiation(struct buf *out)
{
	size_t at = milter_begin(out, 'O');

	milter_put_u32(out, MILTER_VERSION);
	milter_put_u32(out, MILTER_ACTIONS);
	milter_put_u32(out, MILTER_OPTIONS);
	milter_end(out, at);
}

void
milter_put_macros(struct buf *out, char command, const struct milter_macro *macros)
{
	size_t at = milter_begin(out, 'D'), empty;

	(void)buf_char(out, command);
	empty = out->len;
	for (; macros->name != NULL; macros++)
		if (macros->value.len != 0) {
			milter_put_text(out, span_of(macros->name));
			milter_put_text(out, macros->value);
		}
	if (out->len == empty && !out->overflow)
		buf_truncate(out, at);
	else
		milter_end(out, at);
}
