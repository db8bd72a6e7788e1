/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Mailboxes as JMAP objects. */
#ifndef WEBMAILD_JMAP_MAILBOX_H
#define WEBMAILD_JMAP_MAILBOX_H

#include "webmaild/jmap_methods.h"

/* NULL / MS_USE_NONE when there is none. Of several mailboxes with one use, as another program's copy of a folder makes them, the first has
 * the role: no two may (RFC 8621 section 2). */
const char *jmap_role_of(struct jmap *jmap, const struct jmap_mailbox *mailbox);
enum ms_use jmap_use_of_role(struct span role);

/* The last part of its name. Borrowed. */
struct span jmap_mailbox_leaf(const struct jmap_mailbox *mailbox);
struct jmap_mailbox *jmap_mailbox_parent(struct jmap *jmap, const struct jmap_mailbox *mailbox);
/* Every property; the counts as of the last jmap_count. */
json_t *jmap_mailbox_object(struct jmap *jmap, const struct jmap_mailbox *mailbox);

#endif
