/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Messages on their way out: RFC 5321 sections 2.3.8, 4.5.2 and 4.5.3.1.6. */
#include "smtpd/relay_data.h"

/* Up to here nothing needs to be cut. */
#define LINE_SAFE (RELAY_TEXT_LINE_MAX - 8)

static void
end_line(struct relay_data *data, struct buf *out)
{
	(void)buf_put(out, "\r\n", 2);
	data->column = 0;
}

/* How many of the bytes are one line's, and may be copied as they are. */
static size_t
plain_run(const struct relay_data *data, struct span bytes)
{
	size_t room = data->column < LINE_SAFE ? LINE_SAFE - data->column : 0;
	struct span run = span_make(bytes.ptr, bytes.len < room ? bytes.len : room);
	ptrdiff_t lf = span_chr(run, '\n'), cr;

	if (lf >= 0)
		run.len = (size_t)lf;
	cr = span_chr(run, '\r');
	return cr >= 0 ? (size_t)cr : run.len;
}

static void
put_run(struct relay_data *data, struct span run, struct buf *out)
{
	if (data->column == 0 && run.ptr[0] == '.' && !data->undotted)
		(void)buf_char(out, '.');
	(void)buf_span(out, run);
	data->column += run.len;
	data->after_cr = false;
}

/* An end of line, or what stands where a long one is cut. */
static void
put_byte(struct relay_data *data, char byte, struct buf *out)
{
	/* An UTF-8 character is kept whole where a long line is cut: within eight octets its end is found. */
	bool inside = ((unsigned char)byte & 0xc0) == 0x80 && data->column < RELAY_TEXT_LINE_MAX;
	bool belongs = byte == '\n' && data->after_cr;

	data->after_cr = byte == '\r';
	if (belongs)
		return;
	if (byte == '\r' || byte == '\n') {
		end_line(data, out);
		return;
	}
	/* The space makes a header field go on, and a body line begin without a dot. */
	if (!inside && (data->column >= RELAY_TEXT_LINE_MAX || ((unsigned char)byte & 0x80) != 0)) {
		end_line(data, out);
		(void)buf_char(out, ' ');
		data->column = 1;
	}
	(void)buf_char(out, byte);
	data->column++;
}

void
relay_data_put(struct relay_data *data, struct span bytes, struct buf *out)
{
	while (bytes.len != 0) {
		struct span run = span_take(&bytes, plain_run(data, bytes));

		if (run.len != 0)
			put_run(data, run, out);
		else
			put_byte(data, *span_take(&bytes, 1).ptr, out);
	}
}

void
relay_data_end(struct relay_data *data, struct buf *out)
{
	if (data->column != 0)
		end_line(data, out);
	if (!data->undotted)
		(void)buf_put(out, ".\r\n", 3);
}

void
relay_scan_put(struct relay_scan *scan, struct span bytes)
{
	for (size_t i = 0; i < bytes.len; i++) {
		char byte = bytes.ptr[i];

		if (((unsigned char)byte & 0x80) != 0) {
			scan->eight_bit = true;
			scan->utf8_header |= !scan->in_body;
		}
		if (byte == '\n') {
			scan->in_body |= !scan->in_line;
			scan->in_line = false;
		} else if (byte != '\r') {
			scan->in_line = true;
		}
	}
}
