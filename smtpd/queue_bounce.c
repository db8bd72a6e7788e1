/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Delivery status notifications, put into the queue with the null reverse-path so that none is ever
 * answered by another. Each tells in its envelope what its message's recipients are marked with because of it: a crash before they are
 * is made up for by that at the start, when it is read before its message, since its name has the same time and a higher number. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/header.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "smtpd/dsn.h"
#include "smtpd/queue.h"

/* The message that is sent back whole when RET=FULL asks for it; of longer ones the header alone
 * (RFC 3461 section 6.2 allows it). */
#define FULL_MAX (1 << 20)
/* Of a header, so much. */
#define HEADER_MAX (64 << 10)
/* What hosts said of all recipients together, twice: each has his share, or one that is verbose would leave a list's owner without any. */
#define SAID_MAX (2u << 20)
/* Never reached: ENVELOPE_RECIPIENTS_MAX with the longest of addresses and names. */
#define NOTIFICATION_MAX (64u << 20)

/* Reads what is to be sent back. The text is for free(3). */
static char *
read_original(const struct spool_file *file, bool full, struct span *ret_text)
{
	size_t want = file->length < (full ? FULL_MAX : HEADER_MAX) ?
	    (size_t)file->length :
	    (full ? FULL_MAX : HEADER_MAX),
	       at = 0;
	char *text = xmalloc(want + 1);
	ptrdiff_t line_end;

	while (at < want) {
		ssize_t got = pread(file->fd, text + at, want - at, (off_t)(file->offset + at));

		if (got <= 0)
			break; /* a part of it is better than no notification */
		at += (size_t)got;
	}
	*ret_text = span_make(text, at);
	if (full)
		return text;
	ret_text->len = header_block_size(*ret_text);
	line_end = span_rchr(*ret_text, '\n');
	ret_text->len = line_end < 0 ? 0 : (size_t)line_end + 1;
	return text;
}

static bool
has_failure(const struct report *reports, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (reports[i].action == DSN_FAILED)
			return true;
	return false;
}

const char *
addressee(const struct queue *queue, const struct spool_file *file)
{
	const char *sender = file->envelope.sender;

	return sender[0] != '\0' ? sender : smtpd_postmaster(smtpd_conf(queue->proc));
}

/* RFC 2852 section 4.1.3: what is to be returned at its time is not tried for longer. */
static int64_t
gives_up(const struct smtpd_conf *conf, const struct envelope *envelope)
{
	int64_t end = facts_since(envelope) + conf->queue_lifetime;

	return envelope->by == ENVELOPE_BY_RETURN && envelope->deliver_by < end ? envelope->deliver_by : end;
}

static int
build(struct queue *queue, const char *id, const struct spool_file *file,
    const struct report *reports, size_t count, bool foreign, struct buf *out)
{
	const struct smtpd_conf *conf = smtpd_conf(queue->proc);
	const struct envelope *envelope = &file->envelope;
	struct dsn_recipient *recipients = xcalloc(count, sizeof(*recipients));
	struct buf *orcpts = xcalloc(count, sizeof(*orcpts));
	/* RFC 8689 section 5: what required TLS is not told whole. */
	bool full = envelope->ret == ENVELOPE_RET_FULL && !envelope->requiretls &&
	    has_failure(reports, count) && file->length <= FULL_MAX;
	uint64_t random[2];
	char boundary[40], *original;
	struct dsn dsn;
	int r;

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		abort(); /* cannot fail for so few bytes once the system is up */
	(void)snprintf(boundary, sizeof(boundary), "%016llx%016llx", (unsigned long long)random[0],
	    (unsigned long long)random[1]);
	for (size_t i = 0; i < count; i++) {
		const struct envelope_recipient *recipient =
		    &envelope->recipients[reports[i].recipient];
		const struct outcome *outcome = reports[i].outcome;

		orcpts[i] = (struct buf)BUF_INIT(ENVELOPE_XTEXT_MAX);
		if (reports[i].behind != NULL)
			expand_put_orcpt(&orcpts[i], reports[i].behind);
		recipients[i] = (struct dsn_recipient){
			.action = (enum dsn_action)reports[i].action,
			.address = span_of(recipient->address),
			.orcpt = reports[i].behind == NULL ? span_of(recipient->orcpt) : orcpts[i].overflow ? SPAN_NULL : buf_get(&orcpts[i]),
			.status = span_of(outcome->status),
			.code = outcome->code,
			.text = span_utf8_cut(span_of(outcome->text), SAID_MAX / count),
			.breaks = outcome->breaks,
			.break_count = outcome->break_count,
			.remote = outcome->remote ? span_of(outcome->host) : SPAN_NULL,
		};
	}
	dsn = (struct dsn){
		.hostname = span_of(conf->common.hostname),
		.sender = span_of(addressee(queue, file)),
		.postmaster = envelope->sender[0] == '\0',
		.envid = span_of(envelope->envid),
		.queue_id = span_of(id),
		.arrived = envelope->created,
		.now = queue_now(),
		.deliver_by = envelope->by != ENVELOPE_BY_NONE ? envelope->deliver_by : 0,
		.hold = envelope->hold,
		.release = envelope->release,
		.gives_up = gives_up(conf, envelope),
		.smtputf8 = envelope->smtputf8,
		.full = full,
		.recipients = recipients,
		.count = count,
		.boundary = span_of(boundary),
	};
	original = read_original(file, full, &dsn.original);
	r = foreign && !queue_text_is_clean(dsn.original) ? -EBADMSG : dsn_build(&dsn, out);
	free(original);
	free(recipients);
	for (size_t i = 0; i < count; i++)
		buf_free(&orcpts[i]);
	free(orcpts);
	return r;
}

