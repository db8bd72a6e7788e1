/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Deliver processes: one for each account that has mail waiting, at most deliver_concurrency at work
 * at once. They are kept for a while after the last message because the next is often near: to start
 * one and open an account costs more than to deliver a message. */
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "smtpd/queue.h"
#include "smtpd/queue_submit.h"

/* Messages given to one process before it has answered for the first. */
#define WINDOW 16
#define OWN_MAX 256 /* addresses that it asks about at a time */
#define IDLE_SECONDS 60
/* Processes that are kept without work, beside those at work. */
#define IDLE_MAX 200
/* A job whose process ended is given to another once. */
#define TRIES_MAX 2
/* So many deliveries, each of which was the only one under way when it began, tell that one sender is at work: where many are, one is now
 * and then first as well, and must not have the file system synced that all write to. */
#define ALONE_MIN 4
/* The process is taken to hang when it has not answered for so long. */
#define ANSWER_SECONDS 120

struct job {
	struct job *next;
	struct deliver_pool *pool;
	struct attempt *attempt;
	size_t recipient;
	uint32_t id;
	unsigned tries;
	unsigned submissions, submitting; /* messages that came of it; of those, not yet safe */
	struct submitted *submitted, **submitted_last; /* written: in the queue only when all are, and the process has said what it did */
	struct submitted *answers;      /* of those, what waits for the message to be safe where it is sent on to */
	bool submit_failed;
	bool limited;                   /* the account may not send on what it was to: the process is to do something else */
	bool keep;                      /* it has been given to it for that */
	enum sent_on sent_on;
	struct outcome *held;           /* until they are */
};

struct account {
	struct account *next;       /* of all */
	struct deliver_pool *pool;
	char *address;
	struct msg_channel *channel; /* NULL: asked for, or waiting for its turn */
	bool started;                /* asked for or there */
	bool ending;                 /* one that hung is being killed, and no other is started until it has ended: it may hold what that would wait for */
	uint32_t request;            /* that the process was asked for by */
	struct job *first, **last;   /* waiting */
	struct job *given, **given_last; /* to the process, in order */
	size_t given_count;
	size_t asked;                /* addresses that it waits to hear about */
	bool busy;
	bool stale;   /* the account, or the configuration, is not what the process was started with: it ends when it has nothing to do */
	bool suspect; /* the last process ended early: one message at a time, so that only the cause
			 suffers */
	struct event *timer;         /* idle, or no answer, or no process */
	uint64_t idle_since;         /* on the pool's count */
};

struct deliver_pool {
	struct queue *queue;
	struct account *accounts;
	size_t started, busy;        /* processes, those too that are being killed; of those, starting or at work */
	uint32_t last_id;
	uint64_t idled;              /* so many times a process had nothing more to do */
	unsigned alone;              /* so many deliveries in a row began when no other was under way; at most ALONE_MIN */
};

static void start_waiting(struct deliver_pool *pool);
static void on_killed(void *context);
static void feed(struct account *account);

/* NULL: it has no mail, and no process. */
static struct account *
find(const struct deliver_pool *pool, struct span address)
{
	struct account *account = pool->accounts;

	while (account != NULL && !span_eq(span_of(account->address), address))
		account = account->next;
	return account;
}

/* From then on the process knows the message for one that it has seen; but not where it comes again. */
static void
tell_sent(const struct job *job, struct span address, bool safe)
{
	const struct account *account = find(job->pool, address);
	struct msg_writer body;

	msg_writer_init(&body);
	msg_put_u8(&body, safe);
	if (account != NULL && account->channel != NULL)
		(void)msg_send(account->channel, MSG_SENT, job->id, &body, -1);
}

static void
end_job(struct job *job, const struct outcome *outcome)
{
	struct attempt *attempt = job->attempt;
	size_t recipient = job->recipient;
	struct outcome failed;

	if (job->submitting != 0) {
		job->held = xmemdup(outcome, sizeof(*outcome));
		return;
	}
	if (job->submissions != 0)
		tell_sent(job, span_of(outcome->host), !job->submit_failed && outcome->verdict == VERDICT_OK);
	if (job->submit_failed && outcome->verdict == VERDICT_OK) {
		outcome_set(&failed, VERDICT_TEMPFAIL, "4.3.0", SPAN("What the recipient's filter sends cannot be queued now"));
		failed.ours = true;
		outcome = &failed;
	}
	free(job);
	attempt_outcome(attempt, recipient, outcome);
}

static void settle_answers(struct queue *queue, struct job *job, bool again);

