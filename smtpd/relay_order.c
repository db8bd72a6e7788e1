/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
#include "smtpd/relay_order.h"

_Static_assert(RESOLVE_ADDRESSES_MAX <= 8, "each address has its bit");

static bool
was_tried(const struct relay_order *order, size_t host, size_t address)
{
	return (order->tried[host] >> address & 1) != 0;
}

/* What speaks against an address: nothing; that another of the host's was silent, be it in this attempt or a while ago; that this one was. */
enum rank { FIRST, LATE, LAST, NEVER };

static enum rank
rank_of_host(const struct relay_order *order, size_t number, const struct resolve_host *host, relay_order_known known, const void *context)
{
	bool silent = order->silent[number];

	for (size_t i = 0; i < host->count && !silent; i++)
		silent = known(context, host, i);
	return silent ? LATE : FIRST;
}

bool
relay_order_next(const struct relay_order *order, const struct resolve_answer *answer, relay_order_known known, const void *context, size_t *ret_host, size_t *ret_address)
{
	enum rank best = NEVER;

	for (size_t i = 0; i < answer->count && best != FIRST; i++) {
		const struct resolve_host *host = &answer->hosts[i];
		enum rank rank = rank_of_host(order, i, host, known, context);

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
