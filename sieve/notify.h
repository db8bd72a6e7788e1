/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Notifications by mail (RFC 5435, RFC 5436): whether one may be sent, and the message it is. Pure. */
#ifndef SIEVE_NOTIFY_H
#define SIEVE_NOTIFY_H

#include "common/buf.h"
#include "sieve/sieve.h"

/* Recipients of one notification. */
#define NOTIFY_RECIPIENTS_MAX 5

/* A mailto: URI (RFC 6068) with at least one recipient, and not too many. */
bool notify_is_valid(struct span uri);

/* Calls each once with an address that it goes to; borrowed for the call. */
void notify_recipients(struct span uri, void (*each)(void *context, struct span address), void *context);

/* A message that was made by a machine is not notified of, so that notifications cannot go round in circles (RFC 5436 section
 * 2.7.1). NULL, or the reason. */
const char *notify_forbidden(const struct sieve_host *host);

/* Appends the whole message. edited: the header as the script had edited it by then (RFC 5293 section 7), or empty; owner: the account's
 * address; host_name: what stands after the @ of its Message-ID. 0, -EINVAL (it cannot be written), -EMSGSIZE: it is none then. */
int notify_compose(const struct sieve_action *action, const struct sieve_host *host, struct span edited, struct span owner, struct span host_name,
    const uint8_t random[static 16], struct buf *out);

#endif
