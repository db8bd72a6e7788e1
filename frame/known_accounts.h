/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Whose account the addresses are that were asked about last, as it was at one edition of the accounts. Pure. */
#ifndef FRAME_KNOWN_ACCOUNTS_H
#define FRAME_KNOWN_ACCOUNTS_H

#include <stdint.h>

#include "common/span.h"

struct known_accounts;

/* seed: random, so that nobody can choose addresses that push others out. */
struct known_accounts *known_accounts_new(uint64_t seed);
struct known_accounts *known_accounts_free(struct known_accounts *known);

/* That address is that account's; copies are kept, in the place of whatever stood there. Of another edition than before, all before is
 * forgotten. */
void known_accounts_add(struct known_accounts *known, uint64_t edition, struct span address, struct span account);
/* The account, borrowed until the next call; or NULL, as it always is for another edition than the last. */
const char *known_accounts_find(const struct known_accounts *known, uint64_t edition, struct span address);

#endif
