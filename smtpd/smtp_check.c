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
#include "smtpd/dmarc_report.h"
#include "smtpd/smtpd_conf.h"
#include "smtpd/smtpd_msg.h"
#include "smtpd/dns_asking.h"

/* RFC 7208 section 4.6.4 has 20 seconds at least for SPF alone; a client waits ten minutes for the answer to its text (RFC 5321
 * section 4.5.3.2.6). */
#define CHECK_SECONDS 40
/* Keys, SPF, a policy, and the sender's exchangers. */
#define QUESTIONS_MAX (DKIM_KEYS_AT_ONCE + 3)
#define LOG_MAX 512

struct smtp_check {
	struct proc *proc;
	struct verify_envelope envelope;
	struct verification *verification;
	struct dns_asking *asking;
	struct event *timer;
	const char *queue_id;
	smtp_check_done done;
	void *context;
	bool ended, told;
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
	log_info("verified", log_str("id", check->queue_id), log_str("client", check->envelope.client),
	    log_str("spf", spf_result_name(spf->result)), log_str("spf_domain", spf->domain), log_span("dkim", buf_get(&signatures)),
	    log_str("arc", arc_status_name(verify_chain(check->verification)->status)), log_str("dmarc", dmarc_result_name(dmarc->result)),
	    log_str("from_domain", dmarc->from), log_str("policy", dmarc->domain[0] != '\0' ? dmarc_policy_name(dmarc->policy) : ""),
	    log_str("verdict", verdict));
	buf_free(&signatures);
}

/* What the author's domain will be told. */
static void
count(const struct smtp_check *check)
{
	struct buf policy = BUF_INIT(LOG_MAX), row = BUF_INIT(REPORT_LINE_MAX / 2);
	struct report_line line;
	struct msg_writer body;

	if (smtpd_conf(check->proc)->dmarc_reports && dmarc_report_line(check->verification, &check->envelope, &policy, &row, &line)) {
		msg_writer_init(&body);
		msg_put_u8(&body, REPORT_DMARC);
		msg_put_span(&body, line.domain);
		msg_put_span(&body, line.addresses);
		msg_put_span(&body, line.policy);
		msg_put_span(&body, line.row);
		/* When the report role is gone, some messages are not counted. */
		(void)proc_send(check->proc, ROLE_REPORT, MSG_REPORT_COUNT, 0, &body, -1);
	}
	buf_free(&policy);
	buf_free(&row);
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
	enum verify_verdict verdict = verify_is_done(check->verification) ? verify_verdict(check->verification) : VERIFY_DEFER;

	check->told = true;
	/* What is put off comes again. */
	if (verdict != VERIFY_DEFER)
		count(check);
	log_verdict(check, verdicts[verdict].word);
	/* Fields that are too long are left out: the message is not to blame. */
	(void)verify_put_fields(check->verification, &check->fields);
	check->done(check->context, verdicts[verdict].fault);
}

/* --- questions --- */

static bool
question(void *machine, struct span *ret_name, enum dns_type *ret_type, size_t *ret_number)
{
	return verify_question(machine, ret_name, ret_type, ret_number);
}

static void
answer(void *machine, size_t number, const struct dns_answer *answer)
{
	verify_answer(machine, number, answer);
}

static const struct dns_machine verification_ops = { question, answer };

/* When nothing is asked any more it tells: once, from the loop. */
static void
go_on(void *context)
{
	struct smtp_check *check = context;

	if (check->ended && !check->told && verify_is_done(check->verification))
		event_active(check->timer, EV_WRITE, 0);
}

static void
on_event(evutil_socket_t fd, short what, void *context)
{
	struct smtp_check *check = context;

	(void)fd;
	if ((what & EV_TIMEOUT) != 0 && !verify_is_done(check->verification)) {
		dns_asking_give_up(check->asking);
		if (!verify_is_done(check->verification))
			log_error("not-verified", log_str("id", check->queue_id), log_str("hint", "this is a fault of smtpd's: the message is put off"));
	}
	/* Somebody waits for it whatever comes. */
	if (check->ended && !check->told && (verify_is_done(check->verification) || (what & EV_TIMEOUT) != 0))
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
	check->queue_id = queue_id;
	check->proc = proc;
	check->envelope = *envelope;
	check->done = done;
	check->context = context;
	check->fields = BUF_INIT(SMTP_CHECK_FIELDS_MAX);
	check->verification = verify_new(settings, envelope, (int64_t)time(NULL), sample % 100);
	check->asking = dns_asking_new(dns, envelope->client, &verification_ops, check->verification, QUESTIONS_MAX, go_on, check);
	check->timer = event_new(proc->base, -1, 0, on_event, check);
	if (check->timer == NULL)
		abort();
	dns_asking_go(check->asking);
	return check;
}

struct smtp_check *
smtp_check_free(struct smtp_check *check)
{
	if (check == NULL)
		return NULL;
	check->asking = dns_asking_free(check->asking);
	event_free(check->timer);
	verify_free(check->verification);
	buf_free(&check->fields);
	free(check);
	return NULL;
}

void
smtp_check_feed(struct smtp_check *check, struct span bytes)
{
	verify_feed(check->verification, bytes);
	dns_asking_go(check->asking);
}

void
smtp_check_end(struct smtp_check *check)
{
	const struct timeval patience = { CHECK_SECONDS, 0 };

	check->ended = true;
	verify_end(check->verification);
	(void)event_add(check->timer, &patience);
	dns_asking_go(check->asking);
	go_on(check);
}

const struct verification *
smtp_check_verification(const struct smtp_check *check)
{
	return check->verification;
}

struct span
smtp_check_fields(const struct smtp_check *check)
{
	return buf_get(&check->fields);
}
