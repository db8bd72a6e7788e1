/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The Authenticated Received Chain of a message (RFC 8617): its sets of three header fields, its structure, and its status. Pure. */
#ifndef SMTPD_ARC_CHAIN_H
#define SMTPD_ARC_CHAIN_H

#include "smtpd/dkim_check.h"

/* One ARC Set. Fields are borrowed from the struct dkim_fields. */
struct arc_set {
	const struct header_field *results; /* ARC-Authentication-Results */
	const struct header_field *message; /* ARC-Message-Signature */
	const struct header_field *seal;    /* ARC-Seal */
	struct dkim_check check;            /* of the seal */
};

struct arc_chain {
	enum arc_status status; /* final once all checks are */
	const char *reason;     /* of ARC_FAIL */
	size_t count;           /* sets; instance n is sets[n - 1] */
	struct arc_set *sets;   /* ARC_INSTANCE_MAX of them; NULL without a field of ARC */
	struct dkim_check message; /* of the newest message signature */
	unsigned highest;       /* the highest instance that was seen, for a sealer */
	bool closed;            /* the newest seal says that the chain is broken: nobody goes on from there */
};

/* Collects and checks the structure (section 5.2, steps 1 to 3), and hashes. With status ARC_PASS so far, the owner gives keys to the
 * checks of all seals, key and body to that of the message, and calls arc_chain_conclude; checks that are not done then count only once the chain is broken without them. Freed with arc_chain_free. */
void arc_chain_begin(struct arc_chain *chain, const struct dkim_fields *fields, int64_t now);
void arc_chain_conclude(struct arc_chain *chain);
/* A check has failed by now, so that the others cannot make it whole. */
bool arc_chain_is_broken(const struct arc_chain *chain);
/* It would hold, were it not for keys that the DNS gave no answer for, perhaps for want of our own room. */
bool arc_chain_is_unanswered(const struct arc_chain *chain);
void arc_chain_free(struct arc_chain *chain);

/* "none", "pass", "fail". */
const char *arc_status_name(enum arc_status status);
/* The payload of ARC-Authentication-Results behind "i=N;". False when it does not begin so. */
bool arc_results_payload(struct span value, unsigned *ret_instance, struct span *ret_payload);
/* What a seal signs: the fields of so many sets from the first on, of the last without its seal, then that seal's field without
 * `raw`. */
void arc_seal_digest(const struct arc_set *sets, size_t count, struct span own, struct span raw,
    uint8_t ret_digest[static DKIM_DIGEST_SIZE]);

#endif
