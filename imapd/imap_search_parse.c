/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* SEARCH's program (RFC 3501 section 6.4.4; RFC 4731, 5032, 5182, 7162, 8474, 8514). Pure. */
#include "imapd/imap_parse.h"

#define KEYS_MAX 2000

struct search_parser {
	struct imap_parser *parser;
	unsigned keys;
};

enum argument {
	ARG_NONE, ARG_TEXT, ARG_HEADER, ARG_DATE, ARG_NUMBER, ARG_INTERVAL, ARG_KEYWORD, ARG_UID, ARG_MODSEQ, ARG_OBJECT,
};

static const struct {
	const char *word;
	enum imap_search_kind kind;
	enum argument argument;
	unsigned flag;
	bool negated;
} keys[] = {
	{ "ALL", IMAP_SEARCH_ALL, ARG_NONE, 0, false },
	{ "ANSWERED", IMAP_SEARCH_FLAG, ARG_NONE, IMAP_FLAG_ANSWERED, false },
	{ "BCC", IMAP_SEARCH_BCC, ARG_TEXT, 0, false },
	{ "BEFORE", IMAP_SEARCH_BEFORE, ARG_DATE, 0, false },
	{ "BODY", IMAP_SEARCH_BODY, ARG_TEXT, 0, false },
	{ "CC", IMAP_SEARCH_CC, ARG_TEXT, 0, false },
	{ "DELETED", IMAP_SEARCH_FLAG, ARG_NONE, IMAP_FLAG_DELETED, false },
	{ "DRAFT", IMAP_SEARCH_FLAG, ARG_NONE, IMAP_FLAG_DRAFT, false },
	{ "EMAILID", IMAP_SEARCH_EMAILID, ARG_OBJECT, 0, false },
	{ "FLAGGED", IMAP_SEARCH_FLAG, ARG_NONE, IMAP_FLAG_FLAGGED, false },
	{ "FROM", IMAP_SEARCH_FROM, ARG_TEXT, 0, false },
	{ "HEADER", IMAP_SEARCH_HEADER, ARG_HEADER, 0, false },
	{ "KEYWORD", IMAP_SEARCH_KEYWORD, ARG_KEYWORD, 0, false },
	{ "LARGER", IMAP_SEARCH_LARGER, ARG_NUMBER, 0, false },
	{ "MODSEQ", IMAP_SEARCH_MODSEQ, ARG_MODSEQ, 0, false },
	{ "OLD", IMAP_SEARCH_RECENT, ARG_NONE, 0, true },
	{ "OLDER", IMAP_SEARCH_OLDER, ARG_INTERVAL, 0, false },
	{ "ON", IMAP_SEARCH_ON, ARG_DATE, 0, false },
	{ "RECENT", IMAP_SEARCH_RECENT, ARG_NONE, 0, false },
	{ "SAVEDATESUPPORTED", IMAP_SEARCH_ALL, ARG_NONE, 0, false },
	{ "SAVEDBEFORE", IMAP_SEARCH_SAVEDBEFORE, ARG_DATE, 0, false },
	{ "SAVEDON", IMAP_SEARCH_SAVEDON, ARG_DATE, 0, false },
	{ "SAVEDSINCE", IMAP_SEARCH_SAVEDSINCE, ARG_DATE, 0, false },
	{ "SEEN", IMAP_SEARCH_FLAG, ARG_NONE, IMAP_FLAG_SEEN, false },
	{ "SENTBEFORE", IMAP_SEARCH_SENTBEFORE, ARG_DATE, 0, false },
	{ "SENTON", IMAP_SEARCH_SENTON, ARG_DATE, 0, false },
	{ "SENTSINCE", IMAP_SEARCH_SENTSINCE, ARG_DATE, 0, false },
	{ "SINCE", IMAP_SEARCH_SINCE, ARG_DATE, 0, false },
	{ "SMALLER", IMAP_SEARCH_SMALLER, ARG_NUMBER, 0, false },
	{ "SUBJECT", IMAP_SEARCH_SUBJECT, ARG_TEXT, 0, false },
	{ "TEXT", IMAP_SEARCH_TEXT, ARG_TEXT, 0, false },
	{ "THREADID", IMAP_SEARCH_THREADID, ARG_OBJECT, 0, false },
	{ "TO", IMAP_SEARCH_TO, ARG_TEXT, 0, false },
	{ "UID", IMAP_SEARCH_UID, ARG_UID, 0, false },
	{ "UNANSWERED", IMAP_SEARCH_FLAG, ARG_NONE, IMAP_FLAG_ANSWERED, true },
	{ "UNDELETED", IMAP_SEARCH_FLAG, ARG_NONE, IMAP_FLAG_DELETED, true },
	{ "UNDRAFT", IMAP_SEARCH_FLAG, ARG_NONE, IMAP_FLAG_DRAFT, true },
	{ "UNFLAGGED", IMAP_SEARCH_FLAG, ARG_NONE, IMAP_FLAG_FLAGGED, true },
	{ "UNKEYWORD", IMAP_SEARCH_KEYWORD, ARG_KEYWORD, 0, true },
	{ "UNSEEN", IMAP_SEARCH_FLAG, ARG_NONE, IMAP_FLAG_SEEN, true },
	{ "YOUNGER", IMAP_SEARCH_YOUNGER, ARG_INTERVAL, 0, false },
};

