/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The selected mailbox as the client knows it. */
#include "imapd/imap_view_state.h"

#include <errno.h>
#include <stdlib.h>

#include "common/xalloc.h"

void
imap_view_free(struct imap_view *view)
{
	free(view->runs);
	free(view->bits);
	*view = (struct imap_view){ 0 };
}

/* Where the run ends: the index of the message after it. */
static size_t
run_end(const struct imap_view *view, size_t run)
{
	return run + 1 < view->run_count ? view->runs[run + 1].before : view->count;
}

void
imap_view_begin(struct imap_view *view, struct ms_uid_run *runs, size_t run_count, size_t count)
{
	/* Zeroed pages that nobody touches cost nothing. */
	*view = (struct imap_view){ .runs = runs, .run_count = run_count, .run_room = run_count, .bits = xcalloc(count, sizeof(view->bits[0])), .count = count,
		.room = count };
	if (count > 0)
		view->last = imap_view_uid(view, (uint32_t)count);
}

uint32_t
imap_view_last(const struct imap_view *view)
{
	return view->last;
}

uint32_t
imap_view_uid(const struct imap_view *view, uint32_t seq)
{
	size_t low = 0, high = view->run_count - 1;

	while (low < high) {
		size_t middle = low + (high - low + 1) / 2;

		if (view->runs[middle].before < seq)
			low = middle;
		else
			high = middle - 1;
	}
	return view->runs[low].first + (seq - 1 - view->runs[low].before);
}

uint32_t
imap_view_next(struct imap_view_walk *walk)
{
	const struct imap_view *view = walk->view;
	const struct ms_uid_run *run;

	if (walk->at == view->count)
		return 0;
	if (walk->at == run_end(view, walk->run))
		walk->run++;
	run = &view->runs[walk->run];
	return run->first + (uint32_t)(walk->at++ - run->before);
}

/* Counts a message whose UID is above all others. */
static void
add_uid(struct imap_view *view, uint32_t uid)
{
	if (view->count == 0 || uid != view->last + 1) {
		if (view->run_count == view->run_room) {
			view->run_room = view->run_room + view->run_room / 2 + 16;
			view->runs = xreallocarray(view->runs, view->run_room, sizeof(view->runs[0]));
		}
		view->runs[view->run_count++] = (struct ms_uid_run){ uid, (uint32_t)view->count };
	}
	view->last = uid;
	view->count++;
}

bool
imap_view_add(struct imap_view *view, uint32_t uid, uint8_t bits)
{
	if (uid <= imap_view_last(view) || view->count >= UINT32_MAX - 1)
		return false;
	if (view->count == view->room) {
		view->room = view->room < 64 ? 64 : view->room + view->room / 2;
		view->bits = xreallocarray(view->bits, view->room, sizeof(view->bits[0]));
	}
	view->bits[view->count] = 0;
	add_uid(view, uid);
	imap_view_set(view, (uint32_t)view->count, bits);
	return true;
}

/* Index of the first message with a UID not below this one; count when there is none. */
static size_t
lower_bound(const struct imap_view *view, uint32_t uid)
{
	size_t low = 0, high = view->run_count, at;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (view->runs[middle].first <= uid)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return 0;
	at = (size_t)view->runs[low - 1].before + (uid - view->runs[low - 1].first);
	return at < run_end(view, low - 1) ? at : run_end(view, low - 1);
}

uint32_t
imap_view_seq(const struct imap_view *view, uint32_t uid)
{
	size_t at = lower_bound(view, uid);

	return at < view->count && imap_view_uid(view, (uint32_t)at + 1) == uid ? (uint32_t)at + 1 : 0;
}

static void
count_bits(struct imap_view *view, uint8_t before, uint8_t after)
{
	view->recent += ((after & IMAP_VIEW_RECENT) != 0) - ((before & IMAP_VIEW_RECENT) != 0);
	view->gone += ((after & IMAP_VIEW_GONE) != 0) - ((before & IMAP_VIEW_GONE) != 0);
	view->changed += ((after & IMAP_VIEW_CHANGED) != 0) - ((before & IMAP_VIEW_CHANGED) != 0);
}

void
imap_view_set(struct imap_view *view, uint32_t seq, uint8_t bits)
{
	uint8_t *at = &view->bits[seq - 1], before = *at;

	*at |= bits;
	count_bits(view, before, *at);
}

void
imap_view_clear(struct imap_view *view, uint32_t seq, uint8_t bits)
{
	uint8_t *at = &view->bits[seq - 1], before = *at;

	*at &= (uint8_t)~bits;
	count_bits(view, before, *at);
}

void
imap_view_clear_all(struct imap_view *view, uint8_t bits)
{
	size_t i;

	for (i = 0; i < view->count; i++)
		imap_view_clear(view, (uint32_t)i + 1, bits);
}

void
imap_set_end(struct imap_set_text *text)
{
	if (text->first == 0)
		return;
	(void)buf_fmt(text->out, "%s%u", text->any ? "," : "", (unsigned)text->first);
	if (text->last != text->first)
		(void)buf_fmt(text->out, ":%u", (unsigned)text->last);
	text->any = true;
	text->first = 0;
}

void
imap_set_add(struct imap_set_text *text, uint32_t number)
{
	if (text->first != 0 && number == text->last + 1) {
		text->last = number;
		return;
	}
	imap_set_end(text);
	text->first = text->last = number;
}

