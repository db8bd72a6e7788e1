/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Long work in pieces, between which the loop sees to everything else. */
#ifndef COMMON_NEXT_TURN_H
#define COMMON_NEXT_TURN_H

#include <event2/event.h>

/* Has the event's callback run in the next turn of the loop, behind what descriptors have to say until then. event_active(3) from within a
 * callback has it run in the same turn: work that calls itself so keeps the loop from all else until it is done. */
static inline void
next_turn(struct event *event)
{
	const struct timeval at_once = { 0, 0 };

	(void)event_add(event, &at_once);
}

#endif
