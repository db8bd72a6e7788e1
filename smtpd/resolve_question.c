/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* One name and type that another role asks for. */
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "smtpd/resolve_role.h"
#include "smtpd/smtpd_msg.h"

/* Who asks has a client that waits: RFC 7208 section 4.6.4 has 20 seconds for all questions of one evaluation. */
#define ANSWER_SECONDS 20

struct question {
	struct resolver *resolver;
	uint8_t asker;
	uint32_t id;
	enum dns_type type;
	struct event *timer;
	bool answered; /* it waits only for what libunbound still has of it */
};

static void
answer_question(struct question *question, const struct dns_answer *answer)
{
	struct msg_writer body;

	if (question->answered)
		return;
	question->answered = true;
	question->resolver->asked[question->asker]--;
	msg_writer_init(&body);
	dns_put(&body, question->type, answer);
	/* When the asker is gone it has forgotten its questions. */
	(void)proc_send(question->resolver->proc, question->asker, MSG_DNS_ANSWER, question->id, &body, -1);
}

static void
fail_question(struct question *question, struct span reason)
{
	struct dns_answer *answer = xcalloc(1, sizeof(*answer));

	answer->status = DNS_FAILED;
	answer->reason = reason;
	answer_question(question, answer);
	free(answer);
}

static void
on_timeout(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	fail_question(context, SPAN("The DNS does not answer"));
}

static void
on_answer(void *context, const struct dns_answer *answer)
{
	struct question *question = context;

	answer_question(question, answer);
	event_free(question->timer);
	free(question);
}

int
resolve_question(struct resolver *resolver, uint8_t asker, const struct msg *msg)
{
	const struct timeval patience = { ANSWER_SECONDS, 0 };
	struct msg_reader body = msg_read(msg);
	unsigned type = msg_get_u16(&body);
	struct span name = msg_get_span(&body);
	struct question *question;

	if (!msg_done(&body) || dns_type_name(type) == NULL || !dns_is_name(name) || asker >= ROLE_MAX)
		return -EBADMSG;
	question = xcalloc(1, sizeof(*question));
	*question = (struct question){ .resolver = resolver, .asker = asker, .id = msg->id, .type = (enum dns_type)type };
	if (resolver->asked[asker]++ >= RESOLVE_QUESTIONS_MAX) {
		log_warning("too-many-questions", log_u64("role", asker), log_u64("questions", RESOLVE_QUESTIONS_MAX));
		fail_question(question, SPAN("Too many questions to the DNS are under way"));
		free(question);
		return 0;
	}
	question->timer = evtimer_new(resolver->proc->base, on_timeout, question);
	if (question->timer == NULL)
		abort();
	(void)event_add(question->timer, &patience);
	lookup(resolver, name, question->type, on_answer, question);
	return 0;
}
