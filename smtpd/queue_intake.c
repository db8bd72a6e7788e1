/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* New messages. smtp tells the envelope and gets a file to write into; what is complete waits for
 * the end of the loop's turn, so that all that came together share their syncs. */
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "smtpd/envelope_msg.h"
#include "smtpd/queue.h"
#include "smtpd/queue_memory.h"

#define BUCKETS 1024
/* Far above what the limits on clients allow: a bound on what an smtp role that is owned can make
 * us hold. */
#define TRANSACTIONS_MAX 120000
#define BATCH_MAX 256
/* With what each may have that is 64 MiB. */
#define IN_MEMORY_MAX 256

/* A message that smtp is handing in. */
struct transaction {
	struct transaction *next;
	uint32_t id;
	struct envelope envelope;
	char queue_id[SPOOL_ID_LEN + 1];
	size_t recipients; /* so many it is to have */
	size_t counted;    /* recipients, for which its account's limits have been charged */
	uint64_t edition;  /* of the accounts, when they were looked up; or 0 */
	int fd; /* -1 before all of them are told */
	bool in_memory, rewritten, held;
};

struct waiting {
	struct waiting *next;
	struct queue_commit commit;
	bool entered;      /* already */
	struct facts facts;
	intake_done done;
	void *context;
};

struct intake {
	struct transaction *table[BUCKETS];
	size_t transactions, in_memory;
	struct waiting *first, **last;
	struct event *batch;
};

/* --- commits --- */

static void
finish(struct queue *queue, struct waiting *waiting)
{
	struct queue_commit *commit = &waiting->commit;
	struct queue_entry *entry = NULL;

	if (commit->result == 0 && !waiting->entered)
		entry = queue_enter(queue, commit->id, &waiting->facts, commit->held);
	else if (commit->result != 0)
		log_error(
		    "not-queued", log_str("id", commit->id), log_errno("error", commit->result));
	if (waiting->done != NULL)
		waiting->done(waiting->context, commit->id, commit->result);
	if (entry != NULL && !commit->held)
		queue_try_at(queue, entry, waiting->facts.due);
	facts_free(&waiting->facts);
	free(waiting);
}

static void
on_batch(evutil_socket_t fd, short what, void *context)
{
	struct queue *queue = context;
	struct intake *intake = queue->intake;
	struct queue_commit *commits[BATCH_MAX];
	struct waiting *batch[BATCH_MAX];
	size_t count = 0;

	(void)fd, (void)what;
	while (intake->first != NULL && count < BATCH_MAX) {
		batch[count] = intake->first;
		commits[count] = &intake->first->commit;
		count++;
		intake->first = intake->first->next;
	}
	if (intake->first == NULL)
		intake->last = &intake->first;
	else
		event_active(intake->batch, EV_TIMEOUT, 0);
	queue_files_commit(queue->files, commits, count);
	for (size_t i = 0; i < count; i++)
		finish(queue, batch[i]);
}

static struct waiting *
wait_for_batch(struct intake *intake, const char *id, int fd, intake_done done, void *context)
{
	struct waiting *waiting = xcalloc(1, sizeof(*waiting));

	memcpy(waiting->commit.id, id, SPOOL_ID_LEN);
	waiting->commit.fd = fd;
	waiting->done = done;
	waiting->context = context;
	*intake->last = waiting;
	intake->last = &waiting->next;
	event_active(intake->batch, EV_TIMEOUT, 0);
	return waiting;
}

static void
commit_soon(struct queue *queue, const char *id, int fd, const struct envelope *envelope, bool held,
    intake_done done, void *context)
{
	struct waiting *waiting = wait_for_batch(queue->intake, id, fd, done, context);

	waiting->commit.held = held;
	facts_of(smtpd_conf(queue->proc), envelope, &waiting->facts);
}

void
intake_promise(struct queue *queue, const char *id, int fd, intake_done done, void *context)
{
	wait_for_batch(queue->intake, id, fd, done, context)->entered = true;
}

void
intake_commit(struct queue *queue, const char *id, int fd, const struct envelope *envelope,
    intake_done done, void *context)
{
	commit_soon(queue, id, fd, envelope, false, done, context);
}

