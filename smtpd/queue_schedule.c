/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Entries wait in one heap by time, then in one for each destination by turn. Destinations that let something in stand in a ring,
 * those that are down in a heap by the time they are looked at again. */
#include "smtpd/queue_schedule.h"

#include <stdlib.h>

#include "common/xalloc.h"

#define BUCKETS_FIRST 256
/* Entries that are moved to their destinations' rows in one go: with a million that are due at once, others are served meanwhile. */
#define MOVES_MAX 4096
/* Entries under way for each that the window lets be sent at once: those get ready meanwhile. */
#define AHEAD 2
/* Senders whose turns a destination counts; more share a count. */
#define SENDER_TURNS 64
/* Destinations that nobody uses are remembered for how they did. */
#define UNUSED_MAX 1000
#define PRIORITY_STEP ((int64_t)1 << 48)

TAILQ_HEAD(destinations, destination);

struct schedule {
	uint64_t seed;
	struct schedule_limits limits;
	struct heap waiting;
	struct heap pauses;
	struct destinations ready, unused;
	size_t unused_count;
	bool relays_first; /* every other time, so that neither holds up the other */
	struct destination **by_name;
	size_t buckets, count;
};

static struct queue_entry *
entry_of(struct heap_item *item)
{
	return (struct queue_entry *)((char *)item - offsetof(struct queue_entry, item));
}

static struct destination *
pausing(struct heap_item *item)
{
	return (struct destination *)((char *)item - offsetof(struct destination, pause));
}

/* --- where a destination stands --- */

size_t
schedule_window(const struct destination *destination)
{
	return destination->window / SCHEDULE_SCALE;
}

/* One that has been down is tried by one message. */
static size_t
places(const struct destination *destination)
{
	return destination->times_down != 0 ? 1 : AHEAD * schedule_window(destination);
}

/* To be called when something of it has changed. */
static void
put_in_place(struct schedule *schedule, struct destination *destination)
{
	bool wants = destination->row.count != 0 && destination->taken < places(destination);
	int place = !wants ? DESTINATION_IDLE : destination->until != 0 ? DESTINATION_PAUSES : DESTINATION_READY;

	if (place == (int)destination->place && (place != DESTINATION_PAUSES || destination->pause.key == destination->until))
		return;
	if (destination->place == DESTINATION_READY)
		TAILQ_REMOVE(&schedule->ready, destination, ready);
	else if (destination->place == DESTINATION_PAUSES)
		heap_take(&schedule->pauses, &destination->pause);
	destination->place = place;
	if (place == DESTINATION_READY)
		TAILQ_INSERT_TAIL(&schedule->ready, destination, ready);
	else if (place == DESTINATION_PAUSES)
		heap_put(&schedule->pauses, &destination->pause, destination->until);
}

/* --- destinations by name --- */

static size_t
bucket(const struct schedule *schedule, struct span name)
{
	uint64_t hash = schedule->seed;

	for (size_t i = 0; i < name.len; i++) {
		hash = (hash ^ (uint8_t)ascii_lower(name.ptr[i])) * 0x9e3779b97f4a7c15ULL;
		hash ^= hash >> 29;
	}
	return (size_t)hash & (schedule->buckets - 1);
}

static void
grow(struct schedule *schedule)
{
	struct destination **old = schedule->by_name;
	size_t count = schedule->buckets;

	schedule->buckets *= 2;
	schedule->by_name = xcalloc(schedule->buckets, sizeof(struct destination *));
	for (size_t i = 0; i < count; i++)
		while (old[i] != NULL) {
			struct destination *destination = old[i], **at = &schedule->by_name[bucket(schedule, span_of(destination->name))];

			old[i] = destination->next_by_name;
			destination->next_by_name = *at;
			*at = destination;
		}
	free(old);
}

static void
forget(struct schedule *schedule, struct destination *destination)
{
	struct destination **at = &schedule->by_name[bucket(schedule, span_of(destination->name))];

	while (*at != destination)
		at = &(*at)->next_by_name;
	*at = destination->next_by_name;
	schedule->count--;
	heap_free(&destination->row);
	free(destination->sender_turns);
	free(destination->reason);
	free(destination->name);
	free(destination);
}

