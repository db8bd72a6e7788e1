/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* One try at delivering a message, from its beginning until all outcomes are known. Who the recipients are, and the jobs for them, is
 * queue_recipients.c's; what the sender is told of the outcomes queue_tell.c's; what they make of the message queue_conclude.c's. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "smtpd/queue_attempt.h"
#include "smtpd/queue_memory.h"

/* Descriptors or memory have run out: it is tried again then. */
#define FAULT_SECONDS 1
/* What was asked for the end of the attempt before could not be done. */
#define REQUEST_SECONDS 60

const struct spool_file *
attempt_file(const struct attempt *attempt)
{
	return &attempt->file;
}

const char *
attempt_id(const struct attempt *attempt)
{
	return attempt->entry->id;
}

int
attempt_reopen(const struct attempt *attempt)
{
	struct queue_files *files = attempt->queue->files;
	int fd = -ENOENT;

	if (attempt->in_memory) {
		fd = fcntl(attempt->file.fd, F_DUPFD_CLOEXEC, 0);
		return fd < 0 ? -errno : fd;
	}
	if (attempt->direct != NULL && !direct_is_promised(attempt->direct))
		fd = queue_files_reopen(files, SPOOL_QUEUE_TMP, attempt->entry->id);
	/* It gets its name a moment before we hear of it. */
	return fd != -ENOENT ? fd : queue_files_reopen(files, SPOOL_QUEUE, attempt->entry->id);
}

int
attempt_store(struct attempt *attempt)
{
	struct queue_files *files = attempt->queue->files;
	struct spool_file *file = &attempt->file;
	const char *id = attempt->entry->id;
	_cleanup_(closep) int fd = queue_memory_store(files, file->fd, &file->envelope, file->length, id);
	int marks;

	if (fd < 0)
		return fd;
	marks = queue_files_edit(files, id);
	if (marks < 0) {
		queue_files_discard(files, id);
		return marks;
	}
	(void)close(file->fd);
	file->fd = marks;
	attempt->in_memory = false;
	return TAKE_FD(fd);
}

const struct outcome *
attempt_outcome_of(const struct attempt *attempt, size_t recipient)
{
	return attempt->targets[recipient].outcome;
}

/* What is said in several lines is one for all but replies and notifications. */
static void
join_lines(struct outcome *outcome)
{
	for (char *end = outcome->text; (end = strchr(end, '\n')) != NULL;) {
		*end = ' ';
		if (outcome->break_count < OUTCOME_BREAKS_MAX)
			outcome->breaks[outcome->break_count++] = (uint16_t)(end + 1 - outcome->text);
	}
}

void
outcome_set(struct outcome *outcome, enum verdict verdict, const char *status, struct span text)
{
	size_t len = span_utf8_cut(text, sizeof(outcome->text) - 1).len;

	*outcome = (struct outcome){ .verdict = verdict };
	(void)snprintf(outcome->status, sizeof(outcome->status), "%s", status);
	if (len != 0)
		memcpy(outcome->text, text.ptr, len);
	join_lines(outcome);
}

/* --- the end --- */

/* Those that have it are marked before the message is promised: should we die behind that, they do not get it twice. */
static void
mark_delivered(struct attempt *attempt)
{
	struct envelope *envelope = &attempt->file.envelope;
	bool any = false;
	int r;

	for (size_t i = 0; i < envelope->count; i++) {
		const struct outcome *outcome = attempt->targets[i].outcome;

		any |= envelope->recipients[i].status == ENVELOPE_HALF;
		if (outcome == NULL || outcome->verdict != VERDICT_OK || (envelope->recipients[i].notify & ENVELOPE_SUCCESS) != 0)
			continue;
		envelope->recipients[i].status = attempt_status_of(outcome);
		any = true;
	}
	r = any ? queue_files_update(&attempt->file, false) : 0;
	if (r < 0)
		log_error("not-updated", log_str("id", attempt->entry->id), log_errno("error", r));
}

/* The end of an attempt before the promise. True when it is no more than any other. */
static bool
finish_direct(struct attempt *attempt)
{
	switch (direct_end(attempt->direct)) {
	case DIRECT_WAITS:
		mark_delivered(attempt);
		return false;
	case DIRECT_TOLD:
		for (size_t i = 0; i < attempt->file.envelope.count; i++)
			attempt_log_outcome(attempt, &attempt->targets[i]);
		attempt_leave(attempt);
		return false;
	case DIRECT_QUEUED:
		attempt->direct = NULL;
	}
	return true;
}

void
attempt_finish(struct attempt *attempt)
{
	if (attempt->direct != NULL && !finish_direct(attempt))
		return;
	if (attempt->given_up)
		attempt_leave(attempt);
	else
		attempt_report(attempt);
}

/* Its file is there, and stays after the attempt. */
static bool
may_mark(const struct attempt *attempt)
{
	return !attempt->in_memory && (attempt->direct == NULL || direct_is_promised(attempt->direct));
}

/* Where it cannot be marked, the end of the attempt writes it. */
void
attempt_half(struct attempt *attempt, size_t recipient)
{
	attempt->file.envelope.recipients[recipient].status = ENVELOPE_HALF;
	if (may_mark(attempt))
		(void)queue_files_mark(&attempt->file, recipient);
}

