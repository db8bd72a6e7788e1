/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Routes, next hops, and logging in at them. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "smtpd/relay_auth.h"
#include "smtpd/relay_secrets.h"
#include "smtpd/route_parse.h"

START_TEST(hops)
{
	static const struct {
		const char *text, *host, *label; /* host NULL: it is none */
		uint16_t port;
		enum hop_tls tls;
		bool exchangers;
	} cases[] = {
		{ "mail.example:25", "mail.example", "", 25, HOP_TLS_MAY, false },
		{ "192.0.2.1:2525", "192.0.2.1", "", 2525, HOP_TLS_MAY, false },
		{ "[smtp-relay.example.com]:587", "smtp-relay.example.com", "", 587, HOP_TLS_MAY, false },
		{ "[2001:db8::1]:25", "2001:db8::1", "", 25, HOP_TLS_MAY, false },
		{ "smtp://mail.example", "mail.example", "", 25, HOP_TLS_MAY, false },
		{ "SMTP://mail.example:26", "mail.example", "", 26, HOP_TLS_MAY, false },
		{ "smtp+notls://[2001:db8::1]", "2001:db8::1", "", 25, HOP_TLS_NEVER, false },
		{ "smtp+tls://isp@mail.example:587", "mail.example", "isp", 587, HOP_TLS_MUST, false },
		{ "smtps://a.b_c-1@mail.example", "mail.example", "a.b_c-1", 465, HOP_TLS_FIRST, false },
		{ "mx://other.example", "other.example", "", 25, HOP_TLS_MAY, true },
		{ "mail.example", NULL, NULL, 0, 0, false },
		{ "mail.example:0", NULL, NULL, 0, 0, false },
		{ "mail.example:65536", NULL, NULL, 0, 0, false },
		{ ":25", NULL, NULL, 0, 0, false },
		{ "*:25", NULL, NULL, 0, 0, false },
		{ "[2001:db8::1:25", NULL, NULL, 0, 0, false },
		{ "[2001:db8::1]25", NULL, NULL, 0, 0, false },
		{ "2001:db8::1:25", NULL, NULL, 0, 0, false },
		{ "smtp://isp@mail.example", NULL, NULL, 0, 0, false }, /* no password without TLS */
		{ "smtps://@mail.example", NULL, NULL, 0, 0, false },
		{ "smtps://a b@mail.example", NULL, NULL, 0, 0, false },
		{ "smtps://", NULL, NULL, 0, 0, false },
		{ "http://mail.example", NULL, NULL, 0, 0, false },
		{ "smtp://mail.example/x", NULL, NULL, 0, 0, false },
		{ "", NULL, NULL, 0, 0, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct next_hop hop;
		const char *fault = NULL;
		int r = next_hop_parse(span_of(cases[i].text), &hop, &fault);

		ck_assert_msg((r == 0) == (cases[i].host != NULL), "%s", cases[i].text);
		ck_assert((r == 0) == (fault == NULL));
		if (r < 0)
			continue;
		ck_assert_msg(next_hop_is(span_of(cases[i].text)), "%s", cases[i].text);
		ck_assert_msg(span_eq(hop.host, span_of(cases[i].host)) && span_eq(hop.label, span_of(cases[i].label)) && hop.port == cases[i].port &&
			hop.tls == cases[i].tls && hop.exchangers == cases[i].exchangers,
		    "%s", cases[i].text);
	}
	ck_assert(!next_hop_is(SPAN("example.org")) && !next_hop_is(SPAN("[IPv6:2001:db8::1]")) && !next_hop_is(SPAN("[192.0.2.1]")));
}
END_TEST

START_TEST(routes)
{
	static char a[] = "from:news@here.test smtps://news@bulk.example", b[] = "inner.example\tsmtp://10.0.0.1", c[] = "*.inner.example direct",
		    d[] = "from:sub.here.test  mx://other.example", e[] = "* smtp+tls://isp@isp.example:587";
	static char *items[] = { a, b, c, d, e };
	static const struct {
		const char *sender, *recipient, *hop; /* NULL: direct */
	} cases[] = {
		{ "News@here.test", "x@inner.example", "smtps://news@bulk.example" },
		{ "x@here.test", "x@Inner.example", "smtp://10.0.0.1" },
		{ "x@here.test", "x@deep.inner.example", NULL },
		{ "", "x@dinner.example", "smtp+tls://isp@isp.example:587" },
		{ "x@sub.here.test", "x@far.example", "mx://other.example" },
		{ "x@sub.sub.here.test", "x@far.example", "smtp+tls://isp@isp.example:587" },
		{ "", "x@inner.example", "smtp://10.0.0.1" },
	};
	static const char *const faults[] = { "", "x.example", "x.example smtp://a b", "x.example nowhere", "x@y.example smtp://a", "from: smtp://a", "*x smtp://a",
		"from:@x smtp://a", "*. smtp://a" };
	struct conf_list list = { items, 5 };
	struct span whom, hop;
	const char *fault = NULL;
	bool found;

	for (size_t i = 0; i < list.count; i++)
		ck_assert_msg(route_parse(span_of(items[i]), &whom, &hop, &fault) == 0, "%s: %s", items[i], fault);
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++)
		ck_assert_msg(route_parse(span_of(faults[i]), &whom, &hop, &fault) == -EINVAL, "%s", faults[i]);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		hop = route_find(&list, span_of(cases[i].sender), span_of(cases[i].recipient), &found);
		ck_assert_msg(found && span_eq(hop, span_of(cases[i].hop)), "%s", cases[i].recipient);
	}
	list.count = 4;
	(void)route_find(&list, SPAN("x@here.test"), SPAN("x@far.example"), &found);
	ck_assert(!found);
}
END_TEST

