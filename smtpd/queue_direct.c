/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Mail for accounts here is delivered before its client is answered: what is in the mailboxes need not be on stable storage in the
 * queue too, and what a mailbox refuses is refused to the client, so that nobody writes to a sender who may be forged. Its file is still
 * in memory, or queue/XX/tmp.ID: whoever ends in the middle has promised nothing, and the client comes again.
 *
 * Where that cannot be, the message is queued as any other (it is promised), and the attempt goes on: when it takes long, when a
 * recipient is to be tried again later, and before anything goes to another host. */
#include <event2/event.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "smtpd/queue.h"

/* How long a client waits for the mailboxes. He would wait for ten minutes (RFC 5321 section 4.5.3.2.6), but his connection is one of
 * those that others may want. */
#define WAIT_SECONDS 5

struct direct {
	struct direct *next, **at;   /* of all */
	struct queue *queue;
	struct queue_entry *entry;
	struct attempt *attempt;
	int fd;                      /* the file; -1 once it is promised, or is to be */
	bool in_memory;              /* where that has been up to now */
	bool each;                   /* the client has an answer for each recipient */
	enum { UNPROMISED, PROMISING, PROMISED } state;
	direct_done done;
	void *context;
	struct event *deadline;
};

static void
direct_free(struct direct *direct)
{
	*direct->at = direct->next;
	if (direct->next != NULL)
		direct->next->at = direct->at;
	if (direct->fd >= 0)
		(void)close(direct->fd);
	event_free(direct->deadline);
	free(direct);
}

/* --- the promise --- */

static void
promised(void *context, const char *id, int result)
{
	struct direct *direct = context;
	struct attempt *attempt = direct->attempt;

	direct->done(direct->context, id, result, NULL);
	direct->state = PROMISED;
	if (result == 0)
		attempt_go_on(attempt);
	else
		attempt_give_up(attempt);
}

void
direct_promise(struct direct *direct)
{
	if (direct->state != UNPROMISED)
		return;
	direct->state = PROMISING;
	(void)event_del(direct->deadline);
	if (direct->in_memory) {
		(void)close(direct->fd);
		direct->fd = attempt_store(direct->attempt);
	}
	intake_promise(direct->queue, direct->entry->id, direct->fd, promised, direct);
	direct->fd = -1;
}

void
direct_promise_all(struct queue *queue)
{
	for (struct direct *direct = queue->directs; direct != NULL; direct = direct->next)
		direct_promise(direct);
}

static void
on_deadline(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	direct_promise(context);
}

bool
direct_is_promised(const struct direct *direct)
{
	return direct->state == PROMISED;
}

/* --- the end of the attempt --- */

/* Whether the client can be told of all recipients what became of them, and nothing is left to do. */
static bool
tells_all(const struct direct *direct)
{
	const struct envelope *envelope = &attempt_file(direct->attempt)->envelope;
	size_t delivered = 0, len = 0;

	for (size_t i = 0; i < envelope->count; i++) {
		const struct outcome *outcome = attempt_outcome_of(direct->attempt, i);

		if (outcome == NULL || outcome->remote || !verdict_fits_reply(span_of(outcome->status), span_of(outcome->text)))
			return false;
		/* RFC 3461 section 5.2.3: a notification of the delivery is to be written, and that must not get lost. */
		if (outcome->verdict == VERDICT_OK && (envelope->recipients[i].notify & ENVELOPE_SUCCESS) != 0)
			return false;
		/* Of an alias, accounts here have theirs. */
		if (envelope->recipients[i].status == ENVELOPE_HALF)
			return false;
		/* With one reply for all, what is only late is better tried again by us. */
		if (outcome->verdict == VERDICT_TEMPFAIL && !direct->each)
			return false;
		delivered += outcome->verdict == VERDICT_OK;
		len += 1 + 2 + strlen(outcome->status) + 2 + strlen(outcome->text);
	}
	/* They stand in one message, MESSAGE_DONE, behind a byte and the id. */
	if (len > MSG_BODY_MAX - (1 + 2 + SPOOL_ID_LEN))
		return false;
	return direct->each || delivered == 0 || delivered == envelope->count;
}

enum direct_end
direct_end(struct direct *direct)
{
	if (direct->state == PROMISED) {
		direct_free(direct);
		return DIRECT_QUEUED;
	}
	if (direct->state == PROMISING)
		return DIRECT_WAITS;
	if (!tells_all(direct)) {
		direct_promise(direct);
		return DIRECT_WAITS;
	}
	direct->done(direct->context, direct->entry->id, 0, direct->attempt);
	if (!direct->in_memory)
		queue_files_discard(direct->queue->files, direct->entry->id);
	direct_free(direct);
	return DIRECT_TOLD;
}

/* --- the beginning --- */

bool
direct_start(struct queue *queue, const char *id, int fd, bool in_memory, const struct envelope *envelope, bool each, uint64_t edition,
    direct_done done, void *context)
{
	const struct timeval wait = { WAIT_SECONDS, 0 };
	struct direct *direct;
	struct facts facts;

	/* Half of the places stay for what is promised. */
	if (queue->proc->stopping || queue->active >= queue->active_max / 2 || envelope->count > DIRECT_RECIPIENTS_MAX || envelope->release != 0)
		return false;
	direct = xcalloc(1, sizeof(*direct));
	*direct = (struct direct){ .queue = queue, .fd = fd, .in_memory = in_memory, .each = each, .done = done, .context = context };
	direct->deadline = event_new(queue->proc->base, -1, 0, on_deadline, direct);
	if (direct->deadline == NULL)
		abort();
	(void)event_add(direct->deadline, &wait);
	direct->at = &queue->directs;
	direct->next = queue->directs;
	if (direct->next != NULL)
		direct->next->at = &direct->next;
	queue->directs = direct;
	facts_of(smtpd_conf(queue->proc), envelope, &facts);
	direct->entry = queue_enter(queue, id, &facts, false);
	facts_free(&facts);
	schedule_take(queue->schedule, direct->entry, ENTRY_ACTIVE);
	direct->attempt = attempt_start_direct(queue, direct->entry, in_memory ? fd : -1, edition, direct);
	if (direct->attempt != NULL)
		return true;
	direct->fd = -1; /* stays the caller's */
	queue_leave(queue, direct->entry);
	direct_free(direct);
	return false;
}
