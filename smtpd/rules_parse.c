/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Lines of the site's rules. */
#include "smtpd/rules_parse.h"

#include <errno.h>

#include "common/header.h"
#include "smtpd/defence_score.h"

#define ADD_MAX 500

static struct span
take_word(struct span *rest)
{
	struct span word;

	*rest = span_trim(*rest);
	(void)span_split(rest, ' ', &word);
	return word;
}

/* What stands in quotes, which has none itself. */
static bool
take_quoted(struct span *rest, struct span *ret_text)
{
	*rest = span_trim(*rest);
	if (!span_starts(*rest, SPAN("\"")) || span_chr(span_skip(*rest, 1), '"') < 0)
		return false;
	*rest = span_skip(*rest, 1);
	(void)span_split(rest, '"', ret_text);
	return true;
}

static bool
is_name(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!ascii_is_alnum(name.ptr[i]) && name.ptr[i] != '-' && name.ptr[i] != '_')
			return false;
	return name.len != 0 && name.len <= RULE_NAME_MAX;
}

static const char *
take_where(struct span *rest, struct rule_line *rule)
{
	struct span where = take_word(rest), how;

	if (span_eq(where, SPAN("attachment"))) {
		rule->where = RULE_ATTACHMENT;
		rule->whole = true;
		return NULL;
	}
	if (span_eq(where, SPAN("header"))) {
		rule->where = RULE_HEADER;
		rule->field = take_word(rest);
		if (!header_name_is_valid(rule->field))
			return "behind header comes the name of a field";
	} else if (span_eq(where, SPAN("body"))) {
		rule->where = RULE_BODY;
	} else {
		return "behind the name comes header, attachment or body";
	}
	how = take_word(rest);
	rule->whole = rule->where == RULE_HEADER && span_eq(how, SPAN("matches"));
	if (!rule->whole && !span_eq(how, SPAN("contains")))
		return rule->where == RULE_BODY ? "behind body comes contains" : "behind the field comes contains or matches";
	return NULL;
}

static bool
take_field(struct span text, struct rule_line *rule)
{
	(void)span_split(&text, ':', &rule->add_name);
	rule->add_value = span_trim(text);
	return header_name_is_valid(rule->add_name) && rule->add_value.len != 0 && rule->add_value.len <= ADD_MAX && span_is_ascii(rule->add_value);
}

static const char *
take_action(struct span *rest, struct rule_line *rule)
{
	static const struct {
		struct span name;
		enum rule_action action;
	} alone[] = { { SPAN("refuse"), RULE_REFUSE }, { SPAN("quarantine"), RULE_QUARANTINE }, { SPAN("junk"), RULE_JUNK } };
	struct span action = take_word(rest), text;

	if (span_eq(action, SPAN("score"))) {
		rule->action = RULE_SCORE;
		return score_weight_parse(take_word(rest), &rule->weight) == 0 && rule->weight != 0 ? NULL : "behind score comes a number";
	}
	if (span_eq(action, SPAN("add"))) {
		rule->action = RULE_ADD;
		return take_quoted(rest, &text) && take_field(text, rule) ? NULL : "behind add comes \"Field: value\", in ASCII";
	}
	for (size_t i = 0; i < sizeof(alone) / sizeof(*alone); i++)
		if (span_eq(action, alone[i].name)) {
			rule->action = alone[i].action;
			return NULL;
		}
	return "behind the pattern comes score, refuse, quarantine, junk or add";
}

int
rule_parse(struct span line, struct rule_line *ret_rule, const char **ret_fault)
{
	struct rule_line rule = { .weight = 0 };
	struct span rest = line;
	const char *fault = NULL;

	(void)span_split(&rest, ':', &rule.name);
	if (rule.name.len == line.len || !is_name(span_trim(rule.name)))
		fault = "a rule begins with its name, of letters, digits, - and _, and a colon";
	rule.name = span_trim(rule.name);
	if (fault == NULL)
		fault = take_where(&rest, &rule);
	if (fault == NULL && (!take_quoted(&rest, &rule.pattern) || rule.pattern.len == 0 || rule.pattern.len > RULE_PATTERN_MAX || !span_is_utf8(rule.pattern)))
		fault = "the pattern stands in quotes, and has 1 to 200 bytes of UTF-8";
	if (fault == NULL)
		fault = take_action(&rest, &rule);
	if (fault == NULL && span_trim(rest).len != 0)
		fault = "there is something behind the action";
	if (fault != NULL) {
		*ret_fault = fault;
		return -EINVAL;
	}
	*ret_rule = rule;
	return 0;
}

bool
rule_matches(struct span pattern, struct span text)
{
	size_t at = 0, in = 0, star = SIZE_MAX, resume = 0;

	/* The last star alone may have to take more: those before it took the least, which leaves the most. */
	while (at < text.len) {
		if (in < pattern.len && pattern.ptr[in] == '*') {
			star = in++;
			resume = at;
		} else if (in < pattern.len && (pattern.ptr[in] == '?' || pattern.ptr[in] == text.ptr[at])) {
			in++;
			at++;
		} else if (star != SIZE_MAX) {
			in = star + 1;
			at = ++resume;
		} else {
			return false;
		}
	}
	while (in < pattern.len && pattern.ptr[in] == '*')
		in++;
	return in == pattern.len;
}
