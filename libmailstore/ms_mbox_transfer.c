/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A mailbox from an mbox file, and to one. Streams both ways: a message of any size takes no more memory. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/header.h"
#include "common/xalloc.h"
#include "libmailstore/ms_internal.h"
#include "libmailstore/ms_keywords.h"
#include "libmailstore/ms_mbox.h"

#define PIECE 65536
/* A file's name has room for so many, whichever they are of the folder's. */
#define KEYWORDS_SURE 26
/* No message has more. */
#define KEYWORDS_MAX (MS_KEYWORDS_FIRST + MS_KEYWORDS_MORE_MAX)
/* A flag of Maildir's own, and a keyword elsewhere. */
#define FORWARDED SPAN("$Forwarded")

/* --- in --- */

struct intake {
	struct ms_store *store;
	const char *mailbox;
	int fd;
	struct ms_append *append;
	uint64_t count, left_out; /* messages that are in; keywords that are not */
};

static int
take_begin(void *context)
{
	struct intake *intake = context;

	intake->append = ms_append_begin(intake->store);
	return 0;
}

static int
take_bytes(void *context, struct span bytes)
{
	struct intake *intake = context;

	return ms_append_write(intake->append, bytes.ptr, bytes.len);
}

/* Those of a message that are more than surely fit, one by one: as many as there is room for. */
static int
add_keywords(struct intake *intake, uint32_t uid, char *const *keywords)
{
	struct ms_mailbox *mailbox;
	int r = ms_mailbox_open(intake->store, intake->mailbox, &mailbox);

	if (r != 0)
		return r;
	for (size_t i = 0; r == 0 && keywords[i] != NULL; i++) {
		r = ms_store_flags(mailbox, &uid, 1, MS_FLAGS_ADD, 0, (const char *const[]){ keywords[i], NULL }, 0, NULL, NULL);
		if (r == MS_E_LIMIT) {
			intake->left_out++;
			r = 0;
		}
	}
	ms_mailbox_close(mailbox);
	return r;
}

static int
take_end(void *context, const struct ms_mbox_status *status)
{
	struct intake *intake = context;
	struct span rest = status->keywords, word;
	char *keywords[KEYWORDS_MAX + 1] = { NULL }, *beyond;
	struct ms_append *append = TAKE_PTR(intake->append);
	uint32_t flags = status->flags, uid, uidvalidity;
	size_t count = 0;
	int r;

	if (status->internal) {
		ms_append_abort(append);
		return 0;
	}
	intake->left_out += status->keywords_cut;
	while (span_split(&rest, ' ', &word))
		if (span_ieq(word, FORWARDED))
			flags |= MS_FORWARDED;
		else if (count < KEYWORDS_MAX && ms_keyword_is_valid(word))
			keywords[count++] = span_dup(word);
		else
			intake->left_out += word.len != 0;
	beyond = keywords[KEYWORDS_SURE];
	keywords[KEYWORDS_SURE] = NULL;
	r = ms_append_commit(append, intake->mailbox, flags, (const char *const *)keywords, status->date, &uid, &uidvalidity, NULL);
	keywords[KEYWORDS_SURE] = beyond;
	if (r == 0 && beyond != NULL)
		r = add_keywords(intake, uid, keywords + KEYWORDS_SURE);
	while (count > 0)
		free(keywords[--count]);
	if (r == 0)
		intake->count++;
	return r;
}

static bool
take_ends_at(void *context, uint64_t offset)
{
	const struct intake *intake = context;
	char bytes[10]; /* the last one of the body, two line ends of CRLF, and "From " */
	ssize_t got = pread(intake->fd, bytes, sizeof(bytes), (off_t)offset - 1);
	struct span rest;

	/* Neither where it cannot be seen (a pipe) nor where it is beyond the end: that would swallow all messages that follow. */
	if (got <= 0)
		return false;
	rest = span_make(bytes + 1, (size_t)got - 1);
	for (unsigned i = 0; i < 2 && rest.len != 0; i++) {
		if (span_starts(rest, SPAN("\r\n")))
			rest = span_skip(rest, 2);
		else if (rest.ptr[0] == '\n')
			rest = span_skip(rest, 1);
	}
	return rest.len == 0 || span_starts(rest, SPAN("From "));
}

static void
note_left_out(const struct intake *intake, ms_note_fn note, void *context)
{
	char text[128];

	if (intake->left_out == 0)
		return;
	(void)snprintf(text, sizeof(text), "keywords that no IMAP client can set, or more than a message may have, are left out: %" PRIu64, intake->left_out);
	note(context, intake->mailbox, text);
}

int
ms_mbox_import(struct ms_store *store, int fd, const char *mailbox, ms_note_fn note, void *context, uint64_t *ret_count)
{
	static const struct ms_mbox_sink sink = { take_begin, take_bytes, take_end, take_ends_at };
	struct intake intake = { .store = store, .mailbox = mailbox, .fd = fd };
	struct ms_mbox_reader *reader;
	_cleanup_(freep) char *piece = xmalloc(PIECE);
	ssize_t got = 1;
	int r = ms_mailbox_create(store, mailbox, MS_USE_NONE);

	*ret_count = 0;
	if (r == 0)
		r = ms_subscribe(store, mailbox, true);
	if (r != 0 && r != MS_E_EXISTS)
		return r;
	reader = ms_mbox_reader_new(MS_MBOX_AUTO, &sink, &intake);
	r = 0;
	while (r == 0 && (got = read(fd, piece, PIECE)) > 0)
		r = ms_mbox_push(reader, span_make(piece, (size_t)got));
	if (r == 0)
		r = got < 0 ? -errno : ms_mbox_finish(reader);
	ms_mbox_reader_free(reader);
	ms_append_abort(intake.append);
	note_left_out(&intake, note, context);
	*ret_count = intake.count;
	return r;
}

