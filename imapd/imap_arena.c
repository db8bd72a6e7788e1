/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The memory of one command's parsed form. */
#include "imapd/imap_arena.h"

#include <stdlib.h>

#include "common/xalloc.h"

#define CHUNK_SIZE 4096
#define ALIGNMENT 16

struct imap_chunk {
	struct imap_chunk *next;
	size_t size;
	_Alignas(ALIGNMENT) char bytes[];
};

void *
imap_arena_get(struct imap_arena *arena, size_t count, size_t size)
{
	struct imap_chunk *chunk;
	size_t need, room;

	if (size != 0 && count > arena->max / size)
		return NULL;
	need = (count * size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	if (need == 0)
		need = ALIGNMENT;
	if (arena->chunks == NULL || need > arena->left) {
		room = need > CHUNK_SIZE ? need : CHUNK_SIZE;
		if (room > arena->max - arena->total)
			return NULL;
		chunk = xcalloc(1, sizeof(*chunk) + room);
		chunk->size = room;
		chunk->next = arena->chunks;
		arena->chunks = chunk;
		arena->left = room;
		arena->total += room;
	}
	chunk = arena->chunks;
	arena->left -= need;
	return chunk->bytes + arena->left;
}

void
imap_arena_free(struct imap_arena *arena)
{
	struct imap_chunk *chunk, *next;

	for (chunk = arena->chunks; chunk != NULL; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	arena->chunks = NULL;
	arena->left = arena->total = 0;
}
