/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Questions about clients that are under way to the queue. */
#include "smtpd/greylist_client.h"

#include <errno.h>
#include <stdlib.h>

#include "common/xalloc.h"
#include "frame/asked.h"
#include "smtpd/smtpd_msg.h"

struct question {
	struct asked asked;
	greylist_done done;
	void *context;
};

struct greylist_client {
	struct proc *proc;
	struct asked_table questions;
};

struct greylist_client *
greylist_client_new(struct proc *proc)
{
	struct greylist_client *client = xcalloc(1, sizeof(*client));

	client->proc = proc;
	asked_init(&client->questions);
	return client;
}

uint32_t
greylist_client_ask(struct greylist_client *client, struct span address, struct span sender, struct span recipient, greylist_done done,
    void *context)
{
	struct question *question = xcalloc(1, sizeof(*question));
	struct msg_writer body;
	uint32_t id = asked_add(&client->questions, &question->asked);

	question->done = done;
	question->context = context;
	msg_writer_init(&body);
	msg_put_span(&body, address);
	msg_put_span(&body, sender);
	msg_put_span(&body, recipient);
	if (proc_send(client->proc, ROLE_QUEUE, MSG_GREYLIST, id, &body, -1) == 0)
		return id;
	free(asked_take(&client->questions, id));
	return 0;
}

void
greylist_client_cancel(struct greylist_client *client, uint32_t id)
{
	free(asked_take(&client->questions, id));
}

static void
tell(struct question *question, uint32_t wait)
{
	question->done(question->context, wait);
	free(question);
}

int
greylist_client_message(struct greylist_client *client, const struct msg *msg)
{
	struct msg_reader body = msg_read(msg);
	uint32_t wait = msg_get_u32(&body);
	struct question *question = (struct question *)asked_take(&client->questions, msg->id);

	if (question != NULL)
		tell(question, msg_done(&body) ? wait : 0);
	return msg_done(&body) ? 0 : -EBADMSG;
}

void
greylist_client_queue_gone(struct greylist_client *client)
{
	struct question *question;

	while ((question = (struct question *)asked_take_any(&client->questions)) != NULL)
		tell(question, 0);
}
