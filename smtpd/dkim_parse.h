/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What stands in a DKIM-Signature field and in a key record (RFC 6376 sections 3.2, 3.5 and 3.6.1, RFC 8301, RFC 8463, RFC 8616), and
 * in the two fields of ARC that are made like it (RFC 8617 section 4.1). Pure. */
#ifndef SMTPD_DKIM_PARSE_H
#define SMTPD_DKIM_PARSE_H

#include "common/buf.h"

#define DKIM_TAGS_MAX 40
#define DKIM_DIGEST_SIZE 32       /* SHA-256: the one hash there is since RFC 8301 */
#define DKIM_SIGNATURE_MAX 1024   /* bytes: RSA of 8192 bits */
#define DKIM_KEY_MAX 2048         /* bytes of a public key */
#define DKIM_NAMES_MAX 256        /* header fields that one signature may name */
#define DKIM_NAME_MAX 253         /* of a domain */
#define ARC_INSTANCE_MAX 50       /* RFC 8617 section 4.2.1 */

/* --- tag lists --- */

struct dkim_tag {
	struct span name;
	struct span value; /* without white space at both ends */
	struct span raw;   /* all between "=" and ";" */
};

struct dkim_tags {
	struct dkim_tag items[DKIM_TAGS_MAX];
	size_t count;
};

/* Reads a tag-list (RFC 6376 section 3.2; UTF-8 in values by RFC 8616). The spans are borrowed from text. 0, or -EINVAL (syntax, a
 * name twice, too many). */
int dkim_tags_parse(struct span text, struct dkim_tags *ret_tags);
/* The tag of that name (case counts), or NULL. */
const struct dkim_tag *dkim_tags_get(const struct dkim_tags *tags, struct span name);

/* --- signatures --- */

enum dkim_kind {
	DKIM_SIGNATURE,   /* DKIM-Signature */
	DKIM_ARC_MESSAGE, /* ARC-Message-Signature */
	DKIM_ARC_SEAL,    /* ARC-Seal: signs header fields of ARC alone */
};

enum dkim_algorithm { DKIM_RSA_SHA256, DKIM_ED25519_SHA256 };
enum dkim_canon { DKIM_SIMPLE, DKIM_RELAXED };
/* What a seal says of the chain before it (RFC 8617 section 4.4). */
enum arc_status { ARC_NONE, ARC_PASS, ARC_FAIL };

/* Spans are borrowed from the field. */
struct dkim_signature {
	enum dkim_kind kind;
	enum dkim_algorithm algorithm;
	enum dkim_canon header_canon, body_canon;
	enum arc_status chain; /* of a seal */
	unsigned instance;     /* of ARC */
	bool has_length, has_time, has_expiry;
	uint64_t length;       /* l= */
	int64_t time, expiry;  /* t=, x= */
	struct span domain;    /* d=, as written */
	struct span selector;  /* s= */
	struct span identity;  /* i=, as written; empty: "@" and the domain */
	struct span names;     /* h= */
	bool covers_from;      /* they have From among them */
	struct span raw;       /* the value of b= as it stands, which is left out of what is signed */
	struct span encoded;   /* b= */
	uint8_t body_digest[DKIM_DIGEST_SIZE]; /* bh= */
};

/* Reads the value of a field. 0; or -EINVAL, and *ret_fault says for the log and for Authentication-Results what is wrong: then domain
 * and selector may still be set. Nothing here depends on the time. */
int dkim_signature_parse(enum dkim_kind kind, struct span value, struct dkim_signature *ret_signature, const char **ret_fault);
/* The next name of h=, without white space; one may be empty. False at the end. */
bool dkim_next_name(struct span *names, struct span *ret_name);
/* Appends the bytes of b= or p=: base64 with white space between. 0, -EINVAL (also for none), or -EMSGSIZE. */
int dkim_base64(struct span text, struct buf *out);
/* Appends the domain name where the key stands: selector, "._domainkey.", domain, as A-labels in lower case. 0 or -EINVAL. */
int dkim_key_name(struct span selector, struct span domain, struct buf *out);
/* True when the name is the domain or one below it. */
bool dkim_is_below(struct span name, struct span domain);

/* --- key records --- */

enum dkim_key_type { DKIM_KEY_RSA, DKIM_KEY_ED25519, DKIM_KEY_OTHER };

struct dkim_key_record {
	enum dkim_key_type type;
	bool testing; /* t=y */
	bool strict;  /* t=s: i= must have the domain of d= itself */
	bool sha256;  /* h= is not there, or names it */
	bool email;   /* s= is not there, or names mail */
	bool revoked; /* p= is empty */
	struct span key; /* p=, borrowed */
};

/* Reads the text of a TXT record. 0, or -EINVAL: it is no key record. */
int dkim_key_record_parse(struct span text, struct dkim_key_record *ret_record);

#endif
