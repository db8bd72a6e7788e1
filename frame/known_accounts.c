/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A table with one place for each hash: what is not there costs a question, and nothing else. */
#include "frame/known_accounts.h"

#include <stdlib.h>

#include "common/xalloc.h"

#define PLACES 1024

struct place {
	char *address, *account;
};

struct known_accounts {
	uint64_t seed, edition;
	struct place places[PLACES];
};

struct known_accounts *
known_accounts_new(uint64_t seed)
{
	struct known_accounts *known = xcalloc(1, sizeof(*known));

	known->seed = seed;
	return known;
}

static void
clear(struct place *place)
{
	free(place->address);
	free(place->account);
	*place = (struct place){ NULL, NULL };
}

static void
forget_all(struct known_accounts *known)
{
	for (size_t i = 0; i < PLACES; i++)
		clear(&known->places[i]);
}

struct known_accounts *
known_accounts_free(struct known_accounts *known)
{
	if (known != NULL)
		forget_all(known);
	free(known);
	return NULL;
}

static size_t
place_of(const struct known_accounts *known, struct span address)
{
	uint64_t hash = span_hash(known->seed, address);

	return (size_t)(hash ^ hash >> 32) % PLACES;
}

void
known_accounts_add(struct known_accounts *known, uint64_t edition, struct span address, struct span account)
{
	struct place *place = &known->places[place_of(known, address)];

	if (edition != known->edition)
		forget_all(known);
	known->edition = edition;
	clear(place);
	*place = (struct place){ span_dup(address), span_dup(account) };
}

const char *
known_accounts_find(const struct known_accounts *known, uint64_t edition, struct span address)
{
	const struct place *place = &known->places[place_of(known, address)];

	return edition == known->edition && place->address != NULL && span_eq(span_of(place->address), address) ? place->account : NULL;
}
