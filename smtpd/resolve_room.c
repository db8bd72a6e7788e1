/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Places, counted by whose they are. */
#include "smtpd/resolve_room.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "smtpd/ledger.h"

#define BUCKETS 256
#define BUSY_SECONDS 60
/* One of so many places is kept for networks that are known. */
#define KEPT_PART 4
/* An answer that comes within so long was soon. */
#define SOON_SECONDS 2
/* A minute in which answers came soon is worth 1, up to the most; a place that is kept costs so much until the answer comes, and for good when
 * that is late. */
#define CREDIT_SECONDS 60
#define CREDIT_MAX 12
#define PLACE_CREDIT 4
/* Networks that are known: 8 a row. Of those that are not there for a day nothing is known any more. */
#define KNOWN_ROWS 1024
#define KNOWN_SECONDS 86400
/* `state` of a slot: who could not have a kept place makes room first. */
enum { KNOWN = 0, NEW = 1 };

/* What one has of the places: at least one. */
struct share {
	struct share *next;
	uint64_t whose;
	size_t taken[RESOLVE_KEPT + 1];
};

struct resolve_room {
	size_t crowd, places[RESOLVE_KEPT + 1], taken[RESOLVE_KEPT + 1];
	int64_t busy_until;
	struct share *buckets[BUCKETS];
	struct ledger *known; /* `count` is the credit, `since` when it grew last */
};

static uint64_t
number_of(uint64_t kind, const uint8_t *bytes, size_t len)
{
	uint64_t number = kind;

	while (len-- > 0)
		number = number << 8 | *bytes++;
	return number;
}

uint64_t
resolve_whose(const char *address)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	uint8_t bytes[16];

	if (inet_pton(AF_INET, address, bytes) == 1)
		return number_of(4, bytes, 3);
	if (inet_pton(AF_INET6, address, bytes) != 1)
		return 1;
	return memcmp(bytes, mapped, sizeof(mapped)) == 0 ? number_of(4, bytes + sizeof(mapped), 3) : number_of(6, bytes, 6);
}

struct resolve_room *
resolve_room_new(size_t places, size_t crowd, uint64_t seed)
{
	struct resolve_room *room = xcalloc(1, sizeof(*room));

	room->places[RESOLVE_KEPT] = places / KEPT_PART;
	room->places[RESOLVE_ANYBODYS] = places - room->places[RESOLVE_KEPT];
	room->crowd = crowd;
	room->known = ledger_new(seed, KNOWN_ROWS);
	return room;
}

struct resolve_room *
resolve_room_free(struct resolve_room *room)
{
	for (size_t i = 0; room != NULL && i < BUCKETS; i++)
		for (struct share *share = room->buckets[i], *next; share != NULL; share = next) {
			next = share->next;
			free(share);
		}
	if (room != NULL)
		(void)ledger_free(room->known);
	free(room);
	return NULL;
}

/* --- who is known --- */

static uint64_t
key_of(const struct resolve_room *room, uint64_t whose)
{
	return ledger_key_bytes(room->known, 'w', span_make(&whose, sizeof(whose)));
}

static void
set_credit(struct ledger_slot *slot, uint32_t credit)
{
	slot->count = credit < CREDIT_MAX ? credit : CREDIT_MAX;
	slot->state = slot->count >= PLACE_CREDIT ? KNOWN : NEW;
}

/* Takes what a place costs. False: it has not so much. */
static bool
pay(struct resolve_room *room, uint64_t whose, int64_t now)
{
	struct ledger_slot *slot = ledger_find(room->known, key_of(room, whose));

	if (slot == NULL || slot->count < PLACE_CREDIT || now - slot->last > KNOWN_SECONDS)
		return false;
	set_credit(slot, slot->count - PLACE_CREDIT);
	return true;
}

static void
note_answer(struct resolve_room *room, uint64_t whose, enum resolve_place place, int64_t now)
{
	struct ledger_slot *slot = ledger_take(room->known, key_of(room, whose), now);

	if (slot->since == 0 || now - slot->since > KNOWN_SECONDS)
		*slot = (struct ledger_slot){ .key = slot->key, .since = now, .last = now, .state = NEW };
	if (place == RESOLVE_KEPT)
		set_credit(slot, slot->count + PLACE_CREDIT);
	if (now - slot->since < CREDIT_SECONDS)
		return;
	slot->since = now;
	set_credit(slot, slot->count + 1);
}

/* --- places --- */

/* Where the share is, or would be: at the end of its bucket. */
static struct share **
find(struct resolve_room *room, uint64_t whose)
{
	/* Neighbouring networks go to different buckets. */
	struct share **at = &room->buckets[(whose ^ whose >> 8 ^ whose >> 16 ^ whose >> 32) % BUCKETS];

	while (*at != NULL && (*at)->whose != whose)
		at = &(*at)->next;
	return at;
}

static size_t
all_taken(const struct resolve_room *room)
{
	return room->taken[RESOLVE_ANYBODYS] + room->taken[RESOLVE_KEPT];
}

static void
note_crowd(struct resolve_room *room, int64_t now)
{
	if (all_taken(room) >= room->crowd)
		room->busy_until = now + BUSY_SECONDS;
}

static bool
has_room(const struct resolve_room *room, const struct share *share, enum resolve_place place)
{
	return (share != NULL ? share->taken[place] : 0) < room->places[place] - room->taken[place];
}

enum resolve_place
resolve_room_enter(struct resolve_room *room, uint64_t whose, int64_t now)
{
	struct share **at = find(room, whose);
	enum resolve_place place = RESOLVE_NO_ROOM;

	if (has_room(room, *at, RESOLVE_ANYBODYS))
		place = RESOLVE_ANYBODYS;
	else if (has_room(room, *at, RESOLVE_KEPT) && pay(room, whose, now))
		place = RESOLVE_KEPT;
	else
		return RESOLVE_NO_ROOM;
	if (*at == NULL) {
		*at = xcalloc(1, sizeof(**at));
		(*at)->whose = whose;
	}
	(*at)->taken[place]++;
	room->taken[place]++;
	note_crowd(room, now);
	return place;
}

void
resolve_room_leave(struct resolve_room *room, uint64_t whose, enum resolve_place place, int64_t then, int64_t now)
{
	struct share **at = find(room, whose), *share = *at;

	note_crowd(room, now);
	if (now - then < SOON_SECONDS)
		note_answer(room, whose, place, now);
	room->taken[place]--;
	share->taken[place]--;
	if (share->taken[RESOLVE_ANYBODYS] + share->taken[RESOLVE_KEPT] != 0)
		return;
	*at = share->next;
	free(share);
}

bool
resolve_room_is_busy(const struct resolve_room *room, int64_t now)
{
	return all_taken(room) >= room->crowd || now < room->busy_until;
}
