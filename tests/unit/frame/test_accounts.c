/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What the auth role keeps and computes: account names, grants, the cache of right passwords. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "frame/account_name.h"
#include "frame/auth_cache.h"
#include "frame/grants.h"

static char first[] = "example.test", second[] = "Other.Example";
static char *both[] = { first, second };
static const struct conf_list two = { both, 2 }, one = { both, 1 }, none = { NULL, 0 };

START_TEST(addresses)
{
	static const struct {
		const char *text;
		enum account_name result;
		const char *name;
	} cases[] = {
		{ "alice@example.test", ACCOUNT_NAME_OURS, "alice@example.test" },
		{ "Alice@EXAMPLE.test", ACCOUNT_NAME_OURS, "alice@example.test" },
		{ "a.b+c@other.example", ACCOUNT_NAME_OURS, "a.b+c@other.example" },
		{ "\"alice\"@example.test", ACCOUNT_NAME_OURS, "alice@example.test" },
		{ "\"al\\ice\"@example.test", ACCOUNT_NAME_OURS, "alice@example.test" },
		{ "\"a@b\"@example.test", ACCOUNT_NAME_OURS, "a@b@example.test" },
		{ "\xe4\xb8\xad@example.test", ACCOUNT_NAME_OURS, "\xe4\xb8\xad@example.test" },
		{ "alice@elsewhere.test", ACCOUNT_NAME_NOT_OURS, NULL },
		/* What may be in front of another host's domain is that host's affair. */
		{ "/G=John/S=Smith/@elsewhere.test", ACCOUNT_NAME_NOT_OURS, NULL },
		{ "\"john doe\"@elsewhere.test", ACCOUNT_NAME_NOT_OURS, NULL },
		{ "SRS0=Ab/c=XX=orig.test=user@elsewhere.test", ACCOUNT_NAME_NOT_OURS, NULL },
		{ "a\xff@elsewhere.test", ACCOUNT_NAME_BAD, NULL },
		{ "a\nb@elsewhere.test", ACCOUNT_NAME_BAD, NULL },
		{ "@elsewhere.test", ACCOUNT_NAME_BAD, NULL },
		{ "alice@", ACCOUNT_NAME_BAD, NULL },
		{ "@example.test", ACCOUNT_NAME_BAD, NULL },
		{ "alice", ACCOUNT_NAME_BAD, NULL },
		{ "", ACCOUNT_NAME_BAD, NULL },
		{ "\"\"@example.test", ACCOUNT_NAME_NOBODY, NULL },
		{ "\"@example.test", ACCOUNT_NAME_NOBODY, NULL },
		{ "\"a\\\"@example.test", ACCOUNT_NAME_NOBODY, NULL },
		{ "\"a\"b\"@example.test", ACCOUNT_NAME_NOBODY, NULL },
		{ "a\"b@example.test", ACCOUNT_NAME_NOBODY, NULL },
		{ "../x@example.test", ACCOUNT_NAME_ODD, "../x@example.test" },
		{ "a/b@example.test", ACCOUNT_NAME_ODD, "a/b@example.test" },
		{ "..@example.test", ACCOUNT_NAME_ODD, "..@example.test" },
		{ "\"a b\"@example.test", ACCOUNT_NAME_ODD, "a b@example.test" },
		{ "a\xff@example.test", ACCOUNT_NAME_BAD, NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf name = BUF_INIT(ACCOUNT_NAME_MAX);

		ck_assert_msg(account_name_of_address(span_of(cases[i].text), &two, &name) ==
			cases[i].result,
		    "%s", cases[i].text);
		if (cases[i].name != NULL)
			ck_assert_str_eq(buf_cstr(&name), cases[i].name);
		buf_free(&name);
	}
}
END_TEST

/* The domain in either form, and in any spelling of the one with other letters. */
START_TEST(domains_beyond_ascii)
{
	static char ours[] = "xn--bcher-kva.example";
	static char *items[] = { ours };
	static const struct conf_list list = { items, 1 };
	static const char *const domains[] = { "b\xc3\274cher.example", "B\xc3\234CHER.example", "bu\xcc\210cher.Example", "xn--bcher-kva.example", "XN--BCHER-KVA.EXAMPLE" };

	for (size_t i = 0; i < sizeof(domains) / sizeof(*domains); i++) {
		struct buf name = BUF_INIT(ACCOUNT_NAME_MAX), text = BUF_INIT(100);

		(void)buf_fmt(&text, "\xe7\x94\xa8\xe6\x88\xb7@%s", domains[i]);
		ck_assert_msg(account_name_of_address(buf_get(&text), &list, &name) == ACCOUNT_NAME_OURS, "%s", domains[i]);
		ck_assert_str_eq(buf_cstr(&name), "\xe7\x94\xa8\xe6\x88\xb7@xn--bcher-kva.example");
		ck_assert_int_eq(account_name_of_login(buf_get(&text), &list, &name), ACCOUNT_NAME_OURS);
		buf_free(&name);
		buf_free(&text);
	}
	struct buf name = BUF_INIT(ACCOUNT_NAME_MAX);

	ck_assert_int_eq(account_name_of_address(SPAN("a@b\xc3\266cher.example"), &list, &name), ACCOUNT_NAME_NOT_OURS);
	ck_assert_int_eq(account_name_of_address(SPAN("a@\xe2\x98\x83.example"), &list, &name), ACCOUNT_NAME_NOT_OURS);
	ck_assert_int_eq(account_name_of_login(SPAN("Bob"), &list, &name), ACCOUNT_NAME_OURS);
	ck_assert_str_eq(buf_cstr(&name), "bob@xn--bcher-kva.example");
	buf_free(&name);
}
END_TEST

START_TEST(keys)
{
	static const struct {
		const char *text, *key;
	} cases[] = {
		{ "Alice@EXAMPLE.test", "alice@example.test" },
		{ "\"A+b\"@example.test", "a+b@example.test" },
		{ "John@Far.Example", "John@far.example" },
		{ "\"A B\"@B\xc3\234CHER.example", "\"A B\"@xn--bcher-kva.example" },
		{ "a/B@Example.test", "a/b@example.test" },
		{ "Alice", "Alice" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf key = BUF_INIT(ACCOUNT_NAME_MAX);

		account_name_key(span_of(cases[i].text), &two, &key);
		ck_assert_str_eq(buf_cstr(&key), cases[i].key);
		buf_free(&key);
	}
}
END_TEST

START_TEST(logins)
{
	struct buf name = BUF_INIT(ACCOUNT_NAME_MAX);
	char long_name[ACCOUNT_NAME_MAX + 1];

	ck_assert_int_eq(account_name_of_login(SPAN("Bob"), &one, &name), ACCOUNT_NAME_OURS);
	ck_assert_str_eq(buf_cstr(&name), "bob@example.test");
	ck_assert_int_eq(account_name_of_login(SPAN("bob"), &two, &name), ACCOUNT_NAME_BAD);
	ck_assert_int_eq(account_name_of_login(SPAN("bob"), &none, &name), ACCOUNT_NAME_BAD);
	ck_assert_int_eq(account_name_of_login(SPAN("bob@other.example"), &two, &name),
	    ACCOUNT_NAME_OURS);
	memset(long_name, 'a', sizeof(long_name));
	ck_assert_int_eq(account_name_of_login(span_make(long_name, ACCOUNT_NAME_MAX - 13), &one,
			     &name),
	    ACCOUNT_NAME_OURS);
	ck_assert_int_eq(account_name_of_login(span_make(long_name, ACCOUNT_NAME_MAX - 12), &one,
			     &name),
	    ACCOUNT_NAME_BAD);
	buf_free(&name);
}
END_TEST

START_TEST(details)
{
	static const struct {
		const char *name, *without;
	} cases[] = {
		{ "a+b@x", "a@x" },
		{ "a+b+c@x", "a@x" },
		{ "a+@x", "a@x" },
		{ "+b@x", NULL },
		{ "a@x", NULL },
		{ "a@x+y", NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf name = BUF_INIT(ACCOUNT_NAME_MAX);

		(void)buf_str(&name, cases[i].name);
		ck_assert_int_eq(account_name_drop_detail(&name, '+'), cases[i].without != NULL);
		ck_assert_str_eq(buf_cstr(&name),
		    cases[i].without != NULL ? cases[i].without : cases[i].name);
		buf_free(&name);
	}
}
END_TEST

START_TEST(holds_grants)
{
	struct grants *grants = grants_new();
	uint64_t mark;

	ck_assert_int_eq(grants_add(grants, 0, SPAN("x"), 1), -EEXIST);
	for (uint64_t i = 1; i <= GRANTS_MAX; i++)
		ck_assert_int_eq(grants_add(grants, i, SPAN("alice"), i + 1), 0);
	ck_assert_int_eq(grants_add(grants, GRANTS_MAX + 1, SPAN("x"), 1), -ENOBUFS);
	ck_assert_int_eq(grants_add(grants, 7, SPAN("bob"), 3), -EEXIST);
	ck_assert(span_eq(grants_find(grants, 7, &mark), SPAN("alice")));
	ck_assert_uint_eq(mark, 8);
	grants_drop(grants, 7);
	grants_drop(grants, 7);
	ck_assert_uint_eq(grants_find(grants, 7, &mark).len, 0);
	ck_assert_int_eq(grants_add(grants, 7, SPAN("bob"), 3), 0);
	ck_assert(span_eq(grants_find(grants, 7, &mark), SPAN("bob")));
	grants_clear(grants);
	ck_assert_uint_eq(grants_count(grants), 0);
	ck_assert_uint_eq(grants_find(grants, 9, &mark).len, 0);
	grants = grants_free(grants);
	ck_assert_ptr_null(grants);
}
END_TEST

START_TEST(cache)
{
	static const uint8_t key[AUTH_CACHE_KEY] = { 1, 2, 3 };
	struct auth_cache *right = auth_cache_new(key);

	auth_cache_add(right, SPAN("a"), SPAN("hash"), SPAN("pass"), 100);
	ck_assert(auth_cache_has(right, SPAN("a"), SPAN("hash"), SPAN("pass"), 100));
	ck_assert(auth_cache_has(right, SPAN("a"), SPAN("hash"), SPAN("pass"),
	    100 + AUTH_CACHE_SECONDS - 1));
	ck_assert(!auth_cache_has(right, SPAN("a"), SPAN("hash"), SPAN("pass"),
	    100 + AUTH_CACHE_SECONDS));
	ck_assert(!auth_cache_has(right, SPAN("a"), SPAN("hash"), SPAN("pasS"), 100));
	ck_assert(!auth_cache_has(right, SPAN("b"), SPAN("hash"), SPAN("pass"), 100));
	ck_assert(!auth_cache_has(right, SPAN("a"), SPAN("new hash"), SPAN("pass"), 100));
	/* The border between the fields counts. */
	ck_assert(!auth_cache_has(right, SPAN("ah"), SPAN("ash"), SPAN("pass"), 100));
	right = auth_cache_free(right);
	ck_assert_ptr_null(right);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("accounts");
	TCase *tests = tcase_create("accounts");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, addresses);
	tcase_add_test(tests, domains_beyond_ascii);
	tcase_add_test(tests, keys);
	tcase_add_test(tests, logins);
	tcase_add_test(tests, details);
	tcase_add_test(tests, holds_grants);
	tcase_add_test(tests, cache);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
