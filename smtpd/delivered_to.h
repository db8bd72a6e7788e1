/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Delivered-To (RFC 9228): by this field a message is known when it comes back. */
#ifndef SMTPD_DELIVERED_TO_H
#define SMTPD_DELIVERED_TO_H

#include <stdint.h>

#include "common/span.h"

/* No other outcome of a delivery: neither one of the store's (MS_E_*) nor an errno, for its ELOOP is of files. */
#define DELIVERED_BEFORE 1000

/* Looks whether the message of an open file, so long and at that place, was delivered to that address before. 0, DELIVERED_BEFORE, or
 * -errno. */
int delivered_to_check(int fd, uint64_t offset, uint64_t length, struct span address);

#endif
