/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* IDLE (RFC 2177): waiting for the store and for DONE. */
#ifndef IMAPD_SESSION_IDLE_H
#define IMAPD_SESSION_IDLE_H

#include "imapd/session.h"

/* Watches the selected mailbox from here on, and tells what is news now. */
void session_idle_begin(struct session *session);
/* Takes a line of the client. True when something was taken. */
bool session_idle_input(struct session *session, struct span input);
/* Stops watching. */
void session_idle_stop(struct session *session);

#endif
