/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* DMARC records: a tag list like those of DKIM, but with errors that do no harm (RFC 7489 section 6.3), and many have some. */
#include "smtpd/dmarc_parse.h"

#include <errno.h>

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

/* --- the tags --- */

enum tag { TAG_P, TAG_SP, TAG_ADKIM, TAG_ASPF, TAG_PCT, TAG_RUA, TAG_RUF, TAG_FO, TAGS };
static const struct span tag_names[TAGS] = {
	[TAG_P] = SPAN("p"), [TAG_SP] = SPAN("sp"), [TAG_ADKIM] = SPAN("adkim"), [TAG_ASPF] = SPAN("aspf"), [TAG_PCT] = SPAN("pct"), [TAG_RUA] = SPAN("rua"),
	[TAG_RUF] = SPAN("ruf"), [TAG_FO] = SPAN("fo"),
};
struct tags {
	struct span values[TAGS];
	bool has[TAGS];
};

static bool
is_printable(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (((unsigned char)text.ptr[i] < ' ' && text.ptr[i] != '\t') || text.ptr[i] == 0x7f)
			return false;
	return span_is_ascii(text) || span_is_utf8(text);
}

/* What is no tag, or none that is known, is passed over; one that is there twice leaves open what is wanted, but for those that are told in reports
 * alone. 0 or -EINVAL. */
static int
read_tags(struct span text, struct tags *ret_tags)
{
	struct span spec, name;

	*ret_tags = (struct tags){ .has = { false } };
	while (span_split(&text, ';', &spec)) {
		(void)span_split(&spec, '=', &name);
		for (size_t i = 0; i < TAGS; i++) {
			if (!span_eq(span_trim(name), tag_names[i]) || !is_printable(spec))
				continue;
			if (i < TAG_RUF && ret_tags->has[i])
				return -EINVAL;
			if (ret_tags->has[i])
				continue;
			ret_tags->has[i] = true;
			ret_tags->values[i] = span_trim(spec);
		}
	}
	return 0;
}

static const struct {
	char letter;
	uint8_t bit;
} failure_options[] = { { '0', DMARC_FO_0 }, { '1', DMARC_FO_1 }, { 'd', DMARC_FO_D }, { 's', DMARC_FO_S } };
#define FAILURE_OPTIONS (sizeof(failure_options) / sizeof(*failure_options))

/* What is unknown is passed over (section 6.3); "0" is meant where nothing is left. */
static uint8_t
read_failures(struct span text)
{
	struct span word;
	uint8_t failures = 0;

	while (span_split(&text, ':', &word)) {
		word = span_trim(word);
		for (size_t i = 0; i < FAILURE_OPTIONS; i++)
			if (word.len == 1 && ascii_lower(word.ptr[0]) == failure_options[i].letter)
				failures |= failure_options[i].bit;
	}
	return failures != 0 ? failures : DMARC_FO_0;
}

void
dmarc_failures_put(uint8_t failures, char out[static DMARC_FAILURES_SIZE])
{
	size_t len = 0;

	for (size_t i = 0; i < FAILURE_OPTIONS; i++) {
		if ((failures & failure_options[i].bit) == 0)
			continue;
		if (len != 0)
			out[len++] = ':';
		out[len++] = failure_options[i].letter;
	}
	out[len] = '\0';
}

int
dmarc_record_parse(struct span text, struct dmarc_record *ret_record)
{
	struct dmarc_record record = { .percent = 100 };
	struct tags tags;
	uint64_t percent;
	bool has_policy;

	if (!dmarc_is_record(text) || read_tags(text, &tags) < 0)
		return -EINVAL;
	record.reports = tags.values[TAG_RUA];
	has_policy = dmarc_policy_parse(tags.values[TAG_P], &record.policy);
	record.subdomain_policy = record.policy;
	if (tags.has[TAG_SP] && !dmarc_policy_parse(tags.values[TAG_SP], &record.subdomain_policy))
		has_policy = false;
	if (!has_policy) {
		if (record.reports.len == 0)
			return -EINVAL;
		record.policy = record.subdomain_policy = DMARC_POLICY_NONE;
	}
	record.strict_dkim = span_ieq(tags.values[TAG_ADKIM], SPAN("s"));
	record.strict_spf = span_ieq(tags.values[TAG_ASPF], SPAN("s"));
	if (span_to_u64(tags.values[TAG_PCT], 100, &percent) == 0)
		record.percent = (uint8_t)percent;
	record.failures = tags.has[TAG_RUF] ? read_failures(tags.values[TAG_FO]) : DMARC_FO_0;
	*ret_record = record;
	return 0;
}

int
dmarc_consent_parse(struct span text, struct span *ret_reports)
{
	struct tags tags;

	if (!dmarc_is_record(text) || read_tags(text, &tags) < 0)
		return -EINVAL;
	*ret_reports = tags.has[TAG_RUA] ? tags.values[TAG_RUA] : SPAN_NULL;
	return 0;
}
