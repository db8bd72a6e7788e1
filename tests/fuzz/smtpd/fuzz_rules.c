/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The site's rules on any message: the input is rules up to a line "--", then the message. */
#include <stdint.h>
#include <stdlib.h>

#include "smtpd/rules.h"
#include "smtpd/rules_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_make(data, size), pattern;
	ptrdiff_t end = span_find(text, SPAN("--\n"));
	struct buf errors = BUF_INIT(1 << 20);
	struct rules *rules = rules_new(span_make(text.ptr, end < 0 ? text.len : (size_t)end), "", &errors);
	struct rules_outcome outcome;

	if (end >= 0)
		text = span_skip(text, (size_t)end + 3);
	rules_apply(rules, text, &outcome);
	if (outcome.score.count > rules_count(rules) || outcome.fields.len > RULES_FIELDS_MAX || (outcome.fields.len != 0 && !span_ends(buf_get(&outcome.fields), SPAN("\r\n"))))
		abort();
	rules_outcome_free(&outcome);
	(void)span_split(&text, '\n', &pattern);
	if (pattern.len <= RULE_PATTERN_MAX)
		(void)rule_matches(pattern, text.len < 4096 ? text : span_make(text.ptr, 4096));
	(void)rules_free(rules);
	buf_free(&errors);
	return 0;
}
