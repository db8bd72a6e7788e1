/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The aliases file, and who gets mail for an address. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "frame/recipient.h"

static char first[] = "example.test", second[] = "old.test", third[] = "all.test";
static char *names[] = { first, second, third };
static const struct conf_list domains = { names, 3 };

/* "broken" cannot be looked up. */
static int
exists(void *context, struct span name)
{
	static const char *const accounts[] = { "alice@example.test", "bob@example.test", "carol@example.test", "dot.ted@example.test",
		"box+1@example.test", "alice@all.test" };

	(void)context;
	if (span_starts(name, SPAN("broken@")))
		return -EIO;
	for (size_t i = 0; i < sizeof(accounts) / sizeof(*accounts); i++)
		if (span_eq(name, span_of(accounts[i])))
			return 0;
	return 1;
}

static struct aliases *
read_aliases(const char *text)
{
	struct buf errors = BUF_INIT(65536);
	struct aliases *aliases = aliases_new(span_of(text), "", &errors);

	ck_assert_str_eq(buf_cstr(&errors), "");
	buf_free(&errors);
	return aliases;
}

/* The members with a space behind each, and "[owner]" where there is one. */
static void
expect(const struct aliases *aliases, const char *address, enum lookup_result wanted, const char *members)
{
	struct recipient_host host = { .domains = &domains, .aliases = aliases, .delimiter = '+', .exists = exists };
	struct buf text = BUF_INIT(65536);
	struct recipients recipients;
	enum lookup_result result = recipient_expand(&host, span_of(address), true, &recipients), brief;

	ck_assert_msg(result == wanted, "%s: %d, not %d", address, result, wanted);
	for (size_t i = 0; i < recipients.members.len; i++)
		(void)buf_char(&text, recipients.members.data[i] == '\n' ? ' ' : recipients.members.data[i]);
	if (recipients.owner.len != 0)
		(void)buf_fmt(&text, "[%s]", buf_cstr(&recipients.owner));
	if (members != NULL)
		ck_assert_str_eq(buf_cstr(&text), members);
	recipients_free(&recipients);
	brief = recipient_expand(&host, span_of(address), false, &recipients);
	if (recipients.fault == NULL && result != LOOKUP_TEMPFAIL)
		ck_assert_msg(brief == result, "%s: %d in brief, not %d", address, brief, result);
	recipients_free(&recipients);
	buf_free(&text);
}

