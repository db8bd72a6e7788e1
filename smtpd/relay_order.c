/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
#include "smtpd/relay_order.h"

_Static_assert(RESOLVE_ADDRESSES_MAX <= 8, "each address has its bit");

static bool
was_tried(const struct relay_order *order, size_t host, size_t address)
{
	return (order->tried[host] >> address & 1) != 0;
}

static bool
has_untried(const struct relay_order *order, const struct resolve_answer *answer, size_t host)
{
	for (size_t i = 0; i < answer->hosts[host].count; i++)
		if (!was_tried(order, host, i))
			return true;
	return false;
}

/* Have hosts of that one's preference been tried so often that it is the turn of those behind them? */
static bool
had_its_share(const struct relay_order *order, const struct resolve_answer *answer, size_t host)
{
	uint16_t preference = answer->hosts[host].preference;
	size_t left = RELAY_ORDER_TRIES_MAX, tries = 0;
	bool others = false;

	for (size_t i = 0; i < answer->count; i++) {
		uint16_t other = answer->hosts[i].preference;

		if (other < preference)
			left -= order->tries[i] < left ? order->tries[i] : left;
		else if (other == preference)
			tries += order->tries[i];
		else
			others |= has_untried(order, answer, i);
	}
	return others && tries != 0 && tries >= left / 2;
}

/* What speaks against an address: nothing; that another of the host's was silent, be it in this attempt or a while ago, or too many of that preference
 * in vain; that this one was silent. */
enum rank { FIRST, LATE, LAST, NEVER };

static enum rank
rank_of_host(const struct relay_order *order, size_t number, const struct resolve_answer *answer, relay_order_known known, const void *context)
{
	const struct resolve_host *host = &answer->hosts[number];
	bool late = order->silent[number] || had_its_share(order, answer, number);

	for (size_t i = 0; i < host->count && !late; i++)
		late = known(context, host, i);
	return late ? LATE : FIRST;
}

static size_t
tries_of(const struct relay_order *order)
{
	size_t tries = 0;

	for (size_t i = 0; i < RESOLVE_HOSTS_MAX; i++)
		tries += order->tries[i];
	return tries;
}

bool
relay_order_next(const struct relay_order *order, const struct resolve_answer *answer, relay_order_known known, const void *context, size_t *ret_host, size_t *ret_address)
{
	enum rank best = NEVER;

	if (tries_of(order) >= RELAY_ORDER_TRIES_MAX)
		return false;
	for (size_t i = 0; i < answer->count && best != FIRST; i++) {
		const struct resolve_host *host = &answer->hosts[i];
		enum rank rank = rank_of_host(order, i, answer, known, context);

		for (size_t j = 0; j < host->count; j++) {
			enum rank own = rank != FIRST && known(context, host, j) ? LAST : rank;

			if (was_tried(order, i, j) || own >= best)
				continue;
			best = own;
			*ret_host = i;
			*ret_address = j;
		}
	}
	return best != NEVER;
}

void
relay_order_tried(struct relay_order *order, size_t host, size_t address)
{
	order->tried[host] |= (uint8_t)(1u << address);
	order->tries[host]++;
}

void
relay_order_no_way(struct relay_order *order, size_t host)
{
	order->tries[host]--;
}

void
relay_order_drop(struct relay_order *order, size_t host)
{
	order->tried[host] = UINT8_MAX;
}

int64_t
relay_order_share(const struct relay_order *order, const struct resolve_answer *answer, size_t host, int64_t left)
{
	for (size_t i = 0; i < answer->count; i++)
		if (answer->hosts[i].preference != answer->hosts[host].preference && order->tried[i] == 0 && answer->hosts[i].count != 0)
			return left / 2;
	return left;
}
