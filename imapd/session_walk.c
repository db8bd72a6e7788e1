/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Going over the messages that a set names. Sequence numbers stay as they are while a job runs: EXPUNGE is told at its end. */
#include "imapd/session_walk.h"

#include <stdlib.h>

#include "imapd/session_mailbox.h"

bool
session_walk_begin(struct session *session, const struct imap_set *set, bool by_uid, struct session_walk *ret_walk)
{
	*ret_walk = (struct session_walk){ 0 };
	return imap_view_resolve(&session->selected->view, set, by_uid, &ret_walk->list) == 0;
}

uint32_t
session_walk_next(struct session_walk *walk)
{
	for (; walk->span < walk->list.count; walk->span++) {
		if (walk->seq < walk->list.span[walk->span].first)
			return walk->seq = walk->list.span[walk->span].first;
		if (walk->seq < walk->list.span[walk->span].last)
			return ++walk->seq;
	}
	return 0;
}

uint32_t
session_walk_range_end(const struct session_walk *walk)
{
	return walk->list.span[walk->span].last;
}

size_t
session_walk_uids(struct session *session, struct session_walk *walk, uint32_t *uids, size_t max)
{
	size_t count = 0;
	uint32_t seq;

	while (count < max && (seq = session_walk_next(walk)) != 0)
		uids[count++] = imap_view_uid(&session->selected->view, seq);
	return count;
}

void
session_walk_free(struct session_walk *walk)
{
	free(walk->list.span);
	walk->list.span = NULL;
}