START_TEST(expansions)
{
	struct aliases *aliases = read_aliases(
	    "# of everything\n"
	    "postmaster: alice@example.test\n"
	    "info@example.test: alice, bob@example.test\n"
	    "\tx@far.example,\n"
	    "   # said in between: nobody@example.test\n"
	    "   ALICE@Example.TEST\n"
	    "\n"
	    "deep@example.test: info deep2\n"
	    "deep2@example.test: info, carol\n"
	    "alice@example.test: alice, y@far.example\r\n"
	    "staff@example.test: bob, carol, discard\n"
	    "owner-staff@example.test: alice\n"
	    "c++@example.test: bob, carol\nowner-c++: alice\nstaff+all: bob, carol\n"
	    "ring1@example.test: ring2\nring2@example.test: ring1\n"
	    "own@example.test: own\nown2@example.test: own2, own2+x\nlone@example.test: nobody, lone\n"
	    "club@example.test: club, bob\ncast@example.test: club, cast\nspin@example.test: spin, discard\n"
	    "mixed@example.test: alice@all.test, a/b@far.example, c/d\n"
	    "cases@example.test: John@far.example, john@Far.example, John@FAR.example, Bob, BOB@Example.test\n"
	    "dead@example.test: nobody\nhalf@example.test: nobody, bob\n"
	    "drop@example.test: Discard\n"
	    "sick@example.test: broken\n"
	    "sales-*@example.test: *+sales, bob\n"
	    "any-*-*@*: carol@example.test\n"
	    "team-*: *, carol@example.test\n"
	    "/(help|desk)[0-9]*@example\\.test/: carol\n"
	    "@old.test: @example.test\n"
	    "@all.test: bob@example.test\n");

	expect(aliases, "bob@example.test", LOOKUP_LOCAL, "bob@example.test ");
	expect(aliases, "bob+list@example.test", LOOKUP_LOCAL, "bob+list@example.test ");
	expect(aliases, "box+1@example.test", LOOKUP_LOCAL, "box+1@example.test ");
	expect(aliases, "x@far.example", LOOKUP_NOT_OURS, "x@far.example ");
	expect(aliases, "\"a b/c\"@far.example", LOOKUP_NOT_OURS, "\"a b/c\"@far.example ");
	expect(aliases, "mixed@example.test", LOOKUP_ALIAS, "alice@all.test a/b@far.example c/d@example.test ");
	/* Of accounts here the case means nothing, of others' mailboxes it may. */
	expect(aliases, "cases@example.test", LOOKUP_ALIAS, "John@far.example john@Far.example bob@example.test ");
	expect(aliases, "nobody@example.test", LOOKUP_UNKNOWN, NULL);
	expect(aliases, "a/b@example.test", LOOKUP_UNKNOWN, NULL);
	expect(aliases, "", LOOKUP_UNKNOWN, NULL);
	expect(aliases, "@example.test", LOOKUP_UNKNOWN, NULL);
	/* An alias that names itself means its account. */
	expect(aliases, "Alice@example.test", LOOKUP_ALIAS, "alice@example.test y@far.example ");
	expect(aliases, "alice+x@example.test", LOOKUP_ALIAS, NULL);
	expect(aliases, "info@example.test", LOOKUP_ALIAS, "alice@example.test y@far.example bob@example.test x@far.example ");
	expect(aliases, "deep@example.test", LOOKUP_ALIAS,
	    "alice@example.test y@far.example bob@example.test x@far.example carol@example.test ");
	expect(aliases, "postmaster@old.test", LOOKUP_ALIAS, "alice@example.test y@far.example ");
	expect(aliases, "staff@example.test", LOOKUP_ALIAS, "bob@example.test carol@example.test [owner-staff@example.test]");
	expect(aliases, "staff+x@example.test", LOOKUP_ALIAS, "bob@example.test carol@example.test [owner-staff@example.test]");
	expect(aliases, "staff@old.test", LOOKUP_ALIAS, "bob@example.test carol@example.test [owner-staff@example.test]");
	/* The delimiter may be in the name of a list, or of an alias that is none. */
	expect(aliases, "c++@example.test", LOOKUP_ALIAS, "bob@example.test carol@example.test [owner-c++@example.test]");
	expect(aliases, "c++@old.test", LOOKUP_ALIAS, "bob@example.test carol@example.test [owner-c++@example.test]");
	expect(aliases, "staff+all@example.test", LOOKUP_ALIAS, "bob@example.test carol@example.test ");
	expect(aliases, "owner-staff@example.test", LOOKUP_ALIAS, "alice@example.test y@far.example ");
	/* Circles of aliases that name nobody, and those that name somebody. */
	expect(aliases, "ring1@example.test", LOOKUP_LOOP, "");
	expect(aliases, "ring2+x@example.test", LOOKUP_LOOP, "");
	expect(aliases, "ring1@old.test", LOOKUP_LOOP, "");
	expect(aliases, "own@example.test", LOOKUP_LOOP, "");
	expect(aliases, "own2@example.test", LOOKUP_LOOP, "");
	expect(aliases, "lone@example.test", LOOKUP_UNKNOWN, NULL);
	expect(aliases, "club@example.test", LOOKUP_ALIAS, "bob@example.test ");
	expect(aliases, "cast@example.test", LOOKUP_ALIAS, "bob@example.test ");
	expect(aliases, "spin@example.test", LOOKUP_ALIAS, "");
	expect(aliases, "dead@example.test", LOOKUP_UNKNOWN, NULL);
	expect(aliases, "half@example.test", LOOKUP_ALIAS, "nobody@example.test bob@example.test ");
	expect(aliases, "drop@example.test", LOOKUP_ALIAS, "");
	expect(aliases, "sick@example.test", LOOKUP_TEMPFAIL, NULL);
	expect(aliases, "sales-carol@example.test", LOOKUP_ALIAS, "carol+sales@example.test bob@example.test ");
	expect(aliases, "sales-@example.test", LOOKUP_ALIAS, NULL);
	expect(aliases, "any-thing@example.test", LOOKUP_UNKNOWN, NULL);
	expect(aliases, "any-thing-else@example.test", LOOKUP_ALIAS, "carol@example.test ");
	/* Without a domain, at all of them. */
	expect(aliases, "team-bob@example.test", LOOKUP_ALIAS, "bob@example.test carol@example.test ");
	expect(aliases, "team-alice@all.test", LOOKUP_ALIAS, "alice@all.test carol@example.test ");
	expect(aliases, "Team-x+y@all.test", LOOKUP_ALIAS, "bob@example.test carol@example.test ");
	expect(aliases, "xteam-bob@example.test", LOOKUP_UNKNOWN, NULL);
	expect(aliases, "team-bob@far.example", LOOKUP_NOT_OURS, NULL);
	expect(aliases, "help12@example.test", LOOKUP_ALIAS, "carol@example.test ");
	expect(aliases, "help12@exampleXtest", LOOKUP_NOT_OURS, NULL);
	expect(aliases, "xhelp12@example.test", LOOKUP_UNKNOWN, NULL);
	expect(aliases, "carol+d@old.test", LOOKUP_ALIAS, "carol+d@example.test ");
	expect(aliases, "nobody@old.test", LOOKUP_UNKNOWN, NULL);
	expect(aliases, "alice@all.test", LOOKUP_LOCAL, "alice@all.test ");
	expect(aliases, "anybody@all.test", LOOKUP_ALIAS, "bob@example.test ");
	(void)aliases_free(aliases);
}
END_TEST

