/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A policy host's reply, in two pieces: what is a policy is the same once it was kept; and the same bytes as records of the DNS, and as a row
 * of a report on TLS. */
#include <stdlib.h>

#include "smtpd/https_reply.h"
#include "smtpd/sts_parse.h"
#include "smtpd/tlsrpt.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void
keep(struct span text)
{
	struct sts_policy policy, again;
	struct buf kept = BUF_INIT(STS_TEXT_MAX + 1);

	if (sts_policy_parse(text, &policy) < 0)
		return;
	policy.id = SPAN("1");
	policy.fetched = 1;
	if (sts_policy_put(&policy, &kept) == 0 &&
	    (sts_policy_parse(buf_get(&kept), &again) < 0 || again.mode != policy.mode || again.max_age != policy.max_age ||
		again.mx_count != policy.mx_count || again.fetched != 1))
		abort();
	(void)sts_policy_names(&policy, SPAN("mail.example.com"));
	buf_free(&kept);
}

static void
report(struct span text)
{
	const struct tlsrpt_head head = { .organization = SPAN("a"), .begin = 0, .end = 86399 };
	const struct tlsrpt_row rows[] = { { text, 1 }, { SPAN("sts success - - - -"), 2 } };
	struct buf out = BUF_INIT(1 << 20);

	if (tlsrpt_compose(&head, SPAN("example.com"), rows, 2, &out) == 0 && !span_is_ascii(buf_get(&out)))
		abort();
	buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct span input = span_make(bytes, len), id;
	struct https_reply reply;
	size_t used = 0, first = len / 2;
	int r;

	(void)sts_record_parse(input, &id);
	(void)tlsrpt_record_parse(input, &id);
	report(input);
	keep(input);
	https_reply_init(&reply, STS_FETCHED_MAX);
	r = https_reply_input(&reply, span_make(bytes, first), &used);
	if (used > first)
		abort();
	if (r == 1)
		r = https_reply_input(&reply, span_skip(input, used), &used);
	if (r == 1)
		r = https_reply_end(&reply);
	if (r == 0)
		keep(buf_get(&reply.body));
	https_reply_free(&reply);
	return 0;
}
