/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Reports on their way. All texts are of our own making but domains, which are names of the DNS. */
#include "smtpd/report_mail.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#include "common/base64.h"
#include "common/date.h"
#include "common/header.h"

/* zlib: the largest window, and a header of gzip. */
#define GZIP_WINDOW (15 + 16)
#define GZIP_MEMORY 8
#define CHUNK 65536

int
report_pack(struct span text, struct buf *out)
{
	z_stream stream = { .next_in = (Bytef *)(uintptr_t)text.ptr, .avail_in = (uInt)text.len };
	char *room;
	int r = Z_OK;

	if (text.len > UINT32_MAX)
		return -EMSGSIZE;
	if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
		abort(); /* no memory */
	while (r == Z_OK && (room = buf_reserve(out, CHUNK)) != NULL) {
		stream.next_out = (Bytef *)room;
		stream.avail_out = CHUNK;
		r = deflate(&stream, Z_FINISH);
		buf_added(out, CHUNK - stream.avail_out);
	}
	(void)deflateEnd(&stream);
	return r == Z_STREAM_END ? 0 : -EMSGSIZE;
}

static void
put_boundary(const struct report_mail *mail, const char *end, struct buf *out)
{
	(void)buf_fmt(out, "\r\n--%.*s%s\r\n", (int)mail->boundary.len, mail->boundary.ptr, end);
}

int
report_mail_compose(const struct report_mail *mail, struct buf *out)
{
	char date[DATE_SIZE];

	(void)date_format((struct date){ .utc = mail->now }, date);
	(void)header_append(out, SPAN("From"), mail->from);
	(void)header_append(out, SPAN("To"), mail->to);
	if (header_append(out, SPAN("Subject"), mail->subject) < 0)
		return -EMSGSIZE;
	(void)buf_fmt(out, "Date: %s\r\nMessage-ID: <%.*s>\r\nAuto-Submitted: auto-generated\r\n%sMIME-Version: 1.0\r\nContent-Type: %s;\r\n\tboundary=\"%.*s\"\r\n",
	    date, (int)mail->message_id.len, mail->message_id.ptr, mail->fields, mail->type, (int)mail->boundary.len, mail->boundary.ptr);
	put_boundary(mail, "", out);
	(void)buf_str(out, "Content-Type: text/plain; charset=us-ascii\r\n\r\n");
	(void)buf_span(out, mail->sentence);
	(void)buf_str(out, "\r\n");
	put_boundary(mail, "", out);
	(void)buf_fmt(out,
	    "Content-Type: %s;\r\n\tname=\"%.*s\"\r\nContent-Disposition: attachment;\r\n\tfilename=\"%.*s\"\r\nContent-Transfer-Encoding: base64\r\n\r\n",
	    mail->part_type, (int)mail->file_name.len, mail->file_name.ptr, (int)mail->file_name.len, mail->file_name.ptr);
	(void)base64_encode_body(mail->report, out);
	put_boundary(mail, "--", out);
	return out->overflow ? -EMSGSIZE : 0;
}
