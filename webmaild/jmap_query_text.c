/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Conditions that look into messages' texts. */
#include "webmaild/jmap_query_text.h"

#include <stdlib.h>

#include "common/xalloc.h"
#include "webmaild/jmap_json.h"
#include "webmaild/jmap_search.h"

#define FIELDS_MAX 5

static const struct property {
	const char *name;
	const char *fields[FIELDS_MAX + 1];
	bool body;
} properties[] = {
	{ "from", { "From" }, false },
	{ "to", { "To" }, false },
	{ "cc", { "Cc" }, false },
	{ "bcc", { "Bcc" }, false },
	{ "subject", { "Subject" }, false },
	{ "body", { NULL }, true },
	{ "text", { "From", "To", "Cc", "Bcc", "Subject" }, true },
};
#define PROPERTIES (sizeof(properties) / sizeof(properties[0]))
/* Of all words of all properties: one for the word, one for each place. */
#define KEYS_MAX (PROPERTIES * SEARCH_WORDS_MAX * (FIELDS_MAX + 2) + 1)

struct jmap_text_search {
	const json_t *condition;
	struct search words[PROPERTIES];
	struct ms_search_key *keys;
	size_t key_count;
	struct ms_search *search; /* NULL: the condition asks for no text */
	struct jmap_text_search *next;
};

/* --- making --- */

static struct ms_search_key *
add_key(struct jmap_text_search *search, unsigned where, struct span text, struct span field, const struct ms_search_key *next)
{
	struct ms_search_key *key = &search->keys[search->key_count++];

	*key = (struct ms_search_key){ .kind = MS_SEARCH_TEXT, .where = where, .text = text.ptr, .text_len = text.len,
		.field = field.ptr, .field_len = field.len, .next = next };
	return key;
}

/* Each word is in one of the places; they need not all be in the same. */
static const struct ms_search_key *
add_words(struct jmap_text_search *search, const struct property *property, const struct search *words, const struct ms_search_key *next)
{
	for (size_t i = 0; i < words->count; i++) {
		struct ms_search_key *either = &search->keys[search->key_count++];
		const struct ms_search_key *places = NULL;

		for (size_t k = 0; property->fields[k] != NULL; k++)
			places = add_key(search, MS_IN_FIELD, words->words[i], span_of(property->fields[k]), places);
		if (property->body)
			places = add_key(search, MS_IN_READ, words->words[i], SPAN(""), places);
		*either = (struct ms_search_key){ .kind = MS_SEARCH_OR, .children = places, .next = next };
		next = either;
	}
	return next;
}

static struct jmap_text_search *
make(const json_t *condition)
{
	struct jmap_text_search *search = xcalloc(1, sizeof(*search));
	const json_t *header = json_object_get(condition, "header");
	const struct ms_search_key *keys = NULL;
	bool any = header != NULL;

	search->condition = condition;
	for (size_t i = 0; i < PROPERTIES; i++)
		any = any || json_object_get(condition, properties[i].name) != NULL;
	if (!any)
		return search;
	search->keys = xcalloc(KEYS_MAX, sizeof(search->keys[0]));
	for (size_t i = 0; i < PROPERTIES; i++) {
		const json_t *value = json_object_get(condition, properties[i].name);

		if (value == NULL)
			continue;
		search_init(&search->words[i], jmap_span(value));
		keys = add_words(search, &properties[i], &search->words[i], keys);
	}
	if (header != NULL)
		keys = add_key(search, MS_IN_FIELD, jmap_span(json_array_get(header, 1)), jmap_span(json_array_get(header, 0)), keys);
	search->search = ms_search_new(keys);
	return search;
}

static struct ms_search *
search_for(struct jmap_texts *texts, const json_t *condition)
{
	struct jmap_text_search *search = texts->first;

	while (search != NULL && search->condition != condition)
		search = search->next;
	if (search == NULL) {
		search = make(condition);
		search->next = texts->first;
		texts->first = search;
	}
	return search->search;
}

bool
jmap_texts_match(struct jmap_texts *texts, const json_t *condition, const struct jmap_email *email)
{
	struct ms_search *search = search_for(texts, condition);
	int r = MS_E_NOTFOUND;
	bool matches = false;

	if (search == NULL)
		return true;
	/* Any of its places will do; one may have gone since the last sync. What cannot be read matches nothing. */
	for (size_t i = 0; i < email->place_count && r == MS_E_NOTFOUND; i++)
		if (email->places[i].mailbox->open != NULL)
			r = ms_search_message(search, email->places[i].mailbox->open, email->places[i].uid, &matches);
	return r == 0 && matches;
}

void
jmap_texts_free(struct jmap_texts *texts)
{
	while (texts->first != NULL) {
		struct jmap_text_search *search = texts->first;

		texts->first = search->next;
		ms_search_free(search->search);
		for (size_t i = 0; i < PROPERTIES; i++)
			search_free(&search->words[i]);
		free(search->keys);
		free(search);
	}
}
