/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Choosing queued messages by sender, recipient or domain, and counting them by domain. Pure. */
#ifndef CLI_QUEUE_SELECT_H
#define CLI_QUEUE_SELECT_H

#include <stddef.h>

#include "common/envelope.h"

/* What a message must have; NULL: whatever it has. Only recipients that it has not reached yet count. */
struct queue_selection {
	const char *from;   /* an address, "@domain", or "<>" */
	const char *to;     /* an address or "@domain" */
	const char *domain; /* of a recipient */
};

bool queue_select_any(const struct queue_selection *selection);
bool queue_select_match(const struct queue_selection *selection, const struct envelope *envelope);

/* Messages by the domain of their recipients and by age. */
#define QUEUE_AGES 5
extern const char *const queue_age_names[QUEUE_AGES];
struct queue_count {
	char *domain; /* in lower case and ASCII */
	size_t total, by_age[QUEUE_AGES];
	uint64_t message; /* the last one counted here */
};
struct queue_counts {
	struct queue_count *items;
	size_t count, room;
	uint64_t messages;
};
/* Counts a message once for each domain that it has not reached yet. */
void queue_counts_add(struct queue_counts *counts, const struct envelope *envelope, int64_t now);
/* Makes one row of each domain, those with most messages first. */
void queue_counts_finish(struct queue_counts *counts);
void queue_counts_free(struct queue_counts *counts);

#endif
