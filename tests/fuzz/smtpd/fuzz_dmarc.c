/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The text of a record: what can be used of it is a policy that has a name, and what it says lies within it. */
#include <stdlib.h>

#include "smtpd/dmarc_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void
check_policy(enum dmarc_policy policy)
{
	enum dmarc_policy again;

	if (!dmarc_policy_parse(span_of(dmarc_policy_name(policy)), &again) || again != policy)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct span text = span_make(bytes, len);
	struct dmarc_record record;

	if (dmarc_record_parse(text, &record) < 0)
		return 0;
	if (!dmarc_is_record(text) || record.percent > 100)
		abort();
	check_policy(record.policy);
	check_policy(record.subdomain_policy);
	if (record.reports.len != 0 && (record.reports.ptr < text.ptr || record.reports.ptr + record.reports.len > text.ptr + text.len))
		abort();
	return 0;
}
