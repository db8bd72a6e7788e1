/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* MTA-STS (RFC 8461): the record in the DNS, the policy that it announces, which hosts the policy names, and when it must be fetched.
 * Pure. */
#ifndef SMTPD_STS_PARSE_H
#define SMTPD_STS_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "smtpd/dns.h"

#define STS_ID_MAX 32
/* Of a policy as it is fetched, in bytes (RFC 8461 section 3.3); a longer one is none. And of one as it is kept: without what means nothing here, but
 * with a blank in each line, the shortest of which is "mx:a". */
#define STS_FETCHED_MAX 65536
#define STS_TEXT_MAX (STS_FETCHED_MAX / 5 * 6 + 256)
/* Seconds. */
#define STS_AGE_MAX 31557600

enum sts_mode { STS_NONE, STS_TESTING, STS_ENFORCE };

/* Why there is no policy, or why it is not the one that the DNS announces (RFC 8460 section 4.3.2.2); the value of a message. */
enum sts_fault { STS_GOOD, STS_FETCH_ERROR, STS_INVALID, STS_WEBPKI_INVALID };

struct sts_policy {
	enum sts_mode mode;
	uint32_t max_age;
	size_t mx_count;
	struct span text; /* where sts_policy_next_mx finds them */
	/* Of one that was kept: */
	struct span id;
	int64_t fetched;
};

/* A domain as policies are asked for and kept: in lower case, letters, digits, hyphens and underscores between dots. It can be the
 * name of a file. */
bool sts_is_domain(struct span name);
/* The text of one TXT record of _mta-sts.DOMAIN: 0 and its id; -ENOENT when it is something else; -EINVAL. Borrowed. */
int sts_record_parse(struct span text, struct span *ret_id);
/* Of all TXT records of _mta-sts.DOMAIN: its id; empty where none of them, or more than one, announces a policy (section 3.1). Borrowed. */
struct span sts_records_id(const struct dns_answer *answer);
/* A policy, as its host sends it or as it was kept: 0, or -EINVAL. Borrows the text. */
int sts_policy_parse(struct span text, struct sts_policy *ret_policy);
/* Appends it as it is kept, with id and time: 0, or -EMSGSIZE beyond STS_TEXT_MAX. */
int sts_policy_put(const struct sts_policy *policy, struct buf *out);
/* The next host that a policy names, "mail.example.com" or "*.example.com", borrowed. rest: its text at first. False when there is no more. */
bool sts_policy_next_mx(struct span *rest, struct span *ret_mx);
const char *sts_mode_name(enum sts_mode mode);

/* "mail.example.com" or "*.example.com"; and does that name the host (section 4.1)? */
bool sts_is_pattern(struct span text);
bool sts_pattern_fits(struct span pattern, struct span host);
/* Does the policy name this mail exchanger? */
bool sts_policy_names(const struct sts_policy *policy, struct span host);
/* Has it not expired? NULL is none. */
bool sts_policy_is_valid(const struct sts_policy *policy, int64_t now);
/* Must one be fetched, when the DNS announces this id (empty: none), this one is kept (or NULL), and fetching that of the id
 * `failed_id` failed at that time? */
bool sts_must_fetch(struct span id, const struct sts_policy *kept, struct span failed_id, int64_t failed_at, int64_t now);

#endif