/* --- transactions --- */

static struct transaction **
find(struct intake *intake, uint32_t id)
{
	struct transaction **at = &intake->table[id % BUCKETS];

	while (*at != NULL && (*at)->id != id)
		at = &(*at)->next;
	return at;
}

/* The file is another's now, or none. */
static void
let_go(struct queue *queue, struct transaction *transaction)
{
	queue->intake->in_memory -= transaction->in_memory;
	transaction->in_memory = false;
	transaction->fd = -1;
}

static void
drop_file(struct queue *queue, struct transaction *transaction)
{
	if (transaction->fd < 0)
		return;
	(void)close(transaction->fd);
	if (!transaction->in_memory)
		queue_files_discard(queue->files, transaction->queue_id);
	let_go(queue, transaction);
}

static void
forget(struct queue *queue, struct transaction **at)
{
	struct transaction *transaction = *at;

	*at = transaction->next;
	queue->intake->transactions--;
	/* It was not taken. */
	if (transaction->counted != 0)
		account_sent_nothing(queue, span_of(transaction->envelope.account), ACCOUNT_SUBMITS, transaction->counted);
	drop_file(queue, transaction);
	envelope_free(&transaction->envelope);
	free(transaction);
}

static enum message_result
result_of(int error)
{
	return error == 0                        ? MESSAGE_TAKEN :
	    error == -ENOSPC || error == -EDQUOT ? MESSAGE_NO_SPACE :
						   MESSAGE_FAILED;
}

static void
put_verdicts(struct msg_writer *body, const struct attempt *told)
{
	for (size_t i = 0; i < attempt_file(told)->envelope.count; i++) {
		const struct outcome *outcome = attempt_outcome_of(told, i);
		char text[VERDICT_TEXT_MAX];

		/* In its lines, as it was said. */
		memcpy(text, outcome->text, sizeof(text));
		for (size_t n = 0; n < outcome->break_count; n++)
			text[outcome->breaks[n] - 1] = '\n';
		msg_put_u8(body, (uint8_t)outcome->verdict);
		msg_put_span(body, span_of(outcome->status));
		msg_put_span(body, span_of(text));
	}
}

/* told: NULL, or whose outcomes are to be told, for nothing of it is queued. */
static void
send_result(struct queue *queue, uint32_t id, enum message_result result, const char *queue_id, const struct attempt *told)
{
	struct msg_writer body;

	msg_writer_init(&body);
	msg_put_u8(&body, (uint8_t)result);
	msg_put_span(&body, span_of(queue_id));
	if (told != NULL)
		put_verdicts(&body, told);
	/* Should smtp be gone, the client has had no answer and comes again. */
	(void)proc_send(queue->proc, ROLE_FRONT, MSG_MESSAGE_DONE, id, &body, -1);
}

static void
send_done(struct queue *queue, uint32_t id, int result, const char *queue_id, const struct attempt *told)
{
	send_result(queue, id, told != NULL ? MESSAGE_ANSWERED : result_of(result), queue_id, told);
}

/* Before anything goes to another host it is promised, so that it will be on the disk. */
static bool
goes_elsewhere(const struct queue *queue, const struct envelope *envelope)
{
	for (size_t i = 0; i < envelope->count; i++)
		if (!facts_is_ours(smtpd_conf(queue->proc), span_of(envelope->recipients[i].address)))
			return true;
	return false;
}

/* In memory, where that has room for it. */
static int
create(struct queue *queue, struct transaction *transaction)
{
	struct envelope *envelope = &transaction->envelope;
	int r, fd;

	if (transaction->rewritten)
		return queue_files_recreate(queue->files, envelope, transaction->queue_id);
	r = queue_files_name(queue->files, queue_now_us(), transaction->queue_id);
	if (r < 0)
		return r;
	fd = queue->intake->in_memory < IN_MEMORY_MAX && !goes_elsewhere(queue, envelope) ? queue_memory_create(envelope) : -ENOMEM;
	if (fd < 0)
		return queue_files_recreate(queue->files, envelope, transaction->queue_id);
	transaction->in_memory = true;
	queue->intake->in_memory++;
	return fd;
}

