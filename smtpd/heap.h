/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A binary heap of things that hold a heap_item: the one with the smallest key is known at once, any can be taken out. Pure. */
#ifndef SMTPD_HEAP_H
#define SMTPD_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct heap_item {
	int64_t key;
	size_t at; /* the heap's */
};

struct heap {
	struct heap_item **items;
	size_t count, room;
};

/* Adds an item that is in no heap. */
void heap_put(struct heap *heap, struct heap_item *item, int64_t key);
/* Takes out an item that is in this heap. */
void heap_take(struct heap *heap, const struct heap_item *item);
/* The one with the smallest key, or NULL. */
struct heap_item *heap_first(const struct heap *heap);
/* Lowers every key that is greater to this one. */
void heap_cut(struct heap *heap, int64_t key);
/* Frees what the heap itself holds, not the items. */
void heap_free(struct heap *heap);

#endif
