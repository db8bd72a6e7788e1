/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
#include "smtpd/queue_age.h"

/* It may be of any age: it is from a time that the clock, which is not set yet, has not come to. */
#define UNKNOWN INT64_MIN

int64_t
age_born(int64_t created, int64_t now, int64_t uptime)
{
	if (created > now && now < AGE_EPOCH)
		return UNKNOWN;
	return created > now || (created < AGE_EPOCH && now >= AGE_EPOCH) ? uptime : uptime - (now - created);
}

bool
age_right(struct envelope *envelope, int64_t born, int64_t now, int64_t uptime)
{
	int64_t by_clock = now - envelope->created, age = born == UNKNOWN ? 0 : uptime - born, moved = by_clock - age;

	if (now < AGE_EPOCH || (by_clock >= -AGE_SLACK && (born == UNKNOWN || moved <= AGE_SLACK)))
		return false;
	envelope->created += moved;
	if (envelope->by != ENVELOPE_BY_NONE)
		envelope->deliver_by = envelope->deliver_by > -moved ? envelope->deliver_by + moved : 0;
	return true;
}
