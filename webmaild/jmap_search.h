/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The words of a query, and marking them in messages (RFC 8621 section 5). */
#ifndef WEBMAILD_JMAP_SEARCH_H
#define WEBMAILD_JMAP_SEARCH_H

#include <jansson.h>

#include "common/mime.h"
#include "webmaild/jmap_store.h"

#define SEARCH_WORDS_MAX 32

/* What is searched for: words and "quoted phrases", all of which must be there, letters folded. */
struct search {
	struct buf text;
	struct span words[SEARCH_WORDS_MAX];
	size_t count;
};
void search_init(struct search *search, struct span query);
void search_free(struct search *search);
/* Appends text with letters folded: ASCII, Latin, Greek, Cyrillic. Lengths in bytes may change only where letters do not. Pure. */
void search_fold(struct span text, struct buf *out);

/* A message that an order or a snippet looks into: read and decoded when it is first needed. */
struct search_message {
	struct jmap *jmap;
	const struct jmap_email *email;
	struct buf front, whole;
	struct mime_message *parsed;
	bool have_front, have_whole;
};
void search_message_init(struct search_message *message, struct jmap *jmap, const struct jmap_email *email);
void search_message_free(struct search_message *message);
/* Its header block; empty when it cannot be read. Borrowed. */
struct span search_header(struct search_message *message);

/* The text with each match between <mark> and </mark>, escaped, at most about 255 bytes around the first match; NULL when there is
 * none. For free(3). */
char *search_mark(const struct search *search, struct span text, bool whole);
/* The unfolded text of the part that is shown in snippets. */
void search_snippet_text(struct search_message *message, struct buf *out);

#endif
