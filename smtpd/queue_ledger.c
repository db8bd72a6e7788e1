/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* state/ledger: what outlives a start of who brings and who sends mail (mailspool(5)). A slot is written as it changes, in place and
 * without a sync: what a crash of the machine takes along costs somebody another wait, or is counted once more. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "smtpd/defence_parse.h"
#include "smtpd/greylist.h"
#include "smtpd/ledger_file.h"
#include "smtpd/queue.h"

#define ROWS 16384
#define FILE_NAME "state/ledger"
/* An account that was refused nothing for so long begins another episode. */
#define EPISODE_SECONDS 3600

struct queue_ledger {
	struct queue *queue;
	struct ledger *ledger;
	struct ledger_store file; /* of no descriptor: it could not be opened, and it is in memory alone */
	struct event *again;      /* NULL before something has failed */
};

/* --- the file --- */

static void on_again(evutil_socket_t fd, short what, void *context);

static void
try_again_later(struct queue_ledger *memory)
{
	const struct timeval later = { LEDGER_FILE_AGAIN_SECONDS, 0 };

	if (memory->again == NULL)
		memory->again = event_new(memory->queue->proc->base, -1, 0, on_again, memory);
	if (memory->again == NULL)
		abort();
	if (!event_pending(memory->again, EV_TIMEOUT, NULL))
		(void)event_add(memory->again, &later);
}

static void
store(struct queue_ledger *memory, const struct ledger_slot *slot)
{
	bool was_behind = memory->file.behind;
	int r = ledger_file_write(&memory->file, memory->ledger, slot, queue_now());

	if (r > 0)
		log_info("ledger-written", log_str("file", FILE_NAME));
	if (!memory->file.behind)
		return;
	if (!was_behind)
		log_warning("ledger-not-written", log_str("file", FILE_NAME), log_errno("error", r),
		    log_str("hint", "greylisting and the limits of accounts go on in memory, and the file is tried again each minute"));
	try_again_later(memory);
}

static bool
is_unused(struct ledger *ledger)
{
	size_t count = ledger_slots(ledger), at = 0;

	while (at < count && ledger_at(ledger, at)->key == 0)
		at++;
	return at == count;
}

/* Takes what the file remembers; where that is nothing, it is to remember what we do. Both cannot be: keys are hashes by random bytes of each ledger's
 * own; by the same, the file is what could be written of ours before. What the file has took weeks to learn, and what came of a start without it mostly minutes. 0 or -errno, without a file then. */
