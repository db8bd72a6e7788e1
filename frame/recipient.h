/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Who gets mail for an address: an account here, those that aliases name, another host, or who sent what was sent on. Pure. */
#ifndef FRAME_RECIPIENT_H
#define FRAME_RECIPIENT_H

#include "common/buf.h"
#include "common/conf.h"
#include "frame/aliases.h"
#include "frame/frame_msg.h"
#include "frame/srs.h"

/* Aliases of aliases go so deep, and name so many addresses together. */
#define RECIPIENT_DEPTH_MAX 16
#define RECIPIENT_MEMBERS_MAX 10000

struct recipient_host {
	const struct conf_list *domains;
	const struct aliases *aliases; /* or NULL */
	const struct srs *srs;         /* or NULL */
	bool incomplete;               /* there are aliases or srs, but they are not here: nothing of our domains can be told now */
	int64_t now;                   /* seconds since 1970, for srs */
	const char *postmaster;        /* the address that mail to postmaster goes to where that is neither account nor alias, or NULL */
	char delimiter;                /* begins a detail (RFC 5233); NUL: nothing does */
	/* Is there an account of that name? 0: yes; 1: no; -errno. */
	int (*exists)(void *context, struct span name);
	void *context;
};

/* Whose account it is, aliases aside: with a detail only when there is no account of that very name. LOOKUP_LOCAL with the name of
 * the account, LOOKUP_UNKNOWN, LOOKUP_NOT_OURS or LOOKUP_TEMPFAIL. */
enum lookup_result recipient_account(const struct recipient_host *host, struct span address, struct buf *ret_name);

struct recipients {
	struct buf members; /* each address once, ended by LF; an account here by its name, with the detail that came along */
	size_t count;
	struct buf owner;   /* the list's: notifications go there; empty: it is no list */
	struct buf via;     /* which alias it is, "name@domain" or a pattern; empty: none */
	bool deliverable;   /* a member is an account here or another host's, or mail is to be discarded */
	const char *fault;  /* of aliases that go too far, or NULL; then the members are not all */
};

/* All that get mail for the address, once. whole: false to know only whether anybody does, and whether that is one. LOOKUP_ALIAS when aliases had a say;
 * LOOKUP_LOCAL when it is an account's, which is the one member; LOOKUP_UNKNOWN when nobody would get it, LOOKUP_LOOP
 * when that is because aliases name one another and nobody else; LOOKUP_NOT_OURS; LOOKUP_TEMPFAIL. For recipients_free in any case. */
enum lookup_result recipient_expand(const struct recipient_host *host, struct span address, bool whole, struct recipients *ret);
void recipients_free(struct recipients *recipients);
/* Whose mail that of the address is counted as, after LOOKUP_LOCAL or LOOKUP_ALIAS: however the address is written, and whichever of its
 * aliases it is, the account has one name; an alias of several has its own. Nothing of mail that is discarded. */
void recipients_put_name(const struct recipient_host *host, const struct recipients *recipients, struct buf *ret_name);
/* Is that account a member? */
bool recipients_have(const struct recipient_host *host, const struct recipients *recipients, struct span account);

#endif
