/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A message read piece by piece, for looking through it, signing it, and sending it alike. */
#include "smtpd/relay.h"

/* Of a message that is converted: it grows by that, and a header is held back. */
#define CONVERTED_CHUNK 8192

void
relay_text_begin(struct relay_text *text, const struct relay_job *job, enum smtp_binary_form form)
{
	*text = (struct relay_text){ .job = job, .converter = form != SMTP_BINARY_LINES ? smtp_binary_new(form) : NULL };
}

void
relay_text_end(struct relay_text *text)
{
	(void)smtp_binary_free(text->converter);
	*text = (struct relay_text){ .job = NULL };
}

static ssize_t
convert_next(struct relay_text *text, struct buf *out)
{
	uint8_t chunk[CONVERTED_CHUNK];
	ssize_t got = relay_job_read(text->job, text->at, chunk, sizeof(chunk));
	int r = 0;

	if (got > 0)
		r = smtp_binary_put(text->converter, span_make(chunk, (size_t)got), out);
	else if (got == 0)
		smtp_binary_end(text->converter, out);
	return r < 0 ? r : got;
}

static ssize_t
read_next(const struct relay_text *text, struct buf *out)
{
	char *room = buf_reserve(out, RELAY_TEXT_CHUNK);
	ssize_t got = relay_job_read(text->job, text->at, room, RELAY_TEXT_CHUNK);

	if (got > 0)
		buf_added(out, (size_t)got);
	return got;
}

int
relay_text_next(struct relay_text *text, struct buf *out)
{
	ssize_t got = text->converter != NULL ? convert_next(text, out) : read_next(text, out);

	if (got <= 0)
		return (int)got;
	text->at += (uint64_t)got;
	return 1;
}
