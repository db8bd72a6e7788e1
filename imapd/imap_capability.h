/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What imapd says it can do, before login and after. Pure. */
#ifndef IMAPD_IMAP_CAPABILITY_H
#define IMAPD_IMAP_CAPABILITY_H

#include <stdint.h>

#include "common/buf.h"
#include "frame/login.h"

/* True when a password is taken on this connection (else LOGINDISABLED, RFC 3501 section 6.2.3). */
bool imap_login_allowed(const struct login_facts *facts);
/* Appends "IMAP4rev1 ...", without "CAPABILITY" and line end. */
void imap_capability_before(const struct login_facts *facts, struct buf *out);
void imap_capability_after(uint64_t message_size_max, struct buf *out);

/* Appends the answer to ID (RFC 2971): the server's name and nothing a stranger could use. */
void imap_id_answer(struct buf *out);

#endif
