/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* tls_policies: what can be written, which counts, whom it names. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "smtpd/tls_policy.h"

#define DIGEST "0123456789abcdefABCDEF01234567890123456789abcdefABCDEF0123456789"
#define COLONS "01:23:45:67:89:ab:cd:ef:AB:CD:EF:01:23:45:67:89:01:23:45:67:89:ab:cd:ef:AB:CD:EF:01:23:45:67:89"
#define ROWS(table) (sizeof(table) / sizeof(*(table)))

static const struct {
	const char *text;
	int result;
	enum tls_level level;
} policies[] = {
	{ "a.example encrypt", 0, TLS_LEVEL_ENCRYPT }, { "*.a.example\tnone", 0, TLS_LEVEL_NONE }, { " *  may ", 0, TLS_LEVEL_MAY }, { "a.example dane", 0, TLS_LEVEL_DANE },
	{ "a.example auto", 0, TLS_LEVEL_AUTO }, { "a.example verify", 0, TLS_LEVEL_VERIFY }, { "a.example verify mx.b.example *.c.example", 0, TLS_LEVEL_VERIFY },
	{ "a.example", -EINVAL, 0 }, { "", -EINVAL, 0 }, { "a.example Encrypt", -EINVAL, 0 }, { "a.example must", -EINVAL, 0 }, { "from:a.example encrypt", -EINVAL, 0 },
	{ "a@b.example encrypt", -EINVAL, 0 }, { "a.example encrypt mx.b.example", -EINVAL, 0 }, { "a.example verify *", -EINVAL, 0 },
	{ "a.example fingerprint " DIGEST, 0, TLS_LEVEL_FINGERPRINT }, { "a.example fingerprint  " DIGEST " " COLONS " ", 0, TLS_LEVEL_FINGERPRINT },
	{ "a.example fingerprint", -EINVAL, 0 }, { "a.example fingerprint " DIGEST "0", -EINVAL, 0 }, { "a.example fingerprint " DIGEST " x", -EINVAL, 0 },
	{ "a.example fingerprint " COLONS ":", -EINVAL, 0 }, { "a.example fingerprint 0:" COLONS, -EINVAL, 0 },
	{ "a.example fingerprint " DIGEST " " DIGEST " " DIGEST " " DIGEST " " DIGEST " " DIGEST " " DIGEST " " DIGEST " " DIGEST, -EINVAL, 0 },
	{ "a.example verify a/b", -EINVAL, 0 }, { "[192.0.2.1] encrypt", -EINVAL, 0 },
};

START_TEST(a_policy)
{
	struct tls_policy policy;
	struct span whom;
	const char *fault = NULL;

	ck_assert_int_eq(tls_policy_parse(span_of(policies[_i].text), &whom, &policy, &fault), policies[_i].result);
	ck_assert((fault != NULL) == (policies[_i].result != 0));
	if (policies[_i].result == 0)
		ck_assert_int_eq(policy.level, policies[_i].level);
}
END_TEST

START_TEST(fingerprints)
{
	struct span rest = SPAN(COLONS "  " DIGEST);
	uint8_t digest[TLS_FINGERPRINT_SIZE];

	for (unsigned i = 0; i < 2; i++) {
		ck_assert(tls_policy_fingerprint(&rest, digest));
		ck_assert_uint_eq(digest[0], 0x01);
		ck_assert_uint_eq(digest[5], 0xab);
		ck_assert_uint_eq(digest[31], 0x89);
	}
	ck_assert(!tls_policy_fingerprint(&rest, digest));
}
END_TEST

START_TEST(the_first_that_fits)
{
	char first[] = "a.example none", idn[] = "xn--bcher-kva.example dane", below[] = "*.a.example verify", late[] = "x.a.example dane", all_others[] = "* encrypt";
	char *items[] = { first, below, late, all_others };
	struct conf_list all = { .item = items, .count = 4 }, most = { .item = items, .count = 3 };

	ck_assert_int_eq(tls_policy_find(&all, SPAN("A.Example")).level, TLS_LEVEL_NONE);
	ck_assert_int_eq(tls_policy_find(&all, SPAN("x.a.example")).level, TLS_LEVEL_VERIFY);
	ck_assert_int_eq(tls_policy_find(&all, SPAN("xa.example")).level, TLS_LEVEL_ENCRYPT);
	ck_assert_int_eq(tls_policy_find(&most, SPAN("b.example")).level, TLS_LEVEL_AUTO);
	items[0] = idn;
	ck_assert_int_eq(tls_policy_find(&all, SPAN("B\xc3\234cher.example")).level, TLS_LEVEL_DANE);
}
END_TEST

START_TEST(whom_it_names)
{
	struct tls_policy own = { .level = TLS_LEVEL_VERIFY }, others = { .level = TLS_LEVEL_VERIFY, .names = SPAN("mx.b.example  *.c.example") };

	ck_assert(tls_policy_names(&own, SPAN("a.example"), SPAN("a.example")) && tls_policy_names(&own, SPAN("a.example"), SPAN("MX.1.A.example")));
	ck_assert(!tls_policy_names(&own, SPAN("a.example"), SPAN("mxa.example")) && !tls_policy_names(&own, SPAN("a.example"), SPAN("mx.b.example")));
	ck_assert(tls_policy_names(&others, SPAN("a.example"), SPAN("mx.b.example")) && tls_policy_names(&others, SPAN("a.example"), SPAN("x.c.example")));
	ck_assert(!tls_policy_names(&others, SPAN("a.example"), SPAN("mx.a.example")) && !tls_policy_names(&others, SPAN("a.example"), SPAN("x.y.c.example")));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("tls_policy");
	TCase *tests = tcase_create("tls_policy");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, a_policy, 0, ROWS(policies));
	tcase_add_test(tests, fingerprints);
	tcase_add_test(tests, the_first_that_fits);
	tcase_add_test(tests, whom_it_names);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
