/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* AUTH as the client says it (RFC 4954): PLAIN (RFC 4616) where it is offered, else LOGIN. Pure. */
#ifndef SMTPD_RELAY_AUTH_H
#define SMTPD_RELAY_AUTH_H

#include "smtpd/relay_parse.h"

/* The next line of the exchange, appended with CRLF: step 0 is the command, the others answer challenges (334), whose text does not
 * matter. False when there is none: the host offers neither, or asks for more than it should. */
bool relay_auth_put(const struct relay_offer *offer, unsigned step, struct span user, struct span password, struct buf *out);

#endif
