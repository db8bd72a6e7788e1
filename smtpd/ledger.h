/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What is remembered of addresses, networks, accounts and triplets, in memory that never grows: a slot for each, found by a hash of what
 * it is about. The clock is an argument. Pure. */
#ifndef SMTPD_LEDGER_H
#define SMTPD_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/span.h"

/* 32 bytes, without holes: a ledger in a file is these. */
struct ledger_slot {
	uint64_t key;   /* 0: free */
	int64_t since;  /* seconds since 1970, or what the owner makes of it */
	int64_t last;   /* when it was used: of those with the same state the one that was not for longest makes room */
	uint32_t count;
	uint32_t state; /* what the owner makes of it: the lowest make room first, and 0 after all others */
};

struct ledger;

/* rows: a power of two; each has LEDGER_WAYS slots. seed: random, so that nobody can choose what pushes out each other. */
#define LEDGER_WAYS 8
struct ledger *ledger_new(uint64_t seed, size_t rows);
/* NULL is allowed; returns NULL. */
struct ledger *ledger_free(struct ledger *ledger);
uint64_t ledger_seed(const struct ledger *ledger);
size_t ledger_slots(const struct ledger *ledger);
/* The slot of that number, for who stores them. */
struct ledger_slot *ledger_at(struct ledger *ledger, size_t number);
size_t ledger_number(const struct ledger *ledger, const struct ledger_slot *slot);

/* A key; `kind` keeps keys of different things apart, and the second function of a pair adds more to a key. Of a text ASCII letters are
 * folded; bytes are taken as they are, for an octet of an address is no letter. */
uint64_t ledger_key_text(const struct ledger *ledger, char kind, struct span text);
uint64_t ledger_key_and_text(const struct ledger *ledger, uint64_t key, struct span text);
uint64_t ledger_key_bytes(const struct ledger *ledger, char kind, struct span bytes);
uint64_t ledger_key_and_bytes(const struct ledger *ledger, uint64_t key, struct span bytes);

/* NULL when it is not there. */
struct ledger_slot *ledger_find(struct ledger *ledger, uint64_t key);
/* The slot of that key, made when it is not there (all else 0), and used now. */
struct ledger_slot *ledger_take(struct ledger *ledger, uint64_t key, int64_t now);

/* A bucket that holds `count` and fills up within that time, kept in `since` and `last` in microseconds: takes so much out, and is true;
 * or false, when there is not so much in it, and nothing is taken. */
bool ledger_spend(struct ledger *ledger, uint64_t key, uint32_t count, int64_t seconds, uint32_t amount, int64_t now_us);
/* Takes so much out though it may not be in it. Returns when it would have been: now, or later. */
int64_t ledger_overdraw(struct ledger *ledger, uint64_t key, uint32_t count, int64_t seconds, uint32_t amount, int64_t now_us);
/* Puts back what one of these two took: it was for nothing. */
void ledger_give_back(struct ledger *ledger, uint64_t key, uint32_t count, int64_t seconds, uint32_t amount);
/* As ledger_spend, without taking anything. */
bool ledger_could_spend(struct ledger *ledger, uint64_t key, uint32_t count, int64_t seconds, uint32_t amount, int64_t now_us);

/* The network that an address (in digits) belongs to, as bytes: 3 of an IPv4 address (/24), 8 of an IPv6 one (/64). Borrowed from
 * bytes; the text itself when it is no address. */
struct span ledger_network(struct span address, uint8_t bytes[16]);

#endif
