/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A guard asks the DNS while its client is greeted, waits for the answers at the first recipient, and tells what is to be done with each.
 * A client that is made to wait costs a timer and its connection, and there are never so many of them that others find no place. */
#include "smtpd/smtp_guard.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "smtpd/dns_asking.h"
#include "smtpd/greylist_client.h"
#include "smtpd/ledger.h"
#include "smtpd/sender_check.h"

/* From the first question on: who must wait longer for a list is judged without it. */
#define ANSWER_SECONDS 10
#define QUESTIONS_MAX 40
#define LEDGER_ROWS 4096
/* How often the log tells of a list that does not answer. */
#define LIST_TOLD_SECONDS 3600
/* Of connections_max, those that may be made to wait: one of so many. */
#define WAITING_PART 4
#define REPLY_MAX 400

struct guards {
	struct proc *proc;
	struct dns_client *dns;
	struct greylist_client *greylist;
	struct defence_settings *settings;
	struct ledger *spent; /* what of the limits is used up */
	struct list_watch {
		int64_t told; /* the log, that it does not answer, when now_us was that; 0: it has not been */
		bool failed;  /* that was the last word on it */
	} *lists; /* as the settings have them */
	unsigned waiting;
};

struct guard {
	struct guards *guards;
	struct defence *defence;
	struct dns_asking *asking;
	struct event *timer, *soon; /* soon: goes on from the loop */
	bool only_counts, crowded, logged, watched;
	void (*known)(void *context); /* guard_await: who waits; or NULL */
	void *known_context;
	/* The recipient that is judged. */
	bool judging, waits; /* waits: the reply is known, and comes when the timer has run out */
	guard_done done;
	void *context;
	char *helo, *sender, *recipient, *whose;
	bool first, hears_everybody, slow;
	struct sender_check *check; /* of the sender, when that counts; or NULL */
	uint32_t greylisting;       /* pending at the queue */
	struct buf reply;
};

struct guards *
guards_new(struct proc *proc, struct dns_client *dns)
{
	struct guards *guards = xcalloc(1, sizeof(*guards));
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		abort(); /* cannot fail for so few bytes once the system is up */
	guards->proc = proc;
	guards->dns = dns;
	guards->greylist = greylist_client_new(proc);
	guards->spent = ledger_new(seed, LEDGER_ROWS);
	guards_reload(guards);
	return guards;
}

void
guards_reload(struct guards *guards)
{
	(void)defence_settings_drop(guards->settings);
	guards->settings = defence_settings_new(smtpd_conf(guards->proc));
	free(guards->lists);
	guards->lists = xcalloc(guards->settings->list_count + 1, sizeof(*guards->lists));
}

bool
guards_enter_tarpit(struct guards *guards)
{
	if (guards->waiting >= (unsigned)smtpd_conf(guards->proc)->connections_max / WAITING_PART)
		return false;
	guards->waiting++;
	return true;
}

void
guards_leave_tarpit(struct guards *guards)
{
	guards->waiting--;
}

/* --- limits --- */

static int64_t
now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Whose bucket a limit takes from. False: not one of this role's, or not one for this client: what those who log in send is limited by
 * account, for many of them may share an address. */
static bool
key_of(const struct guard *guard, const struct limit *limit, uint64_t *ret_key)
{
	struct ledger *spent = guard->guards->spent;
	struct span client = span_of(defence_client(guard->defence)); /* or whose it is */
	char kind = (char)(limit->what * 16 + limit->whom);
	uint8_t bytes[16];
	uint64_t key = 0;

	if (guard->only_counts && limit->what != LIMIT_CONNECTIONS && limit->whom != LIMIT_RECIPIENT)
		return false;
	switch (limit->whom) {
	case LIMIT_ADDRESS: key = ledger_key_text(spent, kind, client); break;
	case LIMIT_NETWORK: key = ledger_key_bytes(spent, kind, ledger_network(client, bytes)); break;
	case LIMIT_RECIPIENT: key = ledger_key_text(spent, kind, span_of(guard->whose)); break;
	case LIMIT_ACCOUNT: return false; /* the queue's, which remembers them */
	}
	/* Several limits of a kind have a bucket each. */
	*ret_key = ledger_key_and_bytes(spent, key, span_make(&limit->seconds, sizeof(limit->seconds)));
	return true;
}

/* Is this counted now? Of a recipient's mail each counts; of others a message counts at its first recipient. */
static bool
counts(const struct limit *limit, bool connecting, bool first)
{
	if (connecting || limit->what == LIMIT_CONNECTIONS)
		return connecting && limit->what == LIMIT_CONNECTIONS;
	return limit->what == LIMIT_RECIPIENTS || limit->whom == LIMIT_RECIPIENT || first;
}

