/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The Sender Rewriting Scheme: there and back, what was not made here, what is too old. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "frame/srs.h"

#define DAY 86400
#define NOW (INT64_C(1795423737))

static struct srs *
make(const char *text)
{
	const char *fault = NULL;
	struct srs *srs = srs_new(span_of(text), &fault);

	ck_assert_msg(srs != NULL, "%s", fault);
	return srs;
}

static int
back(const struct srs *srs, struct span address, int64_t now, struct buf *out)
{
	buf_clear(out);
	return srs_reverse(srs, span_make(address.ptr, (size_t)span_rchr(address, '@')), now, out);
}

START_TEST(there_and_back)
{
	static const char *const senders[] = { "Alice@Example.org", "a=b@x.example", "a.b+c@x.example", "SRS0=abc=de=x.example=bob@y.example",
		"srs0+abc=de=x.example=bob@y.example" };
	struct srs *srs = make("# ours\n0123456789abcdef of now\n");

	for (size_t i = 0; i < sizeof(senders) / sizeof(*senders); i++) {
		struct buf there = BUF_INIT(400), again = BUF_INIT(400);

		ck_assert_int_eq(srs_forward(srs, span_of(senders[i]), SPAN("here.test"), NOW, &there), 0);
		ck_assert(span_ends(buf_get(&there), SPAN("@here.test")));
		ck_assert_int_eq(back(srs, buf_get(&there), NOW + 20 * DAY, &again), 0);
		ck_assert(span_ieq(buf_get(&again), span_of(senders[i])));
		/* Another host's upper case does no harm. */
		for (size_t c = 0; c < there.len; c++)
			there.data[c] = ascii_upper(there.data[c]);
		ck_assert_int_eq(back(srs, buf_get(&there), NOW, &again), 0);
		buf_free(&there);
		buf_free(&again);
	}
	(void)srs_free(srs);
}
END_TEST

START_TEST(three_hosts)
{
	struct srs *one = make("the first host's secret"), *two = make("the second host's secret"), *three = make("the third host's secret");
	struct buf a = BUF_INIT(400), b = BUF_INIT(400), c = BUF_INIT(400), out = BUF_INIT(400);

	ck_assert_int_eq(srs_forward(one, SPAN("u@s.test"), SPAN("a.test"), NOW, &a), 0);
	ck_assert_int_eq(srs_forward(two, buf_get(&a), SPAN("b.test"), NOW, &b), 0);
	ck_assert(span_starts(buf_get(&b), SPAN("SRS1=")));
	ck_assert_int_eq(srs_forward(three, buf_get(&b), SPAN("c.test"), NOW, &c), 0);
	/* Back to the first at once, and from there to the sender. */
	ck_assert_int_eq(back(three, buf_get(&c), NOW, &out), 0);
	ck_assert(span_eq(buf_get(&out), buf_get(&a)));
	ck_assert_int_eq(back(one, buf_get(&a), NOW, &out), 0);
	ck_assert_str_eq(buf_cstr(&out), "u@s.test");
	ck_assert_int_eq(back(two, buf_get(&c), NOW, &out), -EINVAL);
	(void)srs_free(one);
	(void)srs_free(two);
	(void)srs_free(three);
	buf_free(&a);
	buf_free(&b);
	buf_free(&c);
	buf_free(&out);
}
END_TEST

START_TEST(rotation_and_age)
{
	struct srs *old = make("an old secret of some length"), *both = make("the secret that is new now\nan old secret of some length\n"),
		   *new = make("the secret that is new now");
	struct buf there = BUF_INIT(400), out = BUF_INIT(400);

	ck_assert_int_eq(srs_forward(old, SPAN("u@s.test"), SPAN("a.test"), NOW, &there), 0);
	ck_assert_int_eq(back(both, buf_get(&there), NOW, &out), 0);
	ck_assert_int_eq(back(new, buf_get(&there), NOW, &out), -EINVAL);
	ck_assert_int_eq(back(old, buf_get(&there), NOW + SRS_DAYS * DAY, &out), 0);
	ck_assert_int_eq(back(old, buf_get(&there), NOW + (SRS_DAYS + 1) * DAY, &out), -ETIME);
	ck_assert_int_eq(back(old, buf_get(&there), NOW - DAY, &out), 0);
	ck_assert_int_eq(back(old, buf_get(&there), NOW - 3 * DAY, &out), -ETIME);
	(void)srs_free(old);
	(void)srs_free(both);
	(void)srs_free(new);
	buf_free(&there);
	buf_free(&out);
}
END_TEST

START_TEST(what_is_none)
{
	static const char *const locals[] = { "", "bob", "SRS0", "SRS0=", "SRS0=a", "SRS0=aaaaaa=aa=x.test=bob", "SRS1=aaaaaa=x.test==a=b", "SRS2=aaaaaa=aa=x.test=bob",
		"SRS0=aaaaaa=", "SRS0==" };
	static const char *const senders[] = { "", "bob", "\"a b\"@x.test", "a@[192.0.2.1]", "SRS1=x@y.test" };
	struct srs *srs = make("0123456789abcdef");
	struct buf out = BUF_INIT(400);
	const char *fault;

	for (size_t i = 0; i < sizeof(locals) / sizeof(*locals); i++)
		ck_assert_msg(srs_reverse(srs, span_of(locals[i]), NOW, &out) == -EINVAL, "%s", locals[i]);
	for (size_t i = 0; i < sizeof(senders) / sizeof(*senders); i++)
		ck_assert_msg(srs_forward(srs, span_of(senders[i]), SPAN("a.test"), NOW, &out) == -EINVAL, "%s", senders[i]);
	ck_assert_uint_eq(out.len, 0);
	ck_assert_int_eq(srs_forward(srs, SPAN("a-rather-long-local-part-of-forty-octets@a-rather-long-domain.example"), SPAN("a.test"), NOW, &out), -EMSGSIZE);
	ck_assert_uint_eq(out.len, 0);
	(void)srs_free(srs);
	ck_assert_ptr_null(srs_new(SPAN("short\n"), &fault));
	ck_assert_ptr_null(srs_new(SPAN("# 0123456789abcdef\n"), &fault));
	buf_free(&out);
}
END_TEST

int
main(void)
{
	TCase *test = tcase_create("srs");
	Suite *suite = suite_create("srs");
	SRunner *runner = srunner_create(suite);
	int failures;

	tcase_add_test(test, there_and_back);
	tcase_add_test(test, three_hosts);
	tcase_add_test(test, rotation_and_age);
	tcase_add_test(test, what_is_none);
	suite_add_tcase(suite, test);
	srunner_run_all(runner, CK_NORMAL);
	failures = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
