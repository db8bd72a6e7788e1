/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Questions to the DNS and their answers, as far as mail needs them (RFC 1035, RFC 6698). Pure: whoever evaluates answers knows no
 * socket and no resolver. */
#ifndef SMTPD_DNS_H
#define SMTPD_DNS_H

#include <stdint.h>

#include "common/buf.h"
#include "common/msg.h"

/* Octets of a name with its dots, without the final one; of a label. */
#define DNS_NAME_MAX 253
#define DNS_LABEL_MAX 63
/* Bounds of an answer: it fits one message between roles. */
#define DNS_RECORDS_MAX 256
#define DNS_BYTES_MAX 14000
#define DNS_REASON_MAX 255
/* Aliases (CNAME) on the way to an answer. */
#define DNS_ALIASES_MAX 12

/* The numbers of RFC 1035 section 3.2.2 and its successors. */
enum dns_type { DNS_A = 1, DNS_CNAME = 5, DNS_PTR = 12, DNS_MX = 15, DNS_TXT = 16, DNS_AAAA = 28, DNS_TLSA = 52 };

enum dns_status {
	DNS_FOUND,   /* at least one record of that type */
	DNS_NO_DATA, /* the name is there, without records of that type that could be used */
	DNS_NO_NAME, /* there is no such name (NXDOMAIN) */
	DNS_FAILED,  /* no answer now: a question that comes later may have one */
	DNS_BOGUS,   /* an answer that is not signed as its zone says (DNSSEC): for mail as DNS_FAILED */
};

/* Whose fault it is that there is no answer. */
enum dns_blame {
	DNS_THEIRS,
	DNS_PERHAPS_OURS, /* so many questions are under way that it may be for that alone */
	DNS_OURS,         /* there is no room for the question, or nobody to ask */
};

struct dns_record {
	uint16_t preference;                /* of MX */
	uint8_t usage, selector, matching;  /* of TLSA */
	/* A: 4 octets, AAAA: 16. CNAME, PTR, MX: the name, in lower case, without the final dot; empty for the root.
	 * TXT: its strings joined (RFC 7208 section 3.3). TLSA: the certificate's data. */
	struct span data;
};

struct dns_answer {
	enum dns_status status;
	bool secure;       /* validated with DNSSEC, the absence of records too */
	enum dns_blame blame; /* of a failure */
	bool cut;          /* there were more records than the bounds above allow: the others are left out */
	bool unusable;     /* there were records with what is no host name: they are left out. Known to the resolve role alone */
	uint32_t ttl;      /* seconds; the least of all records; 0 without records */
	struct span reason; /* of DNS_FAILED, DNS_BOGUS: a sentence for the log */
	struct span owner;  /* whose the first record is: where aliases led, or the name that was asked for; empty without records, and where it
			     * is no host name */
	size_t count;
	struct dns_record records[DNS_RECORDS_MAX];
	/* Within: what records point into that does not stand in the packet so. Never copy an answer. */
	size_t used;
	char bytes[DNS_BYTES_MAX];
};

/* "A", "MX", ...; NULL for a number that is none of enum dns_type. */
const char *dns_type_name(unsigned type);
/* True for a name that can be asked for: labels of 1 to 63 octets, whatever these are, at most 253 in all; one final dot may be there. */
bool dns_is_name(struct span name);
/* The name as libraries read it: what is neither letter, digit, hyphen nor underscore stands as \DDD. 0, or -EINVAL when
 * dns_is_name would say no; nothing is added then. */
int dns_put_escaped(struct span name, struct buf *out);
/* Appends the name that addresses are looked up by in reverse, and in lists (RFC 5782): octets of an IPv4 address, nibbles of an
 * IPv6 address, the last first, then "." and the zone. len is 4 or 16. 0 or -EMSGSIZE. */
int dns_put_reverse(const uint8_t *address, size_t len, struct span zone, struct buf *out);

/* Reads a DNS message (RFC 1035 section 4) that answers a question for this type; records of other owners are taken like those of
 * the name itself, for the resolver has followed aliases. Names that hold anything but letters, digits, hyphens and underscores
 * make a record useless: it is left out. Sets everything in *answer but `secure`, `blame` and `reason` and returns the response code (0
 * NOERROR, 2 SERVFAIL, 3 NXDOMAIN, ...), with status DNS_FAILED for all but 0 and 3, and for records of which not one has room; or -EBADMSG, -ELOOP (too many aliases), with
 * status DNS_FAILED. The answer borrows from packet. */
int dns_parse(struct span packet, enum dns_type type, struct dns_answer *answer);

/* The body of DNS_ANSWER. */
void dns_put(struct msg_writer *body, enum dns_type type, const struct dns_answer *answer);
/* Reads it for a question of that type, to the end. 0, or -EBADMSG. The answer borrows from the body. */
int dns_get(struct msg_reader *body, enum dns_type type, struct dns_answer *answer);

#endif
