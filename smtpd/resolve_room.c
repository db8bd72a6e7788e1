/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Places, counted by whose they are. */
#include "smtpd/resolve_room.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"

#define BUCKETS 256
#define BUSY_SECONDS 60

/* What one has of the places: at least one. */
struct share {
	struct share *next;
	uint64_t whose;
	size_t taken;
};

struct resolve_room {
	size_t places, crowd, taken;
	int64_t busy_until;
	struct share *buckets[BUCKETS];
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
resolve_room_new(size_t places, size_t crowd)
{
	struct resolve_room *room = xcalloc(1, sizeof(*room));

	room->places = places;
	room->crowd = crowd;
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
	free(room);
	return NULL;
}

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

static void
note_crowd(struct resolve_room *room, int64_t now)
{
	if (room->taken >= room->crowd)
		room->busy_until = now + BUSY_SECONDS;
}

bool
resolve_room_enter(struct resolve_room *room, uint64_t whose, int64_t now)
{
	struct share **at = find(room, whose);

	if ((*at != NULL ? (*at)->taken : 0) >= room->places - room->taken)
		return false;
	if (*at == NULL) {
		*at = xcalloc(1, sizeof(**at));
		(*at)->whose = whose;
	}
	(*at)->taken++;
	room->taken++;
	note_crowd(room, now);
	return true;
}

void
resolve_room_leave(struct resolve_room *room, uint64_t whose, int64_t now)
{
	struct share **at = find(room, whose), *share = *at;

	note_crowd(room, now);
	room->taken--;
	if (--share->taken != 0)
		return;
	*at = share->next;
	free(share);
}

bool
resolve_room_is_busy(const struct resolve_room *room, int64_t now)
{
	return room->taken >= room->crowd || now < room->busy_until;
}
