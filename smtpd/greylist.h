/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Greylisting (RFC 6647): who sends from a network, as a sender, to a recipient for the first time is asked to come again, which senders
 * of spam seldom do. A network whose mail came again often enough is allowed. Pure. */
#ifndef SMTPD_GREYLIST_H
#define SMTPD_GREYLIST_H

#include "smtpd/ledger.h"

struct greylist_settings {
	int64_t delay;    /* seconds before it may come again */
	int64_t window;   /* after the first try it must come again within this time */
	int64_t lifetime; /* what passed is remembered so long after its last use */
	uint32_t passes;  /* so many triplets of a network that passed allow it; 0: none is allowed so */
};

/* Slots of the ledger that have changed. */
struct greylist_changes {
	struct ledger_slot *slot[2];
	size_t count;
};

/* now: seconds since 1970. Returns how long the client is to stay away; 0: it may pass. */
int64_t greylist_ask(struct ledger *ledger, const struct greylist_settings *settings, struct span client, struct span sender,
    struct span recipient, int64_t now, struct greylist_changes *ret_changes);

#endif
