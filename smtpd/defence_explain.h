/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What was thought of a stored message, in sentences, and what would be thought of it now. Pure. */
#ifndef SMTPD_DEFENCE_EXPLAIN_H
#define SMTPD_DEFENCE_EXPLAIN_H

#include "smtpd/defence_state.h"
#include "smtpd/rules.h"

#define EXPLAIN_MAX (1 << 20)
#define EXPLAIN_HELO_MAX 255

/* Who brought the message to this host, by the trace field that it wrote then. */
struct explain_client {
	char address[64];
	char helo[EXPLAIN_HELO_MAX + 1];
};
/* False when no trace field is of this host. */
bool explain_client(struct span message, struct span hostname, struct explain_client *ret_client);

/* Appends lines: the score that the message bears, item by item; its trace, and what the site's rules (NULL: there are none) say now.
 * now: NULL, or the client as the DNS knows it now. */
void explain_put(struct span message, const struct defence_settings *settings, unsigned hops_max, const struct rules *rules,
    const struct defence *now, struct buf *out);

#endif