/* Who has it for certain is marked while others may take hours: should this process end before they do, he does not get it twice. An account
 * here sees that by itself; where the sender is to be told of it that comes first; and without the mark all goes on as it would. */
static void
mark_early(struct attempt *attempt, size_t i)
{
	const struct outcome *outcome = attempt->targets[i].outcome;
	struct envelope_recipient *recipient = &attempt->file.envelope.recipients[i];
	char before = recipient->status;

	if (outcome->verdict != VERDICT_OK || (!outcome->remote && outcome->expanded == NOT_EXPANDED) || !may_mark(attempt) ||
	    attempt_tells_success(attempt, i))
		return;
	recipient->status = attempt_status_of(outcome);
	if (queue_files_mark(&attempt->file, i) < 0)
		recipient->status = before;
}

void
attempt_outcome(struct attempt *attempt, size_t recipient, const struct outcome *outcome)
{
	struct target *target = &attempt->targets[recipient];

	if (target->outcome == NULL)
		target->outcome = xmemdup(outcome, sizeof(*outcome));
	if (--attempt->pending == 0 && attempt->lookups == 0)
		attempt_finish(attempt);
	else
		mark_early(attempt, recipient);
}

/* --- the beginning --- */

static void
begin(struct attempt *attempt)
{
	const struct envelope *envelope = &attempt->file.envelope;

	attempt->targets = xcalloc(envelope->count, sizeof(*attempt->targets));
	for (size_t i = 0; i < envelope->count; i++) {
		attempt->targets[i].attempt = attempt;
		attempt->targets[i].recipient = i;
		attempt->pending += envelope_is_open(&envelope->recipients[i]);
		attempt->lookups += envelope->recipients[i].status == ENVELOPE_EXPANDED;
		attempt->has_expanded |= envelope->recipients[i].status == ENVELOPE_EXPANDED;
	}
	if (attempt->pending == 0) {
		attempt_done(attempt); /* a crash came between the last status and the removal */
		return;
	}
	attempt->lookups += attempt->pending;
	attempt_look_up(attempt);
}

static int
read_memory(int memory, struct spool_file *ret_file)
{
	_cleanup_(closep) int fd = fcntl(memory, F_DUPFD_CLOEXEC, 0);
	int r = fd < 0 ? -errno : spool_read(fd, ret_file);

	if (r == 0)
		(void)TAKE_FD(fd);
	return r;
}

/* memory: its file, or -1. */
static int
load(struct queue *queue, struct queue_entry *entry, enum spool_place place, int memory, struct attempt **ret)
{
	struct attempt *attempt = xcalloc(1, sizeof(*attempt));
	int r = memory >= 0 ? read_memory(memory, &attempt->file) : queue_files_load(queue->files, place, entry->id, &attempt->file);

	if (r != 0) {
		free(attempt);
		return r;
	}
	attempt->in_memory = memory >= 0;
	attempt->queue = queue;
	attempt->entry = entry;
	attempt->started = queue_now();
	facts_right(entry->id, entry->born, &attempt->file);
	queue->active++;
	*ret = attempt;
	return 0;
}

struct attempt *
attempt_start_direct(struct queue *queue, struct queue_entry *entry, int memory, uint64_t edition, struct direct *direct)
{
	struct attempt *attempt;

	if (load(queue, entry, SPOOL_QUEUE_TMP, memory, &attempt) != 0)
		return NULL;
	attempt->direct = direct;
	attempt->edition = edition;
	begin(attempt);
	return attempt;
}

void
attempt_start(struct queue *queue, struct queue_entry *entry)
{
	struct attempt *attempt;
	bool hurried = entry->hurried;
	int r;

	if (entry->remove_wanted || entry->hold_wanted) {
		/* Somebody has been told that it will not be sent. */
		schedule_ended(queue->schedule, entry);
		queue_try_at(queue, entry, queue_now() + REQUEST_SECONDS);
		queue_control_late(queue, entry);
		return;
	}
	entry->hurried = false;
	r = load(queue, entry, SPOOL_QUEUE, -1, &attempt);
	/* Whoever asks for another try, it is not sent before its time (RFC 4865, or the account's limits). */
	if (r == 0 && attempt->file.envelope.release > attempt->started) {
		attempt_settle(attempt, attempt->file.envelope.release);
		return;
	}
	if (r == 0) {
		attempt->early = attempt->file.envelope.progress.due > attempt->started;
		attempt->anew = entry->requeued;
		attempt->hurried = hurried;
		entry->requeued = false;
		begin(attempt);
		return;
	}
	log_error("unreadable", log_str("id", entry->id), log_errno("error", r));
	if (r == -EBADMSG)
		r = queue_files_set_aside(queue->files, entry->id, false);
	if (r == 0 || r == -ENOENT) {
		queue_leave(queue, entry);
		return;
	}
	schedule_ended(queue->schedule, entry);
	queue_try_at(queue, entry, queue_now() + FAULT_SECONDS);
}
