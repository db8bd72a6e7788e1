/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Changes of flags that names do not tell yet: what they make of a message, and how the folder's file tells them. */
#include <inttypes.h>
#include <stdlib.h>

#include "common/xalloc.h"
#include "libmailstore/ms_pending.h"

#define HEAD "fourpost-flags 1 "
/* A line is one change of at most MS_UIDS_EACH UIDs: more of them than there are such blocks, many times over, is nothing of ours. */
#define LINES_MAX 65536

static const char *const op_words[] = { [MS_FLAGS_SET] = "set", [MS_FLAGS_ADD] = "add", [MS_FLAGS_REMOVE] = "remove" };
#define OP_COUNT (sizeof(op_words) / sizeof(*op_words))

/* --- lists --- */

struct ms_pending *
ms_pending_add(struct ms_pending_list *list)
{
	if (list->count == list->room) {
		list->room = list->room != 0 ? list->room * 2 : 8;
		list->list = xreallocarray(list->list, list->room, sizeof(*list->list));
	}
	return &list->list[list->count++];
}

void
ms_pending_clear(struct ms_pending_list *list)
{
	free(list->list);
	*list = (struct ms_pending_list){ .list = NULL };
}

size_t
ms_pending_find(const struct ms_pending_list *list, uint32_t n)
{
	size_t low = 0, high = list->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (list->list[middle].n < n)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* --- maps --- */

bool
ms_pending_has(const uint8_t map[MS_UIDS_BYTES], uint32_t uid)
{
	uint32_t bit = uid % MS_UIDS_EACH;

	return (map[bit / 8] >> bit % 8 & 1) != 0;
}

bool
ms_pending_map_empty(const uint8_t map[MS_UIDS_BYTES])
{
	for (size_t i = 0; i < MS_UIDS_BYTES; i++)
		if (map[i] != 0)
			return false;
	return true;
}

static void
apply(const struct ms_pending *pending, struct ms_message *message)
{
	switch (pending->op) {
	case MS_FLAGS_SET:
		message->flags = pending->flags;
		message->keywords = (struct ms_keywords){ .first = pending->letters };
		break;
	case MS_FLAGS_ADD:
		message->flags |= pending->flags;
		message->keywords.first |= pending->letters;
		break;
	case MS_FLAGS_REMOVE:
		message->flags &= ~pending->flags;
		message->keywords.first &= ~(uint64_t)pending->letters;
		break;
	}
	/* A name that another program changed meanwhile is news of its own. */
	if (pending->modseq > message->modseq)
		message->modseq = pending->modseq;
}

bool
ms_pending_apply(const struct ms_pending_list *list, struct ms_message *message)
{
	uint32_t n = message->uid / MS_UIDS_EACH;
	bool any = false;

	for (size_t i = ms_pending_find(list, n); i < list->count && list->list[i].n == n; i++)
		if (ms_pending_has(list->list[i].map, message->uid)) {
			apply(&list->list[i], message);
			any = true;
		}
	return any;
}

/* --- the file --- */

static void
format_uids(const struct ms_pending *pending, struct buf *out)
{
	uint32_t base = pending->n * MS_UIDS_EACH;
	bool first = true;

	for (uint32_t bit = 0; bit < MS_UIDS_EACH; bit++) {
		uint32_t from = bit;

		if (!ms_pending_has(pending->map, bit))
			continue;
		while (bit + 1 < MS_UIDS_EACH && ms_pending_has(pending->map, bit + 1))
			bit++;
		if (!first)
			(void)buf_char(out, ',');
		first = false;
		(void)buf_u64(out, base + from);
		if (bit != from) {
			(void)buf_char(out, ':');
			(void)buf_u64(out, base + bit);
		}
	}
}

void
ms_pending_format(const struct ms_pending_list *list, uint32_t uidvalidity, struct buf *out)
{
	(void)buf_fmt(out, HEAD "%" PRIu32 "\n", uidvalidity);
	for (size_t i = 0; i < list->count; i++) {
		const struct ms_pending *pending = &list->list[i];
		size_t from = out->len;

		(void)buf_fmt(out, "%s ", op_words[pending->op]);
		if (pending->flags == 0 && pending->letters == 0)
			(void)buf_char(out, '-');
		ms_name_put_flags(pending->flags, pending->letters, out);
		(void)buf_char(out, ' ');
		format_uids(pending, out);
		if (!out->overflow)
			(void)buf_fmt(out, " %016" PRIx64 "\n", ms_name_hash(span_skip(buf_get(out), from)));
	}
}

/* "UID" or "UID:UID", of one block with those before it. */
static bool
parse_range(struct span text, bool first, struct ms_pending *pending)
{
	uint64_t from, to;

	if (span_take_u64(&text, UINT32_MAX, &from) < 0 || from == 0)
		return false;
	to = from;
	if (text.len != 0 && (text.ptr[0] != ':' || span_to_u64(span_skip(text, 1), UINT32_MAX, &to) < 0))
		return false;
	if (first)
		pending->n = (uint32_t)from / MS_UIDS_EACH;
	if (to < from || from / MS_UIDS_EACH != pending->n || to / MS_UIDS_EACH != pending->n)
		return false;
	for (uint32_t bit = (uint32_t)from % MS_UIDS_EACH; bit <= to % MS_UIDS_EACH; bit++)
		pending->map[bit / 8] = (uint8_t)(pending->map[bit / 8] | 1u << bit % 8);
	return true;
}

static bool
parse_uids(struct span text, struct ms_pending *pending)
{
	struct span range;

	for (bool first = true; span_split(&text, ',', &range); first = false)
		if (!parse_range(range, first, pending))
			return false;
	return true;
}

static bool
parse_line(struct span line, struct ms_pending *ret)
{
	ptrdiff_t space = span_rchr(line, ' ');
	struct span sum, word;
	struct buf wanted = BUF_INIT(32);
	bool good;

	*ret = (struct ms_pending){ .n = 0 };
	if (space < 0)
		return false;
	sum = span_skip(line, (size_t)space + 1);
	line = span_make(line.ptr, (size_t)space);
	(void)buf_fmt(&wanted, "%016" PRIx64, ms_name_hash(line));
	good = span_eq(sum, buf_get(&wanted));
	buf_free(&wanted);
	if (!good || !span_split(&line, ' ', &word))
		return false;
	for (size_t i = 0; i < OP_COUNT; i++)
		if (span_eq(word, span_of(op_words[i]))) {
			ret->op = (enum ms_store_op)i;
			if (!span_split(&line, ' ', &word))
				return false;
			ms_name_get_flags(word, &ret->flags, &ret->letters);
			return parse_uids(line, ret) && !ms_pending_map_empty(ret->map);
		}
	return false;
}

/* Lines of the same block stay in order: until all are sorted, modseq is the number of the line. */
static int
compare(const void *a, const void *b)
{
	const struct ms_pending *x = a, *y = b;

	if (x->n != y->n)
		return x->n < y->n ? -1 : 1;
	return (x->modseq > y->modseq) - (x->modseq < y->modseq);
}

void
ms_pending_parse(struct span text, uint32_t uidvalidity, struct ms_pending_list *ret)
{
	struct ms_pending pending;
	struct span line;
	uint64_t number;

	if (!span_split(&text, '\n', &line) || !span_starts(line, SPAN(HEAD)) ||
	    span_to_u64(span_skip(line, sizeof(HEAD) - 1), UINT32_MAX, &number) < 0 || number != uidvalidity)
		return;
	while (span_split(&text, '\n', &line) && ret->count < LINES_MAX)
		if (parse_line(line, &pending)) {
			pending.modseq = ret->count;
			*ms_pending_add(ret) = pending;
		}
	if (ret->count != 0)
		qsort(ret->list, ret->count, sizeof(*ret->list), compare);
	for (size_t i = 0; i < ret->count; i++)
		ret->list[i].modseq = 0;
}
