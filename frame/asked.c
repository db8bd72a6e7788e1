/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What is asked, by its number. */
#include "frame/asked.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/types.h>

void
asked_init(struct asked_table *table)
{
	*table = (struct asked_table){ .last_id = 0 };
	if (getrandom(&table->last_id, sizeof(table->last_id), 0) != (ssize_t)sizeof(table->last_id))
		abort(); /* cannot fail for so few bytes once the system is up */
}

static struct asked **
bucket_of(struct asked_table *table, uint32_t id)
{
	return &table->buckets[id % ASKED_BUCKETS];
}

void
asked_put(struct asked_table *table, struct asked *asked)
{
	struct asked **bucket = bucket_of(table, asked->id);

	asked->next = *bucket;
	*bucket = asked;
}

uint32_t
asked_add(struct asked_table *table, struct asked *asked)
{
	do
		asked->id = ++table->last_id;
	while (asked->id == 0 || asked_find(table, asked->id) != NULL);
	asked_put(table, asked);
	return asked->id;
}

struct asked *
asked_find(const struct asked_table *table, uint32_t id)
{
	struct asked *asked = table->buckets[id % ASKED_BUCKETS];

	while (asked != NULL && asked->id != id)
		asked = asked->next;
	return asked;
}

struct asked *
asked_take_from(struct asked **list, uint32_t id)
{
	for (struct asked **at = list; *at != NULL; at = &(*at)->next)
		if ((*at)->id == id) {
			struct asked *found = *at;

			*at = found->next;
			return found;
		}
	return NULL;
}

struct asked *
asked_take(struct asked_table *table, uint32_t id)
{
	return asked_take_from(bucket_of(table, id), id);
}

struct asked *
asked_take_any(struct asked_table *table)
{
	for (size_t i = 0; i < ASKED_BUCKETS; i++)
		if (table->buckets[i] != NULL)
			return asked_take(table, table->buckets[i]->id);
	return NULL;
}