START_TEST(domains_beyond_ascii)
{
	static char idn[] = "xn--bcher-kva.example", sub[] = "sub.xn--bcher-kva.example";
	static char *ours[] = { first, idn, sub };
	static const struct conf_list list = { ours, 3 };
	struct aliases *aliases = read_aliases("shop@b\xc3\274cher.example: alice@example.test\n"
					       "web@xn--bcher-kva.example: bob@example.test\n"
					       "to-*@bu\xcc\210cher.example: *@example.test\n"
					       "in-*@*.b\xc3\274cher.example: bob@example.test\n"
					       "x@example.test: shop@B\xc3\234CHER.example, x@b\xc3\266cher.example\n"
					       "@sub.b\xc3\274cher.example: @b\xc3\274cher.example\n");
	static const struct {
		const char *address, *members;
	} cases[] = {
		{ "shop@xn--bcher-kva.example", "alice@example.test\n" }, { "Shop@b\xc3\274cher.example", "alice@example.test\n" },
		{ "web@b\xc3\274cher.example", "bob@example.test\n" }, { "to-carol@b\xc3\274cher.example", "carol@example.test\n" },
		{ "in-bob@sub.b\xc3\274cher.example", "bob@example.test\n" }, { "x@example.test", "alice@example.test\nx@b\xc3\266cher.example\n" },
		{ "web@sub.xn--bcher-kva.example", "bob@example.test\n" },
	};
	struct recipient_host host = { .domains = &list, .aliases = aliases, .delimiter = '+', .exists = exists };
	struct recipients recipients;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		ck_assert_msg(recipient_expand(&host, span_of(cases[i].address), true, &recipients) == LOOKUP_ALIAS, "%s", cases[i].address);
		ck_assert_str_eq(buf_cstr(&recipients.members), cases[i].members);
		recipients_free(&recipients);
	}
	(void)aliases_free(aliases);
}
END_TEST

/* Local parts that no account can have: whoever takes all of a domain gets them, and so does an alias or an account whose detail they are. Where they
 * go on they are addresses again. */
START_TEST(odd_local_parts)
{
	struct aliases *aliases = read_aliases("a/b@example.test: carol\n"
					       "in-*@example.test: *@far.example, bob+*\n"
					       "/^x y@example\\.test$/: alice\n"
					       "info@example.test: alice, c/d\n"
					       "@all.test: bob@example.test\n"
					       "@old.test: @far.example\n");

	expect(aliases, "a/b@all.test", LOOKUP_ALIAS, "bob@example.test ");
	expect(aliases, "\"john doe\"@all.test", LOOKUP_ALIAS, "bob@example.test ");
	expect(aliases, ".@all.test", LOOKUP_ALIAS, "bob@example.test ");
	expect(aliases, "\"John \\\"Doe\"@old.test", LOOKUP_ALIAS, "\"john \\\"doe\"@far.example ");
	expect(aliases, "a/b@old.test", LOOKUP_ALIAS, "a/b@far.example ");
	expect(aliases, "A/B@example.test", LOOKUP_ALIAS, "carol@example.test ");
	expect(aliases, "\"in-a b\"@example.test", LOOKUP_ALIAS, "\"a b\"@far.example \"bob+a b\"@example.test ");
	expect(aliases, "\"x y\"@example.test", LOOKUP_ALIAS, "alice@example.test ");
	expect(aliases, "bob+a/b@example.test", LOOKUP_LOCAL, "bob+a/b@example.test ");
	expect(aliases, "\"Bob+a b\"@example.test", LOOKUP_LOCAL, "\"bob+a b\"@example.test ");
	expect(aliases, "info@example.test", LOOKUP_ALIAS, "alice@example.test c/d@example.test ");
	expect(aliases, "../bob@example.test", LOOKUP_UNKNOWN, NULL);
	expect(aliases, "\" \"@example.test", LOOKUP_UNKNOWN, NULL);
	expect(aliases, "\"\"@all.test", LOOKUP_UNKNOWN, NULL);
	(void)aliases_free(aliases);
}
END_TEST