static struct destination *
make(struct schedule *schedule, struct span name)
{
	struct destination *destination = xcalloc(1, sizeof(*destination)), **at;

	if (schedule->count >= schedule->buckets)
		grow(schedule);
	destination->name = span_dup(name);
	for (char *c = destination->name; *c != '\0'; c++)
		*c = ascii_lower(*c);
	destination->window = schedule->limits.window_first * SCHEDULE_SCALE;
	at = &schedule->by_name[bucket(schedule, name)];
	destination->next_by_name = *at;
	*at = destination;
	schedule->count++;
	return destination;
}

struct destination *
schedule_destination(struct schedule *schedule, struct span name)
{
	struct destination *destination = schedule->by_name[bucket(schedule, name)];

	while (destination != NULL && !span_ieq(span_of(destination->name), name))
		destination = destination->next_by_name;
	if (destination == NULL) {
		destination = make(schedule, name);
	} else if (destination->users == 0) {
		TAILQ_REMOVE(&schedule->unused, destination, unused);
		schedule->unused_count--;
	}
	destination->users++;
	return destination;
}

void
schedule_release(struct schedule *schedule, struct destination *destination)
{
	struct destination *oldest;

	if (--destination->users != 0)
		return;
	free(destination->sender_turns);
	destination->sender_turns = NULL;
	heap_free(&destination->row);
	TAILQ_INSERT_TAIL(&schedule->unused, destination, unused);
	if (++schedule->unused_count <= UNUSED_MAX)
		return;
	oldest = TAILQ_FIRST(&schedule->unused);
	TAILQ_REMOVE(&schedule->unused, oldest, unused);
	schedule->unused_count--;
	forget(schedule, oldest);
}

void
schedule_each(const struct schedule *schedule, void (*each)(void *context, const struct destination *destination), void *context)
{
	for (size_t i = 0; i < schedule->buckets; i++)
		for (const struct destination *destination = schedule->by_name[i]; destination != NULL; destination = destination->next_by_name)
			each(context, destination);
}

/* --- how a destination does --- */

/* It can be reached. True when it had been down. */
static bool
is_up(struct schedule *schedule, struct destination *destination)
{
	bool was_down = destination->times_down != 0;

	destination->failed = 0;
	destination->times_down = 0;
	destination->until = 0;
	free(destination->reason);
	destination->reason = NULL;
	put_in_place(schedule, destination);
	return was_down;
}

/* By one after a whole window of failures. Returns by how much. */
static unsigned
lower_window(struct destination *destination)
{
	unsigned share = SCHEDULE_SCALE * SCHEDULE_SCALE / destination->window;

	destination->window = destination->window > SCHEDULE_SCALE + share ? destination->window - share : SCHEDULE_SCALE;
	return share;
}

bool
schedule_broke_off(struct schedule *schedule, struct destination *destination)
{
	(void)lower_window(destination);
	destination->did = DESTINATION_FAILED;
	return is_up(schedule, destination);
}

bool
schedule_worked(struct schedule *schedule, struct destination *destination)
{
	bool was_down = destination->times_down != 0;
	unsigned window = destination->window, max = schedule->limits.window_max * SCHEDULE_SCALE;

	destination->did = DESTINATION_WORKED;
	/* One more after a whole window of successes. */
	window += SCHEDULE_SCALE * SCHEDULE_SCALE / window;
	if (was_down && window < schedule->limits.window_first * SCHEDULE_SCALE)
		window = schedule->limits.window_first * SCHEDULE_SCALE;
	destination->window = window < max ? window : max;
	return is_up(schedule, destination);
}

static int64_t
pause_of(const struct schedule_limits *limits, unsigned times, uint32_t random)
{
	int64_t pause = limits->pause_min;

	for (unsigned i = 1; i < times && pause < limits->pause_max; i++)
		pause *= 2;
	if (pause > limits->pause_max)
		pause = limits->pause_max;
	/* A tenth up or down, so that what failed together does not come back together. */
	return pause + pause * ((int64_t)(random % 256) - 128) / 1280;
}

/* Those whose senders are to be told something before it is looked at again are looked at by themselves then, although nothing can
 * be sent. */
static void
take_those_to_be_told(struct schedule *schedule, struct destination *destination, int64_t now)
{
	for (size_t i = 0; i < destination->row.count;) {
		struct queue_entry *entry = entry_of(destination->row.items[i]);

		/* Another takes its place. Where that comes from before it, it may be missed until the next look. */
		if (entry->tell < destination->until)
			schedule_at(schedule, entry, entry->tell > now ? entry->tell : now);
		else
			i++;
	}
}