/* Hands smtp the file, or -errno. */
static int
give(struct queue *queue, struct transaction **at, int fd)
{
	struct transaction *transaction = *at;
	struct msg_writer body;

	if (fd < 0)
		return fd;
	msg_writer_init(&body);
	msg_put_span(&body, span_of(transaction->queue_id));
	msg_put_u8(&body, transaction->in_memory);
	if (proc_send(queue->proc, ROLE_FRONT, MSG_MESSAGE_FD, transaction->id, &body, fd) < 0)
		forget(queue, at); /* smtp is gone */
	return 0;
}

static int
give_file(struct queue *queue, struct transaction **at)
{
	int copy = dup((*at)->fd);

	return give(queue, at, copy < 0 ? -errno : copy);
}

static void
not_opened(struct queue *queue, struct transaction **at, int error)
{
	struct transaction *transaction = *at;

	log_error("not-opened", log_str("client", transaction->envelope.client), log_str("from", transaction->envelope.sender),
	    log_errno("error", error));
	send_done(queue, transaction->id, error, "", NULL);
	forget(queue, at);
}

/* All recipients are told: makes the file. */
static int
make_file(struct queue *queue, struct transaction **at)
{
	struct transaction *transaction = *at;
	bool counts = span_of(transaction->envelope.account).len != 0 && !transaction->rewritten;
	bool could = !counts || account_could_send(queue, transaction->envelope.count);
	int r;

	if (!could || (counts && !account_may_send(queue, span_of(transaction->envelope.account), ACCOUNT_SUBMITS, transaction->envelope.count))) {
		send_result(queue, transaction->id, could ? MESSAGE_LIMITED : MESSAGE_EXCEEDS, "", NULL);
		forget(queue, at);
		return 0;
	}
	if (counts)
		transaction->counted = transaction->envelope.count;
	r = transaction->fd = create(queue, transaction);
	if (r >= 0)
		r = give_file(queue, at);
	if (r < 0)
		not_opened(queue, at, r);
	return 0;
}

/* Recipients, to the end of the message; after the last that it is to have, its file. */
static int
add_recipients(struct queue *queue, struct transaction **at, struct msg_reader *body)
{
	struct transaction *transaction = *at;
	struct envelope *envelope = &transaction->envelope;

	if (transaction->fd >= 0)
		return -EBADMSG;
	while (body->rest.len != 0 && !body->bad) {
		uint8_t notify = msg_get_u8(body);
		struct span orcpt = msg_get_span(body), address = msg_get_span(body);

		if (body->bad || envelope->count == transaction->recipients || envelope_add(envelope, address, orcpt, notify) < 0)
			return -EBADMSG;
	}
	if (!msg_done(body))
		return -EBADMSG;
	return envelope->count == transaction->recipients ? make_file(queue, at) : 0;
}

/* How many there will be, and the first of them. recipients_max is smtp's to keep: it may be another by now, and filters add to it. */
static int
take_recipients(struct queue *queue, struct transaction **at, struct msg_reader *body)
{
	uint32_t count = msg_get_u32(body);

	if (body->bad || count == 0 || count > ENVELOPE_RECIPIENTS_MAX)
		return -EBADMSG;
	(*at)->recipients = count;
	return add_recipients(queue, at, body);
}

static int
open_transaction(struct queue *queue, const struct msg *msg)
{
	struct intake *intake = queue->intake;
	struct msg_reader body = msg_read(msg);
	struct envelope asked = { .uid = -1 };
	struct span sender, envid, client, account;
	struct transaction **at = find(intake, msg->id), *transaction;
	uint64_t edition;
	uint16_t room;
	int r;

	edition = msg_get_u64(&body);
	room = msg_get_u16(&body);
	if (!envelope_get_options(&body, &asked))
		return -EBADMSG;
	sender = msg_get_span(&body);
	envid = msg_get_span(&body);
	client = msg_get_span(&body);
	account = msg_get_span(&body);
	if (body.bad || sender.len > ENVELOPE_ADDRESS_MAX || *at != NULL || intake->transactions >= TRANSACTIONS_MAX)
		return -EBADMSG;
	transaction = *at = xcalloc(1, sizeof(*transaction));
	intake->transactions++;
	transaction->id = msg->id;
	transaction->fd = -1;
	envelope_init(&transaction->envelope, sender, queue_now());
	envelope_copy_options(&transaction->envelope, &asked);
	transaction->envelope.room = room;
	transaction->edition = edition;
	r = envelope_set(&transaction->envelope.envid, envid);
	if (r == 0)
		r = envelope_set(&transaction->envelope.client, client.len != 0 ? client : SPAN("local"));
	if (r == 0)
		r = envelope_set(&transaction->envelope.account, account);
	return r == 0 ? take_recipients(queue, at, &body) : -EBADMSG;
}