/* Aliases and srs that are to come: what nobody has now may be somebody's then. */
START_TEST(what_is_not_known_yet_is_not_refused)
{
	struct recipient_host host = { .domains = &domains, .incomplete = true, .delimiter = '+', .exists = exists };
	static const char *const ours[] = { "nobody@example.test", "alice@example.test", "SRS0=x=y=far.example=z@example.test" };
	struct recipients recipients;

	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++) {
		ck_assert_int_eq(recipient_expand(&host, span_of(ours[i]), i == 0, &recipients), LOOKUP_TEMPFAIL);
		recipients_free(&recipients);
	}
	ck_assert_int_eq(recipient_expand(&host, SPAN("x@far.example"), true, &recipients), LOOKUP_NOT_OURS);
	recipients_free(&recipients);
}
END_TEST

START_TEST(bounds)
{
	struct buf text = BUF_INIT(8 << 20);
	struct recipient_host host = { .domains = &domains, .delimiter = '+', .exists = exists };
	struct recipients recipients;
	struct aliases *aliases;

	for (unsigned i = 0; i < 20; i++)
		(void)buf_fmt(&text, "step%u@example.test: step%u\n", i, i + 1);
	(void)buf_str(&text, "step20@example.test: bob\nmany@example.test:");
	for (unsigned i = 0; i < RECIPIENT_MEMBERS_MAX + 1; i++)
		(void)buf_fmt(&text, " u%u@far.example\n", i);
	/* Each names both of the next: two to the fifteenth ways, each name gone through once. */
	for (unsigned i = 0; i < 15; i++)
		(void)buf_fmt(&text, "l%u@example.test: l%u, r%u\nr%u@example.test: l%u, r%u\n", i, i + 1, i + 1, i, i + 1, i + 1);
	(void)buf_str(&text, "l15@example.test: bob\nr15@example.test: carol\n");
	host.aliases = aliases = read_aliases(buf_cstr(&text));
	ck_assert_int_eq(recipient_expand(&host, SPAN("step0@example.test"), true, &recipients), LOOKUP_TEMPFAIL);
	ck_assert_ptr_nonnull(recipients.fault);
	recipients_free(&recipients);
	expect(aliases, "step6@example.test", LOOKUP_ALIAS, "bob@example.test ");
	ck_assert_int_eq(recipient_expand(&host, SPAN("many@example.test"), true, &recipients), LOOKUP_TEMPFAIL);
	ck_assert_uint_eq(recipients.count, RECIPIENT_MEMBERS_MAX);
	recipients_free(&recipients);
	expect(aliases, "l0@example.test", LOOKUP_ALIAS, "bob@example.test carol@example.test ");
	(void)aliases_free(aliases);
	buf_free(&text);
}
END_TEST

/* The way back to senders whose local parts could be no account's name. */
START_TEST(senders)
{
	static const char *const addresses[] = { "S.Ender@far.example", "/G=John/S=Smith/@far.example", "SRS0=Ab/c=XX=orig.example=u@far.example" };
	const char *fault = NULL;
	struct srs *srs = srs_new(SPAN("0123456789abcdef of a test"), &fault);
	struct recipient_host host = { .domains = &domains, .srs = srs, .now = 1795423737, .delimiter = '+', .exists = exists };
	struct recipients recipients;

	for (size_t i = 0; i < sizeof(addresses) / sizeof(*addresses); i++) {
		struct buf there = BUF_INIT(400), wanted = BUF_INIT(400);

		ck_assert_int_eq(srs_forward(srs, span_of(addresses[i]), SPAN("example.test"), host.now, &there), 0);
		(void)buf_fmt(&wanted, "%s\n", addresses[i]);
		ck_assert_int_eq(recipient_expand(&host, buf_get(&there), true, &recipients), LOOKUP_ALIAS);
		ck_assert_str_eq(buf_cstr(&recipients.members), buf_cstr(&wanted));
		recipients_free(&recipients);
		buf_free(&there);
		buf_free(&wanted);
	}
	ck_assert_int_eq(recipient_expand(&host, SPAN("SRS0=aaaaaa=aa=far.example=a/b@example.test"), true, &recipients), LOOKUP_UNKNOWN);
	recipients_free(&recipients);
	(void)srs_free(srs);
}
END_TEST

