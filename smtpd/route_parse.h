/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Routes: which mail goes to which next hop, as smtpd.conf(5) writes both. Pure; everything is borrowed from the text. */
#ifndef SMTPD_ROUTE_PARSE_H
#define SMTPD_ROUTE_PARSE_H

#include "common/conf.h"
#include "common/span.h"

enum hop_tls {
	HOP_TLS_MAY,   /* STARTTLS where it is offered, with anybody */
	HOP_TLS_NEVER,
	HOP_TLS_MUST,  /* STARTTLS, with a certificate of that host's */
	HOP_TLS_FIRST, /* TLS from the first byte, with a certificate of that host's */
};

/* "host:port", or "scheme://host", "scheme://label@host:port" and the like. */
struct next_hop {
	enum hop_tls tls;
	bool exchangers;    /* the host is a domain whose mail exchangers are meant */
	struct span label;  /* names the credentials, or empty */
	struct span host;   /* a name, or an address without brackets */
	uint16_t port;
};

/* Is it written as a next hop, and not as a domain or an address literal? */
bool next_hop_is(struct span text);
/* 0, or -EINVAL with *ret_fault saying what is wrong. */
int next_hop_parse(struct span text, struct next_hop *ret_hop, const char **ret_fault);

/* "whom next-hop". Whom: a domain, "*.domain" for all below it, "*" for all, and "from:" before one of these or before an address for
 * mail of such senders. The next hop: as above, or "direct" for the domain's own mail exchangers. 0, or -EINVAL with *ret_fault. */
int route_parse(struct span text, struct span *ret_whom, struct span *ret_hop, const char **ret_fault);
/* Puts the domain of the first word of each, routes or another table of the kind, into its one form (common/domain_list.h); what is none stays
 * as it is. */
void route_canonicalise(struct conf_list *routes);
/* The next hop of the first route that fits, of routes in that form and addresses in any; empty: it is direct, or there is none. */
struct span route_find(const struct conf_list *routes, struct span sender, struct span recipient, bool *ret_found);

/* For other tables of the kind: the next word between blanks; is it a domain, "*.domain" or "*"; and does that fit the domain, both in their
 * one form? */
struct span route_take_word(struct span *text);
bool route_is_domain(struct span whom);
bool route_fits_domain(struct span whom, struct span domain);

#endif
