/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A binary heap in an array. */
#include "smtpd/heap.h"

#include <stdlib.h>

#include "common/xalloc.h"

static void
put_at(struct heap *heap, size_t at, struct heap_item *item)
{
	heap->items[at] = item;
	item->at = at;
}

static void
sift_up(struct heap *heap, struct heap_item *item)
{
	size_t at = item->at;

	while (at != 0 && heap->items[(at - 1) / 2]->key > item->key) {
		put_at(heap, at, heap->items[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	put_at(heap, at, item);
}

static void
sift_down(struct heap *heap, struct heap_item *item)
{
	size_t at = item->at;

	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= heap->count)
			break;
		if (child + 1 < heap->count && heap->items[child + 1]->key < heap->items[child]->key)
			child++;
		if (heap->items[child]->key >= item->key)
			break;
		put_at(heap, at, heap->items[child]);
		at = child;
	}
	put_at(heap, at, item);
}

void
heap_put(struct heap *heap, struct heap_item *item, int64_t key)
{
	if (heap->count == heap->room) {
		heap->room = heap->room == 0 ? 16 : heap->room * 2;
		heap->items = xreallocarray(heap->items, heap->room, sizeof(struct heap_item *));
	}
	item->key = key;
	put_at(heap, heap->count++, item);
	sift_up(heap, item);
}

void
heap_take(struct heap *heap, const struct heap_item *item)
{
	struct heap_item *last = heap->items[--heap->count];

	if (last != item) {
		put_at(heap, item->at, last);
		sift_up(heap, last);
		sift_down(heap, last);
	}
	/* A heap that has been large gives its memory back. */
	if (heap->room > 1024 && heap->count < heap->room / 4) {
		heap->room /= 2;
		heap->items = xreallocarray(heap->items, heap->room, sizeof(struct heap_item *));
	}
}

struct heap_item *
heap_first(const struct heap *heap)
{
	return heap->count != 0 ? heap->items[0] : NULL;
}

void
heap_cut(struct heap *heap, int64_t key)
{
	/* Cutting all at one height keeps the order. */
	for (size_t i = 0; i < heap->count; i++)
		if (heap->items[i]->key > key)
			heap->items[i]->key = key;
}

void
heap_free(struct heap *heap)
{
	free(heap->items);
	*heap = (struct heap){ .items = NULL };
}