static void
submit_ended(struct job *job)
{
	struct outcome *held = job->held;

	if (--job->submitting == 0 && job->answers != NULL)
		settle_answers(job->pool->queue, job, job->submit_failed);
	if (job->submitting != 0 || held == NULL)
		return;
	job->held = NULL;
	end_job(job, held);
	free(held);
}

/* A message that came of the job is safe, or will not be. */
static void
sent_on(void *context, const char *id, int result)
{
	struct job *job = context;

	(void)id;
	job->submit_failed |= result != 0;
	submit_ended(job);
}

/* An answer is left out where it cannot be sent: tried again, the job would only have the message stored once more. */
static void
answer_submitted(void *context, const char *id, int result)
{
	(void)id, (void)result;
	submit_ended(context);
}

/* What is to be tried again has told nobody, or they would hear each time; vacation's answers are given but once (deliver_memory.c), so they are. */
static void
settle_answers(struct queue *queue, struct job *job, bool again)
{
	struct submitted *answer = TAKE_PTR(job->answers);

	job->submitting++; /* until each is under way */
	while (answer != NULL) {
		struct submitted *next = answer->next;

		if (!again || !answer->each) {
			job->submitting++;
			submitted_commit(queue, answer, answer_submitted, job);
		} else {
			submitted_discard(queue, answer);
		}
		answer = next;
	}
	job->submitting--;
}

/* The process has said what it did, or nothing any more. What is to be tried again has sent the message on to nobody. Answers come last: whether
 * it is tried again is known once the message is safe where it is sent on to. */
static void
settle_submitted(struct queue *queue, struct job *job, bool again)
{
	struct submitted *submitted = TAKE_PTR(job->submitted), **answers_last = &job->answers;

	job->submitted_last = &job->submitted;
	job->submitting++;
	while (submitted != NULL) {
		struct submitted *next = submitted->next;

		submitted->next = NULL;
		if (submitted->answer) {
			*answers_last = submitted;
			answers_last = &submitted->next;
		} else if (again) {
			submitted_discard(queue, submitted);
		} else {
			job->submitting++;
			submitted_commit(queue, submitted, sent_on, job);
		}
		submitted = next;
	}
	if (--job->submitting == 0 || again)
		settle_answers(queue, job, again || job->submit_failed);
}

/* To be called when something of it has changed. */
static void
count_busy(struct account *account)
{
	bool busy = account->started && (account->channel == NULL || account->given_count != 0);

	if (busy == account->busy)
		return;
	account->busy = busy;
	account->pool->busy += busy ? 1 : (size_t)-1;
}

/* From the process, whether it is there or only asked for. */
static void
part(struct account *account)
{
	/* It has yet to close the account's index, and may come to hang there, or hang already. */
	if (account->channel != NULL)
		auth_leave_worker(account->pool->queue->auth, account->request);
	account->channel = msg_channel_free(account->channel);
	if (account->started)
		account->pool->started--;
	account->started = false;
	account->stale = false;
	account->asked = 0;
}

/* From one that may go on as if it were not parted from: it is killed. That is safe at any moment, as a power failure is; what it has not answered
 * for is tried again. */
static void
part_by_force(struct account *account)
{
	part(account);
	account->pool->started++;
	account->ending = true;
	auth_end_worker(account->pool->queue->auth, account->request, on_killed, account);
}

static void
forget(struct account *account)
{
	struct account **at = &account->pool->accounts;

	while (*at != account)
		at = &(*at)->next;
	*at = account->next;
	part(account);
	count_busy(account);
	event_free(account->timer);
	free(account->address);
	free(account);
}

static void
set_timer(struct account *account, unsigned seconds)
{
	const struct timeval time = { seconds, 0 };

	(void)event_add(account->timer, &time);
}

/* Jobs that were given to as many processes as they may be. May free the account. */
static void
fail_tried(struct account *account, const char *text)
{
	struct job *failed = NULL, **failed_last = &failed;
	struct outcome outcome;

	for (struct job **at = &account->first; *at != NULL;)
		if ((*at)->tries >= TRIES_MAX) {
			struct job *job = *at;

			*at = job->next;
			job->next = NULL;
			*failed_last = job;
			failed_last = &job->next;
		} else {
			at = &(*at)->next;
		}
	account->last = &account->first;
	while (*account->last != NULL)
		account->last = &(*account->last)->next;
	outcome_set(&outcome, VERDICT_TEMPFAIL, "4.3.0", span_of(text));
	outcome.ours = true;
	if (account->first == NULL && !account->ending)
		forget(account);
	while (failed != NULL) {
		struct job *job = failed;

		failed = job->next;
		end_job(job, &outcome);
	}
}