void
imap_view_expunge(struct imap_view *view, bool vanished, struct buf *out)
{
	struct imap_set_text text = { .out = out };
	struct imap_view_walk walk = { .view = view };
	struct imap_view kept = { 0 };

	if (view->gone == 0)
		return;
	if (vanished)
		(void)buf_str(out, "* VANISHED ");
	for (size_t from = 0; from < view->count; from++) {
		uint8_t bits = view->bits[from];
		uint32_t uid = imap_view_next(&walk);

		if ((bits & IMAP_VIEW_GONE) == 0) {
			view->bits[kept.count] = bits;
			add_uid(&kept, uid);
			continue;
		}
		count_bits(view, bits, 0);
		if (vanished)
			imap_set_add(&text, uid);
		else
			(void)buf_fmt(out, "* %zu EXPUNGE\r\n", kept.count + 1);
	}
	free(view->runs);
	view->runs = kept.runs;
	view->run_count = kept.run_count;
	view->run_room = kept.run_room;
	view->last = kept.last;
	view->count = kept.count;
	if (vanished) {
		imap_set_end(&text);
		(void)buf_str(out, "\r\n");
	}
}

static int
compare_uids(const void *a, const void *b)
{
	const uint32_t *left = a, *right = b;

	return *left < *right ? -1 : *left > *right;
}

void
imap_view_rewind(struct imap_view *view, uint32_t last, uint32_t *expunged, size_t count)
{
	struct imap_view_walk walk = { .view = view };
	struct imap_view then = { 0 };
	uint32_t now = imap_view_next(&walk);
	size_t gone = 0;

	if (count > 1)
		qsort(expunged, count, sizeof(expunged[0]), compare_uids);
	for (;;) {
		bool more = now != 0 && now <= last, more_gone = gone < count && expunged[gone] <= last;

		if (!more && !more_gone)
			break;
		if (more && (!more_gone || now <= expunged[gone])) {
			(void)imap_view_add(&then, now, 0);
			now = imap_view_next(&walk);
		} else {
			(void)imap_view_add(&then, expunged[gone++], IMAP_VIEW_GONE);
		}
	}
	imap_view_free(view);
	*view = then;
}

static int
compare_spans(const void *a, const void *b)
{
	const struct imap_seq_span *left = a, *right = b;

	return left->first < right->first ? -1 : left->first > right->first;
}

/* One range to sequence numbers; false when it names nothing. */
static int
resolve_range(const struct imap_view *view, const struct imap_range *range, bool by_uid, struct imap_seq_span *ret_span)
{
	uint32_t most = by_uid ? imap_view_last(view) : (uint32_t)view->count;
	uint32_t low = range->low == IMAP_STAR ? most : range->low;
	uint32_t high = range->high == IMAP_STAR ? most : range->high, swap;
	size_t from, to;

	if (view->count == 0)
		return by_uid || range->low == IMAP_STAR || range->high == IMAP_STAR ? 0 : -ERANGE;
	if (low > high) {
		swap = low;
		low = high;
		high = swap;
	}
	if (!by_uid) {
		if (high > most)
			return -ERANGE;
		*ret_span = (struct imap_seq_span){ low, high };
		return 1;
	}
	from = lower_bound(view, low);
	to = high == UINT32_MAX ? view->count : lower_bound(view, high + 1);
	if (from >= to)
		return 0;
	*ret_span = (struct imap_seq_span){ (uint32_t)from + 1, (uint32_t)to };
	return 1;
}

static void
resolve_saved(const struct imap_view *view, struct imap_span_list *list)
{
	size_t i, spans = 0;
	bool found, before = false;

	for (i = 0; i < view->count; i++) {
		found = (view->bits[i] & IMAP_VIEW_FOUND) != 0;
		spans += found && !before;
		before = found;
	}
	list->span = xcalloc(spans + 1, sizeof(list->span[0]));
	before = false;
	for (i = 0; i < view->count; i++) {
		found = (view->bits[i] & IMAP_VIEW_FOUND) != 0;
		if (found && !before)
			list->span[list->count++].first = (uint32_t)i + 1;
		if (found)
			list->span[list->count - 1].last = (uint32_t)i + 1;
		before = found;
	}
}

int
imap_view_resolve(const struct imap_view *view, const struct imap_set *set, bool by_uid, struct imap_span_list *ret_list)
{
	struct imap_seq_span *span;
	size_t i, merged;
	int rc;

	*ret_list = (struct imap_span_list){ 0 };
	if (set->saved) {
		resolve_saved(view, ret_list);
		return 0;
	}
	ret_list->span = xcalloc(set->count + 1, sizeof(ret_list->span[0]));
	for (i = 0; i < set->count; i++) {
		rc = resolve_range(view, &set->range[i], by_uid, &ret_list->span[ret_list->count]);
		if (rc < 0) {
			free(ret_list->span);
			*ret_list = (struct imap_span_list){ 0 };
			return rc;
		}
		ret_list->count += rc > 0;
	}
	if (ret_list->count < 2)
		return 0;
	qsort(ret_list->span, ret_list->count, sizeof(ret_list->span[0]), compare_spans);
	merged = 0;
	for (i = 1; i < ret_list->count; i++) {
		span = &ret_list->span[merged];
		if (ret_list->span[i].first > span->last + 1)
			ret_list->span[++merged] = ret_list->span[i];
		else if (ret_list->span[i].last > span->last)
			span->last = ret_list->span[i].last;
	}
	ret_list->count = merged + 1;
	return 0;
}
