/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Going over the messages that a set names, a few in each step of a job. */
#ifndef IMAPD_SESSION_WALK_H
#define IMAPD_SESSION_WALK_H

#include "imapd/session.h"

struct session_walk {
	struct imap_span_list list;
	size_t span;
	uint32_t seq; /* the last one given */
};

/* What the set names now. False when a sequence number is beyond the last message. */
bool session_walk_begin(struct session *session, const struct imap_set *set, bool by_uid, struct session_walk *ret_walk);
/* The next sequence number, or 0. */
uint32_t session_walk_next(struct session_walk *walk);
/* The last sequence number of the range that the last one given stands in. */
uint32_t session_walk_range_end(const struct session_walk *walk);
/* The next UIDs, at most max, ascending; how many. */
size_t session_walk_uids(struct session *session, struct session_walk *walk, uint32_t *uids, size_t max);
void session_walk_free(struct session_walk *walk);

#endif
