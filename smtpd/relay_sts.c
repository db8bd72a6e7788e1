/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The MTA-STS policy of a job's domain, asked of the policy role. */
#include <errno.h>
#include <stdlib.h>

#include "common/address.h"
#include "common/xalloc.h"
#include "smtpd/relay.h"
#include "smtpd/sts_parts.h"

bool
relay_sts_ask(struct relay_job *job, struct span domain)
{
	struct relay_role *role = job->role;
	struct msg_writer body;
	struct buf name = BUF_INIT(DNS_NAME_MAX);
	bool asks = address_domain_canonical(domain, &name) == 0 && sts_is_domain(buf_get(&name));

	msg_writer_init(&body);
	msg_put_span(&body, buf_get(&name));
	buf_free(&name);
	if (!asks)
		return false;
	if (++role->last_question == 0)
		role->last_question = 1;
	job->asked_policy = role->last_question;
	/* When policy is gone it will be back, as with resolve. */
	if (proc_send(role->proc, ROLE_POLICY, MSG_STS_QUESTION, job->asked_policy, &body, -1) < 0) {
		job->asked_policy = 0;
		job->asks_again = true;
	}
	return true;
}

void
relay_sts_forget(struct relay_job *job)
{
	job->asked_policy = 0;
	if (job->sts != NULL) {
		free(job->sts->text);
		free(job->sts);
	}
	job->sts = NULL;
}

int
relay_sts_answer(struct relay_role *role, const struct msg *msg)
{
	struct msg_reader body = msg_read(msg);
	uint8_t fault = msg_get_u8(&body), unsure = msg_get_u8(&body);
	struct span text = msg_get_span(&body);
	struct relay_job *job = role->jobs;
	static const enum tlsrpt_result results[] = {
		[STS_FETCH_ERROR] = TLSRPT_STS_FETCH_ERROR, [STS_INVALID] = TLSRPT_STS_INVALID, [STS_WEBPKI_INVALID] = TLSRPT_STS_WEBPKI_INVALID,
	};
	struct relay_sts *sts;
	int r = 0;

	while (job != NULL && (job->asked_policy == 0 || job->asked_policy != msg->id))
		job = job->next;
	if (!msg_done(&body) || fault > STS_WEBPKI_INVALID || unsure > 1 || sts_parts_end(&role->sts_parts, &text) < 0)
		return -EBADMSG;
	if (job == NULL) { /* the queue went, and the job with it */
		buf_free(&role->sts_parts);
		return 0;
	}
	relay_sts_forget(job);
	sts = xcalloc(1, sizeof(*sts));
	sts->fault = (enum sts_fault)fault;
	sts->unsure = unsure != 0;
	sts->text = span_dup(text);
	buf_free(&role->sts_parts);
	if (sts->text[0] != '\0') {
		r = sts_policy_parse(span_of(sts->text), &sts->policy);
		sts->there = r == 0 && sts->policy.mode != STS_NONE;
	}
	job->sts = sts;
	if (sts->fault != STS_GOOD)
		relay_report_unfit(job, TLSRPT_STS, results[sts->fault], "");
	relay_job_go(job);
	return r == 0 ? 0 : -EBADMSG;
}
