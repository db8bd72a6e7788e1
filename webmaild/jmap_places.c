/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
#include "webmaild/jmap_places.h"

#include <stdlib.h>

#include "common/xalloc.h"

struct place {
	struct jmap_mailbox *mailbox;
	uint32_t uid;
	bool gone; /* somebody else has removed it */
};

struct places {
	struct jmap_mailbox *const *wanted;
	size_t wanted_count;
	struct place *list;
	size_t count;
};

/* With room for one more in each wanted mailbox. */
static struct places
places_of(const struct jmap_email *email, struct jmap_mailbox *const *wanted, size_t count)
{
	struct places places = { .wanted = wanted, .wanted_count = count, .list = xcalloc(email->place_count + count, sizeof(struct place)) };

	for (size_t i = 0; i < email->place_count; i++)
		places.list[places.count++] = (struct place){ .mailbox = email->places[i].mailbox, .uid = email->places[i].uid };
	return places;
}

static bool
is_wanted(const struct places *places, const struct jmap_mailbox *mailbox)
{
	for (size_t i = 0; i < places->wanted_count; i++)
		if (places->wanted[i] == mailbox)
			return true;
	return false;
}

/* What another place is made from: with may_move one that is not wanted any more, if there is one, else any. NULL: there is none. */
static struct place *
source(const struct places *places, bool may_move, bool *ret_move)
{
	struct place *any = NULL;

	*ret_move = may_move;
	for (size_t i = 0; i < places->count; i++) {
		struct place *place = &places->list[i];

		if (place->gone)
			continue;
		if (may_move && !is_wanted(places, place->mailbox))
			return place;
		any = place;
	}
	*ret_move = false;
	return any;
}

static int
bring(struct places *places, struct jmap_mailbox *to, bool may_move)
{
	struct place *from;
	bool move;

	while ((from = source(places, may_move, &move)) != NULL) {
		uint32_t uid = 0, validity;
		int r = ms_copy(from->mailbox->open, &from->uid, 1, to->info.name, move, &uid, &validity);

		if (r != 0 && r != MS_E_STALE)
			return r;
		from->gone = r == MS_E_STALE || uid == 0;
		if (from->gone)
			continue;
		if (!move)
			from = &places->list[places->count++];
		*from = (struct place){ .mailbox = to, .uid = uid };
		return 0;
	}
	return MS_E_NOTFOUND;
}

/* Whether it stands in a wanted mailbox, as of now. 0 or MS_E_NOTFOUND. */
static int
look(struct places *places)
{
	struct ms_message message;

	for (size_t i = 0; i < places->count; i++) {
		struct place *place = &places->list[i];
		int r;

		if (place->gone || !is_wanted(places, place->mailbox))
			continue;
		r = ms_message_get(place->mailbox->open, place->uid, &message);
		if (r != MS_E_NOTFOUND && r != MS_E_STALE)
			return r;
		place->gone = true;
	}
	return MS_E_NOTFOUND;
}

static int
remove_place(const struct place *place)
{
	int r = ms_expunge(place->mailbox->open, &place->uid, 1);

	return r == MS_E_STALE ? 0 : r;
}

int
jmap_places_set(const struct jmap_email *email, struct jmap_mailbox *const *wanted, size_t count)
{
	struct places places = places_of(email, wanted, count);
	bool looked = false;
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++)
		if (!jmap_email_in(email, wanted[i]))
			r = bring(&places, wanted[i], true);
	for (size_t i = 0; r == 0 && i < places.count; i++) {
		const struct place *place = &places.list[i];

		if (place->gone || is_wanted(&places, place->mailbox))
			continue;
		if (!looked)
			r = look(&places);
		looked = true;
		if (r == 0)
			r = remove_place(place);
	}
	free(places.list);
	return r;
}

int
jmap_places_add(const struct jmap_email *email, struct jmap_mailbox *const *wanted, size_t count)
{
	struct places places = places_of(email, wanted, count);
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++)
		r = bring(&places, wanted[i], false);
	for (size_t i = 0; r != 0 && i < places.count; i++)
		if (!places.list[i].gone)
			(void)remove_place(&places.list[i]);
	free(places.list);
	return r;
}

int
jmap_places_clear(const struct jmap_email *email)
{
	struct places places = places_of(email, NULL, 0);
	int r = 0;

	for (size_t i = 0; r == 0 && i < places.count; i++)
		r = remove_place(&places.list[i]);
	free(places.list);
	return r;
}