/* It has become too large for memory. */
static int
grow(struct queue *queue, struct transaction **at, const struct msg *msg)
{
	struct transaction *transaction = *at;
	struct msg_reader body = msg_read(msg);
	uint64_t written = msg_get_u64(&body);
	int r;

	if (!msg_done(&body) || !transaction->in_memory || written > MESSAGE_MEMORY_MAX)
		return -EBADMSG;
	r = queue_memory_store(queue->files, transaction->fd, &transaction->envelope, written, transaction->queue_id);
	if (r >= 0) {
		(void)close(transaction->fd);
		let_go(queue, transaction);
		transaction->fd = r;
		r = give_file(queue, at);
	}
	if (r < 0)
		not_opened(queue, at, r);
	return 0;
}

/* Whoever reads it for smtp is not to write it. */
static int
give_to_read(struct queue *queue, struct transaction **at)
{
	const struct transaction *transaction = *at;
	int r;

	if (transaction->fd < 0)
		return -EBADMSG;
	r = give(queue, at, transaction->in_memory ? queue_memory_copy(transaction->fd) :
						     queue_files_reopen(queue->files, SPOOL_QUEUE_TMP, transaction->queue_id));
	if (r < 0)
		not_opened(queue, at, r);
	return 0;
}

/* A filter has changed the message: its file is made anew, with another envelope. */
static int
begin_again(struct queue *queue, struct transaction **at, const struct msg *msg)
{
	struct transaction *transaction = *at;
	struct msg_reader body = msg_read(msg);
	bool held = msg_get_u8(&body) != 0;
	struct envelope *old = &transaction->envelope, made;
	struct span sender = msg_get_span(&body);
	int r;

	if (body.bad || sender.len > ENVELOPE_ADDRESS_MAX || transaction->fd < 0 || transaction->rewritten)
		return -EBADMSG;
	drop_file(queue, transaction);
	transaction->rewritten = true;
	transaction->held = held;
	envelope_init(&made, sender, old->created);
	envelope_copy_options(&made, old);
	made.room = old->room;
	r = envelope_set(&made.envid, span_of(old->envid));
	if (r == 0)
		r = envelope_set(&made.client, span_of(old->client));
	if (r == 0)
		r = envelope_set(&made.account, span_of(old->account));
	envelope_free(old);
	*old = made;
	return r == 0 ? take_recipients(queue, at, &body) : -EBADMSG;
}

/* Its file for the queue; or -errno, which its commit tells. */
static int
on_disk(struct queue *queue, struct transaction *transaction, uint64_t length)
{
	int fd = transaction->fd;

	if (!transaction->in_memory)
		return fd;
	fd = queue_memory_store(queue->files, transaction->fd, &transaction->envelope, length, transaction->queue_id);
	(void)close(transaction->fd);
	return fd;
}

struct commit_context {
	struct queue *queue;
	uint32_t id;
	char *account; /* whose limits have been charged for so many */
	size_t counted;
};

static void
tried(void *context, const char *id, int result, const struct attempt *told)
{
	struct commit_context *commit = context;

	if (result < 0 && commit->counted != 0)
		account_sent_nothing(commit->queue, span_of(commit->account), ACCOUNT_SUBMITS, commit->counted);
	send_done(commit->queue, commit->id, result, id, told);
	free(commit->account);
	free(commit);
}

static void
committed(void *context, const char *id, int result)
{
	tried(context, id, result, NULL);
}

