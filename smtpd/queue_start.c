/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What lies in the spool at the start. The names are listed at once; the files are read from the loop, some at a time, the oldest
 * first, so that new mail is taken and old mail goes out while a million are still being read. */
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/next_turn.h"
#include "common/text_set.h"
#include "common/xalloc.h"
#include "smtpd/queue.h"
#include "smtpd/queue_age.h"

/* Files that are read in one turn of the loop. */
#define TURN_MAX 256
/* What cannot be read for reasons of our own (descriptors, a disk that fails) is tried again then. */
#define AGAIN_SECONDS 60
/* The last digits of an id: those of its number. */
#define NUMBER_LEN 2
/* So often they are waited for before drop/ is looked at all the same. */
#define WAITS_MAX 10
/* So long a message waits, that is to be removed or held by a request which lies in drop/ and cannot be looked at yet. */
#define ASKED_SECONDS 300

struct name {
	char id[SPOOL_ID_LEN];
	bool held;
};

struct reader {
	struct event *turn;
	struct name *names;
	size_t count, room, at;
	size_t again; /* of those before `at`: to be read once more */
	size_t queued, held, corrupt;
	unsigned waits;
	struct text_set *asked; /* what those requests are about; NULL: there are none */
	bool started; /* drop/ is being looked at */
};

static void
add(struct reader *reader, const char *id, bool held)
{
	struct name *name;

	if (reader->count == reader->room) {
		reader->room = reader->room == 0 ? 1024 : reader->room * 2;
		reader->names = xreallocarray(reader->names, reader->room, sizeof(*reader->names));
	}
	name = &reader->names[reader->count++];
	memcpy(name->id, id, SPOOL_ID_LEN);
	name->held = held;
}

static void
found(void *context, const char *id, bool held)
{
	add(context, id, held);
}

/* The oldest first, but of one time the highest number: a notification before the message that it is about. */
static int
compare(const void *a, const void *b)
{
	const struct name *left = a, *right = b;

	int times = memcmp(left->id, right->id, SPOOL_ID_LEN - NUMBER_LEN);

	return times != 0 ? times : memcmp(right->id + SPOOL_ID_LEN - NUMBER_LEN, left->id + SPOOL_ID_LEN - NUMBER_LEN, NUMBER_LEN);
}

/* --- one file --- */

/* No attempt is put off for longer than from the last one: what is was written under another clock. */
static int64_t
due_of(const struct smtpd_conf *conf, const struct envelope *envelope, int64_t due)
{
	int64_t most = queue_now() + conf->retry_max + conf->retry_max / 10;

	if (most < envelope->release)
		most = envelope->release;
	return due < most ? due : most;
}

static bool
is_asked_about(const struct text_set *asked, const char *id, const struct facts *facts)
{
	return asked != NULL && (text_set_has(asked, span_of(id)) || (facts->drop != NULL && text_set_has(asked, span_of(facts->drop))));
}

/* When a message that has just been read is tried. */
static int64_t
first_due(const struct queue *queue, const char *id, const struct envelope *envelope, const struct facts *facts)
{
	int64_t due = due_of(smtpd_conf(queue->proc), envelope, facts->due), asked = queue_now() + ASKED_SECONDS;

	return due < asked && is_asked_about(queue->reader->asked, id, facts) ? asked : due;
}

static void
enter(struct queue *queue, const char *id, bool held, struct spool_file *file)
{
	const struct envelope *envelope = &file->envelope;
	struct queue_entry *entry = queue_table_find(queue->table, span_make(id, SPOOL_ID_LEN));
	bool known = entry != NULL;
	struct facts facts;

	if (!known || entry->state != ENTRY_ACTIVE)
		facts_right(id, known ? entry->born : age_born(envelope->created, queue_now(), queue_uptime()), file);
	facts_of(smtpd_conf(queue->proc), envelope, &facts);
	if (!known) {
		if (envelope->about != NULL)
			bounce_found(queue, envelope);
		entry = queue_enter(queue, id, &facts, held);
		queue->reader->held += held;
		queue->reader->queued += !held;
	} else if (entry->state != ENTRY_ACTIVE) { /* or else the end of the attempt does that */
		facts_apply(queue, entry, &facts);
	}
	if (!known && !held)
		queue_try_at(queue, entry, first_due(queue, id, envelope, &facts));
	facts_free(&facts);
	if (!known)
		queue_control_found(queue, entry);
}

