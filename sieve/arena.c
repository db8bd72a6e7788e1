/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Pieces of memory, remembered so that they can be freed. */
#include "sieve/arena.h"

#include <stdlib.h>

#include "common/xalloc.h"

#define PIECE_COST 64 /* what a piece costs beside its bytes */

void
arena_init(struct arena *arena, size_t max)
{
	*arena = (struct arena){ .max = max };
}

void
arena_clear(struct arena *arena)
{
	for (size_t i = 0; i < arena->count; i++)
		free(arena->items[i]);
	free(arena->items);
	arena_init(arena, arena->max);
}

void
arena_rewind(struct arena *arena, const struct arena *before)
{
	while (arena->count > before->count)
		free(arena->items[--arena->count]);
	arena->bytes = before->bytes;
	arena->full = before->full;
}

void *
arena_alloc(struct arena *arena, size_t count, size_t size)
{
	size_t room = arena->max - arena->bytes;
	void *piece;

	if (room < PIECE_COST || (size != 0 && count > (room - PIECE_COST) / size)) {
		arena->full = true;
		return NULL;
	}
	if (arena->count == arena->room) {
		arena->room = arena->room != 0 ? arena->room * 2 : 16;
		arena->items = xreallocarray(arena->items, arena->room, sizeof(*arena->items));
	}
	piece = xcalloc(count != 0 ? count : 1, size != 0 ? size : 1);
	arena->items[arena->count++] = piece;
	arena->bytes += count * size + PIECE_COST;
	return piece;
}

struct span
arena_span(struct arena *arena, struct span text)
{
	char *copy = arena_alloc(arena, text.len + 1, 1);

	if (copy == NULL)
		return SPAN_NULL;
	if (text.len != 0)
		memcpy(copy, text.ptr, text.len);
	return span_make(copy, text.len);
}
