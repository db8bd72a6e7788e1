/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Questions under way, by their number. A question is in exactly one of three places: the table (its answer is awaited), the list of those that wait
 * for the resolve role to be back, or the list of those that failed, which the loop answers in its next turn: a callback never runs within a
 * question. */
#include "smtpd/dns_client.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>

#include "common/xalloc.h"
#include "frame/asked.h"
#include "smtpd/resolve_room.h"
#include "smtpd/smtpd_msg.h"

struct question {
	struct asked asked;
	enum dns_type type;
	uint64_t whose;
	bool no_name; /* what is asked for is none: nobody's fault but whoever wrote it */
	bool was_lost; /* a resolve role went away with it: it may be what ended that, and must not end each */
	dns_done done;
	void *context;
	size_t name_len;
	char name[];
};

struct dns_client {
	struct proc *proc;
	struct asked_table questions;
	struct asked *waiting, *failed;
	struct event *fail_soon;
	struct event *away; /* while resolve is gone, and may be back soon */
	bool busy;
	struct dns_answer answer; /* the one that is told just now, or the one of failures */
};

static void
on_fail_soon(evutil_socket_t fd, short what, void *context)
{
	struct dns_client *client = context;

	(void)fd, (void)what;
	/* A callback may cancel others and ask anew: take one at a time. */
	while (client->failed != NULL) {
		struct question *question = (struct question *)client->failed;

		client->failed = question->asked.next;
		client->answer.status = DNS_FAILED;
		client->answer.secure = client->answer.cut = false;
		client->answer.blame = question->no_name ? DNS_THEIRS : DNS_OURS;
		client->answer.ttl = 0;
		client->answer.count = 0;
		client->answer.reason = question->no_name ? SPAN("That is no name") : SPAN("The resolve process is not there");
		question->done(question->context, &client->answer);
		free(question);
	}
}

static void
fail_later(struct dns_client *client, struct question *question)
{
	question->asked.next = client->failed;
	client->failed = &question->asked;
	event_active(client->fail_soon, EV_TIMEOUT, 0);
}

static void
wait_for_resolve(struct dns_client *client, struct question *question)
{
	question->asked.next = client->waiting;
	client->waiting = &question->asked;
}

/* It is not back in time. */
static void
on_away(evutil_socket_t fd, short what, void *context)
{
	struct dns_client *client = context;

	(void)fd, (void)what;
	while (client->waiting != NULL) {
		struct question *question = (struct question *)client->waiting;

		client->waiting = question->asked.next;
		fail_later(client, question);
	}
}

struct dns_client *
dns_client_new(struct proc *proc)
{
	struct dns_client *client = xcalloc(1, sizeof(*client));

	client->proc = proc;
	asked_init(&client->questions);
	client->fail_soon = event_new(proc->base, -1, 0, on_fail_soon, client);
	client->away = evtimer_new(proc->base, on_away, client);
	if (client->fail_soon == NULL || client->away == NULL)
		abort();
	return client;
}

/* It is in the table. */
static void
send_question(struct dns_client *client, struct question *question)
{
	struct msg_writer body;

	msg_writer_init(&body);
	msg_put_u16(&body, (uint16_t)question->type);
	msg_put_u64(&body, question->whose);
	msg_put_span(&body, span_make(question->name, question->name_len));
	if (proc_send(client->proc, ROLE_RESOLVE, MSG_DNS_QUESTION, question->asked.id, &body, -1) == 0)
		return;
	(void)asked_take(&client->questions, question->asked.id);
	if (event_pending(client->away, EV_TIMEOUT, NULL))
		wait_for_resolve(client, question);
	else
		fail_later(client, question);
}

uint32_t
dns_ask_for(struct dns_client *client, uint64_t whose, struct span name, enum dns_type type, dns_done done, void *context)
{
	bool no_name = !dns_is_name(name);
	/* Of what is no name nothing is kept: it may be long. */
	struct question *question = xcalloc(1, sizeof(*question) + (no_name ? 0 : name.len));
	uint32_t id = asked_add(&client->questions, &question->asked);

	question->type = type;
	question->whose = whose;
	question->no_name = no_name;
	question->done = done;
	question->context = context;
	/* Whoever wrote a mail has a say in names: one that is none must not be sent, for it would be taken for a fault of ours. */
	if (no_name) {
		(void)asked_take(&client->questions, id);
		fail_later(client, question);
		return id;
	}
	question->name_len = name.len;
	memcpy(question->name, name.ptr, name.len);
	send_question(client, question);
	return id;
}

uint32_t
dns_ask(struct dns_client *client, struct span name, enum dns_type type, dns_done done, void *context)
{
	return dns_ask_for(client, RESOLVE_OURSELVES, name, type, done, context);
}

bool
dns_client_is_busy(const struct dns_client *client)
{
	return client->busy;
}

void
dns_cancel(struct dns_client *client, uint32_t id)
{
	struct asked *question = asked_take(&client->questions, id);

	if (question == NULL)
		question = asked_take_from(&client->waiting, id);
	free(question != NULL ? question : asked_take_from(&client->failed, id));
}

int
dns_client_message(struct dns_client *client, const struct msg *msg)
{
	struct question *question = (struct question *)asked_take(&client->questions, msg->id);
	struct msg_reader body = msg_read(msg);

	if (question == NULL)
		return 0; /* cancelled meanwhile */
	if (dns_get(&body, question->type, &client->answer) < 0) {
		fail_later(client, question);
		return -EBADMSG;
	}
	client->busy = client->answer.blame != DNS_THEIRS;
	question->done(question->context, &client->answer);
	free(question);
	return 0;
}

void
dns_client_resolve_gone(struct dns_client *client)
{
	const struct timeval patience = { DNS_AWAY_SECONDS, 0 };
	struct question *question;

	client->busy = true;
	if (!client->proc->stopping)
		(void)event_add(client->away, &patience);
	while ((question = (struct question *)asked_take_any(&client->questions)) != NULL)
		if (question->was_lost || client->proc->stopping) {
			fail_later(client, question);
		} else {
			question->was_lost = true;
			wait_for_resolve(client, question);
		}
}

void
dns_client_resolve_here(struct dns_client *client)
{
	struct asked *waiting = client->waiting;

	client->waiting = NULL;
	(void)event_del(client->away);
	while (waiting != NULL) {
		struct question *question = (struct question *)waiting;

		waiting = question->asked.next;
		asked_put(&client->questions, &question->asked);
		send_question(client, question);
	}
}
