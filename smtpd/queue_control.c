/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What owners and operators ask of the queue: hold, release, remove, retry, list. */
#include <errno.h>
#include <unistd.h>

#include "common/log.h"
#include "smtpd/queue.h"

/* One word of the answer stands before the records. */
#define WORD_MAX 16

/* Done at the end of the attempt, whatever becomes of this process: -EINPROGRESS; or -errno, and it is not. */
static int
later(struct queue *queue, struct queue_entry *entry, enum drop_action action)
{
	int r = wish_keep(queue, action, entry->id);

	return r == 0 ? -EINPROGRESS : r;
}

static int
hold(struct queue *queue, struct queue_entry *entry)
{
	int r;

	if (entry->state == ENTRY_HELD)
		return 0;
	if (entry->state == ENTRY_ACTIVE) {
		r = later(queue, entry, DROP_HOLD);
		entry->hold_wanted |= r == -EINPROGRESS;
		return r;
	}
	r = queue_files_hold(queue->files, entry->id);
	if (r == 0) {
		schedule_take(queue->schedule, entry, ENTRY_HELD);
		wish_drop(queue, DROP_HOLD, entry->id); /* one that failed at the end of an attempt */
		entry->hold_wanted = false;
	}
	return r;
}

static int
release(struct queue *queue, struct queue_entry *entry)
{
	int r;

	/* Also one that failed: it would come true at the next start. */
	wish_drop(queue, DROP_HOLD, entry->id);
	entry->hold_wanted = false;
	if (entry->state != ENTRY_HELD)
		return 0;
	r = queue_files_release(queue->files, entry->id);
	if (r == 0)
		queue_try_at(queue, entry, queue_now());
	return r;
}

static int
remove_message(struct queue *queue, struct queue_entry *entry)
{
	int r;

	if (entry->state == ENTRY_ACTIVE) {
		r = later(queue, entry, DROP_REMOVE);
		entry->remove_wanted |= r == -EINPROGRESS;
		return r;
	}
	r = queue_files_remove_for_good(queue->files, entry->id, entry->state == ENTRY_HELD);
	if (r == 0 || r == -ENOENT)
		queue_leave(queue, entry);
	return r == -ENOENT ? 0 : r;
}

static int
retry(struct queue *queue, struct queue_entry *entry)
{
	if (entry->state == ENTRY_HELD)
		return -EBUSY;
	if (entry->state == ENTRY_ACTIVE) {
		entry->retry_wanted = true;
		return -EINPROGRESS;
	}
	entry->hurried = true;
	schedule_hurry(queue->schedule, entry, queue_now());
	queue_wake(queue);
	return 0;
}

/* As if it had just come: by the aliases and routes of now. */
static int
requeue(struct queue *queue, struct queue_entry *entry)
{
	int r;

	if (entry->state == ENTRY_HELD)
		return -EBUSY;
	if (entry->state == ENTRY_ACTIVE) {
		r = later(queue, entry, DROP_REQUEUE);
		entry->requeue_wanted |= r == -EINPROGRESS;
		entry->requeue_kept |= entry->requeue_wanted;
		return r;
	}
	entry->requeued = true;
	/* Alone, not in the row of where it was to go. */
	schedule_bind(queue->schedule, entry, SPAN_NULL);
	schedule_at(queue->schedule, entry, queue_now());
	queue_wake(queue);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(struct queue *, struct queue_entry *);
} actions[] = {
	[DROP_HOLD] = { "hold", hold },
	[DROP_RELEASE] = { "release", release },
	[DROP_REMOVE] = { "remove", remove_message },
	[DROP_RETRY] = { "retry", retry },
	[DROP_REQUEUE] = { "requeue", requeue },
};

/* The id is copied: the entry may be gone afterwards. */
static int
run(struct queue *queue, enum drop_action action, struct queue_entry *entry, int64_t uid)
{
	char id[SPOOL_ID_LEN + 1];
	int r;

	memcpy(id, entry->id, sizeof(id));
	r = actions[action].run(queue, entry);
	log_info(actions[action].name, log_str("id", id), log_i64("uid", uid),
	    log_str("result",
		r == 0                ? "done" :
		    r == -EINPROGRESS ? "after this attempt" :
					strerrordesc_np(-r)));
	return r;
}

/* What fails stays kept, for the next start, and is wanted before the next attempt. */
static void
run_kept(struct queue *queue, struct queue_entry *entry, enum drop_action action)
{
	char id[SPOOL_ID_LEN + 1];
	int r;

	memcpy(id, entry->id, sizeof(id));
	if (action == DROP_REQUEUE && entry->state == ENTRY_HELD) {
		/* Held since: once it is released. */
		entry->requeued = entry->requeue_kept = true;
		return;
	}
	r = run(queue, action, entry, geteuid());
	if (r == 0 && action == DROP_REQUEUE)
		entry->requeue_kept = true; /* until it has been tried */
	else if (r == 0)
		wish_drop(queue, action, id);
	else if (action == DROP_REMOVE)
		entry->remove_wanted = true;
	else if (action == DROP_HOLD)
		entry->hold_wanted = true;
}

