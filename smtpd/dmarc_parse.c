/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* DMARC records: a tag list like those of DKIM. */
#include "smtpd/dmarc_parse.h"

#include <errno.h>

#include "smtpd/dkim_parse.h"

static const char *const policy_names[] = {
	[DMARC_POLICY_NONE] = "none", [DMARC_POLICY_QUARANTINE] = "quarantine", [DMARC_POLICY_REJECT] = "reject"
};

const char *
dmarc_policy_name(enum dmarc_policy policy)
{
	return policy_names[policy];
}

bool
dmarc_policy_parse(struct span name, enum dmarc_policy *ret_policy)
{
	for (size_t i = 0; i < sizeof(policy_names) / sizeof(*policy_names); i++)
		if (span_ieq(name, span_of(policy_names[i]))) {
			*ret_policy = (enum dmarc_policy)i;
			return true;
		}
	return false;
}

bool
dmarc_is_record(struct span text)
{
	struct span version, name;

	(void)span_split(&text, ';', &version);
	(void)span_split(&version, '=', &name);
	return span_eq(span_trim(name), SPAN("v")) && span_eq(span_trim(version), SPAN("DMARC1"));
}

static struct span
value_of(const struct dkim_tags *tags, struct span name)
{
	const struct dkim_tag *tag = dkim_tags_get(tags, name);

	return tag != NULL ? tag->value : SPAN_NULL;
}

int
dmarc_record_parse(struct span text, struct dmarc_record *ret_record)
{
	struct dmarc_record record = { .percent = 100 };
	struct dkim_tags tags;
	uint64_t percent;
	bool has_policy;

	if (!dmarc_is_record(text) || dkim_tags_parse(text, &tags) < 0)
		return -EINVAL;
	record.reports = value_of(&tags, SPAN("rua"));
	has_policy = dmarc_policy_parse(value_of(&tags, SPAN("p")), &record.policy);
	record.subdomain_policy = record.policy;
	if (dkim_tags_get(&tags, SPAN("sp")) != NULL &&
	    !dmarc_policy_parse(value_of(&tags, SPAN("sp")), &record.subdomain_policy))
		has_policy = false;
	if (!has_policy) {
		if (record.reports.len == 0)
			return -EINVAL;
		record.policy = record.subdomain_policy = DMARC_POLICY_NONE;
	}
	record.strict_dkim = span_ieq(value_of(&tags, SPAN("adkim")), SPAN("s"));
	record.strict_spf = span_ieq(value_of(&tags, SPAN("aspf")), SPAN("s"));
	if (span_to_u64(value_of(&tags, SPAN("pct")), 100, &percent) == 0)
		record.percent = (uint8_t)percent;
	*ret_record = record;
	return 0;
}
