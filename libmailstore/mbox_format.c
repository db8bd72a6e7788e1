/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Writing an mbox: the "From " line, the header with what the mailbox knows of the message, the body with its quotes. */
#include <inttypes.h>
#include <stdio.h>

#include "common/date.h"
#include "libmailstore/mailstore.h"
#include "libmailstore/ms_mbox.h"

bool
ms_mbox_sender_is_valid(struct span sender)
{
	for (size_t i = 0; i < sender.len; i++)
		if (sender.ptr[i] <= ' ' || sender.ptr[i] == 0x7f)
			return false;
	return sender.len != 0 && sender.len <= 320;
}

/* asctime(3) in UTC, whatever the locale. */
static void
put_asctime(int64_t utc, struct buf *out)
{
	static const char days[] = "ThuFriSatSunMonTueWed", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	int64_t day = utc / 86400, year;
	unsigned second = (unsigned)(utc % 86400), month, monthday;

	date_civil(day, &year, &month, &monthday);
	(void)buf_fmt(out, "%.3s %.3s %2u %02u:%02u:%02u %04" PRId64, days + 3 * (day % 7), months + 3 * (month - 1), monthday, second / 3600,
	    second / 60 % 60, second % 60, year);
}

void
ms_mbox_begin(struct ms_mbox_writer *writer, enum ms_mbox_form form, struct span sender, const struct ms_mbox_status *status, uint64_t size,
    struct buf *out)
{
	*writer = (struct ms_mbox_writer){ .form = form, .status = status, .size = size, .line = BUF_INIT(MS_MBOX_LINE_MAX) };
	(void)buf_str(out, "From ");
	(void)buf_span(out, ms_mbox_sender_is_valid(sender) ? sender : SPAN("MAILER-DAEMON"));
	(void)buf_char(out, ' ');
	put_asctime(status->date > 0 ? status->date : 0, out);
	(void)buf_char(out, '\n');
}

static void
end_header(struct ms_mbox_writer *writer, struct buf *out)
{
	static const struct {
		char letter;
		uint32_t flag;
	} letters[] = { { 'A', MS_ANSWERED }, { 'F', MS_FLAGGED }, { 'T', MS_DRAFT }, { 'D', MS_DELETED } };
	const uint32_t named = MS_ANSWERED | MS_FLAGGED | MS_DRAFT | MS_DELETED;
	const struct ms_mbox_status *status = writer->status;

	/* "O": no program shall take it for new mail. */
	(void)buf_str(out, (status->flags & MS_SEEN) != 0 ? "Status: RO\n" : "Status: O\n");
	if ((status->flags & named) != 0) {
		(void)buf_str(out, "X-Status: ");
		for (size_t i = 0; i < sizeof(letters) / sizeof(*letters); i++)
			if ((status->flags & letters[i].flag) != 0)
				(void)buf_char(out, letters[i].letter);
		(void)buf_char(out, '\n');
	}
	if (status->keywords.len != 0) {
		(void)buf_str(out, "X-Keywords: ");
		(void)buf_span(out, status->keywords);
		(void)buf_char(out, '\n');
	}
	if (writer->form == MS_MBOX_CL2)
		(void)buf_fmt(out, "Content-Length: %" PRIu64 "\n", writer->size - writer->seen);
	(void)buf_char(out, '\n');
	writer->body = true;
}

/* A line or its first part. */
static void
begin_line(struct ms_mbox_writer *writer, struct span line, struct buf *out)
{
	struct span value;

	if (writer->body) {
		if (writer->form == MS_MBOX_RD && ms_mbox_is_quoted(line))
			(void)buf_char(out, '>');
		(void)buf_span(out, line);
		return;
	}
	if (line.len != 0 && line.ptr[0] != ' ' && line.ptr[0] != '\t')
		writer->dropping = ms_mbox_field(line, &value) != MS_MBOX_OTHER;
	/* In a header a line "From " is none: it would end the message here. */
	if (!writer->dropping && span_starts(line, SPAN("From ")))
		(void)buf_char(out, '>');
	if (!writer->dropping)
		(void)buf_span(out, line);
}

static void
flush(struct ms_mbox_writer *writer, bool whole, struct buf *out)
{
	struct span line = buf_get(&writer->line);
	bool first = !writer->line_open;

	writer->line_open = !whole;
	if (first && whole && line.len == 0 && !writer->body) {
		end_header(writer, out);
		return;
	}
	if (first)
		begin_line(writer, line, out);
	else if (writer->body || !writer->dropping)
		(void)buf_span(out, line);
	if (whole && (writer->body || !writer->dropping))
		(void)buf_char(out, '\n');
	buf_clear(&writer->line);
}

void
ms_mbox_put(struct ms_mbox_writer *writer, struct span bytes, struct buf *out)
{
	while (bytes.len != 0) {
		size_t room = MS_MBOX_LINE_MAX - writer->line.len, len = bytes.len < room ? bytes.len : room;
		ptrdiff_t end = span_chr(span_make(bytes.ptr, len), '\n');

		if (end >= 0)
			len = (size_t)end + 1;
		(void)buf_put(&writer->line, bytes.ptr, end >= 0 ? len - 1 : len);
		bytes = span_skip(bytes, len);
		writer->seen += len;
		if (end >= 0 || writer->line.len == MS_MBOX_LINE_MAX)
			flush(writer, end >= 0, out);
	}
}

void
ms_mbox_end(struct ms_mbox_writer *writer, struct buf *out)
{
	bool open = writer->line.len != 0 || writer->line_open;

	if (writer->line.len != 0)
		flush(writer, false, out);
	if (open && (writer->body || !writer->dropping))
		(void)buf_char(out, '\n');
	if (!writer->body)
		end_header(writer, out);
	(void)buf_char(out, '\n');
	buf_free(&writer->line);
}
