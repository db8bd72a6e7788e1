/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Who takes mail for a domain, with the addresses: one question of relay, several look-ups. */
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "common/address.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "smtpd/resolve_mx.h"
#include "smtpd/resolve_role.h"
#include "smtpd/smtpd_msg.h"

/* The DNS may take longer than anybody wants to wait; for other hosts than the first, when that is known, not so long. */
#define ANSWER_SECONDS 60
#define OTHERS_SECONDS 15

struct question {
	struct resolver *resolver;
	uint32_t id;
	enum resolve_what what;
	char name[RESOLVE_NAME_MAX + 1];
	struct event *timer;
	bool waits_on; /* the first host was not known in time for the others */
	bool answered; /* it waits only for what libunbound still has of it */
	unsigned pending; /* look-ups under way, and one while some are being started */
	bool failed;
	struct resolve_mx mx;
	struct resolve_answer answer;
	struct part {
		struct question *question;
		struct resolve_host *host;
		enum dns_type type;
	} parts[2 * RESOLVE_HOSTS_MAX];
};

static void
forget(struct question *question)
{
	question->resolver->asked[ROLE_RELAY]--;
	event_free(question->timer);
	free(question);
}

static void
send_answer(struct resolver *resolver, uint32_t id, const struct resolve_answer *answer)
{
	struct msg_writer body;

	msg_writer_init(&body);
	resolve_put(&body, answer);
	/* When relay is gone it has forgotten its questions. */
	(void)proc_send(resolver->proc, ROLE_RELAY, MSG_RESOLVED, id, &body, -1);
}

static void
answer_now(struct question *question)
{
	static const char *const names[] = {
		[RESOLVE_OK] = "ok", [RESOLVE_NOT_FOUND] = "not found", [RESOLVE_NO_ADDRESS] = "no address", [RESOLVE_NULL_MX] = "null MX",
		[RESOLVE_LOOP] = "loop", [RESOLVE_BAD_NAME] = "bad name", [RESOLVE_FAILED] = "failed",
	};
	struct resolve_answer *answer = &question->answer;

	question->answered = true;
	(void)event_del(question->timer);
	if (answer->result != RESOLVE_OK)
		answer->count = 0;
	log_debug("resolved", log_str("name", question->name), log_str("result", names[answer->result]), log_u64("hosts", answer->count),
	    log_str("first", answer->count != 0 ? answer->hosts[0].name : ""), log_u64("secure", answer->secure), log_str("text", answer->text));
	send_answer(question->resolver, question->id, answer);
}

static void
on_timeout(evutil_socket_t fd, short what, void *context)
{
	const struct timeval rest = { ANSWER_SECONDS - OTHERS_SECONDS, 0 };
	struct question *question = context;
	struct resolve_answer *answer = &question->answer;

	(void)fd, (void)what;
	if (!question->waits_on && answer->hosts[0].count == 0) {
		question->waits_on = true;
		(void)event_add(question->timer, &rest);
		return;
	}
	/* Those that are known are enough: the name servers of one exchanger do not keep the others from taking the mail. */
	resolve_mx_finish(answer, true);
	if (answer->result == RESOLVE_FAILED)
		(void)snprintf(answer->text, sizeof(answer->text), "The DNS does not answer");
	answer_now(question);
}

/* --- look-ups --- */

static void
snip(char *to, size_t size, struct span text)
{
	if (text.len >= size)
		text.len = size - 1;
	if (text.len != 0)
		memcpy(to, text.ptr, text.len);
	to[text.len] = '\0';
}

/* One look-up less; with the last the answer is whole. */
static void
release(struct question *question)
{
	if (--question->pending != 0)
		return;
	if (!question->answered) {
		if (question->answer.result == RESOLVE_OK)
			resolve_mx_finish(&question->answer, question->failed);
		answer_now(question);
	}
	forget(question);
}

/* True when the answer can be used. */
static bool
is_usable(struct question *question, const struct dns_answer *answer)
{
	if (answer->status != DNS_FAILED && answer->status != DNS_BOGUS)
		return true;
	question->failed = true;
	snip(question->answer.text, sizeof(question->answer.text), answer->reason);
	return false;
}

static void
take_alias(char alias_of[RESOLVE_NAME_MAX + 1], const char *name, const struct dns_answer *answer)
{
	if (answer->owner.len != 0 && !span_ieq(answer->owner, span_of(name)))
		snip(alias_of, RESOLVE_NAME_MAX + 1, answer->owner);
}

