/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Writing Authentication-Results (RFC 8601). Pure. */
#ifndef SMTPD_AUTH_RESULTS_PUT_H
#define SMTPD_AUTH_RESULTS_PUT_H

#include "smtpd/verify_state.h"

/* Signatures that are listed, where they have room: the others are checked, and only counted. */
#define AUTH_RESULTS_SIGNATURES_MAX 5
/* The longest field. */
#define AUTH_RESULTS_FIELD_MAX 2560

/* Appends the field with the results of a verification that is done: this host's name, then each method on lines of its own. What
 * others chose stands there as tokens or quoted strings, addresses and domains whole. 0 or -EMSGSIZE. */
int auth_results_put(const struct verification *verification, const char *hostname, const char *sender, struct buf *out);

#endif
