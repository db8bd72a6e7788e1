/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The site's rules on one message. Texts and patterns are compared without case, as searches do. */
#include "smtpd/rules.h"

#include <stdlib.h>

#include "common/encoded_word.h"
#include "common/header.h"
#include "common/mime.h"
#include "common/mime_text.h"
#include "common/text_fold.h"
#include "common/xalloc.h"
#include "smtpd/rules_parse.h"

struct rule {
	struct rule_line line; /* points into the text */
	char *pattern;         /* folded */
};

struct rules {
	char *text;
	struct rule *rules;
	size_t count;
	bool has[RULE_BODY + 1]; /* rules that look there */
};

/* --- reading them --- */

static char *
folded(struct span pattern)
{
	struct buf out = BUF_INIT(RULE_PATTERN_MAX * TEXT_FOLD_GROWTH);

	text_fold(pattern, &out);
	return buf_take(&out);
}

static void
add(struct rules *rules, const struct rule_line *line)
{
	struct rule *rule;

	rules->rules = xreallocarray(rules->rules, rules->count + 1, sizeof(*rules->rules));
	rule = &rules->rules[rules->count++];
	rule->line = *line;
	rule->pattern = folded(line->pattern);
	rules->has[line->where] = true;
}

struct rules *
rules_new(struct span text, const char *prefix, struct buf *errors)
{
	struct rules *rules = xcalloc(1, sizeof(*rules));
	unsigned number = 0;
	struct span rest, line;

	rules->text = span_dup(text);
	rest = span_make(rules->text, text.len);
	while (span_split(&rest, '\n', &line)) {
		struct rule_line parsed;
		const char *fault;

		number++;
		line = span_trim(line);
		if (line.len == 0 || line.ptr[0] == '#')
			continue;
		if (rules->count >= RULES_MAX)
			fault = "there are too many rules";
		else if (rule_parse(line, &parsed, &fault) == 0) {
			add(rules, &parsed);
			continue;
		}
		if (errors != NULL)
			(void)buf_fmt(errors, "%s%u: %s\n", prefix, number, fault);
	}
	return rules;
}

struct rules *
rules_free(struct rules *rules)
{
	if (rules == NULL)
		return NULL;
	for (size_t i = 0; i < rules->count; i++)
		free(rules->rules[i].pattern);
	free(rules->rules);
	free(rules->text);
	free(rules);
	return NULL;
}

size_t
rules_count(const struct rules *rules)
{
	return rules->count;
}

/* --- a match --- */

static void
add_field(const struct rule_line *line, struct rules_outcome *outcome)
{
	struct buf field = BUF_INIT(1024);

	if (header_append(&field, line->add_name, line->add_value) == 0)
		(void)buf_span(&outcome->fields, buf_get(&field));
	outcome->fields.overflow = false; /* what does not fit is left out */
	buf_free(&field);
}

static void
apply(const struct rule_line *line, struct rules_outcome *outcome)
{
	char name[RULE_NAME_MAX + sizeof("rule.")] = "rule.";

	memcpy(name + strlen(name), line->name.ptr, line->name.len);
	(void)buf_fmt(&outcome->matched, "%s%.*s", outcome->matched.len != 0 ? " " : "", (int)line->name.len, line->name.ptr);
	switch (line->action) {
	case RULE_SCORE: score_add(&outcome->score, span_of(name), line->weight); break;
	case RULE_REFUSE: outcome->refused = true; break;
	case RULE_QUARANTINE: outcome->held = true; break;
	case RULE_JUNK: outcome->junk = true; break;
	case RULE_ADD: add_field(line, outcome); break;
	}
}

/* The text, which is folded, is one of those that the rules at that place are about. done: one flag for each rule. */
static void
try_text(const struct rules *rules, enum rule_where where, struct span field, struct span text, bool *done, struct rules_outcome *outcome)
{
	for (size_t i = 0; i < rules->count; i++) {
		const struct rule *rule = &rules->rules[i];
		struct span pattern = span_of(rule->pattern);

		if (done[i] || rule->line.where != where || (where == RULE_HEADER && !span_ieq(rule->line.field, field)))
			continue;
		done[i] = rule->line.whole ? rule_matches(pattern, text) : span_find(text, pattern) >= 0;
		if (done[i])
			apply(&rule->line, outcome);
	}
}

