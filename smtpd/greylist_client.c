/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Questions about clients that are under way to the queue. */
#include "smtpd/greylist_client.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "common/xalloc.h"
#include "smtpd/smtpd_msg.h"

struct question {
	struct question *next;
	uint32_t id;
	greylist_done done;
	void *context;
};

struct greylist_client {
	struct proc *proc;
	uint32_t last_id;
	struct question *questions; /* few: suspects alone are asked about, and the queue answers at once */
};

struct greylist_client *
greylist_client_new(struct proc *proc)
{
	struct greylist_client *client = xcalloc(1, sizeof(*client));

	client->proc = proc;
	/* A late answer to a predecessor of this process must not fit. */
	if (getrandom(&client->last_id, sizeof(client->last_id), 0) != (ssize_t)sizeof(client->last_id))
		abort(); /* cannot fail for so few bytes once the system is up */
	return client;
}

static struct question *
take(struct greylist_client *client, uint32_t id)
{
	for (struct question **at = &client->questions; *at != NULL; at = &(*at)->next)
		if ((*at)->id == id) {
			struct question *found = *at;

			*at = found->next;
			return found;
		}
	return NULL;
}

uint32_t
greylist_client_ask(struct greylist_client *client, struct span address, struct span sender, struct span recipient, greylist_done done,
    void *context)
{
	struct question *question;
	struct msg_writer body;

	if (++client->last_id == 0)
		client->last_id = 1;
	msg_writer_init(&body);
	msg_put_span(&body, address);
	msg_put_span(&body, sender);
	msg_put_span(&body, recipient);
	if (proc_send(client->proc, ROLE_QUEUE, MSG_GREYLIST, client->last_id, &body, -1) < 0)
		return 0;
	question = xcalloc(1, sizeof(*question));
	*question = (struct question){ client->questions, client->last_id, done, context };
	client->questions = question;
	return question->id;
}

void
greylist_client_cancel(struct greylist_client *client, uint32_t id)
{
	free(take(client, id));
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
	struct question *question = take(client, msg->id);

	if (question != NULL)
		tell(question, msg_done(&body) ? wait : 0);
	return msg_done(&body) ? 0 : -EBADMSG;
}

void
greylist_client_queue_gone(struct greylist_client *client)
{
	struct question *question;

	while ((question = client->questions) != NULL) {
		client->questions = question->next;
		tell(question, 0);
	}
}
