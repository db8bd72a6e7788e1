/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Questions under way, by their number. A question is in exactly one of two places: the table (its answer is awaited) or the list of
 * those that failed at once, which the loop answers in its next turn: a callback never runs within a question. */
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
	bool no_name; /* what is asked for is none: nobody's fault but whoever wrote it */
	dns_done done;
	void *context;
};

struct dns_client {
	struct proc *proc;
	struct asked_table questions;
	struct asked *failed;
	struct event *fail_soon;
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

struct dns_client *
dns_client_new(struct proc *proc)
{
	struct dns_client *client = xcalloc(1, sizeof(*client));

	client->proc = proc;
	asked_init(&client->questions);
	client->fail_soon = event_new(proc->base, -1, 0, on_fail_soon, client);
	if (client->fail_soon == NULL)
		abort();
	return client;
}

uint32_t
dns_ask_for(struct dns_client *client, uint64_t whose, struct span name, enum dns_type type, dns_done done, void *context)
{
	struct question *question = xcalloc(1, sizeof(*question));
	struct msg_writer body;
	uint32_t id = asked_add(&client->questions, &question->asked);

	question->type = type;
	question->no_name = !dns_is_name(name);
	question->done = done;
	question->context = context;
	msg_writer_init(&body);
	msg_put_u16(&body, (uint16_t)type);
	msg_put_u64(&body, whose);
	msg_put_span(&body, name);
	/* Whoever wrote a mail has a say in names: one that is none must not be sent, for it would be taken for a fault of ours. */
	if (question->no_name || proc_send(client->proc, ROLE_RESOLVE, MSG_DNS_QUESTION, id, &body, -1) < 0) {
		(void)asked_take(&client->questions, id);
		fail_later(client, question);
	}
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
	struct question *question;

	client->busy = true;
	while ((question = (struct question *)asked_take_any(&client->questions)) != NULL)
		fail_later(client, question);
}
