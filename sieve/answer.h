/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What vacation and notify share: in whose name they write, and to whom. Pure. */
#ifndef SIEVE_ANSWER_H
#define SIEVE_ANSWER_H

#include "sieve/sieve.h"

/* What an address is to the owner of the script: his account, whom the message was sent to (an alias, or all of a domain), the account
 * with a detail where nobody can be asked, else what host->own says. In any case of letters, and any form of the
 * domain. */
enum sieve_own answer_own(const struct sieve_host *host, struct span owner, struct span address);

/* The value of From: what :from has, where the owner of the script may write as all that it names; else the owner (RFC 5230 section
 * 4.3). Borrowed from the action or the owner. */
struct span answer_from(const struct sieve_action *action, const struct sieve_host *host, struct span owner);

/* True when one of the fields Auto-Submitted of a header says that a machine made the message (RFC 3834 section 5): then nothing answers it. */
bool answer_is_automatic(struct span block);

/* Appends a field with addresses as people have written them: what of their names is not ASCII becomes encoded words, so that only an address
 * itself may be UTF-8 there. 0; -EINVAL (not all are addresses) and -EMSGSIZE, when nothing is added. */
int answer_put_addresses(struct buf *out, struct span name, struct span value);
/* Appends From: as answer_from, or, where that cannot be written, the owner. The same results. */
int answer_put_from(struct buf *out, const struct sieve_action *action, const struct sieve_host *host, struct span owner);

#endif
