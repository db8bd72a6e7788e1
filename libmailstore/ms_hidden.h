/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A message on its way into new/. Its bytes and its place there are waited for at once, not one after the other: so it stands there before the
 * disk has it, under a name that begins with a dot, which readers of a Maildir pass over, and loses that when it has. The name ends with a
 * sum of what it is to contain: when power or process failed before it had its own, the sum tells whether it is whole. Whole it may
 * have been promised, and is a message; otherwise it was not, and goes. */
#ifndef LIBMAILSTORE_MS_HIDDEN_H
#define LIBMAILSTORE_MS_HIDDEN_H

#include "libmailstore/ms_listing.h"

/* Appends the name under which a message waits whose name in new/ and whose bytes those are. 0 or -EMSGSIZE. */
int ms_hidden_name(struct span name, struct span bytes, struct buf *out);
/* False for what is no such name. ret_name, the message's own, is borrowed from hidden. */
bool ms_hidden_parse(struct span hidden, struct span *ret_name, uint32_t *ret_sum);
/* Whether it is such a name. */
bool ms_hidden_is(const char *name);
/* Under the account's lock, when nobody puts anything there: gives those that are whole their names, on stable storage but for the names, and
 * removes the others, and those whose message the listing has. *ret_renamed: set when there was one to be named; the folder is to be read
 * again. One that cannot be read, or is no file, stays. 0 or -errno. */
int ms_hidden_settle(int folder_fd, struct ms_listing *listing, bool *ret_renamed);

#endif
