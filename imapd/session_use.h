/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Special uses of mailboxes (RFC 6154) and their names. */
#ifndef IMAPD_SESSION_USE_H
#define IMAPD_SESSION_USE_H

#include "common/span.h"
#include "libmailstore/mailstore.h"

/* "\Sent" and the like; NULL for a mailbox without one, and for INBOX, which has no attribute. */
const char *session_use_attribute(enum ms_use use);
/* "Sent" without the backslash, letters folded. */
bool session_use_find(struct span name, enum ms_use *ret_use);

#endif
