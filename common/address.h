/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Mailboxes and paths as SMTP has them (RFC 5321 section 4.1.2, RFC 6531), strictly; comparison
 * and canonical form. Pure. */
#ifndef COMMON_ADDRESS_H
#define COMMON_ADDRESS_H

#include "common/buf.h"

/* RFC 5321 section 4.5.3.1, in octets (RFC 6531 section 3.3 counts UTF-8 octets likewise). A local part that passes its limit is none that we
 * make; others make them, as for answers to each recipient (VERP), and are heard: no more is demanded than that everything fits. */
#define ADDRESS_LOCAL_MAX 64
#define ADDRESS_DOMAIN_MAX 255
#define ADDRESS_MAX 254 /* local-part "@" domain: a path of 256 with its angle brackets */

enum address_flag {
	ADDRESS_SMTPUTF8 = 1,   /* UTF-8 local-parts and domains (RFC 6531) */
	ADDRESS_NULL = 2,       /* "<>" is a path: MAIL FROM */
	ADDRESS_POSTMASTER = 4, /* "<postmaster>" without a domain is a path: RCPT TO (RFC 5321 section 4.1.1.3) */
};

enum address_result {
	ADDRESS_OK = 0,
	ADDRESS_SYNTAX,   /* not an address */
	ADDRESS_TOO_LONG, /* it passes one of the limits */
	ADDRESS_NEEDS_UTF8, /* an address, but only with SMTPUTF8 */
};

struct address {
	struct span mailbox; /* local-part@domain as written, without angle brackets and route; empty for the null path */
	struct span local;   /* as written, with its quotes */
	struct span domain;  /* as written; "[...]" for a literal; empty for <> and <postmaster> */
	bool quoted;         /* local is a quoted-string */
	bool literal;        /* domain is an IPv4 or IPv6 literal */
};

/* Reads Mailbox from the whole text. The result is borrowed from text and set only for
 * ADDRESS_OK. */
enum address_result address_parse_mailbox(struct span text, unsigned flags, struct address *ret_address);
/* Reads a Reverse-path or Forward-path ("<...>", a source route inside is checked and ignored)
 * from the front of *text and takes it off; what follows (" SIZE=...") is left. *text is
 * unchanged on error. */
enum address_result address_parse_path(struct span *text, unsigned flags, struct address *ret_address);
/* Domain or address-literal, the whole text: HELO, EHLO. */
enum address_result address_parse_domain(struct span text, unsigned flags, bool *ret_literal);

/* Appends the one form of an address that tables use: local-part unquoted where no quotes are
 * needed (its case is kept), domain as by address_domain_canonical. 0, -EINVAL (the domain is no
 * IDN), or -EMSGSIZE; on error nothing is added. */
int address_canonical(const struct address *address, struct buf *out);
/* Appends the domain in lower case and ASCII (A-labels, IDNA 2008); a literal in lower case. The
 * same results. */
int address_domain_canonical(struct span domain, struct buf *out);
/* Appends the domain for people: A-labels as Unicode where they are valid IDNA, else as it
 * stands. 0 or -EMSGSIZE. */
int address_domain_display(struct span domain, struct buf *out);
bool address_domain_equal(struct span a, struct span b);
/* Appends "local-part@domain" with the domain as by address_domain_canonical, and all before it as written. The same results; -EINVAL also
 * where there is no "@". */
int address_with_domain(struct span address, struct buf *out);
/* Do both mean one mailbox to people: whatever the case of ASCII letters, and in whichever form the domains are? */
bool address_equal(struct span a, struct span b);

/* Appends the content of a local-part: quotes and backslashes of a quoted-string removed. 0 or
 * -EMSGSIZE. */
int address_local_unquote(struct span local, struct buf *out);
/* Appends content as a local-part: as it is where it is a dot-string (ASCII or UTF-8), else as a
 * quoted-string. 0, -EINVAL (control bytes), -EMSGSIZE. */
int address_local_quote(struct span content, struct buf *out);

#endif
