/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The message of an APPEND on its way from the client to the store, piece by piece. */
#ifndef IMAPD_SESSION_APPEND_H
#define IMAPD_SESSION_APPEND_H

#include "imapd/session.h"

/* A message of so many bytes is announced; its command is about to run. */
struct session_append *session_append_new(uint64_t size, bool sync);
/* The command ran: the message is awaited when it was accepted, passed over when not. */
void session_append_started(struct session *session);
/* Takes a piece of it, or the end of its command. True when something was taken. */
bool session_append_input(struct session *session, struct span input);
/* Forgets a message that is not whole. */
void session_append_drop(struct session *session);

#endif
