/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Address lists, read. One pass over the bytes: words are gathered until what follows ("@", "<", ":", ",") tells what they were. */
#include "common/address_list.h"

#include <stdlib.h>

#include "common/xalloc.h"

#define ENCODED_WORD_LOOK 256 /* how far to look for the end of an encoded word that holds commas or brackets */

/* Offsets in the text while that may still move; absent: set is false. */
struct place {
	size_t at, len;
	bool set;
};

struct places {
	enum address_kind kind;
	struct place name, route, local, domain;
};

/* Words as a display-name ("J. Doe") and as a local-part or domain ("j.doe"): only one of them will be used. */
struct words {
	struct buf spaced, joined;
	bool any, space, dot; /* dot: the last was one */
};

struct parser {
	struct span rest;
	struct address_list *list;
	struct places *places;
	size_t room;
	struct words name, local, domain;
	struct buf route, comment;
	bool has_at, has_angle, has_comment;
	bool in_angle, in_group;
	bool two_words; /* in the domain, which may turn out to be a name's */
};

static bool
is_space(char c)
{
	return (unsigned char)c <= ' ' || c == 127;
}

static bool
is_special(char c)
{
	return c != '\0' && strchr("()<>[]:;@\\,.\"", c) != NULL;
}

static void
words_clear(struct words *words)
{
	buf_clear(&words->spaced);
	buf_clear(&words->joined);
	words->any = words->space = words->dot = false;
}

/* What separates a word from the one before it. */
static void
words_begin(struct words *words, bool dot)
{
	if (words->any && words->space)
		(void)buf_char(&words->spaced, ' ');
	if (words->any && words->space && !words->dot && !dot)
		(void)buf_char(&words->joined, ' ');
	words->any = true;
	words->space = false;
	words->dot = dot;
}

static void
words_put(struct words *words, struct span text)
{
	(void)buf_span(&words->spaced, text);
	(void)buf_span(&words->joined, text);
}

static struct place
keep(struct parser *parser, struct span text, bool set)
{
	struct place place = { parser->list->text.len, text.len, set };

	if (set && buf_span(&parser->list->text, text) != 0)
		place.len = 0;
	return place;
}

static struct places *
add(struct parser *parser, enum address_kind kind)
{
	struct address_list *list = parser->list;

	if (list->count == ADDRESS_LIST_COUNT_MAX) {
		list->cut = true;
		return NULL;
	}
	if (list->count == parser->room) {
		parser->room = parser->room != 0 ? parser->room * 2 : 4;
		parser->places = xreallocarray(parser->places, parser->room, sizeof(*parser->places));
	}
	parser->places[list->count] = (struct places){ .kind = kind };
	return &parser->places[list->count++];
}

static void
clear(struct parser *parser)
{
	words_clear(&parser->name);
	words_clear(&parser->local);
	words_clear(&parser->domain);
	buf_clear(&parser->route);
	buf_clear(&parser->comment);
	parser->has_at = parser->has_angle = parser->has_comment = parser->in_angle = parser->two_words = false;
}

/* What others may read as an address is left out, or is part of one that others may read otherwise. */
static void
doubt(struct parser *parser)
{
	parser->list->bad = parser->list->ambiguous = true;
}

/* And what was passed over may be the address of somebody. */
static void
lose(struct parser *parser)
{
	doubt(parser);
	parser->list->lost = true;
}

/* A ",", ";" or the end: what was gathered is a mailbox, if it is anything. */
static void
finish(struct parser *parser)
{
	struct words *local = parser->has_angle || parser->has_at ? &parser->local : &parser->name;
	struct places *places;

	if (parser->in_angle)
		parser->list->bad = true;
	if (parser->two_words)
		doubt(parser);
	if ((parser->name.any || parser->has_angle || parser->has_at) && (places = add(parser, ADDRESS_KIND_MAILBOX)) != NULL) {
		if (parser->has_angle && parser->name.any)
			places->name = keep(parser, buf_get(&parser->name.spaced), true);
		else if (parser->has_comment)
			places->name = keep(parser, span_trim(buf_get(&parser->comment)), true);
		places->route = keep(parser, buf_get(&parser->route), parser->route.len != 0);
		places->local = keep(parser, buf_get(&local->joined), true);
		places->domain = keep(parser, buf_get(&parser->domain.joined), parser->has_at && parser->domain.any);
		if (!places->domain.set || places->local.len == 0)
			parser->list->bad = true;
	}
	clear(parser);
}

/* Where words go now. */
static struct words *
current(struct parser *parser)
{
	if (parser->has_at)
		return &parser->domain;
	return parser->in_angle ? &parser->local : &parser->name;
}

/* Of a domain one word, or a literal, or words with dots between: behind a second one others may find the end of the address before it. */
static void
begin_word(struct parser *parser)
{
	struct words *words = current(parser);

	parser->two_words |= parser->has_at && words->any && !words->dot;
	words_begin(words, false);
}

