/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* mbox files, read and written, with bytes pushed in and handed on. Pure. A message begins with a line "From sender date" after an empty
 * line, and is followed by an empty line. Lines of a body that look like that are quoted with '>' (mboxrd), or the header tells the
 * body's length (mboxcl2). */
#ifndef LIBMAILSTORE_MS_MBOX_H
#define LIBMAILSTORE_MS_MBOX_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/span.h"

/* Longer lines are handed on in parts. */
#define MS_MBOX_LINE_MAX 8192
/* Room for as many as a message may have. */
#define MS_MBOX_KEYWORDS_MAX (64 * 1024)

enum ms_mbox_form {
	MS_MBOX_AUTO, /* reading: lengths where they are right, quotes elsewhere */
	MS_MBOX_RD,
	MS_MBOX_CL2,
};

/* What the header tells a mailbox, taken out of the message: Status, X-Status, X-Keywords. */
struct ms_mbox_status {
	int64_t date;     /* of the "From " line, seconds since 1970; 0 unknown */
	uint32_t flags;   /* MS_SEEN ... */
	struct span keywords; /* as the header has them: words with spaces between */
	bool keywords_cut; /* there were more than MS_MBOX_KEYWORDS_MAX bytes of them */
	bool internal;    /* no message: a mail program's notes, as UW IMAP and Pine put before the first one */
};

/* Each returns 0 to go on; anything else becomes the result. Lines end with LF, whatever they ended with. */
struct ms_mbox_sink {
	int (*begin)(void *context);
	int (*bytes)(void *context, struct span bytes);
	int (*end)(void *context, const struct ms_mbox_status *status);
	/* True when at that offset, which is not beyond its end, the file ends, or at most two line ends and then a line "From " stand: the
	 * length that a header told is believed then. */
	bool (*ends_at)(void *context, uint64_t offset);
};

struct ms_mbox_reader;
struct ms_mbox_reader *ms_mbox_reader_new(enum ms_mbox_form form, const struct ms_mbox_sink *sink, void *context);
void ms_mbox_reader_free(struct ms_mbox_reader *reader);
/* 0, MS_E_CORRUPT (it does not begin with a "From " line), or what the sink returned. */
int ms_mbox_push(struct ms_mbox_reader *reader, struct span bytes);
/* All has been pushed. */
int ms_mbox_finish(struct ms_mbox_reader *reader);
/* Whether the line begins a message. *ret_date: 0 when it tells none that can be read. */
bool ms_mbox_is_from(struct span line, int64_t *ret_date);

/* Writing one message: begin, the message's bytes (LF line ends) in any parts, end. Text is appended to `out`, which the caller
 * empties between calls. size: of all the bytes that will be put. */
struct ms_mbox_writer {
	enum ms_mbox_form form;
	const struct ms_mbox_status *status;
	uint64_t size, seen;
	bool body, dropping, line_open; /* line_open: the line goes on with the next bytes */
	struct buf line;
};
/* sender: SPAN_NULL for none known. */
void ms_mbox_begin(struct ms_mbox_writer *writer, enum ms_mbox_form form, struct span sender, const struct ms_mbox_status *status, uint64_t size,
    struct buf *out);
void ms_mbox_put(struct ms_mbox_writer *writer, struct span bytes, struct buf *out);
void ms_mbox_end(struct ms_mbox_writer *writer, struct buf *out);
/* What a "From " line may have as sender: without spaces and control characters. */
bool ms_mbox_sender_is_valid(struct span sender);

/* The header fields that are a mailbox's and not the message's. */
enum ms_mbox_field { MS_MBOX_OTHER, MS_MBOX_STATUS, MS_MBOX_X_STATUS, MS_MBOX_KEYWORDS, MS_MBOX_LENGTH, MS_MBOX_IMAP, MS_MBOX_NOTE };
enum ms_mbox_field ms_mbox_field(struct span line, struct span *ret_value);
/* True for "From " and for that with any number of '>' before it. */
bool ms_mbox_is_quoted(struct span line);

#endif
