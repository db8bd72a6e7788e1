/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* In which order a message's hosts are tried, and how long each may take to be ready for mail. They come as the DNS has them (RFC 5321 section
 * 5.1), but one that takes connections and says nothing, which costs minutes, must not use up the time of those behind it. Pure. */
#ifndef SMTPD_RELAY_ORDER_H
#define SMTPD_RELAY_ORDER_H

#include "smtpd/resolve.h"

/* Addresses that one attempt tries (RFC 5321 section 5.1 asks for two at least), beside those to which there is no way. */
#define RELAY_ORDER_TRIES_MAX 10

struct relay_order {
	uint8_t tried[RESOLVE_HOSTS_MAX]; /* a bit for each address */
	uint8_t tries[RESOLVE_HOSTS_MAX]; /* addresses of it that count for RELAY_ORDER_TRIES_MAX */
	bool silent[RESOLVE_HOSTS_MAX];   /* one of its addresses was, in this attempt */
};

/* Is that address known to have been silent a while ago? */
typedef bool (*relay_order_known)(const void *context, const struct resolve_host *host, size_t address);

/* The next address, which is not marked. First come hosts against which nothing speaks, then others of hosts of which one was silent, in this
 * attempt or before, and of a preference that has had its share, then those that are known to have been silent; each in the order of the answer.
 * The hosts of one preference, which may have more addresses than an attempt tries, have half of the tries that those before them left, as long as
 * others stand behind them. False when all were tried, or as many as an attempt tries. */
bool relay_order_next(const struct relay_order *order, const struct resolve_answer *answer, relay_order_known known, const void *context, size_t *ret_host, size_t *ret_address);
void relay_order_tried(struct relay_order *order, size_t host, size_t address);
/* There was no way to the address of that host that was tried just now, and nobody was asked: it does not count. */
void relay_order_no_way(struct relay_order *order, size_t host);
/* None of that host's is to be tried any more. */
void relay_order_drop(struct relay_order *order, size_t host);
/* How many of the seconds that are left for all the host may take: half of them, as long as hosts of other preferences have not been tried. */
int64_t relay_order_share(const struct relay_order *order, const struct resolve_answer *answer, size_t host, int64_t left);

#endif