/* All that waits. */
static void
fail_all(struct account *account, const char *text)
{
	for (struct job *job = account->first; job != NULL; job = job->next)
		job->tries = TRIES_MAX;
	fail_tried(account, text);
}

/* The process is parted from. What it was given goes to the next one, once. May free the account. */
static void
lost(struct account *account, const char *text)
{
	account->suspect = true;
	for (struct job *job = account->given; job != NULL; job = job->next)
		settle_submitted(account->pool->queue, job, true);
	/* In their order, before those that wait. */
	*account->given_last = account->first;
	account->first = account->given;
	account->given = NULL;
	account->given_last = &account->given;
	account->given_count = 0;
	count_busy(account);
	/* In time: what waits for its end must not wait for ever. */
	if (account->ending)
		set_timer(account, ANSWER_SECONDS);
	fail_tried(account, text);
}

/* The one that was killed has ended. */
static void
on_killed(void *context)
{
	struct account *account = context;
	struct deliver_pool *pool = account->pool;

	account->ending = false;
	pool->started--;
	(void)event_del(account->timer);
	if (account->first == NULL)
		forget(account);
	start_waiting(pool);
}

static void
on_timer(evutil_socket_t fd, short what, void *context)
{
	struct account *account = context;
	struct deliver_pool *pool = account->pool;

	(void)fd, (void)what;
	if (account->ending) {
		/* The system keeps it in a call, as to a file system that does not answer. */
		log_error("deliver-stays", log_str("account", account->address), log_str("hint", "its process was killed, and has not ended"));
		fail_all(account, "The account's process does not end");
	} else if (account->started && account->channel == NULL) {
		/* The parent answers much sooner, unless who is to ask it hangs. */
		log_error("deliver-not-started", log_str("account", account->address), log_u64("seconds", ANSWER_SECONDS));
		auth_cancel(pool->queue->auth, account->request);
		part_by_force(account);
		account->suspect = true;
		count_busy(account);
		fail_all(account, "The account's process could not be started");
	} else if (account->given_count != 0) {
		log_error("deliver-silent", log_str("account", account->address),
		    log_u64("seconds", ANSWER_SECONDS), log_str("hint", "it is killed"));
		part_by_force(account);
		lost(account, "The account's process does not answer");
	} else if (account->first == NULL) {
		forget(account);
	} else if (account->channel != NULL && account->stale) {
		part(account);
		count_busy(account);
	} else if (account->channel != NULL) {
		feed(account);
	}
	start_waiting(pool);
}

static int
on_submit(struct account *account, struct msg *msg)
{
	struct queue *queue = account->pool->queue;
	struct job *job = account->given;
	enum sent_on what = SENT_ON_NOT;
	struct submitted *submitted;
	int r;

	while (job != NULL && job->id != msg->id)
		job = job->next;
	if (job == NULL || ++job->submissions > SUBMISSIONS_MAX)
		return -EBADMSG;
	r = queue_submit(queue, attempt_file(job->attempt), job->recipient, span_of(account->address), msg, &submitted, &what);
	if (what > job->sent_on)
		job->sent_on = what;
	if (r == 0) {
		submitted->next = NULL;
		*job->submitted_last = submitted;
		job->submitted_last = &submitted->next;
		return 0;
	}
	job->submit_failed |= r < 0 || (r == NOT_SUBMITTED_LIMITED && job->keep);
	job->limited |= r == NOT_SUBMITTED_LIMITED;
	return r == -EBADMSG ? r : 0;
}

/* What the account may not send on is kept, at once: put off, it would fill the spool while mail comes, and be returned in the end to senders who
 * have done nothing, or never sent it. */
static void
give_to_keep(struct account *account, struct job *job)
{
	tell_sent(job, span_of(account->address), false);
	job->keep = true;
	job->tries = 0;
	job->next = account->first;
	account->first = job;
	if (job->next == NULL)
		account->last = &job->next;
}

