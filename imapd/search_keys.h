/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* SEARCH's keys as the store searches for them. Pure. */
#ifndef IMAPD_SEARCH_KEYS_H
#define IMAPD_SEARCH_KEYS_H

#include "imapd/imap_arena.h"
#include "imapd/imap_command.h"
#include "imapd/imap_view_state.h"
#include "libmailstore/mailstore.h"

/* Turns the list of keys into the store's, in the arena. view: what numbers and "recent" mean. now: what YOUNGER and OLDER count from.
 * 0; -ERANGE when a number is beyond the last message; -ENOMEM when the arena is full. */
int search_keys_make(const struct imap_search *keys, const struct imap_view *view, int64_t now, struct imap_arena *arena,
    const struct ms_search_key **ret);

#endif
