/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The conditions of Email/query that look into messages' texts (RFC 8621 section 4.4.1), as searches of the store. */
#ifndef WEBMAILD_JMAP_QUERY_TEXT_H
#define WEBMAILD_JMAP_QUERY_TEXT_H

#include <jansson.h>

#include "webmaild/jmap_store.h"

/* The searches of one query: each is made when its condition is first met. */
struct jmap_texts {
	struct jmap_text_search *first;
};

/* Whether the email matches all of them that the condition has; the condition must last until jmap_texts_free. */
bool jmap_texts_match(struct jmap_texts *texts, const json_t *condition, const struct jmap_email *email);
void jmap_texts_free(struct jmap_texts *texts);

#endif