static bool parse_key(struct search_parser *search, unsigned depth, struct imap_search **ret_key);

static struct imap_search *
new_key(struct search_parser *search, enum imap_search_kind kind)
{
	struct imap_search *key = NULL;

	if (search->keys++ < KEYS_MAX)
		key = imap_arena_get(search->parser->arena, 1, sizeof(*key));
	if (key == NULL)
		(void)imap_fail(search->parser, "The search is too complex");
	else
		key->kind = kind;
	return key;
}

/* RFC 7162 section 3.1.5: [SP entry-name SP entry-type-req] SP mod-sequence. The entry is read and not told apart: our
 * mod-sequences are of the whole message. */
static bool
parse_modseq_key(struct imap_parser *parser, struct imap_search *key)
{
	struct span entry;

	if (parser->at < parser->end && *parser->at == '"') {
		if (!imap_parse_string(parser, &entry) || !imap_parse_space(parser))
			return false;
		if (!span_istarts(entry, SPAN("/flags/")))
			return imap_fail(parser, "A MODSEQ entry must name a flag");
		if (!imap_take_word(parser, "all") && !imap_take_word(parser, "priv") && !imap_take_word(parser, "shared"))
			return imap_fail(parser, "Expected all, priv or shared");
		if (!imap_parse_space(parser))
			return false;
	}
	return imap_parse_modseq(parser, &key->number);
}

static bool
parse_argument(struct imap_parser *parser, enum argument argument, struct imap_search *key)
{
	switch (argument) {
	case ARG_NONE:
		return true;
	case ARG_TEXT:
		return imap_parse_astring(parser, &key->text);
	case ARG_HEADER:
		return imap_parse_astring(parser, &key->field) && imap_parse_space(parser) &&
		    imap_parse_astring(parser, &key->text);
	case ARG_DATE:
		return imap_parse_date(parser, &key->day);
	case ARG_NUMBER:
		return imap_parse_number(parser, INT64_MAX, &key->number);
	case ARG_INTERVAL:
		return imap_parse_number(parser, UINT32_MAX, &key->number) &&
		    (key->number != 0 || imap_fail(parser, "An interval must not be 0"));
	case ARG_KEYWORD:
	case ARG_OBJECT:
		return imap_parse_atom(parser, &key->text);
	case ARG_UID:
		return imap_parse_set(parser, &key->set);
	case ARG_MODSEQ:
		return parse_modseq_key(parser, key);
	}
	return false;
}

static bool
parse_word_key(struct search_parser *search, unsigned depth, struct imap_search **ret_key)
{
	struct imap_parser *parser = search->parser;
	struct imap_search *key;
	struct span word;
	size_t i;

	if (!imap_parse_atom(parser, &word))
		return imap_fail(parser, "Expected a search key");
	if (span_ieq(word, SPAN("OR"))) {
		if ((*ret_key = key = new_key(search, IMAP_SEARCH_OR)) == NULL)
			return false;
		return imap_parse_space(parser) && parse_key(search, depth + 1, &key->children) &&
		    imap_parse_space(parser) && parse_key(search, depth + 1, &key->children->next);
	}
	if (span_ieq(word, SPAN("NOT"))) {
		if ((*ret_key = key = new_key(search, IMAP_SEARCH_NOT)) == NULL)
			return false;
		return imap_parse_space(parser) && parse_key(search, depth + 1, &key->children);
	}
	if (span_ieq(word, SPAN("NEW"))) {
		/* RFC 3501: "Functionally equivalent to (RECENT UNSEEN)". */
		if ((*ret_key = key = new_key(search, IMAP_SEARCH_AND)) == NULL ||
		    (key->children = new_key(search, IMAP_SEARCH_RECENT)) == NULL ||
		    (key->children->next = new_key(search, IMAP_SEARCH_FLAG)) == NULL)
			return false;
		key->children->next->flags = IMAP_FLAG_SEEN;
		key->children->next->negated = true;
		return true;
	}
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (!span_ieq(word, span_of(keys[i].word)))
			continue;
		if ((*ret_key = key = new_key(search, keys[i].kind)) == NULL)
			return false;
		key->flags = keys[i].flag;
		key->negated = keys[i].negated;
		return keys[i].argument == ARG_NONE ||
		    (imap_parse_space(parser) && parse_argument(parser, keys[i].argument, key));
	}
	return imap_fail(parser, "There is no such search key");
}

