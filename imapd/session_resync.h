/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What a client missed while it was away (RFC 7162 section 3.2). */
#ifndef IMAPD_SESSION_RESYNC_H
#define IMAPD_SESSION_RESYNC_H

#include "imapd/session.h"

/* SELECT with QRESYNC: "* VANISHED (EARLIER)" and the FETCHes of what changed. Nothing when the UIDVALIDITY is another. 0, or
 * what the store said: the client would miss something. */
int session_resync(struct session *session, const struct imap_command *command);
/* UID FETCH with VANISHED: those of the set that were expunged after modseq. As above. */
int session_put_vanished(struct session *session, uint64_t modseq, const struct imap_set *set);

#endif
