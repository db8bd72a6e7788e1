/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* An account's INBOX as POP3 sees it: locked, and fixed at the moment it is opened (RFC 1939 section 4). */
#ifndef POP3D_MAILDROP_H
#define POP3D_MAILDROP_H

#include "pop3d/pop3_state.h"

struct maildrop;

/* Opens the INBOX of the account in that folder and locks it against other POP3 sessions (not against IMAP or delivery).
 * Fills state's messages, count and uidvalidity; they belong to the maildrop. 0, MAILDROP_BUSY, or -errno. */
enum { MAILDROP_BUSY = 1, MAILDROP_GONE = 2 };
int maildrop_open(const char *account_dir, struct maildrop **ret_drop, struct pop3_state *state);
struct maildrop *maildrop_close(struct maildrop *drop);

/* The text of a message: a descriptor for reading, the caller's. 0, MAILDROP_GONE (another program has removed it), -errno. */
int maildrop_open_message(struct maildrop *drop, const struct pop3_message *message, int *ret_fd);
/* The UPDATE state: removes what is marked, and marks what was retrieved as seen. Returns how many are removed, or were gone
 * already. */
size_t maildrop_update(struct maildrop *drop, const struct pop3_state *state);

#endif
