/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* An account's INBOX as POP3 sees it: locked, and fixed at the moment it is opened (RFC 1939
 * section 4). */
#ifndef POP3D_MAILDROP_H
#define POP3D_MAILDROP_H

#include "pop3d/pop3_state.h"

struct maildrop;

/* Opens the INBOX of the account in that folder and locks it against other POP3 sessions (not
 * against IMAP or delivery). Fills state's messages, count and uidvalidity; they belong to the
 * maildrop. 0, MS_E_LOCKED when another session has it, or what the store returned. */
int maildrop_open(const char *account_dir, struct maildrop **ret_drop, struct pop3_state *state);
struct maildrop *maildrop_close(struct maildrop *drop);

/* The text of a message: a descriptor for reading, the caller's. 0, MS_E_NOTFOUND when another
 * program has removed it, or what the store returned. */
int maildrop_open_message(struct maildrop *drop, const struct pop3_message *message, int *ret_fd);
/* The UPDATE state: marks what was retrieved as seen, and removes what is marked for it, all or
 * nothing: *ret_removed tells how many. 0, or what the store returned. */
int maildrop_update(struct maildrop *drop, const struct pop3_state *state, size_t *ret_removed);

#endif