static void
on_addresses(void *context, const struct dns_answer *answer)
{
	const struct part *part = context;
	struct question *question = part->question;
	struct resolve_host *host = part->host;

	/* Without an answer for one family the other says what the host is: a failure that somebody made must not switch DANE off. */
	if (is_usable(question, answer)) {
		host->secure = host->secure && answer->secure;
		take_alias(host->alias_of, host->name, answer);
		for (size_t i = 0; i < answer->count; i++)
			/* Room is kept for both families. */
			if (part->type == DNS_A || host->count < RESOLVE_ADDRESSES_MAX / 2)
				resolve_add_address(host, &answer->records[i]);
	}
	release(question);
}

static void
ask_addresses(struct question *question)
{
	for (size_t i = 0; i < question->answer.count; i++) {
		struct resolve_host *host = &question->answer.hosts[i];

		host->secure = true;
		for (size_t family = 0; family < 2; family++) {
			struct part *part = &question->parts[2 * i + family];

			*part = (struct part){ question, host, family == 0 ? DNS_AAAA : DNS_A };
			question->pending++;
			lookup(question->resolver, span_of(host->name), part->type, on_addresses, part);
		}
	}
}

/* The list of hosts is known. */
static void
order_hosts(struct question *question)
{
	struct resolve_answer *answer = &question->answer;
	uint64_t random = 0;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		abort(); /* cannot fail for so few bytes once the system is up */
	resolve_mx_order(&question->mx, span_of(question->name), span_of(question->resolver->proc->common->hostname), random, answer);
	if (answer->result == RESOLVE_OK)
		ask_addresses(question);
}

static void
on_exchangers(void *context, const struct dns_answer *answer)
{
	struct question *question = context;

	question->answer.secure = answer->secure;
	if (!is_usable(question, answer)) {
		question->answer.result = RESOLVE_FAILED;
	} else if (answer->status == DNS_NO_NAME) {
		question->answer.result = RESOLVE_NOT_FOUND;
	} else if (answer->count == 0 && answer->unusable) {
		/* Exchangers of which none can be used are not as none (RFC 5321 section 5.1). */
		question->answer.result = RESOLVE_NO_ADDRESS;
	} else if (!question->answered) {
		take_alias(question->answer.alias_of, question->name, answer);
		for (size_t i = 0; i < answer->count; i++)
			resolve_mx_add(&question->mx, &answer->records[i]);
		order_hosts(question);
	}
	release(question);
}

/* --- questions --- */

/* The name as the DNS has it: 0 or -EINVAL. */
static int
dns_name(struct span text, char name[RESOLVE_NAME_MAX + 1])
{
	struct buf out = BUF_INIT(RESOLVE_NAME_MAX);
	int r = address_domain_canonical(text, &out);

	if (r == 0 && out.len != 0 && out.data[out.len - 1] == '.')
		buf_truncate(&out, out.len - 1);
	if (r == 0 && out.len != 0)
		memcpy(name, buf_cstr(&out), out.len + 1);
	else
		r = -EINVAL;
	buf_free(&out);
	return r;
}

static void
refuse(struct resolver *resolver, uint32_t id, enum resolve_result result, const char *text)
{
	struct resolve_answer answer = { .result = result };

	(void)snprintf(answer.text, sizeof(answer.text), "%s", text);
	send_answer(resolver, id, &answer);
}

static void
begin(struct resolver *resolver, uint32_t id, enum resolve_what what, const char *name)
{
	const struct timeval patience = { OTHERS_SECONDS, 0 };
	struct question *question = xcalloc(1, sizeof(*question));

	question->resolver = resolver;
	question->id = id;
	question->what = what;
	(void)snprintf(question->name, sizeof(question->name), "%s", name);
	resolver->asked[ROLE_RELAY]++;
	question->timer = evtimer_new(resolver->proc->base, on_timeout, question);
	if (question->timer == NULL)
		abort();
	(void)event_add(question->timer, &patience);
	question->pending = 1;
	if (what == RESOLVE_MAIL) {
		question->pending++;
		lookup(resolver, span_of(question->name), DNS_MX, on_exchangers, question);
	} else {
		question->answer.count = 1;
		(void)snprintf(question->answer.hosts[0].name, sizeof(question->answer.hosts[0].name), "%s", name);
		ask_addresses(question);
	}
	release(question);
}

int
resolve_mail(struct resolver *resolver, const struct msg *msg)
{
	struct msg_reader body = msg_read(msg);
	uint8_t what = msg_get_u8(&body);
	struct span text = msg_get_span(&body);
	char name[RESOLVE_NAME_MAX + 1];

	if (!msg_done(&body) || what > RESOLVE_HOST)
		return -EBADMSG;
	if (dns_name(text, name) < 0)
		refuse(resolver, msg->id, RESOLVE_BAD_NAME, "");
	else if (resolver->asked[ROLE_RELAY] >= RESOLVE_QUESTIONS_MAX)
		refuse(resolver, msg->id, RESOLVE_FAILED, "Too many questions to the DNS are under way");
	else
		begin(resolver, msg->id, (enum resolve_what)what, name);
	return 0;
}