static void
take_comment(struct parser *parser)
{
	unsigned depth = 1;
	size_t i = 1;

	buf_clear(&parser->comment);
	for (; i < parser->rest.len; i++) {
		char c = parser->rest.ptr[i];

		if (c == '\\' && i + 1 < parser->rest.len)
			c = parser->rest.ptr[++i];
		else if (c == '(')
			depth++;
		else if (c == ')' && --depth == 0)
			break;
		if (c != '\r' && c != '\n' && c != '\0')
			(void)buf_char(&parser->comment, c);
	}
	if (depth != 0)
		lose(parser);
	parser->has_comment = true;
	parser->rest = span_skip(parser->rest, i + 1);
	current(parser)->space = true;
}

static void
take_quoted(struct parser *parser)
{
	struct words *words = current(parser);
	size_t i = 1;

	begin_word(parser);
	for (; i < parser->rest.len && parser->rest.ptr[i] != '"'; i++) {
		if (parser->rest.ptr[i] == '\\' && i + 1 < parser->rest.len)
			i++;
		if (parser->rest.ptr[i] != '\r' && parser->rest.ptr[i] != '\n' && parser->rest.ptr[i] != '\0')
			words_put(words, span_make(parser->rest.ptr + i, 1));
	}
	if (i >= parser->rest.len)
		lose(parser);
	parser->rest = span_skip(parser->rest, i + 1);
}

static void
take_literal(struct parser *parser)
{
	size_t i = 1;

	/* strchr finds NUL as well; to stop at the next "[" keeps many of them from being read again and again. */
	while (i < parser->rest.len && strchr("[]\r\n", parser->rest.ptr[i]) == NULL)
		i++;
	begin_word(parser);
	if (i == parser->rest.len || parser->rest.ptr[i] != ']') {
		parser->list->bad = true;
		words_put(current(parser), span_take(&parser->rest, 1));
		return;
	}
	words_put(current(parser), span_take(&parser->rest, i + 1));
}

/* Encoded words hold no specials (RFC 2047 section 5 (3)), but some senders leave commas and brackets in them. */
static size_t
encoded_word_length(struct span text)
{
	unsigned marks = 0;

	if (!span_starts(text, SPAN("=?")))
		return 0;
	for (size_t i = 2; i < text.len && i < ENCODED_WORD_LOOK && !is_space(text.ptr[i]) && text.ptr[i] != '"'; i++)
		if (text.ptr[i] == '?' && ++marks >= 3 && i + 1 < text.len && text.ptr[i + 1] == '=')
			return i + 2;
	return 0;
}

/* An address among those specials is one to whoever sees no encoded word in it. */
static bool
hides_address(struct span word)
{
	bool at = false, separated = false;

	for (size_t i = 0; i < word.len; i++) {
		at |= word.ptr[i] == '@';
		separated |= strchr(",;:<>", word.ptr[i]) != NULL;
	}
	return at && separated;
}

static void
take_atom(struct parser *parser)
{
	size_t len = encoded_word_length(parser->rest);

	if (hides_address(span_make(parser->rest.ptr, len)))
		doubt(parser);
	while (len < parser->rest.len && !is_space(parser->rest.ptr[len]) && !is_special(parser->rest.ptr[len]))
		len++;
	begin_word(parser);
	words_put(current(parser), span_take(&parser->rest, len));
}

/* RFC 5322 section 4.4: "@a,@b:" before an addr-spec. */
static void
take_route(struct parser *parser)
{
	size_t len = 0;

	while (len < parser->rest.len && strchr(":><\"(", parser->rest.ptr[len]) == NULL)
		len++;
	if (len == parser->rest.len || parser->rest.ptr[len] != ':')
		return;
	for (size_t i = 0; i < len; i++)
		if (!is_space(parser->rest.ptr[i]))
			(void)buf_char(&parser->route, parser->rest.ptr[i]);
	parser->rest = span_skip(parser->rest, len + 1);
}

static void
skip_spaces(struct span *text)
{
	while (text->len != 0 && is_space(text->ptr[0]))
		*text = span_skip(*text, 1);
}

static void
open_angle(struct parser *parser)
{
	if (parser->has_angle) {
		doubt(parser);
		return;
	}
	if (parser->has_at) {
		/* "a@b <c@d>": what looked like an address is the name. */
		parser->list->bad = true;
		words_clear(&parser->name);
		words_begin(&parser->name, false);
		words_put(&parser->name, buf_get(&parser->local.spaced));
		words_put(&parser->name, SPAN("@"));
		words_put(&parser->name, buf_get(&parser->domain.spaced));
		words_clear(&parser->local);
		words_clear(&parser->domain);
		parser->has_at = parser->two_words = false;
	}
	parser->has_angle = parser->in_angle = true;
	skip_spaces(&parser->rest);
	if (span_starts(parser->rest, SPAN("@")))
		take_route(parser);
}

