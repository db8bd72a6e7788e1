/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Messages that the filter role is asked about, by their number. */
#include "smtpd/smtp_filter_client.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/domain_list.h"
#include "common/xalloc.h"
#include "frame/asked.h"
#include "smtpd/smtpd_msg.h"

/* Of recipients that are added or taken away, in octets: as many as a message may have. */
#define RCPTS_MAX (ENVELOPE_RECIPIENTS_MAX * (1 + 2 + ENVELOPE_ADDRESS_MAX))

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
	int copy = dup(fd);
	struct msg_writer body;

	msg_writer_init(&body);
	msg_put_u64(&body, at);
	msg_put_u64(&body, len);
	msg_put_span(&body, queue_id);
	question->lost |= copy < 0;
	ask(question, MSG_FILTER_TEXT, &body, copy);
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

/* What a milter says of the address. */
enum word { NOTHING, ADDED, REMOVED };

/* Accounts here have no case; whether those of another host have is for that host to say (RFC 5321 section 2.4). */
static bool
is_same(struct span a, struct span b, const struct conf_list *domains)
{
	ptrdiff_t at = span_rchr(a, '@');

	return span_ieq(a, b) && (at < 0 || memcmp(a.ptr, b.ptr, (size_t)at) == 0 || domain_list_find_address(domains, a) != NULL);
}

/* The last that is said. */
static enum word
word_on(struct span rcpts, struct span address, const struct conf_list *domains)
{
	struct msg_reader body = msg_read_span(rcpts);
	enum word word = NOTHING;

	while (body.rest.len != 0 && !body.bad) {
		bool added = msg_get_u8(&body) != 0;

		if (is_same(msg_get_span(&body), address, domains))
			word = added ? ADDED : REMOVED;
	}
	return word;
}

/* Takes those away that are to be, and returns how many. */
static size_t
remove_recipients(struct envelope *envelope, struct span rcpts, const struct conf_list *domains)
{
	size_t kept = 0, removed;

	for (size_t i = 0; i < envelope->count; i++) {
		struct envelope_recipient *recipient = &envelope->recipients[i];

		if (word_on(rcpts, span_of(recipient->address), domains) == REMOVED) {
			free(recipient->address);
			free(recipient->orcpt);
		} else {
			envelope->recipients[kept++] = *recipient;
		}
	}
	removed = envelope->count - kept;
	envelope->count = kept;
	return removed;
}

static bool
has_recipient(const struct envelope *envelope, struct span address, const struct conf_list *domains)
{
	for (size_t i = 0; i < envelope->count; i++)
		if (is_same(span_of(envelope->recipients[i].address), address, domains))
			return true;
	return false;
}

int
filtered_apply(const struct filtered *filtered, const struct conf_list *domains, struct envelope *envelope)
{
	struct msg_reader body = msg_read_span(filtered->rcpts);
	size_t changes = 0;
	int r = 0;

	if (filtered->has_sender) {
		free(envelope->sender);
		envelope->sender = span_dup(filtered->sender);
		envelope->smtputf8 |= !span_is_ascii(filtered->sender);
		changes++;
	}
	changes += remove_recipients(envelope, filtered->rcpts, domains);
	while (body.rest.len != 0 && r == 0) {
		bool added = msg_get_u8(&body) != 0;
		struct span address = msg_get_span(&body);

		/* Who has it already does not get it twice. */
		if (!added || has_recipient(envelope, address, domains) || word_on(filtered->rcpts, address, domains) != ADDED)
			continue;
		r = envelope_add(envelope, address, SPAN_NULL, 0);
		envelope->smtputf8 |= !span_is_ascii(address);
		changes++;
	}
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