/* The file holds the envelope as we wrote it, its room, and behind it as much as smtp says. The header fields go before that. */
static int
finish_file(struct queue *queue, struct transaction *transaction, uint64_t written, struct span fields)
{
	struct buf text = BUF_INIT(ENVELOPE_MAX);
	_cleanup_(closep) int fd = -1;
	struct stat st;
	size_t head;

	if (transaction->in_memory)
		return queue_memory_finish(transaction->fd, &transaction->envelope, written, fields);
	(void)envelope_encode(&transaction->envelope, &text);
	head = text.len + transaction->envelope.room;
	buf_free(&text);
	if (fstat(transaction->fd, &st) < 0 || (uint64_t)st.st_size != head + written) {
		log_error("wrong-size", log_str("id", transaction->queue_id), log_u64("written", written), log_i64("size", st.st_size));
		return -EIO;
	}
	if (fields.len == 0)
		return 0;
	/* A descriptor of its own: that of smtp only appends. */
	fd = queue_files_edit(queue->files, transaction->queue_id);
	return fd < 0 ? fd : queue_files_put_fields(fd, &transaction->envelope, fields);
}

static int
commit(struct queue *queue, struct transaction **at, const struct msg *msg)
{
	struct transaction *transaction = *at;
	struct msg_reader body = msg_read(msg);
	uint64_t written = msg_get_u64(&body);
	struct span fields = msg_get_span(&body);
	uint8_t first = msg_get_u8(&body);
	struct commit_context *context;
	int r;

	if (!msg_done(&body) || transaction->fd < 0 || first > FIRST_HOLD)
		return -EBADMSG;
	r = finish_file(queue, transaction, written, fields);
	if (r < 0) {
		send_done(queue, transaction->id, r, transaction->queue_id, NULL);
		forget(queue, at);
		return 0;
	}
	context = xcalloc(1, sizeof(*context));
	context->queue = queue;
	context->id = transaction->id;
	context->account = span_dup(span_of(transaction->envelope.account));
	context->counted = transaction->counted;
	transaction->counted = 0;
	transaction->held |= first == FIRST_HOLD;
	if (first == FIRST_QUEUE || transaction->held || transaction->rewritten || !direct_start(queue, transaction->queue_id, transaction->fd,
	    transaction->in_memory, &transaction->envelope, first == FIRST_TRY_EACH, transaction->edition, tried, context))
		commit_soon(queue, transaction->queue_id, on_disk(queue, transaction, written + fields.len), &transaction->envelope,
		    transaction->held, committed, context);
	let_go(queue, transaction);
	forget(queue, at);
	return 0;
}

int
intake_message(struct queue *queue, struct msg *msg)
{
	struct transaction **at = find(queue->intake, msg->id);
	struct msg_reader body;

	if (msg->type == MSG_MESSAGE_OPEN)
		return open_transaction(queue, msg);
	/* A transaction that could not be opened has been answered; what smtp sent before it read
	 * that is void. */
	if (*at == NULL)
		return 0;
	switch (msg->type) {
	case MSG_MESSAGE_RCPT:
		body = msg_read(msg);
		return add_recipients(queue, at, &body);
	case MSG_MESSAGE_GROW:
		return grow(queue, at, msg);
	case MSG_MESSAGE_READ:
		return give_to_read(queue, at);
	case MSG_MESSAGE_REWRITE:
		return begin_again(queue, at, msg);
	case MSG_MESSAGE_COMMIT:
		return commit(queue, at, msg);
	default:
		forget(queue, at);
		return 0;
	}
}

bool
intake_is_under_way(const struct queue *queue)
{
	return queue->intake->first != NULL;
}

void
intake_smtp_gone(struct queue *queue)
{
	struct intake *intake = queue->intake;

	for (size_t i = 0; i < BUCKETS; i++)
		while (intake->table[i] != NULL)
			forget(queue, &intake->table[i]);
}

struct intake *
intake_new(struct queue *queue)
{
	struct intake *intake = xcalloc(1, sizeof(*intake));

	intake->last = &intake->first;
	intake->batch = event_new(queue->proc->base, -1, 0, on_batch, queue);
	if (intake->batch == NULL)
		abort();
	return intake;
}