void
queue_control_late(struct queue *queue, struct queue_entry *entry)
{
	bool removes = entry->remove_wanted, holds = entry->hold_wanted;

	entry->remove_wanted = entry->hold_wanted = false;
	if (removes && holds)
		wish_drop(queue, DROP_HOLD, entry->id);
	if (removes)
		run_kept(queue, entry, DROP_REMOVE);
	else if (holds)
		run_kept(queue, entry, DROP_HOLD);
}

void
queue_control_found(struct queue *queue, struct queue_entry *entry)
{
	enum drop_action action;
	bool removed = false;

	while (!removed && wish_take(queue, entry->id, &action)) {
		removed = action == DROP_REMOVE;
		run_kept(queue, entry, action);
	}
}

void
queue_control_forget(struct queue *queue, struct queue_entry *entry)
{
	if (entry->remove_wanted)
		wish_drop(queue, DROP_REMOVE, entry->id);
	if (entry->hold_wanted)
		wish_drop(queue, DROP_HOLD, entry->id);
	if (entry->requeue_kept)
		wish_drop(queue, DROP_REQUEUE, entry->id);
	entry->remove_wanted = entry->hold_wanted = entry->requeue_kept = false;
}

/* --- rights --- */

static bool
may_ask(const struct queue_entry *entry, int64_t uid)
{
	return uid == 0 || uid == (int64_t)geteuid() || uid == entry->uid;
}

/* --- list --- */

struct listing {
	struct queue *queue;
	int64_t uid;
	struct buf records;
	bool cut;
};

static int
put_record(struct listing *listing, const struct queue_entry *entry)
{
	bool held = entry->state == ENTRY_HELD;
	struct spool_file file;
	struct drop_record record = { .id = span_of(entry->id), .held = held };
	struct buf text = BUF_INIT(ENVELOPE_MAX);
	int r = queue_files_load(listing->queue->files, held ? SPOOL_HOLD : SPOOL_QUEUE, entry->id, &file);
	size_t len;
	ssize_t got;

	if (r < 0)
		return r;
	len = file.offset - file.envelope.room;
	if (buf_reserve(&text, len) != NULL) {
		got = pread(file.fd, text.data, len, 0);
		buf_added(&text, got > 0 ? (size_t)got : 0);
	}
	record.length = file.length;
	record.envelope = buf_get(&text);
	r = drop_record_encode(&record, &listing->records);
	buf_free(&text);
	spool_close(&file);
	return r;
}

static bool
list_one(void *context, struct queue_entry *entry)
{
	struct listing *listing = context;

	if (may_ask(entry, listing->uid) && put_record(listing, entry) == -EMSGSIZE)
		listing->cut = true;
	return !listing->cut;
}

/* One that is removed at this moment is not there any more; one that cannot be read is told in the
 * log when its turn comes. */
static void
list(struct queue *queue, const struct queue_entry *entry, int64_t uid, struct buf *answer)
{
	struct listing listing = {
		.queue = queue, .uid = uid, .records = BUF_INIT(DROP_ANSWER_MAX - WORD_MAX)
	};
	int r = 0;

	if (entry != NULL)
		r = put_record(&listing, entry);
	else
		queue_table_each(queue->table, list_one, &listing);
	(void)drop_answer_encode(
	    r < 0 ? DROP_FAILED : listing.cut ? DROP_CUT : DROP_DONE, answer);
	(void)buf_span(answer, buf_get(&listing.records));
	buf_free(&listing.records);
}

/* --- requests --- */

static enum drop_answer
answer_of(int r)
{
	return r == 0         ? DROP_DONE :
	    r == -EINPROGRESS ? DROP_LATER :
	    r == -ENOENT      ? DROP_UNKNOWN :
	    r == -EPERM       ? DROP_DENIED :
	    r == -EBUSY       ? DROP_IS_HELD :
				DROP_FAILED;
}

/* Anybody may ask the queue to look again: it does what it would do anyway. */
static void
retry_all(struct queue *queue, int64_t uid)
{
	log_info("retry-all", log_i64("uid", uid),
	    log_u64("messages", queue_table_count(queue->table)));
	schedule_hurry_all(queue->schedule, queue_now());
	queue_wake(queue);
}

void
queue_control(struct queue *queue, enum drop_action action, struct span name, int64_t uid,
    struct buf *answer)
{
	struct queue_entry *entry = name.len != 0 ? queue_table_find(queue->table, name) : NULL;
	int r = 0;

	if (name.len != 0 && entry == NULL)
		r = -ENOENT;
	else if (entry != NULL && !may_ask(entry, uid))
		r = -EPERM;
	if (r < 0) {
		log_warning("request-refused", log_str("action", action == DROP_LIST ? "list" : actions[action].name),
		    log_span("message", name), log_i64("uid", uid), log_errno("error", r));
	} else if (action == DROP_LIST) {
		list(queue, entry, uid, answer);
		return;
	} else if (entry == NULL) {
		retry_all(queue, uid);
	} else {
		r = run(queue, action, entry, uid);
	}
	(void)drop_answer_encode(answer_of(r), answer);
}
