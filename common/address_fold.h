/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The one form of an address by which accounts and aliases are found: RFC 5321 section 2.4 leaves the case of local parts to their host, and
 * everybody expects it to mean nothing; beyond ASCII a name has many spellings, which RFC 8265 makes one (UsernameCaseMapped). Pure. */
#ifndef COMMON_ADDRESS_FOLD_H
#define COMMON_ADDRESS_FOLD_H

#include "common/buf.h"

/* What a text of that length may become at most: lower case is longer than upper case for a few characters, and so are A-labels. */
#define ADDRESS_FOLD_ROOM(len) (3 * (len) + 256)

/* Appends the content of a local part, without quotes, in lower case; where it is not ASCII also without widths, and composed (NFC).
 * 0, -EINVAL (no UTF-8), -EMSGSIZE. */
int local_part_fold(struct span content, struct buf *out);
/* The same for local-part@domain, or a local part alone; the domain as by address_domain_canonical, or, where it is none, in lower case as
 * far as it is ASCII. */
int address_fold(struct span address, struct buf *out);
/* May the folded content be an account's name, and so a folder's? ASCII letters, digits, '.', '-', '_', and what RFC 8264 has for
 * identifiers beyond (letters, digits, marks; no joiners, which need context), in an order that has one direction (RFC 5893 section 2). */
bool local_part_is_account(struct span folded);

#endif
