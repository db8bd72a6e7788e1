/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Authentication-Results (RFC 8601): whose a field is, what ours say together. Pure. */
#ifndef SMTPD_AUTH_RESULTS_H
#define SMTPD_AUTH_RESULTS_H

#include "smtpd/dkim_hash.h"

/* Results of one message together. */
#define AUTH_RESULTS_MAX 16384

/* The authserv-id of a field's value, and what follows its ";" (or its version). False when there is none. Borrowed. */
bool auth_results_split(struct span value, struct span *ret_authserv, struct span *ret_rest);
/* True for a field that claims to be of this host: from outside it is a forgery (section 5). A field that cannot be read is taken
 * for one too: others may read it otherwise. */
bool auth_results_is_claimed(struct span value, struct span hostname);
/* True when one of the results of a payload is "method=result". Comments and versions are skipped. */
bool auth_results_has(struct span payload, struct span method, struct span result);
/* Appends this host's name and the results of all its fields, as one payload (RFC 8617 section 4.1.1). 0; -ENOENT without any, or
 * -EMSGSIZE. */
int auth_results_combine(const struct dkim_fields *fields, struct span hostname, struct buf *out);

#endif
