/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Messages that the filter role is asked about, by their number. */
#include "smtpd/smtp_filter_client.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/text_set.h"
#include "common/xalloc.h"
#include "frame/account_name.h"
#include "frame/asked.h"
#include "smtpd/smtpd_msg.h"

/* Of recipients that are added or taken away, in octets: as many as a message may have. */
#define RCPTS_MAX (ENVELOPE_RECIPIENTS_MAX * (WORD_MIN + ENVELOPE_ADDRESS_MAX))
/* What each has beside its address. */
#define WORD_MIN (1 + 2)

struct filter_question {
	struct asked asked;
	struct filter_client *client;
	void *context;
	bool awaits; /* an answer */
	bool lost;   /* whom it was asked is gone, or was never there */
	struct buf rcpts; /* what has come of FILTER_RCPTS */
};

struct filter_client {
	struct proc *proc;
	filtered_done done;
	struct asked_table questions;
	struct event *fail_soon;
};

static void
answer_lost(struct filter_client *client, struct filter_question *question)
{
	struct filtered filtered = {
		.verdict = MILTER_REFUSE, .fd = -1, .reply = SPAN("451 4.7.1 The message cannot be checked now: try again later"),
	};

	question->awaits = false;
	client->done(question->context, &filtered);
}

/* Any question may end from within a callback: begins anew after each. */
static void
on_fail_soon(evutil_socket_t fd, short what, void *context)
{
	struct filter_client *client = context;

	(void)fd, (void)what;
	for (size_t i = 0; i < ASKED_BUCKETS; i++)
		for (struct asked *asked = client->questions.buckets[i], *next; asked != NULL; asked = next) {
			struct filter_question *question = (struct filter_question *)asked;

			next = asked->next;
			if (!question->lost || !question->awaits)
				continue;
			answer_lost(client, question);
			next = client->questions.buckets[i];
		}
}

struct filter_client *
filter_client_new(struct proc *proc, filtered_done done)
{
	struct filter_client *client = xcalloc(1, sizeof(*client));

	client->proc = proc;
	client->done = done;
	asked_init(&client->questions);
	client->fail_soon = event_new(proc->base, -1, 0, on_fail_soon, client);
	if (client->fail_soon == NULL)
		abort();
	return client;
}

static void
ask(struct filter_question *question, uint16_t type, const struct msg_writer *body, int fd)
{
	struct filter_client *client = question->client;

	question->awaits = true;
	if (question->lost) {
		if (fd >= 0)
			(void)close(fd);
	} else if (proc_send(client->proc, ROLE_FILTER, type, question->asked.id, body, fd) < 0) {
		question->lost = true;
	}
	if (question->lost)
		event_active(client->fail_soon, EV_TIMEOUT, 0);
}

struct filter_question *
filter_mail(struct filter_client *client, const struct milter_client *facts, void *context)
{
	struct filter_question *question = xcalloc(1, sizeof(*question));
	struct msg_writer body;

	question->client = client;
	question->context = context;
	question->rcpts = BUF_INIT(RCPTS_MAX);
	(void)asked_add(&client->questions, &question->asked);
	msg_writer_init(&body);
	msg_put_span(&body, facts->address);
	msg_put_span(&body, facts->name);
	msg_put_span(&body, facts->helo);
	msg_put_span(&body, facts->tls);
	msg_put_span(&body, facts->account);
	msg_put_span(&body, facts->sender);
	ask(question, MSG_FILTER_MAIL, &body, -1);
	return question;
}

void
filter_rcpt(struct filter_question *question, struct span rcpt)
{
	struct msg_writer body;

	msg_writer_init(&body);
	msg_put_span(&body, rcpt);
	ask(question, MSG_FILTER_RCPT, &body, -1);
}

void
filter_text(struct filter_question *question, int fd, uint64_t at, uint64_t len, struct span queue_id)
{
	struct msg_writer body;

	msg_writer_init(&body);
	msg_put_u64(&body, at);
	msg_put_u64(&body, len);
	msg_put_span(&body, queue_id);
	ask(question, MSG_FILTER_TEXT, &body, fd);
}

struct filter_question *
filter_end(struct filter_question *question)
{
	if (question == NULL)
		return NULL;
	(void)asked_take(&question->client->questions, question->asked.id);
	(void)proc_send(question->client->proc, ROLE_FILTER, MSG_FILTER_END, question->asked.id, NULL, -1);
	buf_free(&question->rcpts);
	free(question);
	return NULL;
}

/* --- the answer --- */

/* One recipient that a milter adds or takes away. */
struct word {
	bool added;
	struct span address;
	char *key; /* by which it is told from others: account_name_key */
};

static char *
key_of(struct span address, const struct conf_list *domains)
{
	struct buf key = BUF_INIT(ENVELOPE_ADDRESS_MAX + ACCOUNT_NAME_MAX);
	char *text;

	account_name_key(address, domains, &key);
	text = span_dup(buf_get(&key));
	buf_free(&key);
	return text;
}