/* Takes from the buckets, of all or of none. The limit that is reached, or NULL. */
static const struct limit *
spend(struct guard *guard, bool connecting)
{
	const struct defence_settings *settings = defence_settings_of(guard->defence);
	struct ledger *spent = guard->guards->spent;
	int64_t now = now_us();
	uint64_t key;

	for (unsigned taking = 0; taking < 2; taking++)
		for (size_t i = 0; i < settings->limit_count; i++) {
			const struct limit *limit = &settings->limits[i];

			if (!counts(limit, connecting, guard->first) || !key_of(guard, limit, &key))
				continue;
			if (taking)
				(void)ledger_spend(spent, key, limit->count, limit->seconds, 1, now);
			else if (!ledger_could_spend(spent, key, limit->count, limit->seconds, 1, now))
				return limit;
		}
	return NULL;
}

static void
log_limit(const struct guard *guard, const struct limit *limit)
{
	log_info("limited", log_str("client", defence_client(guard->defence)), log_str("what", limit_what_name(limit->what)),
	    log_str("per", limit_whom_name(limit->whom)), log_u64("limit", limit->count), log_i64("seconds", limit->seconds),
	    log_str("to", guard->recipient));
}

/* --- lists that do not answer --- */

static void
watch_list(struct list_watch *watch, struct span zone, enum list_state state, int64_t now)
{
	if (state == LIST_ANSWERED && watch->failed) {
		watch->failed = false;
		log_info("list-answers", log_span("list", zone));
	} else if (state >= LIST_SILENT && (watch->told == 0 || now - watch->told >= (int64_t)LIST_TOLD_SECONDS * 1000000)) {
		*watch = (struct list_watch){ .told = now, .failed = true };
		log_warning("list-failed", log_span("list", zone), log_str("reason", state == LIST_SILENT ? "no answer" : "it refuses to answer"),
		    log_str("hint", "clients that it knows are let in"));
	}
}

/* They count for nothing then, which opens the door to those whom they know: the operator is told. */
static void
watch_lists(struct guard *guard)
{
	const struct defence_settings *settings = defence_settings_of(guard->defence);
	struct guards *guards = guard->guards;
	int64_t now = now_us();

	if (guard->watched || settings != guards->settings)
		return;
	guard->watched = true;
	for (size_t i = 0; i < settings->list_count; i++)
		watch_list(&guards->lists[i], settings->lists[i].zone, defence_list_state(guard->defence, i), now);
}

/* --- the verdict --- */

static void
log_score(struct guard *guard, const struct score *score, const char *verdict)
{
	struct buf items = BUF_INIT(SCORE_FIELD_MAX);

	if (guard->logged || score->count == 0)
		return;
	guard->logged = true;
	score_put_items(score, &items);
	log_info("client-score", log_str("client", defence_client(guard->defence)), log_str("name", defence_name(guard->defence)),
	    log_i64("score", score->total), log_span("items", buf_get(&items)), log_str("verdict", verdict));
	buf_free(&items);
}

static void
put_refusal(struct guard *guard)
{
	struct buf lists = BUF_INIT(REPLY_MAX / 2);
	const char *client = defence_client(guard->defence);

	defence_put_lists(guard->defence, &lists);
	if (lists.len != 0)
		(void)buf_fmt(&guard->reply, "554 5.7.1 [%s] is refused here: it is listed by %s", client, buf_cstr(&lists));
	else
		(void)buf_fmt(&guard->reply, "554 5.7.1 [%s] is refused here: it behaves like a sender of spam", client);
	buf_free(&lists);
}

static void
tell(struct guard *guard)
{
	struct buf reply = guard->reply;

	if (guard->waits)
		guards_leave_tarpit(guard->guards);
	guard->judging = guard->waits = false;
	guard->reply = BUF_INIT(REPLY_MAX);
	guard->done(guard->context, buf_get(&reply)); /* it may be freed in there */
	buf_free(&reply);
}

/* Tells from the loop: at once, or after a while. */
static void
tell_later(struct guard *guard, int64_t seconds)
{
	const struct timeval patience = { seconds, 0 };

	if (seconds == 0 || !guards_enter_tarpit(guard->guards)) {
		tell(guard);
		return;
	}
	guard->waits = true;
	(void)event_add(guard->timer, &patience);
}

static void
conclude(struct guard *guard)
{
	tell_later(guard, guard->slow ? defence_settings_of(guard->defence)->tarpit_seconds : 0);
}

