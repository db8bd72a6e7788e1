/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The site's rules on messages (smtpd.conf(5)): patterns in header fields, names of attachments and bodies, and what a match does.
 * Pure: what is looked at is bounded, and each byte of it is looked at once for each rule. */
#ifndef SMTPD_RULES_H
#define SMTPD_RULES_H

#include "smtpd/defence_score.h"

#define RULES_FILE_MAX (1 << 20)
#define RULES_MAX 500
/* Bounds of what is looked at: of each field's text, of the text of one part, of all parts together. */
#define RULES_FIELD_MAX 8192
#define RULES_PART_MAX (128 << 10)
#define RULES_BODY_MAX (512 << 10)
/* Of header fields that are added. */
#define RULES_FIELDS_MAX 2048

struct rules;

/* Reads the file's text; each fault becomes a line "prefixN: sentence" in errors, when there is one, and the rule of that line is left
 * out. Never NULL. Nothing is borrowed. */
struct rules *rules_new(struct span text, const char *prefix, struct buf *errors);
/* NULL is allowed; returns NULL. */
struct rules *rules_free(struct rules *rules);
size_t rules_count(const struct rules *rules);

struct rules_outcome {
	struct score score;    /* an item "rule.NAME" for each that matched; refusals and the like weigh nothing, and stand in `matched` */
	struct buf matched;    /* names of all that matched, "one two" */
	struct buf fields;     /* header fields to be added */
	bool refused, held, junk;
};

/* The message is whole, with CRLF or LF. The outcome is for rules_outcome_free. */
void rules_apply(const struct rules *rules, struct span message, struct rules_outcome *ret_outcome);
void rules_outcome_free(struct rules_outcome *outcome);

#endif
