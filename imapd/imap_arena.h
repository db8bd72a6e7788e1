/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The memory of one command's parsed form: grows to a fixed maximum, freed at once. */
#ifndef IMAPD_IMAP_ARENA_H
#define IMAPD_IMAP_ARENA_H

#include <stddef.h>

struct imap_chunk;

/* Zeroed is empty, but max must be set. */
struct imap_arena {
	struct imap_chunk *chunks;
	size_t left;  /* in the newest chunk */
	size_t total; /* of all chunks */
	size_t max;
};

/* Zeroed memory that lives until imap_arena_free, or NULL when the arena would pass its maximum: what a client sent is then
 * too complex to be a command. */
void *imap_arena_get(struct imap_arena *arena, size_t count, size_t size);
/* Forgets everything; the arena may be used again with the same maximum. */
void imap_arena_free(struct imap_arena *arena);

#endif
