/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A hash table; the numbers are random, so they are their own hash. */
#include "frame/grants.h"

#include <errno.h>
#include <stdlib.h>

#include "common/xalloc.h"

#define BUCKETS 4096

struct grant {
	struct grant *next;
	uint64_t number, mark;
	char *account;
};

struct grants {
	struct grant *buckets[BUCKETS];
	size_t count;
};

struct grants *
grants_new(void)
{
	return xcalloc(1, sizeof(struct grants));
}

struct grants *
grants_free(struct grants *grants)
{
	if (grants != NULL)
		grants_clear(grants);
	free(grants);
	return NULL;
}

/* The place that points to the grant, or to NULL at the end of its bucket. */
static struct grant *const *
find(const struct grants *grants, uint64_t number)
{
	struct grant *const *at = &grants->buckets[number % BUCKETS];

	while (*at != NULL && (*at)->number != number)
		at = &(*at)->next;
	return at;
}

int
grants_add(struct grants *grants, uint64_t number, struct span account, uint64_t mark)
{
	struct grant **bucket = &grants->buckets[number % BUCKETS], *grant;

	if (number == 0 || *find(grants, number) != NULL)
		return -EEXIST;
	if (grants->count >= GRANTS_MAX)
		return -ENOBUFS;
	grant = xcalloc(1, sizeof(*grant));
	grant->number = number;
	grant->mark = mark;
	grant->account = span_dup(account);
	grant->next = *bucket;
	*bucket = grant;
	grants->count++;
	return 0;
}

struct span
grants_find(const struct grants *grants, uint64_t number, uint64_t *ret_mark)
{
	const struct grant *grant = *find(grants, number);

	*ret_mark = grant != NULL ? grant->mark : 0;
	return grant != NULL ? span_of(grant->account) : SPAN_NULL;
}

static void
drop_at(struct grants *grants, struct grant **at)
{
	struct grant *grant = *at;

	*at = grant->next;
	free(grant->account);
	free(grant);
	grants->count--;
}

void
grants_drop(struct grants *grants, uint64_t number)
{
	for (struct grant **at = &grants->buckets[number % BUCKETS]; *at != NULL; at = &(*at)->next)
		if ((*at)->number == number) {
			drop_at(grants, at);
			return;
		}
}

void
grants_clear(struct grants *grants)
{
	for (size_t i = 0; i < BUCKETS; i++)
		while (grants->buckets[i] != NULL)
			drop_at(grants, &grants->buckets[i]);
}

size_t
grants_count(const struct grants *grants)
{
	return grants->count;
}
