/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Asking the filter role about a message, step by step; and what it wants changed. */
#ifndef SMTPD_SMTP_FILTER_CLIENT_H
#define SMTPD_SMTP_FILTER_CLIENT_H

#include "common/envelope.h"
#include "frame/role.h"
#include "smtpd/milter_state.h"

/* The answer. Spans are borrowed for the callback. */
struct filtered {
	enum milter_verdict verdict;
	struct span reply;    /* of MILTER_REFUSE: "550 5.7.1 ..." */
	/* Of a text that passes. */
	int fd;               /* text that stands for the first `replaces` bytes of the message, or -1; the callback may take it */
	uint64_t replaces;
	bool held, has_sender;
	struct span reason, sender;
	struct span rcpts; /* for filtered_apply: what stands in FILTER_RCPTS */
};

/* Once for each question, later, from the loop; with a refusal for now (451) when the filter role goes away. */
typedef void (*filtered_done)(void *context, struct filtered *filtered);

struct filter_client; /* of the role */
struct filter_client *filter_client_new(struct proc *proc, filtered_done done);
struct filter_question; /* of one message */

/* A message begins. The question lives until filter_end. */
struct filter_question *filter_mail(struct filter_client *client, const struct milter_client *facts, void *context);
void filter_rcpt(struct filter_question *question, struct span rcpt);
/* The file is taken over. */
void filter_text(struct filter_question *question, int fd, uint64_t at, uint64_t len, struct span queue_id);
/* The message is done with; no callback runs. NULL is allowed. Returns NULL. */
struct filter_question *filter_end(struct filter_question *question);

/* Whether the envelope is to be another, and makes it so: sender and recipients, one of which in UTF-8 wants SMTPUTF8 on the way. Of recipients at
 * these domains the case of the local part means nothing. 0 (as it was), 1 (changed), or -errno: it cannot be. */
int filtered_apply(const struct filtered *filtered, const struct conf_list *domains, struct envelope *envelope);

/* The handler of FILTERED and FILTER_RCPTS. 0 or -EBADMSG. And from the role's peer_gone, for ROLE_FILTER. */
int filter_client_message(struct filter_client *client, struct msg *msg);
void filter_client_gone(struct filter_client *client);

#endif
