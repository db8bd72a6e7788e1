/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A message of spool/drop taken in: whose it is, what of its envelope its owner may say, and its copy in the queue. */
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/date.h"
#include "smtpd/dsn.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "smtpd/queue_drop_internal.h"

/* A file that is being taken in: it is asked whose it is, then it is copied, and the copy waits to be synced. */
struct taken {
	struct taken *next, **at;
	struct queue *queue;
	char name[DROP_NAME_MAX];
	int64_t uid;
	struct spool_file file; /* -1: copied */
	char *from, *to;
	char *owner; /* whose limits it has been counted for, or NULL */
	size_t recipients;
	const char *excess; /* of one that is sent back: why */
	char status[VERDICT_STATUS_MAX];
};

static int
write_trace(const struct queue *queue, int fd, int64_t uid, const char *id)
{
	struct buf text = BUF_INIT(1024);
	char date[DATE_SIZE];
	int r;

	(void)date_format(date_local(queue_now()), date);
	(void)buf_fmt(&text, "Received: by %s (Fourpost, from uid %lld)\r\n\tid %s; %s\r\n",
	    queue->proc->common->hostname, (long long)uid, id, date);
	r = write(fd, text.data, text.len) == (ssize_t)text.len ? 0 : -EIO;
	buf_free(&text);
	return r;
}

bool
pickup_is_taking(const struct pickup *pickup, struct span name)
{
	for (const struct taken *taken = pickup->taken; taken != NULL; taken = taken->next)
		if (span_eq(span_of(taken->name), name))
			return true;
	return false;
}

static struct taken *
begin_taking(struct queue *queue, const char *name, int64_t uid, const struct spool_file *file)
{
	struct taken *drop = xcalloc(1, sizeof(*drop));

	drop->next = queue->pickup->taken;
	if (drop->next != NULL)
		drop->next->at = &drop->next;
	drop->at = &queue->pickup->taken;
	queue->pickup->taken = drop;
	queue->pickup->taking++;
	drop->queue = queue;
	memcpy(drop->name, name, strlen(name) + 1);
	drop->uid = uid;
	drop->file = *file;
	drop->from = xstrdup(file->envelope.sender);
	drop->to = xstrdup(file->envelope.recipients[0].address);
	drop->recipients = file->envelope.count;
	return drop;
}

static void
close_taken(struct taken *drop)
{
	if (drop->file.fd >= 0)
		spool_close(&drop->file);
	drop->file.fd = -1;
}

static void
end_taking(struct taken *drop)
{
	struct pickup *pickup = drop->queue->pickup;

	close_taken(drop);
	*drop->at = drop->next;
	if (drop->next != NULL)
		drop->next->at = drop->at;
	free(drop->from);
	free(drop->to);
	free(drop->owner);
	free(drop);
	pickup_ended(pickup);
}

/* It stays, and counts when it is taken. */
static void
not_counted(struct taken *drop)
{
	if (drop->owner != NULL)
		account_sent_nothing(drop->queue, span_of(drop->owner), ACCOUNT_SUBMITS, drop->recipients);
}

static void
taken(void *context, const char *id, int result)
{
	struct taken *drop = context;

	if (result == 0) {
		log_info("received", log_str("id", id), log_i64("uid", drop->uid),
		    log_str("from", drop->from), log_str("to", drop->to),
		    log_u64("recipients", drop->recipients), log_str("drop", drop->name));
		pickup_remove(drop->queue->pickup, drop->name);
	} else {
		not_counted(drop);
		pickup_rescan_later(drop->queue->pickup); /* it stays and is tried again */
	}
	end_taking(drop);
}

static void
prepare_envelope(struct envelope *envelope, const char *name, int64_t uid)
{
	int64_t now = queue_now();

	/* Only what its owner may say is kept. */
	envelope->created = now;
	envelope->uid = uid;
	envelope->has_progress = false;
	envelope->expanded = false;
	envelope->progress = (struct envelope_progress){ .due = 0 };
	free(envelope->client);
	free(envelope->account);
	free(envelope->forwarder);
	free(envelope->kept);
	free(envelope->about);
	free(envelope->drop);
	envelope->client = envelope->account = envelope->forwarder = envelope->kept = envelope->about = NULL;
	envelope->room = 0;
	envelope->drop = xstrdup(name);
	for (size_t i = 0; i < envelope->count; i++)
		envelope->recipients[i].status = ENVELOPE_PENDING;
}

/* 0, -EBADMSG, or -errno: try again. */
static int
copy_in(struct taken *drop)
{
	struct queue *queue = drop->queue;
	struct spool_file *file = &drop->file;
	struct envelope *envelope = &file->envelope;
	char id[SPOOL_ID_LEN + 1];
	int fd, r;

	prepare_envelope(envelope, drop->name, drop->uid);
	fd = queue_files_create(queue->files, envelope, queue_now_us(), id);
	if (fd < 0)
		return fd;
	r = write_trace(queue, fd, drop->uid, id);
	if (r == 0)
		r = queue_copy_message(file->fd, file->offset, file->length, fd);
	if (r < 0) {
		(void)close(fd);
		queue_files_discard(queue->files, id);
		return r;
	}
	intake_commit(queue, id, fd, envelope, taken, drop);
	close_taken(drop);
	return 0;
}

/* --- what is too much --- */

