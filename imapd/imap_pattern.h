/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* LIST's wildcards (RFC 3501 section 6.3.8). Pure. */
#ifndef IMAPD_IMAP_PATTERN_H
#define IMAPD_IMAP_PATTERN_H

#include <stdbool.h>

#include "common/span.h"

#define IMAP_DELIMITER '/'
#define IMAP_PATTERN_MAX 2048

/* True when the whole name matches: "*" is any bytes, "%" any bytes but the delimiter. INBOX, as the first level, has no case.
 * Takes time in proportion to the product of the lengths, never more. */
bool imap_pattern_match(struct span pattern, struct span name);

#endif
