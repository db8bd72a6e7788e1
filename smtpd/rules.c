/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The site's rules on one message. Texts and patterns are compared without case, as searches do. */
#include "smtpd/rules.h"

#include <stdlib.h>

#include "common/encoded_word.h"
#include "common/header.h"
#include "common/mime.h"
#include "common/mime_text.h"
#include "common/parameter.h"
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

/* The name that a file gets: without folders before it, and without what some systems take off its end. Of one that is too long its end tells
 * what it is. */
static void
try_name(const struct rules *rules, struct span name, bool *done, struct rules_outcome *outcome)
{
	struct buf fold = BUF_INIT(RULES_FIELD_MAX * TEXT_FOLD_GROWTH);
	ptrdiff_t slash = span_rchr(name, '/'), backslash = span_rchr(name, '\\');

	name = span_skip(name, (size_t)((slash > backslash ? slash : backslash) + 1));
	while (name.len != 0 && (name.ptr[name.len - 1] == '.' || (unsigned char)name.ptr[name.len - 1] <= ' '))
		name.len--;
	name = span_trim(name);
	if (name.len > RULES_FIELD_MAX)
		name = span_skip(name, name.len - RULES_FIELD_MAX);
	text_fold(name, &fold);
	if (name.len != 0)
		try_text(rules, RULE_ATTACHMENT, SPAN_NULL, buf_get(&fold), done, outcome);
	buf_free(&fold);
}

static void
try_written_name(const struct rules *rules, struct span written, bool *done, struct rules_outcome *outcome)
{
	struct buf name = BUF_INIT(4 * PARAMETER_TEXT_MAX);

	if (written.len != 0)
		(void)encoded_word_decode(written, &name);
	try_name(rules, buf_get(&name), done, outcome);
	buf_free(&name);
}

/* What should be there once: some programs take the first, and some the last. */
struct ends {
	struct span first, last;
};

static void
note(struct ends *ends, struct span value)
{
	if (ends->first.ptr == NULL)
		ends->first = value;
	ends->last = value;
}

/* The parameter as RFC 2231 has it, and as it stands there beside that for those who do not know of it. */
static void
look_at_parameter(const struct rules *rules, struct span field, struct span word, bool *done, struct rules_outcome *outcome)
{
	struct parameter_list decoded, raw;
	struct ends ends = { SPAN_NULL, SPAN_NULL };

	if (field.ptr == NULL)
		return;
	parameter_list_parse(field, PARAMETER_DECODED, &decoded);
	parameter_list_parse(field, PARAMETER_RAW, &raw);
	try_name(rules, parameter_get(&decoded, word), done, outcome);
	for (size_t i = 0; i < raw.count; i++)
		if (span_ieq(raw.items[i].name, word))
			note(&ends, raw.items[i].value);
	try_written_name(rules, ends.first, done, outcome);
	try_written_name(rules, ends.last, done, outcome);
	parameter_list_free(&decoded);
	parameter_list_free(&raw);
}

/* A file has as many names as there are ways to read its fields: who wants to bring one past the rules gives it a harmless one beside that which the
 * recipient's program takes. */
static void
look_at_names(const struct rules *rules, const struct mime_message *message, const struct mime_part *part, bool *done, struct rules_outcome *outcome)
{
	struct ends type = { SPAN_NULL, SPAN_NULL }, disposition = { SPAN_NULL, SPAN_NULL };
	struct header_field field;
	struct header_iter iter;

	header_begin(&iter, mime_header(message, part));
	while (header_next(&iter, &field))
		if (span_ieq(field.name, SPAN("Content-Type")))
			note(&type, field.value);
		else if (span_ieq(field.name, SPAN("Content-Disposition")))
			note(&disposition, field.value);
	for (unsigned i = 0; i < 2; i++) {
		look_at_parameter(rules, i == 0 ? disposition.first : disposition.last, SPAN("filename"), done, outcome);
		look_at_parameter(rules, i == 0 ? type.first : type.last, SPAN("name"), done, outcome);
	}
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
			look_at_names(rules, message, part, done, outcome);
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
