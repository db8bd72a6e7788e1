/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* From what people write (a login name, an address) to the name of an account. Pure. */
#ifndef FRAME_ACCOUNT_NAME_H
#define FRAME_ACCOUNT_NAME_H

#include "common/buf.h"
#include "common/conf.h"

/* "user@domain" in the form that the accounts database uses (common/address_fold.h). The domains below are in their one form
 * (common/domain_list.h), those of addresses in any. */
#define ACCOUNT_NAME_MAX 320

enum account_name {
	ACCOUNT_NAME_OURS,     /* name is set */
	ACCOUNT_NAME_NOT_OURS, /* the domain is none of ours, whatever stands before it */
	ACCOUNT_NAME_ODD,      /* one of ours; name is set, which no account can have, but an alias may, or an account whose detail is what is odd */
	ACCOUNT_NAME_NOBODY,   /* one of ours, and what stands before it is no local part */
	ACCOUNT_NAME_BAD,      /* no address at all */
};

/* Of an address, as in RCPT: local part (quoted or not) and a domain. What is not BAD has something on both sides of its last "@", and no
 * control characters. */
enum account_name account_name_of_address(struct span address, const struct conf_list *domains,
    struct buf *name);
/* Puts into key what tells addresses apart: it is the same where they mean one mailbox. Of ours that is the name as above, of another host's
 * its own text with the domain in its one form, for what the case of the local part means is that host's affair (RFC 5321 section 2.4). */
void account_name_key(struct span address, const struct conf_list *domains, struct buf *key);
/* A name as above that may become a folder's: nothing in it leads elsewhere, and it can be seen. */
bool account_name_is_safe(struct span name);
/* Of a login name: an address, or a bare user when there is one domain only. */
enum account_name account_name_of_login(struct span user, const struct conf_list *domains,
    struct buf *name);
/* Sub-addressing (RFC 5233): turns "user+detail@domain" into "user@domain" where '+' is the delimiter (NUL: nothing is). False, and
 * nothing changed, when there is no detail or no user before it. */
bool account_name_drop_detail(struct buf *name, char delimiter);

#endif