/* Nothing else speaks against the recipient: it may be that there were too many. */
static void
count(struct guard *guard)
{
	const struct limit *limit = spend(guard, false);

	if (limit != NULL) {
		log_limit(guard, limit);
		(void)buf_fmt(&guard->reply, "450 4.7.1 Too many %s within %lld seconds: try again later", limit_what_name(limit->what),
		    (long long)limit->seconds);
	}
	conclude(guard);
}

/* --- greylisting --- */

static void
greylisted(void *context, uint32_t wait)
{
	struct guard *guard = context;

	guard->greylisting = 0;
	if (wait == 0) {
		count(guard);
		return;
	}
	log_info("greylisted", log_str("client", defence_client(guard->defence)), log_str("helo", guard->helo), log_str("from", guard->sender),
	    log_str("to", guard->recipient), log_u64("wait", wait));
	(void)buf_fmt(&guard->reply, "450 4.7.1 Greylisted: try again in %u seconds", wait);
	conclude(guard);
}

static void on_answer(void *context);

/* The client may send for the sender: neither yes nor no is -1, as yet. */
static int
is_proven(struct guard *guard)
{
	const struct defence_settings *settings = defence_settings_of(guard->defence);
	struct span sender = span_of(guard->sender);

	if (guard->check != NULL && !sender_check_is_of(guard->check, sender))
		guard->check = sender_check_free(guard->check);
	if (guard->check == NULL) {
		const struct timeval patience = { ANSWER_SECONDS, 0 };

		guard->check = sender_check_new(guard->guards->dns, defence_client(guard->defence), span_of(guard->helo), sender,
		    span_of(settings->hostname), on_answer, guard);
		(void)event_add(guard->timer, &patience);
	}
	return sender_check_is_done(guard->check) ? sender_check_passes(guard->check) : -1;
}

/* 1: the client is one of those who are greylisted; 0: it is not; -1: that is not known yet. */
static int
is_suspect(struct guard *guard, int score)
{
	const struct defence_settings *settings = defence_settings_of(guard->defence);
	int proven;

	switch (settings->greylist) {
	case GREYLIST_ALL: return 1;
	case GREYLIST_SUSPECTS: return score >= settings->greylist_score;
	case GREYLIST_UNPROVEN:
		if (score < 0 || score >= settings->greylist_score)
			return score >= 0;
		proven = is_proven(guard);
		return proven < 0 ? -1 : !proven;
	case GREYLIST_NONE: break;
	}
	return 0;
}

static void
put_crowded(struct guard *guard)
{
	(void)buf_str(&guard->reply, "421 4.7.0 Too many connections from your address: try again later");
	conclude(guard);
}

static void
decide(struct guard *guard)
{
	const struct defence_settings *settings = defence_settings_of(guard->defence);
	struct score score = { 0 };
	bool refused, busy;
	int suspect;

	if (guard->greylisting != 0)
		return;
	if (guard->only_counts) {
		if (guard->crowded)
			put_crowded(guard);
		else
			count(guard);
		return;
	}
	watch_lists(guard);
	defence_score(guard->defence, &score);
	refused = settings->refuse != 0 && score.total >= settings->refuse && !guard->hears_everybody;
	busy = !refused && defence_is_busy(guard->defence);
	suspect = refused || busy || guard->crowded ? 0 : is_suspect(guard, score.total);
	guard->slow = settings->tarpit != 0 && score.total >= settings->tarpit;
	if (suspect >= 0)
		log_score(guard, &score, refused ? "refuse" : busy ? "defer" : suspect ? "greylist" : guard->slow ? "tarpit" : "pass");
	score_free(&score);
	if (suspect < 0)
		return; /* on_answer goes on */
	if (refused) {
		put_refusal(guard);
		conclude(guard);
	} else if (guard->crowded) {
		put_crowded(guard);
	} else if (busy) {
		/* Whom lists know is not let in for making so many questions that they are not asked. */
		(void)buf_str(&guard->reply, "451 4.7.1 What the DNS says of your address cannot be looked up now: try again later");
		conclude(guard);
	} else {
		if (suspect)
			guard->greylisting = greylist_client_ask(guard->guards->greylist, span_of(defence_client(guard->defence)),
			    span_of(guard->sender), span_of(guard->recipient), greylisted, guard);
		if (guard->greylisting == 0)
			count(guard);
	}
}

/* --- the DNS --- */

static bool
question(void *machine, struct span *ret_name, enum dns_type *ret_type, size_t *ret_number)
{
	return defence_question(machine, ret_name, ret_type, ret_number);
}

static void
answer(void *machine, size_t number, const struct dns_answer *answer)
{
	defence_answer(machine, number, answer);
}

static const struct dns_machine defence_ops = { question, answer };