/* In either form, on either side. */
START_TEST(domains_beyond_ascii)
{
	static const char *const texts[] = { "from:J\xc3\xb6@B\xc3\274cher.example direct", "b\xc3\274cher.example\t mx://one.example", "*.bu\xcc\210cher.example mx://two.example",
		"From:*.xn--bcher-kva.example mx://three.example", "\xe2\x98\x83.example mx://four.example" };
	static const struct {
		const char *sender, *recipient, *hop; /* NULL: direct */
	} cases[] = {
		{ "j\xc3\xb6@xn--bcher-kva.example", "x@b\xc3\274cher.example", "mx://one.example" }, { "J\xc3\xb6@b\xc3\274cher.example", "x@far.example", NULL },
		{ "x@here.test", "x@xn--bcher-kva.example", "mx://one.example" }, { "x@here.test", "\xe7\x94\xa8@B\xc3\234CHER.example", "mx://one.example" },
		{ "x@here.test", "x@mail.b\xc3\274cher.example", "mx://two.example" }, { "x@a.b\xc3\274cher.example", "x@far.example", "mx://three.example" },
	};
	struct conf_list list = { calloc(5, sizeof(char *)), 5 };
	struct span whom, hop;
	const char *fault;
	bool found;

	for (size_t i = 0; i < list.count; i++)
		list.item[i] = strdup(texts[i]);
	route_canonicalise(&list);
	ck_assert_str_eq(list.item[1], "xn--bcher-kva.example\t mx://one.example");
	ck_assert_str_eq(list.item[4], texts[4]);
	ck_assert_int_eq(route_parse(span_of(list.item[4]), &whom, &hop, &fault), -EINVAL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		/* The sender's own route is not for those of others. */
		list.item[0][0] = i == 0 ? '-' : 'f';
		hop = route_find(&list, span_of(cases[i].sender), span_of(cases[i].recipient), &found);
		ck_assert_msg(found && span_eq(hop, span_of(cases[i].hop)), "%s", cases[i].recipient);
	}
	for (size_t i = 0; i < list.count; i++)
		free(list.item[i]);
	free(list.item);
}
END_TEST

START_TEST(secrets)
{
	struct span text = SPAN("# next hops\nisp  alice@isp.example   secret with spaces \r\nbulk news x\nbroken line\n");
	struct credentials found;
	struct buf errors = BUF_INIT(1000);

	ck_assert(relay_secrets_find(text, SPAN("isp"), &found));
	ck_assert(span_eq(found.user, SPAN("alice@isp.example")) && span_eq(found.password, SPAN("secret with spaces")));
	ck_assert(relay_secrets_find(text, SPAN("bulk"), &found) && span_eq(found.password, SPAN("x")));
	ck_assert(!relay_secrets_find(text, SPAN("broken"), &found) && !relay_secrets_find(text, SPAN("is"), &found));
	relay_secrets_check(text, "f:", &errors);
	ck_assert_str_eq(buf_cstr(&errors), "f:4: a line has a label, a user and a password\n");
	buf_free(&errors);
}
END_TEST

START_TEST(logging_in)
{
	struct relay_offer plain = relay_parse_offer(SPAN("x\nAUTH LOGIN plain XOAUTH2")), login = relay_parse_offer(SPAN("x\nAUTH CRAM-MD5 LOGIN")),
			   none = relay_parse_offer(SPAN("x\nAUTHPLAIN"));
	struct buf out = BUF_INIT(1000);

	ck_assert(relay_auth_put(&plain, 0, SPAN("alice"), SPAN("demo"), &out));
	ck_assert_str_eq(buf_cstr(&out), "AUTH PLAIN AGFsaWNlAGRlbW8=\r\n");
	ck_assert(!relay_auth_put(&plain, 1, SPAN("alice"), SPAN("demo"), &out));
	buf_clear(&out);
	for (unsigned step = 0; step < 3; step++)
		ck_assert(relay_auth_put(&login, step, SPAN("alice"), SPAN("demo"), &out));
	ck_assert_str_eq(buf_cstr(&out), "AUTH LOGIN\r\nYWxpY2U=\r\nZGVtbw==\r\n");
	ck_assert(!relay_auth_put(&login, 3, SPAN("alice"), SPAN("demo"), &out));
	ck_assert(!relay_auth_put(&none, 0, SPAN("alice"), SPAN("demo"), &out));
	buf_free(&out);
}
END_TEST

int
main(void)
{
	TCase *test = tcase_create("route");
	Suite *suite = suite_create("route");
	SRunner *runner = srunner_create(suite);
	int failures;

	tcase_add_test(test, hops);
	tcase_add_test(test, routes);
	tcase_add_test(test, domains_beyond_ascii);
	tcase_add_test(test, secrets);
	tcase_add_test(test, logging_in);
	suite_add_tcase(suite, test);
	srunner_run_all(runner, CK_NORMAL);
	failures = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