START_TEST(membership)
{
	struct aliases *aliases = read_aliases("info@example.test: bob+info, alice\n");
	struct recipient_host host = { .domains = &domains, .aliases = aliases, .delimiter = '+', .exists = exists };
	struct recipients recipients;

	ck_assert_int_eq(recipient_expand(&host, SPAN("info@example.test"), true, &recipients), LOOKUP_ALIAS);
	ck_assert(recipients_have(&host, &recipients, SPAN("bob@example.test")));
	ck_assert(recipients_have(&host, &recipients, SPAN("alice@example.test")));
	ck_assert(!recipients_have(&host, &recipients, SPAN("carol@example.test")));
	recipients_free(&recipients);
	(void)aliases_free(aliases);
}
END_TEST

/* Postmaster is somebody behind an alias too (RFC 5321 section 4.5.1), and gets what he has under his own name once. */
START_TEST(postmaster)
{
	struct aliases *aliases = read_aliases("abuse: postmaster\nteam@example.test: postmaster, postmaster@old.test, alice, bob\n"
	    "@all.test: @example.test\nboss@example.test: postmaster@old.test\nnone@example.test: post-master\n");
	static const struct {
		const char *postmaster, *address;
		enum lookup_result result;
		const char *members;
	} cases[] = {
		{ "alice@example.test", "abuse@example.test", LOOKUP_ALIAS, "alice@example.test\n" },
		{ "alice@example.test", "abuse@old.test", LOOKUP_ALIAS, "alice@example.test\n" },
		{ "alice@example.test", "team@example.test", LOOKUP_ALIAS, "alice@example.test\nbob@example.test\n" },
		{ "alice@example.test", "postmaster@all.test", LOOKUP_ALIAS, "alice@example.test\n" },
		{ "alice@example.test", "none@example.test", LOOKUP_UNKNOWN, NULL },
		/* Who is asked for by that name is looked up by who asks. */
		{ "alice@example.test", "postmaster@old.test", LOOKUP_UNKNOWN, NULL },
		/* One who is nobody either, or leads back. */
		{ "postmaster@example.test", "abuse@example.test", LOOKUP_UNKNOWN, "postmaster@example.test\n" },
		{ "postmaster@example.test", "abuse@old.test", LOOKUP_UNKNOWN, "postmaster@example.test\n" },
		{ "boss@example.test", "boss@example.test", LOOKUP_LOOP, "" },
		{ NULL, "abuse@example.test", LOOKUP_UNKNOWN, "postmaster@example.test\n" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct recipient_host host = { .domains = &domains, .aliases = aliases, .postmaster = cases[i].postmaster, .delimiter = '+', .exists = exists };
		struct recipients recipients;

		ck_assert_msg(recipient_expand(&host, span_of(cases[i].address), true, &recipients) == cases[i].result, "%zu", i);
		if (cases[i].members != NULL)
			ck_assert_msg(strcmp(buf_cstr(&recipients.members), cases[i].members) == 0, "%zu: %s", i, buf_cstr(&recipients.members));
		recipients_free(&recipients);
	}
	(void)aliases_free(aliases);
}
END_TEST

/* Whose mail it is, however it is addressed. */
START_TEST(counted_as)
{
	static const struct {
		const char *address, *name;
	} cases[] = {
		{ "Bob@Example.test", "bob@example.test" },
		{ "bob+list@example.test", "bob@example.test" },
		{ "box+1@example.test", "box+1@example.test" },
		{ "second@example.test", "bob@example.test" },
		{ "second+x@example.test", "bob@example.test" },
		{ "third@example.test", "bob@example.test" },
		{ "second@old.test", "bob@example.test" },
		{ "anybody@all.test", "bob@example.test" },
		{ "hot-1@example.test", "carol@example.test" },
		{ "away@example.test", "x@far.example" },
		{ "alice+1@example.test", "alice@example.test" },
		{ "info+1@example.test", "info@example.test" },
		{ "info@old.test", "info@old.test" },
		{ "any-1@example.test", "any-*@example.test" },
		{ "broken-later@example.test", "bob@example.test" },
		{ "discard@example.test", "" },
	};
	struct aliases *aliases = read_aliases("second@example.test: bob+second\nthird@example.test: second\n@old.test: @example.test\n"
	    "hot-*@example.test: carol+*\naway@example.test: x@far.example\nalice@example.test: alice, y@far.example\n"
	    "info: bob+info, alice, carol\nany-*@example.test: bob, carol\n@all.test: bob@example.test\n"
	    "broken-later@example.test: bob, broken\ndiscard@example.test: discard\n");
	struct recipient_host host = { .domains = &domains, .aliases = aliases, .delimiter = '+', .exists = exists };

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf name = BUF_INIT(320);
		struct recipients recipients;

		(void)recipient_expand(&host, span_of(cases[i].address), false, &recipients);
		recipients_put_name(&host, &recipients, &name);
		ck_assert_msg(strcmp(buf_cstr(&name), cases[i].name) == 0, "%s: %s", cases[i].address, buf_cstr(&name));
		recipients_free(&recipients);
		buf_free(&name);
	}
	(void)aliases_free(aliases);
}
END_TEST