bool
schedule_failed(struct schedule *schedule, struct destination *destination, int64_t now, uint32_t random, struct span reason)
{
	destination->did = DESTINATION_FAILED;
	free(destination->reason);
	destination->reason = span_dup(reason);
	/* It is down once a whole window has failed and nothing has worked in between. What was under way when it went down says
	 * nothing new. */
	if (schedule_is_down(destination, now))
		return false;
	destination->failed += lower_window(destination);
	if (destination->failed + SCHEDULE_SCALE / 64 < SCHEDULE_SCALE && destination->times_down == 0) {
		put_in_place(schedule, destination);
		return false;
	}
	destination->failed = 0;
	destination->window = SCHEDULE_SCALE;
	destination->times_down++;
	destination->until = now + pause_of(&schedule->limits, destination->times_down, random);
	take_those_to_be_told(schedule, destination, now);
	put_in_place(schedule, destination);
	return true;
}

/* --- entries --- */

void
schedule_take(struct schedule *schedule, struct queue_entry *entry, int state)
{
	if (entry->state == ENTRY_WAITING) {
		heap_take(&schedule->waiting, &entry->item);
	} else if (entry->state == ENTRY_READY) {
		heap_take(&entry->destination->row, &entry->item);
		put_in_place(schedule, entry->destination);
	}
	entry->state = (uint8_t)state;
}

void
schedule_at(struct schedule *schedule, struct queue_entry *entry, int64_t due)
{
	schedule_take(schedule, entry, ENTRY_WAITING);
	heap_put(&schedule->waiting, &entry->item, due);
}

void
schedule_bind(struct schedule *schedule, struct queue_entry *entry, struct span name)
{
	struct destination *old = entry->destination;

	if (old == NULL ? name.len == 0 : span_ieq(span_of(old->name), name))
		return;
	schedule_ended(schedule, entry);
	if (entry->state == ENTRY_READY)
		schedule_at(schedule, entry, 0);
	entry->destination = name.len != 0 ? schedule_destination(schedule, name) : NULL;
	if (old != NULL)
		schedule_release(schedule, old);
}

void
schedule_forget(struct schedule *schedule, struct queue_entry *entry)
{
	schedule_ended(schedule, entry);
	schedule_take(schedule, entry, ENTRY_IDLE);
	schedule_bind(schedule, entry, SPAN_NULL);
}

void
schedule_ended(struct schedule *schedule, struct queue_entry *entry)
{
	if (!entry->taken)
		return;
	entry->taken = false;
	entry->destination->taken--;
	put_in_place(schedule, entry->destination);
}

/* Into the destination's row: senders take turns, each counted from where the row stands, so that whoever sends ten thousand
 * messages lets others pass; what has a higher priority comes before all that. */
static void
line_up(struct schedule *schedule, struct queue_entry *entry)
{
	struct destination *destination = entry->destination;
	int64_t *mine, turn;

	if (destination->sender_turns == NULL)
		destination->sender_turns = xcalloc(SENDER_TURNS, sizeof(*destination->sender_turns));
	mine = &destination->sender_turns[entry->sender % SENDER_TURNS];
	turn = *mine >= destination->turn ? *mine + 1 : destination->turn;
	*mine = turn;
	schedule_take(schedule, entry, ENTRY_READY);
	heap_put(&destination->row, &entry->item, (ENVELOPE_PRIORITY_MAX - entry->priority) * PRIORITY_STEP + turn);
	put_in_place(schedule, destination);
}

/* Moves what is due to where it goes; one that needs no destination, or whose sender is to be told something, is returned. */
static struct queue_entry *
take_due(struct schedule *schedule, int64_t now)
{
	struct heap_item *first;

	for (unsigned moved = 0; moved < MOVES_MAX && (first = heap_first(&schedule->waiting)) != NULL && first->key <= now; moved++) {
		struct queue_entry *entry = entry_of(first);

		bool down = entry->destination != NULL && schedule_is_down(entry->destination, now);

		if (entry->destination == NULL || (down && entry->tell <= now)) {
			schedule_take(schedule, entry, ENTRY_ACTIVE);
			return entry;
		}
		if (down && entry->tell < entry->destination->until)
			schedule_at(schedule, entry, entry->tell);
		else
			line_up(schedule, entry);
	}
	return NULL;
}

