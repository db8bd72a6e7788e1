/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Messages on their way out: RFC 5321 sections 2.3.8, 4.5.2 and 4.5.3.1.6. */
#include "smtpd/relay_data.h"

static void
end_line(struct relay_data *data, struct buf *out)
{
	(void)buf_put(out, "\r\n", 2);
	data->column = 0;
}

void
relay_data_put(struct relay_data *data, struct span bytes, struct buf *out)
{
	for (size_t i = 0; i < bytes.len; i++) {
		char byte = bytes.ptr[i];
		/* An UTF-8 character is kept whole where a long line is cut: within eight octets its end is found. */
		bool inside = ((unsigned char)byte & 0xc0) == 0x80 && data->column < RELAY_TEXT_LINE_MAX;
		bool belongs = byte == '\n' && data->after_cr;

		data->after_cr = byte == '\r';
		if (belongs)
			continue;
		if (byte == '\r' || byte == '\n') {
			end_line(data, out);
			continue;
		}
		if (data->column >= RELAY_TEXT_LINE_MAX - 8 && !inside) {
			/* The space makes a header field go on, and a body line begin without a dot. */
			if (data->column >= RELAY_TEXT_LINE_MAX || ((unsigned char)byte & 0x80) != 0) {
				end_line(data, out);
				(void)buf_char(out, ' ');
				data->column = 1;
			}
		}
		if (data->column == 0 && byte == '.' && !data->undotted)
			(void)buf_char(out, '.');
		(void)buf_char(out, byte);
		data->column++;
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
