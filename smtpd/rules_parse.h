/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* One line of the site's rules, and its pattern. Pure. */
#ifndef SMTPD_RULES_PARSE_H
#define SMTPD_RULES_PARSE_H

#include "common/buf.h"

#define RULE_NAME_MAX 40
#define RULE_PATTERN_MAX 200

enum rule_where { RULE_HEADER, RULE_ATTACHMENT, RULE_BODY };
enum rule_action { RULE_SCORE, RULE_REFUSE, RULE_QUARANTINE, RULE_JUNK, RULE_ADD };

/* All spans are borrowed from the line. */
struct rule_line {
	struct span name;
	enum rule_where where;
	struct span field;   /* of RULE_HEADER */
	bool whole;          /* the pattern is for all of it, with "*" and "?"; otherwise it may stand anywhere, as it is */
	struct span pattern;
	enum rule_action action;
	int weight;          /* of RULE_SCORE */
	struct span add_name, add_value; /* of RULE_ADD */
};

/* "NAME: header FIELD contains|matches "PATTERN" ACTION", "NAME: attachment "PATTERN" ACTION", "NAME: body contains "PATTERN" ACTION";
 * ACTION is "score N", "refuse", "junk" or "add "Field: value"". 0, or -EINVAL and a sentence. */
int rule_parse(struct span line, struct rule_line *ret_rule, const char **ret_fault);

/* The text matches the whole pattern: "*" stands for any characters, "?" for one byte. */
bool rule_matches(struct span pattern, struct span text);

#endif
