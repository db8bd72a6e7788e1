/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What relay asks of resolve (RESOLVE) and what it is told (RESOLVED): the mail exchangers of a domain with their addresses, or the
 * addresses of one host. Pure. */
#ifndef SMTPD_RESOLVE_H
#define SMTPD_RESOLVE_H

#include "common/msg.h"

/* Bounds of an answer: it fits one message between roles. Of more, those that would be tried first. */
#define RESOLVE_HOSTS_MAX 16
#define RESOLVE_ADDRESSES_MAX 8
#define RESOLVE_NAME_MAX 253
#define RESOLVE_TEXT_MAX 256

enum resolve_what {
	RESOLVE_MAIL, /* who takes mail for this domain (RFC 5321 section 5.1) */
	RESOLVE_HOST, /* the addresses of this host */
};

enum resolve_result {
	RESOLVE_OK,         /* at least one host with at least one address */
	RESOLVE_NOT_FOUND,  /* there is no such name */
	RESOLVE_NO_ADDRESS, /* the name is there, and nobody who would take its mail */
	RESOLVE_NULL_MX,    /* it says that it takes no mail (RFC 7505) */
	RESOLVE_LOOP,       /* this host is its best mail exchanger, and has no account of that domain */
	RESOLVE_BAD_NAME,   /* no name that can stand in the DNS */
	RESOLVE_FAILED,     /* no answer now: the text says why */
};

struct resolve_address {
	uint8_t bytes[16];
	uint8_t len; /* 4 or 16 */
};

struct resolve_host {
	char name[RESOLVE_NAME_MAX + 1]; /* in lower case, ASCII */
	char alias_of[RESOLVE_NAME_MAX + 1]; /* whose its addresses are, when it is an alias (CNAME); empty otherwise */
	uint16_t preference;
	bool secure; /* its addresses were validated with DNSSEC */
	uint8_t count;
	struct resolve_address addresses[RESOLVE_ADDRESSES_MAX];
};

struct resolve_answer {
	enum resolve_result result;
	bool secure; /* the list of hosts was validated with DNSSEC */
	char text[RESOLVE_TEXT_MAX]; /* of RESOLVE_FAILED */
	char alias_of[RESOLVE_NAME_MAX + 1]; /* whose the list of hosts is, when the domain is an alias; empty otherwise */
	uint8_t count;
	struct resolve_host hosts[RESOLVE_HOSTS_MAX]; /* in the order in which they are to be tried */
};

/* The body of RESOLVED after its id: u8 result, u8 secure, span text, span alias_of, u8 count, then for each host: span name, span alias_of,
 * u16 preference, u8 secure, u8 count, and each address as a span. */
void resolve_put(struct msg_writer *body, const struct resolve_answer *answer);
/* 0, or -EBADMSG. */
int resolve_get(struct msg_reader *body, struct resolve_answer *ret_answer);

#endif