static int
open_file(struct queue_ledger *memory)
{
	struct ledger *found = NULL;
	_cleanup_(closep) int fd = openat(queue_files_folder(memory->queue->files), FILE_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : ledger_file_load(fd, ROWS, &found);
	bool unreadable = r == -EBADMSG;

	if (memory->ledger == NULL && unreadable) {
		r = ledger_file_begin(fd, ROWS, &found);
	} else if (memory->ledger != NULL && (unreadable || (r == 0 && (is_unused(found) || ledger_seed(found) == ledger_seed(memory->ledger))))) {
		found = ledger_free(found);
		r = ledger_file_adopt(fd, memory->ledger);
	}
	if (r < 0)
		return r;
	if (unreadable)
		log_warning("ledger-unreadable", log_str("file", FILE_NAME), log_str("hint", "what it remembered is forgotten"));
	if (found != NULL) {
		(void)ledger_free(memory->ledger);
		memory->ledger = found;
	}
	memory->file.fd = TAKE_FD(fd);
	return 0;
}

static void
on_again(evutil_socket_t fd, short what, void *context)
{
	struct queue_ledger *memory = context;

	(void)fd, (void)what;
	if (memory->file.fd >= 0)
		store(memory, NULL);
	else if (open_file(memory) == 0)
		log_info("ledger-opened", log_str("file", FILE_NAME));
	else
		try_again_later(memory);
}

static void
store_key(struct queue_ledger *memory, uint64_t key)
{
	const struct ledger_slot *slot = ledger_find(memory->ledger, key);

	if (slot != NULL)
		store(memory, slot);
}

struct queue_ledger *
queue_ledger_open(struct queue *queue)
{
	struct queue_ledger *memory = xcalloc(1, sizeof(*memory));
	int r;

	memory->queue = queue;
	memory->file.fd = -1;
	r = open_file(memory);
	if (r < 0) {
		log_warning("ledger-not-opened", log_str("file", FILE_NAME), log_errno("error", r),
		    log_str("hint", "greylisting and the limits of accounts go on in memory, and the file is tried again each minute"));
		memory->ledger = ledger_new(((uint64_t)queue_random() << 32) | queue_random(), ROWS);
		try_again_later(memory);
	}
	return memory;
}

/* --- greylisting --- */

int
greylist_message(struct queue *queue, const struct msg *msg)
{
	const struct smtpd_conf *conf = smtpd_conf(queue->proc);
	const struct greylist_settings settings = {
		.delay = conf->greylist_delay,
		.window = conf->greylist_window,
		.lifetime = conf->greylist_lifetime,
		.passes = (uint32_t)conf->greylist_passes,
	};
	struct msg_reader body = msg_read(msg);
	struct span client = msg_get_span(&body), sender = msg_get_span(&body), recipient = msg_get_span(&body);
	struct greylist_changes changes;
	struct msg_writer answer;
	int64_t wait;

	if (!msg_done(&body))
		return -EBADMSG;
	wait = greylist_ask(queue->ledger->ledger, &settings, client, sender, recipient, queue_now(), &changes);
	for (size_t i = 0; i < changes.count; i++)
		store(queue->ledger, changes.slot[i]);
	msg_writer_init(&answer);
	msg_put_u32(&answer, (uint32_t)wait);
	(void)proc_send(queue->proc, ROLE_FRONT, MSG_GREYLISTED, msg->id, &answer, -1);
	return 0;
}

/* --- limits of accounts --- */

static uint64_t
key_of(const struct queue_ledger *memory, const struct limit *limit, struct span account, enum account_mail mail)
{
	static const char kinds[][2] = { [ACCOUNT_SUBMITS] = { 'm', 'r' }, [ACCOUNT_SENDS_ON] = { 'M', 'R' } };
	uint64_t key = ledger_key_text(memory->ledger, kinds[mail][limit->what != LIMIT_MESSAGES], account);

	return ledger_key_and_bytes(memory->ledger, key, span_make(&limit->seconds, sizeof(limit->seconds)));
}

/* Once for all that follow each other. */
static void
note_refusal(struct queue *queue, const struct limit *limit, struct span account, enum account_mail mail)
{
	struct queue_ledger *memory = queue->ledger;
	uint64_t key = ledger_key_text(memory->ledger, mail == ACCOUNT_SUBMITS ? 'e' : 'E', account);
	const struct ledger_slot *before = ledger_find(memory->ledger, key);
	int64_t now = queue_now();
	bool begins = before == NULL || now - before->last > EPISODE_SECONDS || before->last > now;
	struct ledger_slot *slot = ledger_take(memory->ledger, key, now);

	if (begins)
		slot->since = now;
	slot->count = begins ? 1 : slot->count + 1;
	store(memory, slot);
	log_warning("account-limited", log_span("account", account), log_str("what", limit_what_name(limit->what)), log_u64("limit", limit->count),
	    log_i64("seconds", limit->seconds), log_u64("refused", slot->count), log_str("by", mail == ACCOUNT_SUBMITS ? "user" : "filter"));
	if (begins)
		alert_submit(queue, limit, account, mail);
}

/* The next limit of accounts from *at on. */
static bool
next_limit(const struct queue *queue, size_t *at, struct limit *ret_limit)
{
	const struct smtpd_conf *conf = smtpd_conf(queue->proc);
	const char *fault;

	while (*at < conf->limits.count)
		if (limit_parse(span_of(conf->limits.item[(*at)++]), ret_limit, &fault) == 0 && ret_limit->whom == LIMIT_ACCOUNT)
			return true;
	return false;
}

bool
account_is_limited(const struct queue *queue)
{
	struct limit limit;
	size_t at = 0;

	return next_limit(queue, &at, &limit);
}

static uint32_t
amount_of(const struct limit *limit, size_t recipients)
{
	return limit->what == LIMIT_RECIPIENTS ? (uint32_t)recipients : 1;
}

int64_t
account_sends_at(struct queue *queue, struct span account, size_t recipients)
{
	struct ledger *ledger = queue->ledger->ledger;
	int64_t now = queue_now_us(), at_us = now;
	struct limit limit;
	size_t at = 0;

	while (next_limit(queue, &at, &limit)) {
		uint64_t key = key_of(queue->ledger, &limit, account, ACCOUNT_SUBMITS);
		int64_t there = ledger_overdraw(ledger, key, limit.count, limit.seconds, amount_of(&limit, recipients), now);

		store_key(queue->ledger, key);
		if (there > now && at_us == now)
			note_refusal(queue, &limit, account, ACCOUNT_SUBMITS);
		if (there > at_us)
			at_us = there;
	}
	return at_us == now ? queue_now() : at_us / 1000000 + 1;
}

void
account_sent_nothing(struct queue *queue, struct span account, enum account_mail mail, size_t recipients)
{
	struct limit limit;

	for (size_t at = 0; next_limit(queue, &at, &limit);) {
		uint64_t key = key_of(queue->ledger, &limit, account, mail);

		ledger_give_back(queue->ledger->ledger, key, limit.count, limit.seconds, amount_of(&limit, recipients));
		store_key(queue->ledger, key);
	}
}

bool
account_could_send(const struct queue *queue, size_t recipients)
{
	struct limit limit;

	for (size_t at = 0; next_limit(queue, &at, &limit);)
		if (amount_of(&limit, recipients) > limit.count)
			return false;
	return true;
}

bool
account_may_send(struct queue *queue, struct span account, enum account_mail mail, size_t recipients)
{
	struct ledger *ledger = queue->ledger->ledger;
	int64_t now = queue_now_us();
	struct limit limit;

	/* From all buckets, or from none. */
	for (size_t at = 0; next_limit(queue, &at, &limit);)
		if (!ledger_could_spend(ledger, key_of(queue->ledger, &limit, account, mail), limit.count, limit.seconds, amount_of(&limit, recipients), now)) {
			note_refusal(queue, &limit, account, mail);
			return false;
		}
	for (size_t at = 0; next_limit(queue, &at, &limit);) {
		uint64_t key = key_of(queue->ledger, &limit, account, mail);

		(void)ledger_spend(ledger, key, limit.count, limit.seconds, amount_of(&limit, recipients), now);
		store_key(queue->ledger, key);
	}
	return true;
}
