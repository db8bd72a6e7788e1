/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* MTA-STS: records, policies, names, when to fetch. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "smtpd/sts_parse.h"

#define ROWS(table) (sizeof(table) / sizeof(*(table)))

static const struct {
	const char *text;
	int result;
	const char *id;
} announcements[] = {
	{ "v=STSv1; id=20160831085700Z;", 0, "20160831085700Z" },
	{ "v=STSv1;id=1", 0, "1" },
	{ "v=STSv1 ; x=y; id=12345678901234567890123456789012 ;", 0, "12345678901234567890123456789012" },
	{ "v=STSv1; id=1; id=2", 0, "1" },
	{ "v=STSv1; id=123456789012345678901234567890123", -EINVAL, NULL },
	{ "v=STSv1; id=a-b", -EINVAL, NULL },
	{ "v=STSv1; id=", -EINVAL, NULL },
	{ "v=STSv1", -EINVAL, NULL },
	{ "v=STSv10; id=1", -ENOENT, NULL },
	{ "v=spf1 -all", -ENOENT, NULL },
	{ "", -ENOENT, NULL },
};

START_TEST(an_announcement)
{
	struct span id;

	ck_assert_int_eq(sts_record_parse(span_of(announcements[_i].text), &id), announcements[_i].result);
	if (announcements[_i].id != NULL)
		ck_assert(span_eq(id, span_of(announcements[_i].id)));
}
END_TEST

/* Of several nobody could say which counts (RFC 8461 section 3.1). */
START_TEST(one_announcement)
{
	static const struct {
		struct span texts[3];
		struct span id;
	} rows[] = {
		{ { SPAN("v=STSv1; id=1"), SPAN("v=spf1 -all") }, SPAN("1") },
		{ { SPAN("v=spf1 -all"), SPAN("v=STSv1; id=1") }, SPAN("1") },
		{ { SPAN("v=STSv1; id=1"), SPAN("v=spf1 -all"), SPAN("v=STSv1; id=2") }, SPAN("") },
		{ { SPAN("v=STSv1; id=1"), SPAN("v=STSv1") }, SPAN("") },
		{ { SPAN("v=spf1 -all") }, SPAN("") },
	};
	static struct dns_answer answer;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		answer.count = 0;
		while (answer.count < 3 && rows[i].texts[answer.count].len != 0) {
			answer.records[answer.count].data = rows[i].texts[answer.count];
			answer.count++;
		}
		ck_assert(span_eq(sts_records_id(&answer), rows[i].id));
	}
}
END_TEST

#define BEGIN "version: STSv1\n"
static const struct {
	const char *text;
	int result;
	const char *kept; /* as sts_policy_put writes it, without what the keeper adds */
} policies[] = {
	/* RFC 8461 section 3.2. */
	{ "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmx: backupmx.example.com\r\nmax_age: 604800\r\n", 0,
		BEGIN "mode: enforce\nmax_age: 604800\nmx: mail.example.com\nmx: *.example.net\nmx: backupmx.example.com\n" },
	{ BEGIN "mode: testing\nmx:a.example\nmax_age: 1", 0, BEGIN "mode: testing\nmax_age: 1\nmx: a.example\n" },
	{ BEGIN "mode: none\nmax_age: 0\n", 0, BEGIN "mode: none\nmax_age: 0\n" },
	{ BEGIN "later: x y\n\nmode : enforce \nmode: none\nmx: a\nmax_age: 9\nmax_age: 10\n", 0, BEGIN "mode: enforce\nmax_age: 9\nmx: a\n" },
	{ BEGIN "mode: none\nmax_age: 9999999999\n", 0, BEGIN "mode: none\nmax_age: 31557600\n" },
	/* In any order. */
	{ "mode: enforce\nversion: STSv1\nmx: a\nmax_age: 9\n", 0, BEGIN "mode: enforce\nmax_age: 9\nmx: a\n" },
	{ "max_age: 9\r\nmx: a\r\n\r\nmx: b\r\nmode: testing\r\nversion: STSv1\r\n", 0, BEGIN "mode: testing\nmax_age: 9\nmx: a\nmx: b\n" },
	{ "mode: enforce\nmx: a\nmax_age: 9\n", -EINVAL, NULL }, /* no version */
	{ "mode: enforce\nversion: STSv2\nmx: a\nmax_age: 9\n", -EINVAL, NULL },
	{ "version: STSv2\nmode: none\nmax_age: 9\n", -EINVAL, NULL },
	{ BEGIN "mode: enforce\nmax_age: 9\n", -EINVAL, NULL }, /* nobody is named */
	{ BEGIN "mode: maybe\nmx: a\nmax_age: 9\n", -EINVAL, NULL },
	{ BEGIN "mx: a\nmax_age: 9\n", -EINVAL, NULL },
	{ BEGIN "mode: enforce\nmx: a\n", -EINVAL, NULL },
	{ BEGIN "mode: enforce\nmx: a\nmax_age: -1\n", -EINVAL, NULL },
	{ BEGIN "mode: enforce\nmx: a\nmax_age: 99999999999\n", -EINVAL, NULL },
	{ BEGIN "mode: enforce\nmx: a b\nmax_age: 9\n", -EINVAL, NULL },
	{ BEGIN "mode: enforce\nmx: a.*.example\nmax_age: 9\n", -EINVAL, NULL },
	{ BEGIN "mode: enforce\nmx: *\nmax_age: 9\n", -EINVAL, NULL },
	{ BEGIN "mode: enforce\nmx: \nmax_age: 9\n", -EINVAL, NULL },
	{ BEGIN "mode: enforce\nnonsense\nmx: a\nmax_age: 9\n", -EINVAL, NULL },
	{ "<html>", -EINVAL, NULL },
	{ "", -EINVAL, NULL },
};

