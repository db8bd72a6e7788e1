/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* How much of the resolver each client from outside may take: whoever brings mail chooses names whose servers never answer, and others'
 * mail must be looked into all the same. Pure.
 *
 * Of a number of places nobody has more than are free. So one network takes half at most, two a third each, and there is always as much
 * room for the next as each of those before has. Hundreds that come together can take all of them; so a quarter is kept for networks that are
 * known: whose questions had their answers soon, in some minutes of the last day. Each has but three at once there, and every one that has
 * no answer soon costs it minutes. */
#ifndef SMTPD_RESOLVE_ROOM_H
#define SMTPD_RESOLVE_ROOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* On whose behalf a question is asked: a client's network, for its neighbours are likely its own: /24 of IPv4, /48 of IPv6. The address
 * is in digits; all that are none are one. */
#define RESOLVE_OURSELVES 0
uint64_t resolve_whose(const char *address);

struct resolve_room;

/* crowd: from so many places taken on the resolver is busy: what has no answer then may be its own fault, or that of the servers it asks.
 * seed: random, so that nobody can choose whom he pushes out of those that are known. */
struct resolve_room *resolve_room_new(size_t places, size_t crowd, uint64_t seed);
/* NULL is allowed; returns NULL. */
struct resolve_room *resolve_room_free(struct resolve_room *room);
enum resolve_place { RESOLVE_NO_ROOM, RESOLVE_ANYBODYS, RESOLVE_KEPT };
/* Takes a place, unless whose it is has as many as are free. now: seconds of a clock that is never put back. */
enum resolve_place resolve_room_enter(struct resolve_room *room, uint64_t whose, int64_t now);
/* Gives one back, which was taken then. */
void resolve_room_leave(struct resolve_room *room, uint64_t whose, enum resolve_place place, int64_t then, int64_t now);
/* True while it is busy and for a minute from then on, for so long a failure, and what was found out about servers, may be remembered. */
bool resolve_room_is_busy(const struct resolve_room *room, int64_t now);

#endif
