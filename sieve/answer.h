/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What vacation and notify share: in whose name they write. Pure. */
#ifndef SIEVE_ANSWER_H
#define SIEVE_ANSWER_H

#include "sieve/sieve.h"

/* What an address is to the owner of the script: his account, whom the message was sent to (an alias, or all of a domain), the account
 * with a detail where nobody can be asked, else what host->own says. In any case of letters. */
enum sieve_own answer_own(const struct sieve_host *host, struct span owner, struct span address);

/* The value of From: what :from has, where the owner of the script may write as all that it names; else the owner (RFC 5230 section
 * 4.3). Borrowed from the action or the owner. */
struct span answer_from(const struct sieve_action *action, const struct sieve_host *host, struct span owner);

#endif