static char *
about_of(const char *id, struct span statuses)
{
	struct buf about = BUF_INIT(SPOOL_ID_LEN + 1 + ENVELOPE_RECIPIENTS_MAX);
	char *text;

	(void)buf_fmt(&about, "%s ", id);
	(void)buf_span(&about, statuses);
	text = span_dup(buf_get(&about));
	buf_free(&about);
	return text;
}

int
bounce_submit(struct queue *queue, const char *about, const struct spool_file *file,
    const struct report *reports, size_t count, const char *statuses, bool foreign, intake_done done, void *context)
{
	struct buf text = BUF_INIT(NOTIFICATION_MAX);
	char id[SPOOL_ID_LEN + 1];
	bool behind = queue_files_name_behind(queue->files, about, id) == 0;
	struct envelope envelope;
	int r;

	envelope_init(&envelope, SPAN_NULL, queue_now());
	envelope.smtputf8 = file->envelope.smtputf8;
	envelope.requiretls = file->envelope.requiretls; /* RFC 8689 section 5 */
	envelope.priority = file->envelope.priority;     /* RFC 6710 section 4.6 */
	envelope.body = ENVELOPE_8BITMIME;
	if (behind)
		envelope.about = about_of(about, span_make(statuses, file->envelope.count));
	r = envelope_add(&envelope, span_of(addressee(queue, file)), SPAN_NULL, ENVELOPE_NEVER);
	if (r == 0)
		r = build(queue, about, file, reports, count, foreign, &text);
	if (r == 0)
		r = queue_submit_text(queue, behind ? id : NULL, &envelope, buf_get(&text), done, context);
	envelope_free(&envelope);
	buf_free(&text);
	return r;
}

/* --- after a crash --- */

/* Those that have come further meanwhile stay as they are. */
static int
mark(struct queue *queue, enum spool_place place, const char *id, struct span statuses)
{
	struct spool_file file;
	bool changed = false;
	int r = queue_files_load(queue->files, place, id, &file);

	if (r != 0)
		return r;
	for (size_t i = 0; i < file.envelope.count && file.envelope.count == statuses.len; i++) {
		struct envelope_recipient *recipient = &file.envelope.recipients[i];

		bool still_open = statuses.ptr[i] == ENVELOPE_WARNED || statuses.ptr[i] == ENVELOPE_HALF;

		if (!envelope_is_open(recipient) || statuses.ptr[i] == ENVELOPE_PENDING || statuses.ptr[i] == recipient->status)
			continue;
		/* Half of it may have been delivered since its delay was told. */
		if (still_open && recipient->status != ENVELOPE_PENDING)
			continue;
		recipient->status = statuses.ptr[i];
		changed = true;
	}
	if (changed) {
		log_info("told-before", log_str("id", id));
		r = queue_files_update(&file, true);
	}
	spool_close(&file);
	return r;
}

void
bounce_found(struct queue *queue, const struct envelope *envelope)
{
	struct span statuses = span_of(envelope->about), about;
	char id[SPOOL_ID_LEN + 1] = "";
	int r;

	/* One that has been read may be under way. */
	if (!span_split(&statuses, ' ', &about) || about.len != SPOOL_ID_LEN || queue_table_find(queue->table, about) != NULL)
		return;
	memcpy(id, about.ptr, SPOOL_ID_LEN);
	r = mark(queue, SPOOL_QUEUE, id, statuses);
	if (r == -ENOENT)
		r = mark(queue, SPOOL_HOLD, id, statuses);
	if (r < 0 && r != -ENOENT)
		log_error("not-updated", log_str("id", id), log_errno("error", r));
}