static void
on_soon(evutil_socket_t fd, short what, void *context)
{
	struct guard *guard = context;
	void (*known)(void *context) = guard->known;

	(void)fd, (void)what;
	if (!guard_is_done(guard))
		return;
	if (known != NULL) {
		guard->known = NULL;
		known(guard->known_context); /* it may be freed in there */
	} else if (guard->judging && !guard->waits) {
		decide(guard);
	}
}

/* The time is over. */
static void
on_timer(evutil_socket_t fd, short what, void *context)
{
	struct guard *guard = context;

	if (!guard_is_done(guard))
		dns_asking_give_up(guard->asking);
	if (guard->check != NULL && !sender_check_is_done(guard->check))
		sender_check_give_up(guard->check);
	if (guard->waits)
		tell(guard);
	else
		on_soon(fd, what, context);
}

/* Goes on from the loop: within an answer nothing may be freed. By an event of its own, for to activate the timer would stop it. */
static void
on_answer(void *context)
{
	struct guard *guard = context;

	if (guard_is_done(guard) && (guard->known != NULL || (guard->judging && !guard->waits)))
		event_active(guard->soon, EV_TIMEOUT, 0);
}

/* --- one client --- */

static bool
is_allowed(const struct guards *guards, const char *client)
{
	return smtpd_lists(&smtpd_conf(guards->proc)->allow_from, client);
}

struct guard *
guard_new(struct guards *guards, const char *client, bool only_counts)
{
	const struct timeval patience = { ANSWER_SECONDS, 0 };
	struct guard *guard;
	const struct limit *limit;

	if (is_allowed(guards, client))
		return NULL;
	guard = xcalloc(1, sizeof(*guard));
	guard->guards = guards;
	guard->only_counts = only_counts;
	guard->reply = BUF_INIT(REPLY_MAX);
	guard->defence = defence_new(guards->settings, client);
	guard->timer = event_new(guards->proc->base, -1, 0, on_timer, guard);
	guard->soon = event_new(guards->proc->base, -1, 0, on_soon, guard);
	if (guard->timer == NULL || guard->soon == NULL)
		abort();
	limit = spend(guard, true);
	guard->crowded = limit != NULL;
	if (guard->crowded)
		log_limit(guard, limit);
	if (only_counts)
		return guard;
	guard->asking = dns_asking_new(guards->dns, client, &defence_ops, guard->defence, QUESTIONS_MAX, on_answer, guard);
	dns_asking_go(guard->asking);
	(void)event_add(guard->timer, &patience);
	return guard;
}

struct guard *
guard_free(struct guard *guard)
{
	if (guard == NULL)
		return NULL;
	if (guard->waits)
		guards_leave_tarpit(guard->guards);
	greylist_client_cancel(guard->guards->greylist, guard->greylisting);
	guard->check = sender_check_free(guard->check);
	guard->asking = dns_asking_free(guard->asking);
	event_free(guard->timer);
	event_free(guard->soon);
	guard->defence = defence_free(guard->defence);
	free(guard->helo);
	free(guard->sender);
	free(guard->recipient);
	free(guard->whose);
	buf_free(&guard->reply);
	free(guard);
	return NULL;
}

struct defence *
guard_defence(struct guard *guard)
{
	return guard->only_counts ? NULL : guard->defence;
}

bool
guard_is_done(const struct guard *guard)
{
	return guard->only_counts || defence_is_done(guard->defence);
}

void
guard_await(struct guard *guard, void (*known)(void *context), void *context)
{
	guard->known = known;
	guard->known_context = context;
	if (guard_is_done(guard))
		event_active(guard->soon, EV_TIMEOUT, 0);
}

bool
guard_is_crowded(const struct guard *guard)
{
	return guard->crowded;
}

void
guard_judge(struct guard *guard, const struct guard_case *wanted, guard_done done, void *context)
{
	guard->done = done;
	guard->context = context;
	guard->judging = true;
	guard->first = wanted->first;
	guard->hears_everybody = wanted->hears_everybody;
	free(guard->helo);
	free(guard->sender);
	free(guard->recipient);
	free(guard->whose);
	guard->helo = span_dup(wanted->helo);
	guard->sender = span_dup(wanted->sender);
	guard->recipient = span_dup(wanted->recipient);
	guard->whose = span_dup(wanted->whose.len != 0 ? wanted->whose : wanted->recipient);
	if (!guard->only_counts)
		defence_hello(guard->defence, wanted->helo);
	if (guard_is_done(guard))
		event_active(guard->soon, EV_TIMEOUT, 0);
}

int
guards_message(struct guards *guards, const struct msg *msg)
{
	return greylist_client_message(guards->greylist, msg);
}

void
guards_queue_gone(struct guards *guards)
{
	greylist_client_queue_gone(guards->greylist);
}