static void
read_one(struct queue *queue, const struct name *name)
{
	struct reader *reader = queue->reader;
	struct spool_file file;
	char id[SPOOL_ID_LEN + 1] = "";
	int r;

	memcpy(id, name->id, SPOOL_ID_LEN);
	r = queue_files_load(queue->files, name->held ? SPOOL_HOLD : SPOOL_QUEUE, id, &file);
	if (r == 0) {
		enter(queue, id, name->held, &file);
		spool_close(&file);
		return;
	}
	if (r == -ENOENT) /* gone meanwhile */
		return;
	log_error("unreadable", log_str("id", id), log_errno("error", r), log_str("held", name->held ? "yes" : "no"));
	if (r == -EBADMSG) {
		reader->corrupt++;
		(void)queue_files_set_aside(queue->files, id, name->held);
	} else {
		reader->names[reader->again++] = *name;
	}
}

/* --- all of them --- */

static void
finish(struct queue *queue)
{
	const struct timeval later = { AGAIN_SECONDS, 0 };
	struct reader *reader = queue->reader;

	/* Only when all have been read it is known which files of drop/ are in the queue already. A disk that stays broken is not to keep
	 * them for ever: taken in twice rather than never. */
	if (!reader->started && (reader->again == 0 || reader->waits++ == WAITS_MAX)) {
		log_info("queue-read", log_u64("queued", reader->queued), log_u64("held", reader->held), log_u64("corrupt", reader->corrupt));
		reader->started = true;
		pickup_start(queue);
	}
	reader->count = reader->again;
	reader->at = reader->again = 0;
	if (reader->count != 0) {
		(void)event_add(reader->turn, &later);
		return;
	}
	wishes_forget(queue);
	reader->asked = text_set_free(reader->asked);
	free(reader->names);
	reader->names = NULL;
	reader->room = 0;
}

static void
on_turn(evutil_socket_t fd, short what, void *context)
{
	struct queue *queue = context;
	struct reader *reader = queue->reader;

	(void)fd, (void)what;
	for (unsigned i = 0; i < TURN_MAX && reader->at < reader->count; i++) {
		struct name name = reader->names[reader->at++];

		read_one(queue, &name);
	}
	if (reader->at < reader->count)
		next_turn(reader->turn);
	else
		finish(queue);
}

static void
begin(struct reader *reader)
{
	if (reader->count != 0)
		qsort(reader->names, reader->count, sizeof(*reader->names), compare);
	reader->at = reader->again = 0;
	event_active(reader->turn, EV_TIMEOUT, 0);
}

bool
reader_start(struct queue *queue)
{
	struct reader *reader = queue->reader = xcalloc(1, sizeof(*reader));
	int r = queue_files_scan(queue->files, found, reader);

	if (r == 0)
		r = wishes_load(queue); /* what was to be removed must not be sent */
	if (r < 0) {
		/* A queue that does not know its messages must not pretend that there are none. */
		log_error("spool-unreadable", log_str("folder", queue->proc->common->spool_dir), log_errno("error", r));
		return false;
	}
	reader->turn = event_new(queue->proc->base, -1, 0, on_turn, queue);
	if (reader->turn == NULL)
		abort();
	reader->asked = pickup_asked_about(queue);
	log_info("queue-ready", log_u64("messages", reader->count));
	begin(reader);
	return true;
}

static bool
add_entry(void *context, struct queue_entry *entry)
{
	add(context, entry->id, entry->state == ENTRY_HELD);
	return true;
}

void
reader_again(struct queue *queue)
{
	struct reader *reader = queue->reader;
	size_t left = reader->count - reader->at;

	/* What could not be read, or has not been yet, is in no table. */
	if (left != 0)
		memmove(reader->names + reader->again, reader->names + reader->at, left * sizeof(*reader->names));
	reader->count = reader->again + left;
	queue_table_each(queue->table, add_entry, reader);
	begin(reader);
}

bool
reader_is_done(const struct queue *queue)
{
	return queue->reader->started;
}
