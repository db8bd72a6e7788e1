/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Making signatures (RFC 6376 section 5) and ARC Sets (RFC 8617 section 5.1). The message streams by; at its end the digests that are to
 * be signed come out, and signatures are put in: the private keys may be in another process. Pure. */
#ifndef SMTPD_DKIM_SIGN_H
#define SMTPD_DKIM_SIGN_H

#include "smtpd/arc_chain.h"

/* What one signature is made with. Texts are borrowed. */
struct dkim_signing {
	enum dkim_algorithm algorithm;
	struct span domain, selector;
	int64_t time;     /* seconds since 1970 */
	int64_t lifetime; /* x= is so much later; 0: no x= */
};

/* A message whose body is hashed relaxed, and whose header is kept. */
struct dkim_signer;
struct dkim_signer *dkim_signer_new(void);
void dkim_signer_free(struct dkim_signer *signer);
/* Bytes of the message as it will go out, lines ended by CRLF. */
void dkim_signer_feed(struct dkim_signer *signer, struct span bytes);
/* The message is whole. False when it cannot be signed: its header is too big or has no From. */
bool dkim_signer_end(struct dkim_signer *signer);
/* The fields that are there; borrowed. */
const struct dkim_fields *dkim_signer_fields(const struct dkim_signer *signer);

/* A field that is not complete before its signature is. */
struct dkim_draft {
	struct buf text; /* the field up to and with "b=" */
	struct buf rest; /* what follows the signature */
	uint8_t digest[DKIM_DIGEST_SIZE]; /* to be signed */
};

void dkim_draft_free(struct dkim_draft *draft);
/* Puts the signature's bytes in; then draft->text is the whole field with its CRLF. 0 or -EMSGSIZE. */
int dkim_draft_finish(struct dkim_draft *draft, struct span signature);

/* After dkim_signer_end: a DKIM-Signature over the fields that a reader sees, each named once more than it is there, so that none can
 * be added. Any number of them, independent of each other. */
void dkim_sign(const struct dkim_signer *signer, const struct dkim_signing *signing, struct dkim_draft *ret_draft);

/* --- ARC: three fields, in this order; instance and status are of the chain that came --- */

/* False when nobody may go on from there (section 5.1, step 2; or 50 sets). */
bool arc_may_seal(const struct arc_chain *chain);
/* The ARC-Authentication-Results field; payload is the text of Authentication-Results from the authserv-id on. 0 or -EMSGSIZE. */
int arc_seal_results(const struct arc_chain *chain, struct span payload, struct buf *out);
/* The ARC-Message-Signature over `names`, or over those dkim_sign would take when it is empty. */
void arc_seal_message(const struct dkim_signer *signer, const struct arc_chain *chain, const struct dkim_signing *signing,
    struct span names, struct dkim_draft *ret_draft);
/* The ARC-Seal over the chain and the two fields made before. */
void arc_seal(const struct arc_chain *chain, const struct dkim_signing *signing, struct span results, struct span message,
    struct dkim_draft *ret_draft);

#endif