/* All of them in their order, for free_words. */
static struct word *
read_words(struct span rcpts, const struct conf_list *domains, size_t *ret_count)
{
	struct word *words = xcalloc(rcpts.len / WORD_MIN + 1, sizeof(*words));
	struct msg_reader body = msg_read_span(rcpts);
	size_t count = 0;

	while (body.rest.len != 0 && !body.bad) {
		words[count].added = msg_get_u8(&body) != 0;
		words[count].address = msg_get_span(&body);
		words[count].key = key_of(words[count].address, domains);
		count++;
	}
	*ret_count = count;
	return words;
}

static void
free_words(struct word *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(words[i].key);
	free(words);
}

/* The keys of those that are taken away by the last that is said of them. */
static struct text_set *
removed_by(const struct word *words, size_t count, uint64_t seed)
{
	struct text_set *decided = text_set_new(seed), *removed = text_set_new(seed);

	while (count-- > 0)
		if (text_set_add(decided, span_of(words[count].key)) && !words[count].added)
			(void)text_set_add(removed, span_of(words[count].key));
	(void)text_set_free(decided);
	return removed;
}

/* Takes those away that are to be, adds the keys of the others to `kept`, and returns how many went. */
static size_t
remove_recipients(struct envelope *envelope, const struct text_set *removed, const struct conf_list *domains, struct text_set *kept)
{
	size_t count = 0, gone;

	for (size_t i = 0; i < envelope->count; i++) {
		struct envelope_recipient *recipient = &envelope->recipients[i];
		char *key = key_of(span_of(recipient->address), domains);

		if (text_set_has(removed, span_of(key))) {
			free(recipient->address);
			free(recipient->orcpt);
		} else {
			(void)text_set_add(kept, span_of(key));
			envelope->recipients[count++] = *recipient;
		}
		free(key);
	}
	gone = envelope->count - count;
	envelope->count = count;
	return gone;
}

int
filtered_apply(const struct filtered *filtered, const struct conf_list *domains, struct envelope *envelope)
{
	size_t count, changes = 0;
	struct word *words = read_words(filtered->rcpts, domains, &count);
	struct text_set *removed, *kept;
	uint64_t seed = 0;
	int r = 0;

	(void)!getrandom(&seed, sizeof(seed), 0); /* cannot fail for so few bytes once the system is up */
	removed = removed_by(words, count, seed);
	kept = text_set_new(seed);
	if (filtered->has_sender) {
		free(envelope->sender);
		envelope->sender = span_dup(filtered->sender);
		envelope->smtputf8 |= !span_is_ascii(filtered->sender);
		changes++;
	}
	changes += remove_recipients(envelope, removed, domains, kept);
	for (size_t i = 0; i < count && r == 0; i++) {
		struct span key = span_of(words[i].key);

		/* Who has it already does not get it twice. */
		if (!words[i].added || text_set_has(removed, key) || !text_set_add(kept, key))
			continue;
		r = envelope_add(envelope, words[i].address, SPAN_NULL, 0);
		envelope->smtputf8 |= !span_is_ascii(words[i].address);
		changes++;
	}
	free_words(words, count);
	(void)text_set_free(removed);
	(void)text_set_free(kept);
	return r < 0 ? r : changes != 0;
}

/* They come before the answer. */
static int
take_rcpts(struct filter_question *question, const struct msg *msg)
{
	struct msg_reader body = msg_read(msg);

	while (body.rest.len != 0 && !body.bad) {
		(void)msg_get_u8(&body);
		(void)msg_get_span(&body);
	}
	if (!msg_done(&body))
		return -EBADMSG;
	if (question == NULL || !question->awaits)
		return 0;
	return buf_span(&question->rcpts, msg->body) == 0 ? 0 : -EBADMSG;
}

int
filter_client_message(struct filter_client *client, struct msg *msg)
{
	struct filter_question *question = (struct filter_question *)asked_find(&client->questions, msg->id);
	struct msg_reader body = msg_read(msg);
	struct filtered filtered = { .fd = -1 };
	uint8_t verdict = msg_get_u8(&body);
	_cleanup_(closep) int fd = msg->fd >= 0 ? msg_take_fd(msg) : -1;

	if (msg->type == MSG_FILTER_RCPTS)
		return take_rcpts(question, msg);
	filtered.verdict = (enum milter_verdict)verdict;
	filtered.reply = msg_get_span(&body);
	if (body.rest.len != 0) {
		filtered.replaces = msg_get_u64(&body);
		filtered.held = msg_get_u8(&body) != 0;
		filtered.reason = msg_get_span(&body);
		filtered.has_sender = msg_get_u8(&body) != 0;
		filtered.sender = msg_get_span(&body);
	}
	if (!msg_done(&body) || verdict > MILTER_DISCARD || (verdict == MILTER_REFUSE && filtered.reply.len < 3))
		return -EBADMSG;
	if (question == NULL || !question->awaits)
		return 0;
	question->awaits = false;
	filtered.rcpts = buf_get(&question->rcpts);
	filtered.fd = TAKE_FD(fd);
	client->done(question->context, &filtered);
	if (filtered.fd >= 0)
		(void)close(filtered.fd);
	return 0;
}

void
filter_client_gone(struct filter_client *client)
{
	for (size_t i = 0; i < ASKED_BUCKETS; i++)
		for (struct asked *asked = client->questions.buckets[i]; asked != NULL; asked = asked->next)
			((struct filter_question *)asked)->lost = true;
	event_active(client->fail_soon, EV_TIMEOUT, 0);
}
