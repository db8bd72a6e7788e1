/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The machine asks, the DNS answers, and the clock ends it. Questions are asked while the message still comes. */
#include "smtpd/smtp_check.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "common/log.h"
#include "common/xalloc.h"

/* RFC 7208 section 4.6.4 has 20 seconds at least for SPF alone; a client waits ten minutes for the answer to its text (RFC 5321
 * section 4.5.3.2.6). */
#define CHECK_SECONDS 40
/* Keys of ten signatures and of a chain, SPF, and a policy. */
#define QUESTIONS_MAX 80
#define LOG_MAX 512

struct question {
	struct smtp_check *check;
	size_t number;
	uint32_t id; /* 0: free */
};

struct smtp_check {
	struct dns_client *dns;
	struct verification *verification;
	struct event *timer;
	const char *queue_id, *client;
	smtp_check_done done;
	void *context;
	bool ended, late, told;
	struct question *questions;
	size_t question_count;
	struct buf fields;
};

/* --- the end --- */

static void
log_verdict(const struct smtp_check *check, const char *verdict)
{
	const struct spf_outcome *spf = verify_spf(check->verification);
	const struct dmarc_outcome *dmarc = verify_dmarc(check->verification);
	struct buf signatures = BUF_INIT(LOG_MAX);
	size_t count;
	const struct dkim_check *checks = verify_checks(check->verification, &count);

	for (size_t i = 0; i < count; i++) {
		(void)buf_fmt(&signatures, "%s%s ", i != 0 ? ", " : "", dkim_result_name(checks[i].result));
		(void)buf_span(&signatures, checks[i].signature.domain);
	}
	log_info("verified", log_str("id", check->queue_id), log_str("client", check->client),
	    log_str("spf", spf_result_name(spf->result)), log_str("spf_domain", spf->domain), log_span("dkim", buf_get(&signatures)),
	    log_str("arc", arc_status_name(verify_chain(check->verification)->status)), log_str("dmarc", dmarc_result_name(dmarc->result)),
	    log_str("from_domain", dmarc->from), log_str("policy", dmarc->domain[0] != '\0' ? dmarc_policy_name(dmarc->policy) : ""),
	    log_str("verdict", verdict));
	buf_free(&signatures);
}

static void
tell(struct smtp_check *check)
{
	static const struct {
		enum smtp_fault fault;
		const char *word;
	} verdicts[] = {
		[VERIFY_TAKE] = { SMTP_FAULT_NONE, "take" },
		[VERIFY_QUARANTINE] = { SMTP_FAULT_NONE, "quarantine" },
		[VERIFY_REFUSE] = { SMTP_FAULT_DMARC, "refuse" },
		[VERIFY_DEFER] = { SMTP_FAULT_NO_DNS, "defer" },
	};
	enum verify_verdict verdict = verify_verdict(check->verification);

	check->told = true;
	log_verdict(check, verdicts[verdict].word);
	/* Fields that are too long are left out: the message is not to blame. */
	(void)verify_put_fields(check->verification, &check->fields);
	check->done(check->context, verdicts[verdict].fault);
}

/* --- questions --- */

static void answered(void *context, const struct dns_answer *answer);

static struct question *
free_question(struct smtp_check *check)
{
	for (size_t i = 0; i < check->question_count; i++)
		if (check->questions[i].id == 0)
			return &check->questions[i];
	return check->question_count < QUESTIONS_MAX ? &check->questions[check->question_count++] : NULL;
}

static void
answer_failed(struct smtp_check *check, size_t number, struct span reason)
{
	struct dns_answer *answer = xcalloc(1, sizeof(*answer));

	answer->status = DNS_FAILED;
	answer->reason = reason;
	verify_answer(check->verification, number, answer);
	free(answer);
}

static void
ask(struct smtp_check *check)
{
	enum dns_type type;
	struct span name;
	size_t number;

	while (verify_question(check->verification, &name, &type, &number)) {
		struct question *question = check->late ? NULL : free_question(check);

		if (question == NULL) {
			answer_failed(check, number, SPAN("The time for verification is over"));
			continue;
		}
		question->check = check;
		question->number = number;
		question->id = dns_ask(check->dns, name, type, answered, question);
	}
}

/* Asks what is to be asked; when nothing is any more, tells: once, from the loop. */
static void
go_on(struct smtp_check *check)
{
	ask(check);
	if (check->ended && !check->told && verify_is_done(check->verification))
		event_active(check->timer, EV_WRITE, 0);
}

static void
answered(void *context, const struct dns_answer *answer)
{
	struct question *question = context;

	question->id = 0;
	verify_answer(question->check->verification, question->number, answer);
	go_on(question->check);
}

static void
forget_questions(struct smtp_check *check)
{
	for (size_t i = 0; i < check->question_count; i++)
		if (check->questions[i].id != 0)
			dns_cancel(check->dns, check->questions[i].id);
}

static void
on_event(evutil_socket_t fd, short what, void *context)
{
	struct smtp_check *check = context;

	(void)fd;
	if ((what & EV_TIMEOUT) != 0 && !verify_is_done(check->verification)) {
		check->late = true;
		forget_questions(check);
		for (size_t i = 0; i < check->question_count; i++)
			if (check->questions[i].id != 0) {
				check->questions[i].id = 0;
				answer_failed(check, check->questions[i].number, SPAN("The DNS did not answer in time"));
			}
		ask(check);
	}
	if (check->ended && !check->told && verify_is_done(check->verification))
		tell(check); /* it may be freed in there */
}

/* --- a message --- */

struct smtp_check *
smtp_check_new(struct proc *proc, struct dns_client *dns, const struct verify_settings *settings,
    const struct verify_envelope *envelope, const char *queue_id, smtp_check_done done, void *context)
{
	struct smtp_check *check = xcalloc(1, sizeof(*check));
	uint32_t sample = 0;

	/* Without random bytes every policy counts for all. */
	(void)!getrandom(&sample, sizeof(sample), 0);
	check->dns = dns;
	check->queue_id = queue_id;
	check->client = envelope->client;
	check->done = done;
	check->context = context;
	check->fields = BUF_INIT(SMTP_CHECK_FIELDS_MAX);
	check->questions = xcalloc(QUESTIONS_MAX, sizeof(*check->questions));
	check->verification = verify_new(settings, envelope, (int64_t)time(NULL), sample % 100);
	check->timer = event_new(proc->base, -1, 0, on_event, check);
	if (check->timer == NULL)
		abort();
	go_on(check);
	return check;
}

struct smtp_check *
smtp_check_free(struct smtp_check *check)
{
	if (check == NULL)
		return NULL;
	forget_questions(check);
	event_free(check->timer);
	verify_free(check->verification);
	buf_free(&check->fields);
	free(check->questions);
	free(check);
	return NULL;
}

void
smtp_check_feed(struct smtp_check *check, struct span bytes)
{
	verify_feed(check->verification, bytes);
	ask(check);
}

void
smtp_check_end(struct smtp_check *check)
{
	const struct timeval patience = { CHECK_SECONDS, 0 };

	check->ended = true;
	verify_end(check->verification);
	(void)event_add(check->timer, &patience);
	go_on(check);
}

struct span
smtp_check_fields(const struct smtp_check *check)
{
	return buf_get(&check->fields);
}
