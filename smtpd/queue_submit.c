/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Mail that comes of a delivery: redirected, or an answer to it. A deliver process is one account's and nobody else's, so that it may
 * send in the name of nobody, of that account, and of whoever sent the message that it redirects. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/address.h"
#include "common/cleanup.h"
#include "common/date.h"
#include "common/header.h"
#include "common/io.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "smtpd/queue.h"
#include "smtpd/queue_submit.h"
#include "smtpd/smtpd.h"

#define TEXT_MAX (2u << 20)

static int
write_message(struct queue *queue, const struct submission *submission, int fd, const char *id)
{
	struct buf trace = BUF_INIT(2048);
	char date[DATE_SIZE];
	int r;

	(void)date_format(date_local(queue_now()), date);
	(void)buf_fmt(&trace, "Received: by %s (Fourpost, from the filter of %.*s)\r\n\tid %s; %s\r\n", queue->proc->common->hostname,
	    (int)submission->account.len, submission->account.ptr, id, date);
	r = io_write_all(fd, buf_get(&trace));
	buf_free(&trace);
	if (r == 0)
		r = queue_copy_message(submission->text, 0, submission->text_len, fd);
	if (r == 0 && submission->from != SUBMIT_NOTHING)
		r = queue_copy_message(submission->file->fd, submission->file->offset + submission->from, submission->file->length - submission->from, fd);
	return r;
}

/* RFC 6532: where an address in its fields, or what :mime has there, is in UTF-8, it goes to hosts that take that. */
static bool
has_utf8_header(const struct submission *submission)
{
	struct buf text = BUF_INIT(TEXT_MAX);
	ssize_t got = pread(submission->text, buf_reserve(&text, (size_t)submission->text_len), (size_t)submission->text_len, 0);
	bool utf8 = false;

	if (got > 0) {
		buf_added(&text, (size_t)got);
		utf8 = !span_is_ascii(span_make(text.data, header_block_size(buf_get(&text))));
	}
	buf_free(&text);
	return utf8;
}

static int
make_envelope(const struct queue *queue, const struct submission *submission, struct envelope *ret)
{
	bool redirected = submission->from != SUBMIT_NOTHING;
	struct buf sender = BUF_INIT(ENVELOPE_ADDRESS_MAX), orcpt = BUF_INIT(ENVELOPE_XTEXT_MAX);
	int r;

	if (redirected && !facts_is_ours(smtpd_conf(queue->proc), submission->recipient) &&
	    facts_sends_on(queue, submission->sender, submission->account, &sender))
		envelope_init(ret, buf_get(&sender), queue_now());
	else
		envelope_init(ret, submission->sender, queue_now());
	buf_free(&sender);
	if (redirected) {
		envelope_copy_options(ret, &submission->file->envelope);
		ret->release = 0;
		ret->smtputf8 |= !span_is_ascii(submission->recipient) || !span_is_ascii(span_of(ret->sender));
	} else {
		ret->body = ENVELOPE_8BITMIME;
		ret->requiretls = submission->file->envelope.requiretls; /* RFC 8689 section 6: it may tell of what the message says */
		ret->smtputf8 = !span_is_ascii(submission->recipient) || !span_is_ascii(submission->account) || has_utf8_header(submission);
	}
	r = envelope_set(&ret->account, submission->account);
	if (r == 0 && redirected && facts_is_from_outside(&submission->file->envelope))
		r = envelope_set(&ret->forwarder, submission->account);
	if (r == 0 && submission->kept)
		r = envelope_set(&ret->kept, submission->account);
	/* RFC 3461 sections 5.2.7.2 and 5.2.7.3: who sends his mail on is an alias, with one address behind it or, with his mailbox, several. */
	if (r == 0 && redirected)
		r = envelope_set(&ret->envid, span_of(submission->file->envelope.envid));
	if (redirected)
		expand_put_orcpt(&orcpt, submission->of);
	if (r == 0)
		r = envelope_add(ret, submission->recipient, orcpt.overflow ? SPAN_NULL : buf_get(&orcpt),
		    !redirected ? ENVELOPE_NEVER : submission->alone ? submission->of->notify : expand_notify(submission->of));
	buf_free(&orcpt);
	return r;
}

/* Reads the message and checks what it may be. */
static int
read_submission(const struct spool_file *file, struct span account, struct msg *msg, struct submission *ret)
{
	struct msg_reader body = msg_read(msg);
	struct address address;
	struct stat st;
	uint8_t manner;

	*ret = (struct submission){ .file = file, .account = account };
	ret->from = msg_get_u64(&body);
	manner = msg_get_u8(&body);
	ret->alone = manner == SUBMIT_ALONE && ret->from != SUBMIT_NOTHING;
	ret->kept = manner == SUBMIT_KEPT && ret->from != SUBMIT_NOTHING;
	ret->each = manner == SUBMIT_EACH && ret->from == SUBMIT_NOTHING;
	ret->sender = msg_get_span(&body);
	ret->recipient = msg_get_span(&body);
	ret->text = msg_take_fd(msg);
	if (fstat(ret->text, &st) < 0)
		return -errno;
	if (!msg_done(&body) || !S_ISREG(st.st_mode) || st.st_size > TEXT_MAX ||
	    (ret->from != SUBMIT_NOTHING && ret->from > file->length) ||
	    address_parse_mailbox(ret->recipient, ADDRESS_SMTPUTF8, &address) != ADDRESS_OK)
		return -EBADMSG;
	if (ret->sender.len != 0 && !span_ieq(ret->sender, account) && !span_eq(ret->sender, span_of(file->envelope.sender)))
		return -EBADMSG;
	ret->text_len = (uint64_t)st.st_size;
	return 0;
}