static void
take_at(struct parser *parser)
{
	if (parser->has_angle && !parser->in_angle) {
		doubt(parser);
		return;
	}
	if (parser->has_at) {
		/* Of several the last one counts. */
		doubt(parser);
		words_put(&parser->local, SPAN("@"));
		words_put(&parser->local, buf_get(&parser->domain.joined));
		words_clear(&parser->domain);
		return;
	}
	if (!parser->in_angle) {
		words_begin(&parser->local, false);
		words_put(&parser->local, buf_get(&parser->name.joined));
	}
	parser->has_at = true;
}

static void
take_colon(struct parser *parser)
{
	struct places *places;

	if (parser->in_group || parser->has_at || parser->has_angle) {
		parser->list->bad = true;
		return;
	}
	places = add(parser, ADDRESS_KIND_GROUP);
	if (places != NULL)
		places->name = keep(parser, buf_get(&parser->name.spaced), true);
	parser->in_group = true;
	clear(parser);
}

static void
close_group(struct parser *parser)
{
	finish(parser);
	if (parser->in_group)
		(void)add(parser, ADDRESS_KIND_GROUP_END);
	else
		parser->list->bad = true;
	parser->in_group = false;
}

static void
take_special(struct parser *parser, char c)
{
	parser->rest = span_skip(parser->rest, 1);
	switch (c) {
	case '<':
		open_angle(parser);
		break;
	case '>':
		parser->list->bad |= !parser->in_angle;
		parser->in_angle = false;
		break;
	case '@':
		take_at(parser);
		break;
	case ':':
		take_colon(parser);
		break;
	case ',':
		finish(parser);
		break;
	case ';':
		close_group(parser);
		break;
	case '.':
		words_begin(current(parser), true);
		words_put(current(parser), SPAN("."));
		break;
	default:
		/* ")", "]" and "\" that belong to nothing. */
		parser->list->bad = true;
		break;
	}
}

static void
take_token(struct parser *parser)
{
	char c = parser->rest.ptr[0];

	if (is_space(c)) {
		skip_spaces(&parser->rest);
		current(parser)->space = true;
	} else if (c == '(') {
		take_comment(parser);
	} else if (parser->has_angle && !parser->in_angle && c != ',' && c != ';') {
		/* Nothing more may stand behind "<...>". */
		doubt(parser);
		if (c == '@')
			lose(parser);
		parser->rest = span_skip(parser->rest, 1);
	} else if (c == '"') {
		take_quoted(parser);
	} else if (c == '[') {
		take_literal(parser);
	} else if (is_special(c)) {
		take_special(parser, c);
	} else {
		take_atom(parser);
	}
}

static struct span
span_at(const struct address_list *list, struct place place)
{
	if (!place.set)
		return SPAN_NULL;
	return place.len != 0 ? span_make(list->text.data + place.at, place.len) : SPAN("");
}

void
address_list_parse(struct span value, struct address_list *ret_list)
{
	struct parser parser = { .list = ret_list };
	size_t max;

	*ret_list = (struct address_list){ .cut = value.len > ADDRESS_LIST_TEXT_MAX };
	if (ret_list->cut)
		value.len = ADDRESS_LIST_TEXT_MAX;
	max = 2 * value.len + 2; /* an "@" and a space may be put in */
	buf_init(&ret_list->text, 2 * max);
	for (size_t i = 0; i < 3; i++) {
		struct words *words = i == 0 ? &parser.name : i == 1 ? &parser.local : &parser.domain;

		buf_init(&words->spaced, max);
		buf_init(&words->joined, max);
	}
	buf_init(&parser.route, max);
	buf_init(&parser.comment, max);
	parser.rest = value;
	while (parser.rest.len != 0 && !(ret_list->cut && ret_list->count == ADDRESS_LIST_COUNT_MAX))
		take_token(&parser);
	finish(&parser);
	if (parser.in_group) {
		ret_list->bad = true;
		(void)add(&parser, ADDRESS_KIND_GROUP_END);
	}
	if (ret_list->count != 0)
		ret_list->entries = xcalloc(ret_list->count, sizeof(*ret_list->entries));
	for (size_t i = 0; i < ret_list->count; i++) {
		const struct places *places = &parser.places[i];

		ret_list->entries[i] = (struct address_entry){
			places->kind, span_at(ret_list, places->name), span_at(ret_list, places->route),
			span_at(ret_list, places->local), span_at(ret_list, places->domain),
		};
	}
	free(parser.places);
	for (size_t i = 0; i < 3; i++) {
		struct words *words = i == 0 ? &parser.name : i == 1 ? &parser.local : &parser.domain;

		buf_free(&words->spaced);
		buf_free(&words->joined);
	}
	buf_free(&parser.route);
	buf_free(&parser.comment);
}

void
address_list_free(struct address_list *list)
{
	free(list->entries);
	buf_free(&list->text);
	*list = (struct address_list){ 0 };
}
