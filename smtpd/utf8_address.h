/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Addresses of type utf-8 as ORCPT and notifications write them (RFC 6533 section 3). */
#ifndef SMTPD_UTF8_ADDRESS_H
#define SMTPD_UTF8_ADDRESS_H

#include "common/buf.h"
#include "common/span.h"

/* Appends the address, which may hold "\x{HEXPOINT}" for characters: as UTF-8 with those undone, or in the form of ASCII alone
 * (utf-8-addr-xtext). Nothing that is appended is a control character; what is no UTF-8 has "?" instead. */
void utf8_address_put(struct span address, bool utf8, struct buf *out);

#endif