/* An answer that cannot be sent is left out: tried again, it would only have the message stored once more. A message that was to go
 * elsewhere must not get lost. */
static int
result_of(const struct submission *submission, int r)
{
	if (r != 0 && submission->from == SUBMIT_NOTHING)
		return NOT_SUBMITTED_LEFT_OUT;
	return r == -EBADMSG ? -EINVAL : r;
}

static void
submitted_free(struct submitted *submitted)
{
	envelope_free(&submitted->envelope);
	free(submitted);
}

/* One message to one recipient. */
static void
not_counted(struct queue *queue, struct span account)
{
	account_sent_nothing(queue, account, ACCOUNT_SENDS_ON, 1);
}

struct committing {
	struct queue *queue;
	char *account;
	intake_done done;
	void *context;
};

static void
committed(void *context, const char *id, int result)
{
	struct committing *committing = context;

	if (result != 0)
		not_counted(committing->queue, span_of(committing->account));
	committing->done(committing->context, id, result);
	free(committing->account);
	free(committing);
}

void
submitted_commit(struct queue *queue, struct submitted *submitted, intake_done done, void *context)
{
	const struct envelope *envelope = &submitted->envelope;
	struct committing *committing = xcalloc(1, sizeof(*committing));

	*committing = (struct committing){ queue, span_dup(span_of(envelope->account)), done, context };
	log_info("submitted", log_str("id", submitted->id), log_str("account", envelope->account), log_str("from", envelope->sender),
	    log_str("to", envelope->recipients[0].address));
	intake_commit(queue, submitted->id, submitted->fd, envelope, committed, committing);
	submitted_free(submitted);
}

void
submitted_discard(struct queue *queue, struct submitted *submitted)
{
	not_counted(queue, span_of(submitted->envelope.account));
	(void)close(submitted->fd);
	queue_files_discard(queue->files, submitted->id);
	submitted_free(submitted);
}

/* The message's file. 0 or -errno. */
static int
write_file(struct queue *queue, const struct submission *submission, struct submitted *submitted)
{
	int r = submitted->fd = queue_files_create(queue->files, &submitted->envelope, queue_now_us(), submitted->id);

	if (r < 0)
		return r;
	r = write_message(queue, submission, submitted->fd, submitted->id);
	if (r < 0) {
		(void)close(submitted->fd);
		queue_files_discard(queue->files, submitted->id);
	}
	return r;
}

/* Who cares has been told (account-limited). */
static int
limited(const struct submission *submission)
{
	if (submission->from != SUBMIT_NOTHING)
		return NOT_SUBMITTED_LIMITED;
	log_info("not-answered", log_span("account", submission->account), log_span("to", submission->recipient), log_str("reason", SMTPD_ACCOUNT_LIMITED));
	return NOT_SUBMITTED_LEFT_OUT;
}

int
queue_submit(struct queue *queue, const struct spool_file *file, size_t recipient, struct span account, struct msg *msg,
    struct submitted **ret_submitted, enum sent_on *ret_sent_on)
{
	struct submission submission;
	struct submitted *submitted;
	int r = read_submission(file, account, msg, &submission);

	submission.of = &file->envelope.recipients[recipient];
	if (r != 0) {
		if (submission.text >= 0)
			(void)close(submission.text);
		return r == -EBADMSG ? r : result_of(&submission, r);
	}
	if (!account_may_send(queue, account, ACCOUNT_SENDS_ON, 1)) {
		(void)close(submission.text);
		return limited(&submission);
	}
	*ret_sent_on = submission.from == SUBMIT_NOTHING ? SENT_ON_NOT : submission.alone ? SENT_ON_ALONE : SENT_ON_TOO;
	submitted = xcalloc(1, sizeof(*submitted));
	submitted->answer = submission.from == SUBMIT_NOTHING;
	submitted->each = submission.each;
	r = make_envelope(queue, &submission, &submitted->envelope);
	if (r == 0)
		r = write_file(queue, &submission, submitted);
	(void)close(submission.text);
	if (r == 0) {
		*ret_submitted = submitted;
		return 0;
	}
	not_counted(queue, account);
	log_error("not-submitted", log_span("account", account), log_span("to", submission.recipient), log_errno("error", r));
	submitted_free(submitted);
	return result_of(&submission, r);
}