/* --- out --- */

static int
flush(int fd, struct buf *out)
{
	size_t done = 0;

	while (done < out->len) {
		ssize_t put = write(fd, out->data + done, out->len - done);

		if (put < 0 && errno != EINTR)
			return -errno;
		if (put > 0)
			done += (size_t)put;
	}
	buf_clear(out);
	return 0;
}

struct output {
	const char *mailbox;
	int fd;
	ms_note_fn note;
	void *context;
};

static int
note_unreadable(const struct output *output, uint32_t uid, int r, const char *what)
{
	char text[128];

	if (!ms_is_unreadable(r))
		return r;
	(void)snprintf(text, sizeof(text), "message %" PRIu32 " cannot be read and is %s", uid, what);
	output->note(output->context, output->mailbox, text);
	return 0;
}

/* Who sent it, as far as the message's Return-Path tells. */
static struct span
sender_of(struct span head)
{
	struct header_field field;
	struct span path;

	if (!header_find(head, SPAN("Return-Path"), &field))
		return SPAN_NULL;
	path = span_trim(field.value);
	if (path.len > 2 && path.ptr[0] == '<' && path.ptr[path.len - 1] == '>')
		path = span_make(path.ptr + 1, path.len - 2);
	return ms_mbox_sender_is_valid(path) ? path : SPAN_NULL;
}

static void
put_keywords(const struct ms_mailbox *mailbox, const struct ms_message *message, struct buf *out)
{
	const char *name;

	if ((message->flags & MS_FORWARDED) != 0)
		(void)buf_span(out, FORWARDED);
	for (unsigned n = ms_keywords_next(&message->keywords, 0); (name = ms_keyword(mailbox, n)) != NULL; n = ms_keywords_next(&message->keywords, n + 1))
		(void)buf_fmt(out, "%s%s", out->len != 0 ? " " : "", name);
}

/* *ret_put: something of it was written; else it could not be read. */
static int
put_message(const struct output *output, int from, const struct ms_message *message, uint64_t bytes, struct span keywords, bool *ret_put)
{
	struct ms_mbox_status status = { .date = message->internal_date, .flags = message->flags, .keywords = keywords };
	_cleanup_(freep) char *piece = xmalloc(PIECE);
	struct ms_mbox_writer writer = { .form = MS_MBOX_RD };
	struct buf out = BUF_INIT(16 * PIECE);
	ssize_t got = read(from, piece, PIECE);
	int r = got < 0 ? -errno : 0;

	*ret_put = r == 0;
	if (r == 0)
		ms_mbox_begin(&writer, MS_MBOX_RD, sender_of(span_make(piece, (size_t)got)), &status, bytes, &out);
	while (r == 0 && got > 0) {
		ms_mbox_put(&writer, span_make(piece, (size_t)got), &out);
		r = out.overflow ? -EMSGSIZE : flush(output->fd, &out);
		got = r == 0 ? read(from, piece, PIECE) : 0;
		if (got < 0)
			r = note_unreadable(output, message->uid, -errno, "cut short");
	}
	if (r == 0) {
		ms_mbox_end(&writer, &out);
		r = flush(output->fd, &out);
	}
	buf_free(&writer.line);
	buf_free(&out);
	return r;
}

static int
export_message(struct ms_mailbox *mailbox, const struct output *output, const struct ms_message *message, uint64_t *count)
{
	_cleanup_(closep) int from = -1;
	struct buf keywords = BUF_INIT(64 * 1024);
	uint64_t bytes = 0;
	bool put = false;
	int r = ms_message_open(mailbox, message->uid, &from, &bytes);

	if (r == 0) {
		put_keywords(mailbox, message, &keywords);
		r = put_message(output, from, message, bytes, buf_get(&keywords), &put);
	}
	buf_free(&keywords);
	*count += r == 0;
	return put ? r : note_unreadable(output, message->uid, r, "left out");
}

int
ms_mbox_export(struct ms_store *store, const char *name, int fd, ms_note_fn note, void *context, uint64_t *ret_count)
{
	const struct output output = { name, fd, note, context };
	struct ms_mailbox *mailbox;
	uint32_t *uids = NULL;
	size_t count = 0;
	int r = ms_mailbox_open(store, name, &mailbox);

	*ret_count = 0;
	if (r != 0)
		return r;
	r = ms_mailbox_uids(mailbox, &uids, &count);
	for (size_t i = 0; r == 0 && i < count; i++) {
		struct ms_message message;

		r = ms_message_get(mailbox, uids[i], &message);
		if (r == 0)
			r = export_message(mailbox, &output, &message, ret_count);
		if (r == MS_E_NOTFOUND)
			r = 0; /* expunged meanwhile */
	}
	free(uids);
	ms_mailbox_close(mailbox);
	return r;
}
