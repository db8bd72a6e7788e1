/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Options of the defence: lists of the DNS, weights of tests, limits. Pure. */
#ifndef SMTPD_DEFENCE_PARSE_H
#define SMTPD_DEFENCE_PARSE_H

#include "smtpd/defence_score.h"
#include "smtpd/dns.h"

enum defence_test {
#define TEST(id, name, weight, text) TEST_##id,
#include "smtpd/defence_tests.def"
#undef TEST
	TEST_COUNT,
};
struct defence_test_row {
	const char *name;
	int weight;
	const char *text;
};
extern const struct defence_test_row defence_tests[TEST_COUNT];

/* A list of addresses in the DNS (RFC 5782), and which of its answers count. */
struct dns_list {
	struct span zone; /* borrowed from the text */
	int weight;       /* below 0: a list of those who are welcome */
	uint8_t least[4], most[4];
};

/* "zone weight [answers]", answers as "127.0.0.2-11" or "127.0.*.1": of each octet a number, a range, or all. Without it any answer but
 * 127.0.0.1 (section 5) and 127.255.255.*, by which lists refuse to answer. 0, or -EINVAL and a sentence. */
int dns_list_parse(struct span text, struct dns_list *ret_list, const char **ret_fault);
/* One of the addresses of that answer (of type A) counts. What lies outside 127.0.0.0/8 comes of no such list. */
bool dns_list_matches(const struct dns_list *list, const struct dns_answer *answer);
/* It says of no client anything to whoever asks, as many lists do to the resolvers of others. */
bool dns_list_refuses(const struct dns_answer *answer);

/* "name=weight" of a test. 0, or -EINVAL and a sentence. */
int test_weight_parse(struct span text, enum defence_test *ret_test, int *ret_weight, const char **ret_fault);

/* What is limited, and for whom. */
enum limit_what { LIMIT_CONNECTIONS, LIMIT_MESSAGES, LIMIT_RECIPIENTS };
enum limit_whom { LIMIT_ADDRESS, LIMIT_NETWORK, LIMIT_ACCOUNT, LIMIT_RECIPIENT };
struct limit {
	enum limit_what what;
	enum limit_whom whom;
	uint32_t count;  /* so many within ... */
	int64_t seconds; /* ... that time */
};

/* "messages/account=300/1h". 0, or -EINVAL and a sentence. */
int limit_parse(struct span text, struct limit *ret_limit, const char **ret_fault);
/* "messages", "account". */
const char *limit_what_name(enum limit_what what);
const char *limit_whom_name(enum limit_whom whom);

#endif