static int
on_message(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct account *account = context;
	struct msg_reader body = msg_read(msg);
	uint8_t verdict = msg_get_u8(&body);
	struct span status = msg_get_span(&body), text = msg_get_span(&body);
	struct job **at = &account->given, *job;
	char word[VERDICT_STATUS_MAX];
	struct outcome outcome;

	(void)channel;
	if (msg->type == MSG_SUBMIT)
		return on_submit(account, msg);
	if (msg->type == MSG_OWN)
		return ++account->asked > OWN_MAX ? -EBADMSG : queue_own(account->pool->queue, span_of(account->address), msg);
	while (*at != NULL && (*at)->id != msg->id)
		at = &(*at)->next;
	if (msg->type != MSG_DELIVERED || !msg_done(&body) || verdict > VERDICT_PERMFAIL ||
	    *at == NULL || status.len >= sizeof(word))
		return -EBADMSG;
	job = *at;
	*at = job->next;
	account->given_last = &account->given;
	while (*account->given_last != NULL)
		account->given_last = &(*account->given_last)->next;
	account->given_count--;
	account->suspect = false;
	memcpy(word, status.ptr != NULL ? status.ptr : "", status.len);
	word[status.len] = '\0';
	outcome_set(&outcome, (enum verdict)verdict, word, text);
	(void)snprintf(outcome.host, sizeof(outcome.host), "%s", account->address);
	outcome.sent_on = job->sent_on;
	outcome.dsn = job->sent_on == SENT_ON_ALONE;
	settle_submitted(account->pool->queue, job, outcome.verdict == VERDICT_TEMPFAIL || job->submit_failed || job->limited);
	if (job->limited && !job->submit_failed && outcome.verdict == VERDICT_OK) {
		give_to_keep(account, job);
		job = NULL;
	}
	if (account->given_count != 0)
		set_timer(account, ANSWER_SECONDS);
	feed(account);
	if (job != NULL)
		end_job(job, &outcome);
	start_waiting(account->pool);
	return 0;
}

static void
on_closed(struct msg_channel *channel, int error, void *context)
{
	struct account *account = context;
	struct deliver_pool *pool = account->pool;

	(void)channel;
	if (error != 0 || account->given_count != 0)
		log_warning("deliver-ended", log_str("account", account->address),
		    log_u64("unanswered", account->given_count), log_errno("error", error));
	if (error != 0)
		part_by_force(account);
	else
		part(account);
	lost(account, "The account's process has ended");
	start_waiting(pool);
}

/* The file of the first that waits is not there any more. */
static void
give_up(struct account *account)
{
	struct job *job = account->first;
	struct outcome outcome;

	account->first = job->next;
	if (account->first == NULL)
		account->last = &account->first;
	outcome_set(&outcome, VERDICT_TEMPFAIL, "4.3.0", SPAN("The message is not in the queue any more"));
	outcome.ours = true;
	end_job(job, &outcome);
}

/* Counts the job that is given to the process now. True: it is the only one under way, as those before it were. */
static bool
count_alone(const struct account *account)
{
	struct deliver_pool *pool = account->pool;

	if (account->given_count != 1 || account->first != NULL || pool->busy != account->busy)
		pool->alone = 0;
	else if (pool->alone < ALONE_MIN)
		pool->alone++;
	return pool->alone == ALONE_MIN;
}

/* Gives jobs to the process while its window has room. */
static void
feed(struct account *account)
{
	struct deliver_pool *pool = account->pool;
	bool waits = account->given_count != 0;

	while (account->first != NULL && !account->stale && account->given_count < (account->suspect ? 1 : WINDOW) &&
	    account->channel != NULL) {
		struct job *job = account->first;
		const struct spool_file *file = attempt_file(job->attempt);
		int fd = attempt_reopen(job->attempt);
		struct msg_writer body;

		if (fd == -ENOENT) {
			give_up(account);
			continue;
		}
		if (fd < 0) {
			log_error("not-reopened", log_str("id", attempt_id(job->attempt)),
			    log_errno("error", fd));
			break; /* descriptors have run out: the next answer brings another try, or
				  the timer ends the wait */
		}
		account->first = job->next;
		if (account->first == NULL)
			account->last = &account->first;
		job->next = NULL;
		job->tries++;
		job->submissions = 0;
		job->submit_failed = false;
		job->limited = false;
		job->sent_on = SENT_ON_NOT;
		*account->given_last = job;
		account->given_last = &job->next;
		account->given_count++;
		msg_writer_init(&body);
		msg_put_u64(&body, file->offset);
		msg_put_u64(&body, file->length);
		msg_put_span(&body, span_of(attempt_id(job->attempt)));
		msg_put_span(&body, span_of(file->envelope.recipients[job->recipient].address));
		msg_put_span(&body, span_of(file->envelope.sender));
		msg_put_u8(&body, count_alone(account));
		msg_put_u8(&body, job->keep);
		if (++pool->last_id == 0)
			pool->last_id = 1;
		job->id = pool->last_id;
		/* Should it fail, the channel's end is told. */
		(void)msg_send(account->channel, MSG_DELIVER, job->id, &body, fd);
	}
	count_busy(account);
	/* Where an answer is waited for, more work does not give more time for it: of a process that hangs nobody would ever hear while mail comes. */
	if (!waits)
		set_timer(account, account->given_count != 0 ? ANSWER_SECONDS : account->stale ? 0 : IDLE_SECONDS);
	if (account->given_count == 0)
		account->idle_since = ++pool->idled;
}