START_TEST(a_policy)
{
	struct sts_policy policy, again;
	struct buf kept = BUF_INIT(STS_TEXT_MAX + 1);

	ck_assert_int_eq(sts_policy_parse(span_of(policies[_i].text), &policy), policies[_i].result);
	if (policies[_i].result != 0)
		return;
	policy.id = SPAN("7");
	policy.fetched = 1700000000;
	ck_assert_int_eq(sts_policy_put(&policy, &kept), 0);
	ck_assert(span_starts(buf_get(&kept), span_of(policies[_i].kept)));
	ck_assert(span_eq(span_skip(buf_get(&kept), strlen(policies[_i].kept)), SPAN("fourpost_id: 7\nfourpost_fetched: 1700000000\n")));
	ck_assert_int_eq(sts_policy_parse(buf_get(&kept), &again), 0);
	ck_assert(again.fetched == 1700000000 && span_eq(again.id, SPAN("7")) && again.mx_count == policy.mx_count && again.mode == policy.mode);
	buf_free(&kept);
}
END_TEST

START_TEST(many_hosts)
{
	struct buf text = BUF_INIT(STS_FETCHED_MAX), kept = BUF_INIT(STS_TEXT_MAX + 1);
	struct sts_policy policy;

	(void)buf_str(&text, BEGIN "mode: enforce\nmax_age: 9\n");
	for (size_t i = 0; i < 600; i++)
		(void)buf_fmt(&text, "mx: mx-%zu.mail.example\nlater: %050zu\n", i, i);
	ck_assert_int_eq(sts_policy_parse(buf_get(&text), &policy), 0);
	ck_assert_uint_eq(policy.mx_count, 600);
	policy.id = SPAN("7");
	ck_assert_int_eq(sts_policy_put(&policy, &kept), 0);
	ck_assert_int_eq(sts_policy_parse(buf_get(&kept), &policy), 0);
	ck_assert(sts_policy_names(&policy, SPAN("mx-0.mail.example")) && sts_policy_names(&policy, SPAN("mx-599.mail.example")));
	ck_assert(!sts_policy_names(&policy, SPAN("mx-600.mail.example")));
	/* Whatever is fetched can be kept, be its lines as short as can be. */
	buf_clear(&kept);
	buf_clear(&text);
	(void)buf_str(&text, BEGIN "mode:testing\nmax_age:31557600\n");
	while (buf_str(&text, "mx:a\n") == 0)
		;
	text.overflow = false;
	ck_assert_uint_gt(text.len, STS_FETCHED_MAX - 5);
	ck_assert_int_eq(sts_policy_parse(buf_get(&text), &policy), 0);
	policy.id = SPAN("01234567890123456789012345678901");
	policy.fetched = INT64_MAX / 2;
	ck_assert_int_eq(sts_policy_put(&policy, &kept), 0);
	ck_assert_int_eq(sts_policy_parse(buf_get(&kept), &policy), 0);
	ck_assert(policy.mx_count > 13000 && policy.fetched == INT64_MAX / 2);
	/* What was not fetched may be longer. */
	buf_free(&text);
	text.max = 2 * STS_FETCHED_MAX;
	(void)buf_str(&text, BEGIN "mode: enforce\nmax_age: 9\n");
	for (size_t i = 0; i < 600; i++)
		(void)buf_fmt(&text, "mx: %060zu.%060zu.%060zu\n", i, i, i);
	buf_clear(&kept);
	ck_assert_int_eq(sts_policy_parse(buf_get(&text), &policy), 0);
	policy.id = SPAN("7");
	ck_assert_int_eq(sts_policy_put(&policy, &kept), -EMSGSIZE);
	ck_assert_uint_eq(kept.len, 0);
	buf_free(&text);
	buf_free(&kept);
}
END_TEST

