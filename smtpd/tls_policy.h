/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The operator's word on TLS with single destinations, as smtpd.conf(5) writes it in tls_policies. Pure; everything is borrowed. */
#ifndef SMTPD_TLS_POLICY_H
#define SMTPD_TLS_POLICY_H

#include "common/conf.h"
#include "common/span.h"

enum tls_level {
	TLS_LEVEL_AUTO,    /* what the destination itself demands: DANE, MTA-STS, or nothing */
	TLS_LEVEL_NONE,    /* no TLS */
	TLS_LEVEL_MAY,     /* where it is offered, with anybody, whatever the destination demands */
	TLS_LEVEL_ENCRYPT, /* with anybody */
	TLS_LEVEL_VERIFY,  /* with hosts of certain names and valid certificates */
	TLS_LEVEL_DANE,    /* with hosts that have TLSA records, and fit them */
	TLS_LEVEL_FINGERPRINT, /* with hosts of certain certificates or keys, whoever signed them */
};

struct tls_policy {
	enum tls_level level;
	struct span names; /* of VERIFY: patterns for the hosts, as MTA-STS has them, between blanks; empty: the domain and what is below it */
	struct span fingerprints; /* of FINGERPRINT: between blanks, for tls_policy_fingerprint */
};

/* SHA-256. */
#define TLS_FINGERPRINT_SIZE 32
#define TLS_FINGERPRINTS_MAX 8

const char *tls_level_name(enum tls_level level);
/* "whom level name ...". 0, or -EINVAL with *ret_fault saying what is wrong. */
int tls_policy_parse(struct span text, struct span *ret_whom, struct tls_policy *ret_policy, const char **ret_fault);
/* The first that fits the domain, in any form, of policies in that of route_canonicalise; TLS_LEVEL_AUTO without one. */
struct tls_policy tls_policy_find(const struct conf_list *policies, struct span domain);
/* Of FINGERPRINT: takes the next of *rest, which begins as policy->fingerprints. False when none is left. */
bool tls_policy_fingerprint(struct span *rest, uint8_t ret_digest[static TLS_FINGERPRINT_SIZE]);
/* Of VERIFY: does the policy, found for that domain, name the host? */
bool tls_policy_names(const struct tls_policy *policy, struct span domain, struct span host);

#endif