START_TEST(faults)
{
	static const struct {
		const char *text;
		unsigned line; /* 0: none */
	} cases[] = {
		{ "", 0 },
		{ "# a\n\n", 0 },
		{ "a@b.test: c@d.test", 0 },
		{ "a@b.test c@d.test\n", 1 },
		{ "\n  a@b.test: c@d.test\n", 2 },
		{ "a@b.test:\n", 1 },
		{ "a@b.test: ,\n # x\n", 1 },
		{ ": c@d.test\n", 1 },
		{ "a@b.test: c@d.test\nA@B.test: d@d.test\n", 2 },
		{ "a b: c@d.test\n", 1 },
		{ "\"a b\"@c.test: c@d.test\n", 1 },
		{ "@: c@d.test\n", 1 },
		{ "@b.test: @\n", 1 },
		{ "a@b.test: @c.test\n", 1 },
		{ "a@b.test: *@c.test\n", 1 },
		{ "*-*@b.test: *@c.test\n", 1 },
		{ "*@b.test: *+x@c.test\n", 0 },
		{ "a@b.test: |/bin/sh\n", 0 }, /* nothing but a local part */
		{ "a@b.test: :include:/etc/passwd\n", 1 },
		{ "/a: b@c.test\n", 1 },
		{ "//: b@c.test\n", 1 },
		{ "/(a/: b@c.test\n", 1 },
		{ "/(a)\\1/: b@c.test\n", 1 },
		{ "/a{2,300}/: b@c.test\n", 1 },
		{ "/a\\.b/: b@c.test\n", 0 },
		{ "/a/: *@c.test\n", 1 },
		{ "a@\xe2\x98\x83.test: c@d.test\n", 1 },
		{ "@\xe2\x98\x83.test: c@d.test\n", 1 },
		{ "a@b.test: c@\xe2\x98\x83.test\n", 1 },
		{ "a@b\xc3\xbc*.test: c@d.test\n", 1 },
		{ "\xc3\xbc*@*.b\xc3\xbc.test: c@d.test\n", 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf errors = BUF_INIT(65536);
		struct aliases *aliases = aliases_new(span_of(cases[i].text), "", &errors);
		struct span text = buf_get(&errors);
		uint64_t line = 0;

		(void)span_take_u64(&text, 100, &line);
		ck_assert_msg(line == cases[i].line, "%s: \"%s\"", cases[i].text, buf_cstr(&errors));
		(void)aliases_free(aliases);
		buf_free(&errors);
	}
}
END_TEST

int
main(void)
{
	TCase *test = tcase_create("recipient");
	Suite *suite = suite_create("recipient");
	SRunner *runner = srunner_create(suite);
	int failures;

	tcase_add_test(test, expansions);
	tcase_add_test(test, postmaster);
	tcase_add_test(test, odd_local_parts);
	tcase_add_test(test, domains_beyond_ascii);
	tcase_add_test(test, what_is_not_known_yet_is_not_refused);
	tcase_add_test(test, bounds);
	tcase_add_test(test, senders);
	tcase_add_test(test, membership);
	tcase_add_test(test, counted_as);
	tcase_add_test(test, faults);
	suite_add_tcase(suite, test);
	srunner_run_all(runner, CK_NORMAL);
	failures = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
