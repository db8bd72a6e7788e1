/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* All that is signed of one message that goes out: a DKIM-Signature by each key of a domain, and for mail of others that is sent on an ARC
 * Set. Pure.
 *
 * The owner feeds the message as it goes over the wire; tells which keys the domain has that signing_domain names; gives the signatures that
 * signing_question wants; and puts signing_fields before the message. */
#ifndef SMTPD_SIGN_STATE_H
#define SMTPD_SIGN_STATE_H

#include "smtpd/dkim_sign.h"
#include "smtpd/smtpd_msg.h"

/* Keys that one message is signed with, at most. */
#define SIGNING_KEYS_MAX 8
/* Bytes of all fields, at most. */
#define SIGNING_FIELDS_MAX 65536

/* Texts are borrowed for as long as the signing is there. */
struct signing_order {
	enum sign_as as;
	struct span domain; /* of SIGN_ACCOUNT and SIGN_FORWARDER */
	bool seal;          /* SIGN_FORWARDER: with an ARC Set */
	const char *hostname; /* whose Authentication-Results are ours */
	int64_t now;        /* seconds since 1970 */
};

struct signing;

struct signing *signing_new(const struct signing_order *order);
/* NULL is allowed; returns NULL. */
struct signing *signing_free(struct signing *signing);
/* Bytes of the message, lines ended by CRLF. */
void signing_feed(struct signing *signing, struct span bytes);
/* The message is whole. False when there is nothing to sign: it has no author, or its header is too big. */
bool signing_end(struct signing *signing);

/* Whose keys are wanted: a domain in lower case, as A-labels. */
struct span signing_domain(const struct signing *signing);
/* A key that signs. The selector is copied. */
void signing_add_key(struct signing *signing, enum dkim_algorithm algorithm, struct span selector);
/* All keys are told; they are of this domain, which is copied. */
void signing_begin(struct signing *signing, struct span domain);

/* The next signature that is wanted and was not asked for yet, and the number by which it is answered. The spans stay until the end. */
bool signing_question(struct signing *signing, struct span *ret_domain, struct span *ret_selector, struct span *ret_digest, size_t *ret_number);
/* Its bytes. */
void signing_answer(struct signing *signing, size_t number, struct span signature);
/* True when nothing is awaited any more. */
bool signing_is_done(const struct signing *signing);
/* The fields to stand before the message, each with its CRLF; empty when the domain has no keys. */
struct span signing_fields(const struct signing *signing);

#endif