static struct queue_entry *
take_ready(struct schedule *schedule)
{
	struct destination *destination = TAILQ_FIRST(&schedule->ready);
	struct queue_entry *entry;

	if (destination == NULL)
		return NULL;
	/* The others come first from now on. */
	TAILQ_REMOVE(&schedule->ready, destination, ready);
	TAILQ_INSERT_TAIL(&schedule->ready, destination, ready);
	entry = entry_of(heap_first(&destination->row));
	if (entry->item.key % PRIORITY_STEP > destination->turn)
		destination->turn = entry->item.key % PRIORITY_STEP;
	entry->taken = true;
	destination->taken++;
	schedule_take(schedule, entry, ENTRY_ACTIVE);
	return entry;
}

struct queue_entry *
schedule_next(struct schedule *schedule, int64_t now, bool relays)
{
	struct queue_entry *entry = NULL;
	struct heap_item *first;

	schedule->relays_first = relays && !schedule->relays_first;
	if (schedule->relays_first)
		entry = take_ready(schedule);
	if (entry == NULL)
		entry = take_due(schedule, now);
	if (entry != NULL || !relays)
		return entry;
	while ((first = heap_first(&schedule->pauses)) != NULL && first->key <= now) {
		struct destination *destination = pausing(first);

		destination->until = 0;
		put_in_place(schedule, destination);
	}
	return take_ready(schedule);
}

int64_t
schedule_when(const struct schedule *schedule, bool relays)
{
	const struct heap_item *waiting = heap_first(&schedule->waiting), *pause = heap_first(&schedule->pauses);
	int64_t when = waiting != NULL ? waiting->key : INT64_MAX;

	if (!relays)
		return when;
	if (!TAILQ_EMPTY(&schedule->ready))
		return INT64_MIN;
	return pause != NULL && pause->key < when ? pause->key : when;
}

/* Before its time: should it still be down, the pause is not longer than it would have been. */
void
schedule_look_again(struct schedule *schedule, struct destination *destination)
{
	if (destination->until != 0 && destination->times_down != 0)
		destination->times_down--;
	destination->until = 0;
	put_in_place(schedule, destination);
}

void
schedule_hurry(struct schedule *schedule, struct queue_entry *entry, int64_t now)
{
	if (entry->destination != NULL)
		schedule_look_again(schedule, entry->destination);
	if (entry->state != ENTRY_READY)
		schedule_at(schedule, entry, now);
}

void
schedule_hurry_all(struct schedule *schedule, int64_t now)
{
	heap_cut(&schedule->waiting, now);
	for (size_t i = 0; i < schedule->buckets; i++)
		for (struct destination *destination = schedule->by_name[i]; destination != NULL; destination = destination->next_by_name)
			schedule_look_again(schedule, destination);
}

void
schedule_set_back(struct schedule *schedule, int64_t now)
{
	int64_t most = now + schedule->limits.pause_max;

	heap_cut(&schedule->waiting, most);
	heap_cut(&schedule->pauses, most); /* as `until`, which is their key */
	for (size_t i = 0; i < schedule->buckets; i++)
		for (struct destination *destination = schedule->by_name[i]; destination != NULL; destination = destination->next_by_name)
			if (destination->until > most)
				destination->until = most;
}

/* --- the whole --- */

struct schedule *
schedule_new(uint64_t seed)
{
	struct schedule *schedule = xcalloc(1, sizeof(*schedule));

	schedule->seed = seed | 1;
	schedule->buckets = BUCKETS_FIRST;
	schedule->by_name = xcalloc(schedule->buckets, sizeof(struct destination *));
	TAILQ_INIT(&schedule->ready);
	TAILQ_INIT(&schedule->unused);
	return schedule;
}

void
schedule_set_limits(struct schedule *schedule, const struct schedule_limits *limits)
{
	schedule->limits = *limits;
	if (schedule->limits.window_first > limits->window_max)
		schedule->limits.window_first = limits->window_max;
	for (size_t i = 0; i < schedule->buckets; i++)
		for (struct destination *destination = schedule->by_name[i]; destination != NULL; destination = destination->next_by_name)
			if (destination->window > limits->window_max * SCHEDULE_SCALE)
				destination->window = limits->window_max * SCHEDULE_SCALE;
}

struct schedule *
schedule_free(struct schedule *schedule)
{
	for (size_t i = 0; i < schedule->buckets; i++)
		while (schedule->by_name[i] != NULL)
			forget(schedule, schedule->by_name[i]);
	free(schedule->by_name);
	heap_free(&schedule->waiting);
	heap_free(&schedule->pauses);
	free(schedule);
	return NULL;
}
