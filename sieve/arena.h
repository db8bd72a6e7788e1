/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Memory that is freed all at once, up to a maximum. */
#ifndef SIEVE_ARENA_H
#define SIEVE_ARENA_H

#include "common/span.h"

struct arena {
	void **items;
	size_t count, room;
	size_t bytes, max;
	bool full; /* something was refused */
};

void arena_init(struct arena *arena, size_t max);
/* Frees all; the arena is empty and may be used again. */
void arena_clear(struct arena *arena);
/* Frees what came after the copy of the arena was taken. */
void arena_rewind(struct arena *arena, const struct arena *before);
/* Zeroed memory; NULL, and full is set, when that would pass the maximum. */
void *arena_alloc(struct arena *arena, size_t count, size_t size);
/* A copy, ended by NUL; SPAN_NULL when it does not fit. A copy of nothing is a pointer to it. */
struct span arena_span(struct arena *arena, struct span text);

#endif
