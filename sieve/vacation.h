/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Vacation responses (RFC 5230, RFC 3834): whether a message may be answered, and the answer. Pure. */
#ifndef SIEVE_VACATION_H
#define SIEVE_VACATION_H

#include "common/buf.h"
#include "sieve/sieve.h"

/* NULL: the message may be answered as far as it tells; else the reason why not. edited: the header as the script had edited it by then (RFC
 * 5293 section 7), or empty; what either forbids is forbidden. owner: the account's address, which is the user's own beside the
 * recipient's, those of the script and those that answer_own knows. */
const char *vacation_forbidden(const struct sieve_action *action, const struct sieve_host *host, struct span edited, struct span owner);

/* Appends the whole response, to the sender of the message; its subject and thread are those of the edited header. 0, -EINVAL (it cannot be
 * written), -EMSGSIZE: it is none then. */
int vacation_compose(const struct sieve_action *action, const struct sieve_host *host, struct span edited, struct span owner, struct span host_name,
    const uint8_t random[static 16], struct buf *out);

#endif
