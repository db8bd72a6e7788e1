/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The mailboxes of an email change. Others may remove any of its places meanwhile: nothing that is left of it goes before it stands
 * where it is wanted. Results are 0, an enum ms_result, or -errno; the caller syncs afterwards. */
#ifndef WEBMAILD_JMAP_PLACES_H
#define WEBMAILD_JMAP_PLACES_H

#include "webmaild/jmap_store.h"

/* Moves, copies and removes until the email is in exactly these mailboxes. MS_E_NOTFOUND: others have removed it so far that it cannot
 * be; what they left stays. */
int jmap_places_set(const struct jmap_email *email, struct jmap_mailbox *const *wanted, size_t count);
/* Copies an email that was just made into these mailboxes too: all of them, or it is removed everywhere. */
int jmap_places_add(const struct jmap_email *email, struct jmap_mailbox *const *wanted, size_t count);
/* Removes it everywhere. */
int jmap_places_clear(const struct jmap_email *email);

#endif
