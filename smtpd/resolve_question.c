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
/* The log hears of too many questions once in this time. */
#define WARN_SECONDS 60

struct question {
	struct resolver *resolver;
	uint8_t asker;
	uint32_t id;
	uint64_t whose;
	enum resolve_place place; /* of whose client it is */
	int64_t asked;
	enum dns_type type;
	struct event *timer;
	bool answered; /* it waits only for what libunbound still has of it */
};

static void
send_answer(struct resolver *resolver, uint8_t asker, uint32_t id, enum dns_type type, const struct dns_answer *answer)
{
	struct msg_writer body;

	msg_writer_init(&body);
	dns_put(&body, type, answer);
	/* When the asker is gone it has forgotten its questions. */
	(void)proc_send(resolver->proc, asker, MSG_DNS_ANSWER, id, &body, -1);
}

static void
send_failure(struct resolver *resolver, uint8_t asker, uint32_t id, enum dns_type type, enum dns_blame blame, struct span reason)
{
	struct dns_answer *answer = xcalloc(1, sizeof(*answer));

	answer->status = DNS_FAILED;
	answer->blame = blame;
	answer->reason = reason;
	send_answer(resolver, asker, id, type, answer);
	free(answer);
}

/* --- room --- */

static bool
enter(struct resolver *resolver, uint8_t asker, uint64_t whose, enum resolve_place *ret_place)
{
	*ret_place = RESOLVE_NO_ROOM;
	if (whose != RESOLVE_OURSELVES) {
		*ret_place = resolve_room_enter(resolver->room, whose, resolver_now());
		return *ret_place != RESOLVE_NO_ROOM;
	}
	if (resolver->asked[asker] >= RESOLVE_QUESTIONS_MAX)
		return false;
	resolver->asked[asker]++;
	return true;
}

static void
warn(struct resolver *resolver, uint8_t asker, uint64_t whose)
{
	int64_t now = resolver_now();

	if (resolver->warned != 0 && now - resolver->warned < WARN_SECONDS)
		return;
	resolver->warned = now;
	log_warning("too-many-questions", log_u64("role", asker), log_u64("questions", RESOLVE_QUESTIONS_MAX),
	    log_str("hint", whose != RESOLVE_OURSELVES ? "mail of a network that is not known, or has as many under way as there is room, is put off" : ""));
}

/* --- questions --- */

static void
answered(struct question *question)
{
	question->answered = true;
	if (question->whose == RESOLVE_OURSELVES)
		question->resolver->asked[question->asker]--;
}

static void
on_timeout(evutil_socket_t fd, short what, void *context)
{
	struct question *question = context;
	struct resolver *resolver = question->resolver;

	(void)fd, (void)what;
	answered(question);
	send_failure(resolver, question->asker, question->id, question->type, resolver_blame(resolver),
	    SPAN("The DNS does not answer"));
}

static void
on_answer(void *context, const struct dns_answer *answer)
{
	struct question *question = context;

	if (!question->answered) {
		answered(question);
		send_answer(question->resolver, question->asker, question->id, question->type, answer);
	}
	/* Not before, for libunbound goes on asking servers when nobody waits any more. */
	if (question->whose != RESOLVE_OURSELVES)
		resolve_room_leave(question->resolver->room, question->whose, question->place, question->asked, resolver_now());
	event_free(question->timer);
	free(question);
}

int
resolve_question(struct resolver *resolver, uint8_t asker, const struct msg *msg)
{
	const struct timeval patience = { ANSWER_SECONDS, 0 };
	struct msg_reader body = msg_read(msg);
	unsigned type = msg_get_u16(&body);
	uint64_t whose = msg_get_u64(&body);
	struct span name = msg_get_span(&body);
	enum resolve_place place;
	struct question *question;

	if (!msg_done(&body) || dns_type_name(type) == NULL || !dns_is_name(name) || asker >= ROLE_MAX)
		return -EBADMSG;
	if (!enter(resolver, asker, whose, &place)) {
		warn(resolver, asker, whose);
		send_failure(resolver, asker, msg->id, (enum dns_type)type, DNS_OURS, SPAN("Too many questions to the DNS are under way"));
		return 0;
	}
	question = xcalloc(1, sizeof(*question));
	*question = (struct question){ .resolver = resolver, .asker = asker, .id = msg->id, .whose = whose, .place = place, .asked = resolver_now(),
		.type = (enum dns_type)type };
	question->timer = evtimer_new(resolver->proc->base, on_timeout, question);
	if (question->timer == NULL)
		abort();
	(void)event_add(question->timer, &patience);
	lookup(resolver, name, question->type, on_answer, question);
	return 0;
}