/* --- where they look --- */

static void
look_at_header(const struct rules *rules, struct span message, bool *done, struct rules_outcome *outcome)
{
	struct buf text = BUF_INIT(RULES_FIELD_MAX), fold = BUF_INIT(RULES_FIELD_MAX * TEXT_FOLD_GROWTH);
	struct header_field field;
	struct header_iter iter;

	/* All that a message may have (HEADER_FIELDS_MAX): whoever writes one could hide a field behind any smaller number of others. */
	header_begin(&iter, span_make(message.ptr, header_block_size(message)));
	while (header_next(&iter, &field)) {
		buf_clear(&text);
		buf_clear(&fold);
		(void)encoded_word_decode(field.value, &text);
		text_fold(span_trim(buf_get(&text)), &fold);
		try_text(rules, RULE_HEADER, field.name, buf_get(&fold), done, outcome);
	}
	buf_free(&text);
	buf_free(&fold);
}

static void
look_at_name(const struct rules *rules, const struct mime_part *part, bool *done, struct rules_outcome *outcome)
{
	struct buf name = BUF_INIT(RULES_FIELD_MAX), fold = BUF_INIT(RULES_FIELD_MAX * TEXT_FOLD_GROWTH);

	if (mime_filename(part, &name)) {
		text_fold(span_trim(buf_get(&name)), &fold);
		try_text(rules, RULE_ATTACHMENT, SPAN_NULL, buf_get(&fold), done, outcome);
	}
	buf_free(&name);
	buf_free(&fold);
}

/* Returns how much text there was. */
static size_t
look_at_text(const struct rules *rules, const struct mime_message *message, uint32_t part, bool *done, struct rules_outcome *outcome)
{
	struct buf text = BUF_INIT(RULES_PART_MAX), fold = BUF_INIT((size_t)RULES_PART_MAX * TEXT_FOLD_GROWTH);
	size_t len;

	(void)mime_text_decode_front(message, part, RULES_PART_MAX, &text);
	len = text.len;
	text_fold(buf_get(&text), &fold);
	try_text(rules, RULE_BODY, SPAN_NULL, buf_get(&fold), done, outcome);
	buf_free(&text);
	buf_free(&fold);
	return len;
}

static void
look_at_parts(const struct rules *rules, struct span bytes, bool *done, struct rules_outcome *outcome)
{
	struct mime_message *message = mime_parse(bytes);
	size_t looked_at = 0;

	for (uint32_t i = 0; i < message->count; i++) {
		const struct mime_part *part = &message->parts[i];

		if (rules->has[RULE_ATTACHMENT])
			look_at_name(rules, part, done, outcome);
		if (rules->has[RULE_BODY] && part->kind == MIME_LEAF && mime_is(part, SPAN("text"), SPAN_NULL) && looked_at < RULES_BODY_MAX)
			looked_at += look_at_text(rules, message, i, done, outcome);
	}
	(void)mime_free(message);
}

void
rules_apply(const struct rules *rules, struct span message, struct rules_outcome *ret_outcome)
{
	bool *done = xcalloc(rules->count + 1, sizeof(*done));

	*ret_outcome = (struct rules_outcome){ .matched = BUF_INIT(4096), .fields = BUF_INIT(RULES_FIELDS_MAX) };
	if (rules->has[RULE_HEADER])
		look_at_header(rules, message, done, ret_outcome);
	if (rules->has[RULE_ATTACHMENT] || rules->has[RULE_BODY])
		look_at_parts(rules, message, done, ret_outcome);
	free(done);
}

void
rules_outcome_free(struct rules_outcome *outcome)
{
	score_free(&outcome->score);
	buf_free(&outcome->matched);
	buf_free(&outcome->fields);
}