/* RFC 8461 section 4.1. */
static const struct {
	const char *pattern, *host;
	bool named;
} names[] = {
	{ "mail.example.com", "mail.example.com", true }, { "Mail.Example.com", "mail.example.com", true }, { "mail.example.com.", "mail.example.com", true },
	{ "mail.example.com", "mail.example.com.evil.test", false }, { "mail.example.com", "xmail.example.com", false },
	{ "*.example.com", "mail.example.com", true }, { "*.example.com", "example.com", false }, { "*.example.com", "foo.bar.example.com", false },
	{ "*.example.com", "mail.example.org", false }, { "*.example.com", ".example.com", false }, { "example.com", "*.example.com", false },
};

START_TEST(a_host)
{
	struct buf text = BUF_INIT(512);
	struct sts_policy policy;

	(void)buf_fmt(&text, BEGIN "mode: enforce\nmx: other.test\nmx: %s\nmax_age: 9\n", names[_i].pattern);
	ck_assert_int_eq(sts_policy_parse(buf_get(&text), &policy), 0);
	ck_assert(sts_policy_names(&policy, span_of(names[_i].host)) == names[_i].named);
	buf_free(&text);
}
END_TEST

START_TEST(when_to_fetch)
{
	const int64_t then = 1700000000;
	struct sts_policy kept = { .mode = STS_ENFORCE, .max_age = 604800, .id = SPAN("1"), .fetched = then };

	/* Nothing is announced: what is kept lives on. */
	ck_assert(!sts_must_fetch(SPAN_NULL, NULL, SPAN_NULL, 0, then));
	ck_assert(!sts_must_fetch(SPAN_NULL, &kept, SPAN_NULL, 0, then + 5));
	ck_assert(sts_must_fetch(SPAN("1"), NULL, SPAN_NULL, 0, then));
	/* The same id: once a day. Another: at once. */
	ck_assert(!sts_must_fetch(SPAN("1"), &kept, SPAN_NULL, 0, then + 86399));
	ck_assert(sts_must_fetch(SPAN("1"), &kept, SPAN_NULL, 0, then + 86400));
	ck_assert(sts_must_fetch(SPAN("2"), &kept, SPAN_NULL, 0, then + 5));
	/* What failed waits five minutes, another id does not. */
	ck_assert(!sts_must_fetch(SPAN("2"), &kept, SPAN("2"), then, then + 299));
	ck_assert(sts_must_fetch(SPAN("2"), &kept, SPAN("2"), then, then + 300));
	ck_assert(sts_must_fetch(SPAN("3"), &kept, SPAN("2"), then, then + 5));
	ck_assert(sts_must_fetch(SPAN("2"), &kept, SPAN("2"), then + 1000, then)); /* a clock that was set back */
	/* Expired, or from the future. */
	ck_assert(sts_policy_is_valid(&kept, then + 604799));
	ck_assert(!sts_policy_is_valid(&kept, then + 604800));
	ck_assert(!sts_policy_is_valid(&kept, then - 90000));
	ck_assert(!sts_policy_is_valid(NULL, then));
}
END_TEST

START_TEST(names_of_files)
{
	ck_assert(sts_is_domain(SPAN("a-b.xn--c.example")) && sts_is_domain(SPAN("_x.example")));
	ck_assert(!sts_is_domain(SPAN("")) && !sts_is_domain(SPAN(".")) && !sts_is_domain(SPAN("..")) && !sts_is_domain(SPAN(".new")) &&
	    !sts_is_domain(SPAN("a/b")) && !sts_is_domain(SPAN("A.example")) && !sts_is_domain(SPAN("a.example.")) && !sts_is_domain(SPAN("\303\244.example")));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("sts");
	TCase *tests = tcase_create("sts");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, one_announcement);
	tcase_add_loop_test(tests, an_announcement, 0, ROWS(announcements));
	tcase_add_loop_test(tests, a_policy, 0, ROWS(policies));
	tcase_add_test(tests, many_hosts);
	tcase_add_loop_test(tests, a_host, 0, ROWS(names));
	tcase_add_test(tests, when_to_fetch);
	tcase_add_test(tests, names_of_files);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