/* What this host does not take, or NULL. */
static const char *
excess_of(const struct queue *queue, const struct spool_file *file, struct outcome *ret)
{
	const struct smtpd_conf *conf = smtpd_conf(queue->proc);
	const char *fault = NULL;
	char text[128];

	if (file->length > (uint64_t)conf->message_size_max) {
		fault = "too big";
		(void)snprintf(text, sizeof(text), "The message has %llu octets, and this host takes %lld", (unsigned long long)file->length, (long long)conf->message_size_max);
		outcome_set(ret, VERDICT_PERMFAIL, "5.3.4", span_of(text));
	} else if (file->envelope.count > (size_t)conf->recipients_max) {
		fault = "too many recipients";
		(void)snprintf(text, sizeof(text), "The message has %zu recipients, and this host takes %lld", file->envelope.count, (long long)conf->recipients_max);
		outcome_set(ret, VERDICT_PERMFAIL, "5.5.3", span_of(text));
	}
	return fault;
}

static void
remove_excess(struct taken *drop, const char *what)
{
	log_warning(what, log_str("file", drop->name), log_i64("uid", drop->uid), log_str("from", drop->from), log_u64("recipients", drop->recipients),
	    log_str("reason", drop->excess), log_str("status", drop->status));
	pickup_remove(drop->queue->pickup, drop->name);
}

static void
returned(void *context, const char *id, int result)
{
	struct taken *drop = context;

	(void)id;
	if (result == 0)
		remove_excess(drop, "drop-returned");
	else
		pickup_rescan_later(drop->queue->pickup);
	end_taking(drop);
}

/* Whoever put it there was told that it is taken: its sender hears that it is not, in the place of all its recipients. No more of it is read than
 * is sent back, for how large it is its owner chose. 0; 1: none of them wants it told; or -errno. */
static int
send_back(struct taken *drop, const struct outcome *outcome)
{
	struct envelope *envelope = &drop->file.envelope;
	struct report *reports = xcalloc(envelope->count, sizeof(*reports));
	char *statuses = xcalloc(envelope->count + 1, 1), id[SPOOL_ID_LEN + 1];
	size_t count = 0;
	int r = 1;

	prepare_envelope(envelope, drop->name, drop->uid);
	memset(statuses, ENVELOPE_PENDING, envelope->count);
	for (size_t i = 0; i < envelope->count; i++)
		if (recipient_wants(&envelope->recipients[i], ENVELOPE_FAILURE))
			reports[count++] = (struct report){ i, DSN_FAILED, outcome, NULL };
	if (count != 0)
		r = queue_files_name(drop->queue->files, queue_now_us(), id);
	if (count != 0 && r == 0)
		r = bounce_submit(drop->queue, id, &drop->file, reports, count, statuses, true, returned, drop);
	free(reports);
	free(statuses);
	return r;
}

static void
return_excess(struct queue *queue, const char *name, const struct spool_file *file, int64_t uid, const char *fault, const struct outcome *outcome)
{
	struct taken *drop = begin_taking(queue, name, uid, file);
	int r;

	drop->excess = fault;
	memcpy(drop->status, outcome->status, sizeof(drop->status));
	r = send_back(drop, outcome);
	if (r == 0)
		return;
	if (r > 0)
		remove_excess(drop, "drop-removed"); /* nobody wants to hear of it */
	else
		pickup_not_taken(queue, name, uid, r);
	end_taking(drop);
}

void
pickup_not_taken(struct queue *queue, const char *name, int64_t uid, int error)
{
	if (error == -EBADMSG) {
		pickup_set_aside(queue, name, uid, "no envelope, or a message with other line ends than CRLF");
	} else if (error != -ENOENT) {
		pickup_wait(queue->pickup, name, uid, error);
	}
}

/* --- accounts' mail --- */

/* Does an account's process drop it? Where all share an ordinary user's uid, those of accounts say so. */
static bool
is_accounts(const struct queue *queue, const struct envelope *envelope, int64_t uid)
{
	const struct fourpost_conf *common = queue->proc->common;

	return (uid >= common->account_uid_low && uid <= common->account_uid_high) || (uid == (int64_t)geteuid() && envelope->account != NULL);
}

/* Nobody waits for an answer whom another could be given: what goes beyond the account's limits goes later. One that has not said whose it is
 * counts by its uid. */
static void
on_owner(void *context, enum lookup_result result, struct span account)
{
	struct taken *drop = context;
	struct queue *queue = drop->queue;
	int64_t at, *release = &drop->file.envelope.release;
	char uid[32];
	int r;

	queue->pickup->asked--;
	if (result == LOOKUP_TEMPFAIL) {
		pickup_rescan_later(queue->pickup); /* it stays and is tried again */
		end_taking(drop);
		return;
	}
	(void)snprintf(uid, sizeof(uid), "uid %lld", (long long)drop->uid);
	drop->owner = result == LOOKUP_LOCAL ? span_dup(account) : xstrdup(uid);
	at = account_sends_at(queue, span_of(drop->owner), drop->recipients);
	if (at > queue_now() && at > *release)
		*release = at;
	r = copy_in(drop);
	if (r < 0) {
		not_counted(drop);
		pickup_not_taken(queue, drop->name, drop->uid, r);
		end_taking(drop);
	}
}

int
pickup_take_message(struct queue *queue, const char *name, const struct spool_file *file, int64_t uid)
{
	struct pickup *pickup = queue->pickup;
	struct outcome outcome;
	struct taken *drop;
	const char *fault = excess_of(queue, file, &outcome);
	int r;

	if (fault != NULL) {
		return_excess(queue, name, file, uid, fault, &outcome);
		return 0;
	}
	drop = begin_taking(queue, name, uid, file);
	if (is_accounts(queue, &file->envelope, uid) && account_is_limited(queue)) {
		pickup->asked++;
		(void)auth_owner(queue->auth, span_of(file->envelope.account), uid, on_owner, drop);
		return 0;
	}
	r = copy_in(drop);
	if (r < 0) {
		pickup_not_taken(queue, name, uid, r);
		end_taking(drop);
	}
	return 0;
}