static void
have_worker(void *context, struct msg_channel *worker)
{
	struct account *account = context;
	struct deliver_pool *pool = account->pool;

	if (worker == NULL) {
		/* Each job has had a try, or it would be asked for ever. */
		part(account);
		account->suspect = true;
		count_busy(account);
		fail_all(account, "The account's process could not be started");
		start_waiting(pool);
		return;
	}
	account->channel = worker;
	msg_channel_start(worker, pool->queue->proc->base, on_message, on_closed, account);
	feed(account);
}

/* Ends the process that has idled longest. False when none does. */
static bool
end_idle(struct deliver_pool *pool)
{
	struct account *longest = NULL;

	for (struct account *account = pool->accounts; account != NULL; account = account->next)
		if (account->channel != NULL && account->given_count == 0 && account->first == NULL &&
		    (longest == NULL || account->idle_since < longest->idle_since))
			longest = account;
	if (longest != NULL)
		forget(longest);
	return longest != NULL;
}

static void
start_waiting(struct deliver_pool *pool)
{
	size_t max = (size_t)smtpd_conf(pool->queue->proc)->deliver_concurrency;

	for (struct account *account = pool->accounts; account != NULL && pool->busy < max; account = account->next) {
		if (account->first == NULL || account->busy || account->ending)
			continue;
		if (account->channel != NULL) {
			feed(account);
			continue;
		}
		if (pool->started >= max + IDLE_MAX && !end_idle(pool))
			return;
		account->started = true;
		pool->started++;
		count_busy(account);
		set_timer(account, ANSWER_SECONDS);
		account->request = auth_worker_by_address(pool->queue->auth, span_of(account->address), have_worker, account);
	}
}

void
deliver_tell_own(struct queue *queue, struct span address, struct span asked, uint8_t own)
{
	struct account *account = find(queue->deliver, address);
	struct msg_writer body;

	if (account == NULL || account->channel == NULL)
		return;
	if (account->asked != 0)
		account->asked--;
	msg_writer_init(&body);
	msg_put_u8(&body, own);
	msg_put_span(&body, asked);
	(void)msg_send(account->channel, MSG_OWN_IS, 0, &body, -1);
}

void
deliver_submit(struct queue *queue, struct attempt *attempt, size_t recipient, struct span address)
{
	struct deliver_pool *pool = queue->deliver;
	struct account **at = &pool->accounts, *account;
	struct job *job = xcalloc(1, sizeof(*job));

	while (*at != NULL && !span_eq(span_of((*at)->address), address))
		at = &(*at)->next;
	account = *at;
	if (account == NULL) {
		/* At the end: whoever waits longer comes first. */
		account = *at = xcalloc(1, sizeof(*account));
		account->pool = pool;
		account->address = span_dup(address);
		account->last = &account->first;
		account->given_last = &account->given;
		account->timer = event_new(queue->proc->base, -1, 0, on_timer, account);
		if (account->timer == NULL)
			abort();
	}
	job->pool = pool;
	job->attempt = attempt;
	job->recipient = recipient;
	job->submitted_last = &job->submitted;
	*account->last = job;
	account->last = &job->next;
	if (account->ending && !event_pending(account->timer, EV_TIMEOUT, NULL))
		set_timer(account, ANSWER_SECONDS);
	if (account->busy && account->channel != NULL)
		feed(account);
	else
		start_waiting(pool);
}

void
deliver_renew(struct queue *queue)
{
	for (struct account *account = queue->deliver->accounts; account != NULL; account = account->next) {
		account->stale = account->started;
		/* Not at once: whoever calls may be on the way to one of them. */
		if (account->channel != NULL && account->given_count == 0)
			set_timer(account, 0);
	}
}

struct deliver_pool *
deliver_pool_new(struct queue *queue)
{
	struct deliver_pool *pool = xcalloc(1, sizeof(*pool));

	pool->queue = queue;
	return pool;
}