static bool
parse_keys(struct search_parser *search, unsigned depth, struct imap_search **ret_keys)
{
	do {
		if (!parse_key(search, depth, ret_keys))
			return false;
		ret_keys = &(*ret_keys)->next;
	} while (imap_take_char(search->parser, ' '));
	return true;
}

static bool
parse_key(struct search_parser *search, unsigned depth, struct imap_search **ret_key)
{
	struct imap_parser *parser = search->parser;

	if (depth > IMAP_SEARCH_DEPTH_MAX)
		return imap_fail(parser, "The search is nested too deeply");
	if (imap_take_char(parser, '(')) {
		if ((*ret_key = new_key(search, IMAP_SEARCH_AND)) == NULL)
			return false;
		return parse_keys(search, depth + 1, &(*ret_key)->children) && imap_parse_char(parser, ')');
	}
	if (parser->at < parser->end && (ascii_is_digit(*parser->at) || *parser->at == '*' || *parser->at == '$')) {
		if ((*ret_key = new_key(search, IMAP_SEARCH_SET)) == NULL)
			return false;
		return imap_parse_set(parser, &(*ret_key)->set);
	}
	return parse_word_key(search, depth, ret_key);
}

static bool
parse_returns(struct imap_parser *parser, struct imap_command *command)
{
	static const struct {
		const char *word;
		unsigned option;
	} options[] = {
		{ "MIN", IMAP_RETURN_MIN }, { "MAX", IMAP_RETURN_MAX }, { "ALL", IMAP_RETURN_ALL },
		{ "COUNT", IMAP_RETURN_COUNT }, { "SAVE", IMAP_RETURN_SAVE },
	};
	size_t i;

	command->returns_given = true;
	if (!imap_parse_space(parser) || !imap_parse_char(parser, '('))
		return false;
	if (imap_take_char(parser, ')')) {
		command->returns = IMAP_RETURN_ALL;
		return true;
	}
	do {
		for (i = 0; i < sizeof(options) / sizeof(options[0]); i++)
			if (imap_take_word(parser, options[i].word))
				break;
		if (i == sizeof(options) / sizeof(options[0]))
			return imap_fail(parser, "There is no such RETURN option");
		command->returns |= options[i].option;
	} while (imap_take_char(parser, ' '));
	return imap_parse_char(parser, ')');
}

/* RFC 3501: texts of a search in UTF-8 are checked here, so that the store sees nothing else. */
static bool
texts_are_utf8(const struct imap_search *key)
{
	for (; key != NULL; key = key->next)
		if (!span_is_utf8(key->text) || !span_is_utf8(key->field) || !texts_are_utf8(key->children))
			return false;
	return true;
}

bool
imap_parse_search_program(struct imap_parser *parser, struct imap_command *command)
{
	struct search_parser search = { .parser = parser };
	struct imap_search *all;
	struct span charset;

	if (imap_take_word(parser, "RETURN") && (!parse_returns(parser, command) || !imap_parse_space(parser)))
		return false;
	if (imap_take_word(parser, "CHARSET")) {
		if (!imap_parse_space(parser) || !imap_parse_astring(parser, &charset) || !imap_parse_space(parser))
			return false;
		command->bad_charset = !span_ieq(charset, SPAN("UTF-8")) && !span_ieq(charset, SPAN("US-ASCII"));
	}
	if ((all = new_key(&search, IMAP_SEARCH_AND)) == NULL)
		return false;
	command->search = all;
	if (!parse_keys(&search, 1, &all->children))
		return false;
	if (!command->bad_charset && !texts_are_utf8(all))
		return imap_fail(parser, "The search text is not UTF-8");
	return true;
}
