/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Triplets and networks in a ledger. */
#include "smtpd/greylist.h"

/* `state` of a slot, in the order in which they make room: of a triplet; of a network that came again, but not often enough; and of one that is
 * allowed. So whoever brings mail from many networks, for anybody and in anybody's name, pushes out his own. */
enum { WAITS = 1, PASSED = 2, CAME_AGAIN = 3, ALLOWED = 0 };

static void
changed(struct greylist_changes *changes, struct ledger_slot *slot)
{
	changes->slot[changes->count++] = slot;
}

/* The network is allowed: true. */
static bool
is_allowed(struct ledger *ledger, const struct greylist_settings *settings, uint64_t key, int64_t now, struct greylist_changes *changes)
{
	const struct ledger_slot *found = ledger_find(ledger, key);

	if (found == NULL || settings->passes == 0 || found->count < settings->passes || now - found->last > settings->lifetime)
		return false;
	changed(changes, ledger_take(ledger, key, now));
	return true;
}

static void
count_pass(struct ledger *ledger, const struct greylist_settings *settings, uint64_t key, int64_t now, struct greylist_changes *changes)
{
	const struct ledger_slot *found = ledger_find(ledger, key);
	bool over = found != NULL && now - found->last > settings->lifetime;
	struct ledger_slot *slot = ledger_take(ledger, key, now);

	if (over)
		slot->count = 0;
	if (slot->count < UINT32_MAX)
		slot->count++;
	slot->state = settings->passes != 0 && slot->count >= settings->passes ? ALLOWED : CAME_AGAIN;
	changed(changes, slot);
}

/* What is remembered of the triplet counts no more. */
static bool
is_over(const struct ledger_slot *slot, const struct greylist_settings *settings, int64_t now)
{
	if (slot->since > now) /* a clock that was set back */
		return true;
	return slot->state == PASSED ? now - slot->last > settings->lifetime : now - slot->since > settings->window;
}

int64_t
greylist_ask(struct ledger *ledger, const struct greylist_settings *settings, struct span client, struct span sender,
    struct span recipient, int64_t now, struct greylist_changes *ret_changes)
{
	uint8_t bytes[16];
	struct span network = ledger_network(client, bytes);
	uint64_t network_key = ledger_key_bytes(ledger, 'n', network);
	uint64_t key = ledger_key_and_text(ledger, ledger_key_and_text(ledger, ledger_key_bytes(ledger, 't', network), sender), recipient);
	struct ledger_slot *slot = ledger_find(ledger, key);

	*ret_changes = (struct greylist_changes){ .count = 0 };
	if (is_allowed(ledger, settings, network_key, now, ret_changes))
		return 0;
	if (slot == NULL || is_over(slot, settings, now)) {
		slot = ledger_take(ledger, key, now);
		slot->since = now;
		slot->state = WAITS;
		changed(ret_changes, slot);
		return settings->delay;
	}
	if (slot->state == WAITS && now - slot->since < settings->delay)
		return settings->delay - (now - slot->since);
	slot = ledger_take(ledger, key, now);
	if (slot->state == WAITS)
		count_pass(ledger, settings, network_key, now, ret_changes);
	/* The network may have needed the same row, and its place. */
	slot = ledger_take(ledger, key, now);
	slot->state = PASSED;
	changed(ret_changes, slot);
	return 0;
}
