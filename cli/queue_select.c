/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Choosing and counting queued messages. */
#include "cli/queue_select.h"

#include <stdlib.h>

#include "common/address.h"
#include "common/xalloc.h"

/* --- choosing --- */

static struct span
domain_of(const char *address)
{
	struct span text = span_of(address);
	ptrdiff_t at = span_rchr(text, '@');

	return at < 0 ? SPAN_NULL : span_skip(text, (size_t)at + 1);
}

static bool
fits(const char *wanted, const char *address)
{
	if (wanted[0] == '@')
		return address_domain_equal(span_of(wanted + 1), domain_of(address));
	return address_equal(span_of(wanted), span_of(address));
}

bool
queue_select_any(const struct queue_selection *selection)
{
	return selection->from == NULL && selection->to == NULL && selection->domain == NULL;
}

static bool
has_recipient(const struct queue_selection *selection, const struct envelope *envelope)
{
	for (size_t i = 0; i < envelope->count; i++) {
		const struct envelope_recipient *recipient = &envelope->recipients[i];

		if (envelope_is_open(recipient) && (selection->to == NULL || fits(selection->to, recipient->address)) &&
		    (selection->domain == NULL || address_domain_equal(span_of(selection->domain), domain_of(recipient->address))))
			return true;
	}
	return false;
}

bool
queue_select_match(const struct queue_selection *selection, const struct envelope *envelope)
{
	const char *from = selection->from;

	if (from != NULL && strcmp(from, "<>") == 0)
		from = "";
	if (from != NULL && !fits(from, envelope->sender))
		return false;
	return (selection->to == NULL && selection->domain == NULL) || has_recipient(selection, envelope);
}

/* --- counting --- */

static const int64_t ages[QUEUE_AGES - 1] = { 300, 3600, 6 * 3600, 86400 };
const char *const queue_age_names[QUEUE_AGES] = { "5m", "1h", "6h", "1d", "1d+" };

/* For free(3): in the one form, whichever it is queued in. */
static char *
name_of(struct span domain)
{
	struct buf canonical = BUF_INIT(ADDRESS_DOMAIN_MAX);
	char *name;

	if (!span_is_ascii(domain) && address_domain_canonical(domain, &canonical) == 0)
		return buf_take(&canonical);
	buf_free(&canonical);
	name = span_dup(domain);
	for (char *c = name; *c != '\0'; c++)
		*c = ascii_lower(*c);
	return name;
}

static void
add(struct queue_counts *counts, struct span domain, size_t age)
{
	struct queue_count *count;

	if (counts->count == counts->room) {
		counts->room = counts->room == 0 ? 64 : counts->room * 2;
		counts->items = xreallocarray(counts->items, counts->room, sizeof(*counts->items));
	}
	count = &counts->items[counts->count++];
	*count = (struct queue_count){ .domain = name_of(domain), .total = 1, .message = counts->messages };
	count->by_age[age] = 1;
}

static bool
is_first_of_its_domain(const struct envelope *envelope, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (envelope_is_open(&envelope->recipients[i]) &&
		    span_ieq(domain_of(envelope->recipients[i].address), domain_of(envelope->recipients[at].address)))
			return false;
	return true;
}

void
queue_counts_add(struct queue_counts *counts, const struct envelope *envelope, int64_t now)
{
	size_t age = 0;

	counts->messages++;
	while (age < QUEUE_AGES - 1 && now - envelope->created >= ages[age])
		age++;
	for (size_t i = 0; i < envelope->count; i++)
		if (envelope_is_open(&envelope->recipients[i]) && is_first_of_its_domain(envelope, i))
			add(counts, domain_of(envelope->recipients[i].address), age);
}

static int
by_domain(const void *a, const void *b)
{
	return strcmp(((const struct queue_count *)a)->domain, ((const struct queue_count *)b)->domain);
}

static int
by_domain_and_message(const void *a, const void *b)
{
	const struct queue_count *left = a, *right = b;
	int order = by_domain(a, b);

	return order != 0 ? order : (left->message > right->message) - (left->message < right->message);
}

static int
by_total(const void *a, const void *b)
{
	const struct queue_count *left = a, *right = b;

	return left->total != right->total ? (left->total < right->total ? 1 : -1) : by_domain(a, b);
}

void
queue_counts_finish(struct queue_counts *counts)
{
	size_t kept = 0;

	if (counts->count == 0)
		return;
	qsort(counts->items, counts->count, sizeof(*counts->items), by_domain_and_message);
	for (size_t i = 1; i < counts->count; i++) {
		struct queue_count *last = &counts->items[kept], *next = &counts->items[i];

		if (strcmp(last->domain, next->domain) != 0) {
			counts->items[++kept] = *next;
			continue;
		}
		/* A message may have the domain in two forms. */
		if (next->message != last->message) {
			last->total += next->total;
			for (size_t age = 0; age < QUEUE_AGES; age++)
				last->by_age[age] += next->by_age[age];
			last->message = next->message;
		}
		free(next->domain);
	}
	counts->count = kept + 1;
	qsort(counts->items, counts->count, sizeof(*counts->items), by_total);
}

void
queue_counts_free(struct queue_counts *counts)
{
	for (size_t i = 0; i < counts->count; i++)
		free(counts->items[i].domain);
	free(counts->items);
	*counts = (struct queue_counts){ .items = NULL };
}
