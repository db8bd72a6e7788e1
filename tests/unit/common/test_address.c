/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* SMTP addresses: RFC 5321 section 4.1.2, RFC 6531, limits at N-1, N, N+1, forms. */
#include "common/address.h"
#include "tests/unit/common/syntax.h"

static const struct {
	const char *text;
	enum address_result result, with_utf8;
	const char *local, *domain;
} mailboxes[] = {
	{ "a@b", ADDRESS_OK, ADDRESS_OK, "a", "b" }, { "Jones.x@Example.COM", ADDRESS_OK, ADDRESS_OK, "Jones.x", "Example.COM" },
	{ "!#$%&'*+-/=?^_`{|}~@b.c", ADDRESS_OK, ADDRESS_OK, "!#$%&'*+-/=?^_`{|}~", "b.c" },
	{ "\"a b\"@c", ADDRESS_OK, ADDRESS_OK, "\"a b\"", "c" }, { "\"a\\\"@\\\\\"@c", ADDRESS_OK, ADDRESS_OK, "\"a\\\"@\\\\\"", "c" },
	{ "\"\"@c", ADDRESS_OK, ADDRESS_OK, "\"\"", "c" }, { "a@[192.0.2.1]", ADDRESS_OK, ADDRESS_OK, "a", "[192.0.2.1]" },
	{ "a@[IPv6:2001:db8::1]", ADDRESS_OK, ADDRESS_OK, "a", "[IPv6:2001:db8::1]" },
	{ "a@xn--bcher-kva.example", ADDRESS_OK, ADDRESS_OK, "a", "xn--bcher-kva.example" }, { "a@1.2", ADDRESS_OK, ADDRESS_OK, "a", "1.2" },
	{ "j\xc3\xb6@b.c", ADDRESS_NEEDS_UTF8, ADDRESS_OK, "j\xc3\xb6", "b.c" },
	{ "\"j\xc3\xb6\"@b.c", ADDRESS_NEEDS_UTF8, ADDRESS_OK, "\"j\xc3\xb6\"", "b.c" },
	{ "a@b\xc3\274cher.example", ADDRESS_NEEDS_UTF8, ADDRESS_OK, "a", "b\xc3\274cher.example" },
	{ "j\xf6@b.c", ADDRESS_SYNTAX, ADDRESS_SYNTAX, NULL, NULL }, { "", ADDRESS_SYNTAX, ADDRESS_SYNTAX, NULL, NULL },
	{ "a", ADDRESS_SYNTAX, ADDRESS_SYNTAX, NULL, NULL }, { "@b", ADDRESS_SYNTAX, ADDRESS_SYNTAX, NULL, NULL },
	{ "a@", ADDRESS_SYNTAX, ADDRESS_SYNTAX, NULL, NULL }, { ".a@b", ADDRESS_SYNTAX, ADDRESS_SYNTAX, NULL, NULL },
	{ "a.@b", ADDRESS_SYNTAX, ADDRESS_SYNTAX, NULL, NULL }, { "a..b@c", ADDRESS_SYNTAX, ADDRESS_SYNTAX, NULL, NULL },
	{ "a b@c", ADDRESS_SYNTAX, ADDRESS_SYNTAX, NULL, NULL }, { "a@b..c", ADDRESS_SYNTAX, ADDRESS_SYNTAX, NULL, NULL },
	{ "a@.b", ADDRESS_SYNTAX, ADDRESS_SYNTAX, NULL, NULL }, { "a@b.", ADDRESS_SYNTAX, ADDRESS_SYNTAX, NULL, NULL },
	{ "a@-b", ADDRESS_SYNTAX, ADDRESS_SYNTAX, NULL, NULL }, { "a@b-.c", ADDRESS_SYNTAX, ADDRESS_SYNTAX, NULL, NULL },
	{ "a@b_c", ADDRESS_SYNTAX, ADDRESS_SYNTAX, NULL, NULL }, { "a@b@c", ADDRESS_SYNTAX, ADDRESS_SYNTAX, NULL, NULL },
	{ "a@[192.0.2.256]", ADDRESS_SYNTAX, ADDRESS_SYNTAX, NULL, NULL }, { "a@[192.0.2.1", ADDRESS_SYNTAX, ADDRESS_SYNTAX, NULL, NULL },
	{ "a@[2001:db8::1]", ADDRESS_SYNTAX, ADDRESS_SYNTAX, NULL, NULL }, { "a@[IPv6:192.0.2.1]", ADDRESS_SYNTAX, ADDRESS_SYNTAX, NULL, NULL },
	{ "a@[x:y]", ADDRESS_SYNTAX, ADDRESS_SYNTAX, NULL, NULL }, { "a@[]", ADDRESS_SYNTAX, ADDRESS_SYNTAX, NULL, NULL },
	{ "\"a@b", ADDRESS_SYNTAX, ADDRESS_SYNTAX, NULL, NULL }, { "\"a\"b@c", ADDRESS_SYNTAX, ADDRESS_SYNTAX, NULL, NULL },
	{ "\"a\nb\"@c", ADDRESS_SYNTAX, ADDRESS_SYNTAX, NULL, NULL }, { "a@b ", ADDRESS_SYNTAX, ADDRESS_SYNTAX, NULL, NULL },
	{ "a(c)@b", ADDRESS_SYNTAX, ADDRESS_SYNTAX, NULL, NULL }, { "<a@b>", ADDRESS_SYNTAX, ADDRESS_SYNTAX, NULL, NULL },
	{ "\"\\", ADDRESS_SYNTAX, ADDRESS_SYNTAX, NULL, NULL }, { "\"", ADDRESS_SYNTAX, ADDRESS_SYNTAX, NULL, NULL },
};

START_TEST(mailbox)
{
	for (size_t i = 0; i < COUNT(mailboxes); i++) {
		struct span text = span_of(mailboxes[i].text);
		struct address address = { 0 };

		ck_assert_msg(address_parse_mailbox(text, 0, &address) == mailboxes[i].result, "%s", mailboxes[i].text);
		ck_assert_msg(address_parse_mailbox(text, ADDRESS_SMTPUTF8, &address) == mailboxes[i].with_utf8, "%s", mailboxes[i].text);
		if (mailboxes[i].with_utf8 != ADDRESS_OK)
			continue;
		ck_assert(span_eq(address.mailbox, text));
		ck_assert(span_eq(address.local, span_of(mailboxes[i].local)));
		ck_assert(span_eq(address.domain, span_of(mailboxes[i].domain)));
		ck_assert(address.quoted == (mailboxes[i].text[0] == '"'));
		ck_assert(address.literal == (mailboxes[i].domain[0] == '['));
	}
	ck_assert_int_eq(address_parse_mailbox(SPAN("a\0b@c"), 0, &(struct address){ 0 }), ADDRESS_SYNTAX);
	ck_assert_int_eq(address_parse_mailbox(SPAN("a@[192.0.2.1\0]"), 0, &(struct address){ 0 }), ADDRESS_SYNTAX);
}
END_TEST

START_TEST(path)
{
	static const struct {
		const char *text;
		unsigned flags;
		enum address_result result;
		const char *mailbox, *rest;
	} rows[] = {
		{ "<a@b>", 0, ADDRESS_OK, "a@b", "" }, { "<a@b> SIZE=5", 0, ADDRESS_OK, "a@b", " SIZE=5" },
		{ "<>", ADDRESS_NULL, ADDRESS_OK, "", "" }, { "<> X", ADDRESS_NULL, ADDRESS_OK, "", " X" },
		{ "<>", 0, ADDRESS_SYNTAX, NULL, NULL }, { "<Postmaster>", ADDRESS_POSTMASTER, ADDRESS_OK, "Postmaster", "" },
		{ "<postmaster>", 0, ADDRESS_SYNTAX, NULL, NULL }, { "<postmaster2>", ADDRESS_POSTMASTER, ADDRESS_SYNTAX, NULL, NULL },
		{ "<@a,@b.c:d@e>", 0, ADDRESS_OK, "d@e", "" }, { "<@a:d@e>", 0, ADDRESS_OK, "d@e", "" },
		{ "<@a,b:d@e>", 0, ADDRESS_SYNTAX, NULL, NULL }, { "<@a,:d@e>", 0, ADDRESS_SYNTAX, NULL, NULL }, { "<@a>", 0, ADDRESS_SYNTAX, NULL, NULL },
		{ "<@a:@b:c@d>", 0, ADDRESS_SYNTAX, NULL, NULL }, { "<@:c@d>", 0, ADDRESS_SYNTAX, NULL, NULL }, { "<@", 0, ADDRESS_SYNTAX, NULL, NULL },
		{ "<@a:", 0, ADDRESS_SYNTAX, NULL, NULL }, { "<a@b", 0, ADDRESS_SYNTAX, NULL, NULL }, { "a@b", 0, ADDRESS_SYNTAX, NULL, NULL },
		{ "", 0, ADDRESS_SYNTAX, NULL, NULL }, { "<", ADDRESS_NULL | ADDRESS_POSTMASTER, ADDRESS_SYNTAX, NULL, NULL },
		{ "< a@b>", 0, ADDRESS_SYNTAX, NULL, NULL }, { "<a@b >", 0, ADDRESS_SYNTAX, NULL, NULL },
		{ "<\"a>b\"@c>", 0, ADDRESS_OK, "\"a>b\"@c", "" }, { "<j\xc3\xb6@b>", 0, ADDRESS_NEEDS_UTF8, NULL, NULL },
		{ "<j\xc3\xb6@b>", ADDRESS_SMTPUTF8, ADDRESS_OK, "j\xc3\xb6@b", "" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct span text = span_of(rows[i].text);
		struct address address;
		enum address_result result = address_parse_path(&text, rows[i].flags, &address);

		ck_assert_msg(result == rows[i].result, "%s: %d", rows[i].text, result);
		ck_assert_msg(span_eq(text, span_of(result == ADDRESS_OK ? rows[i].rest : rows[i].text)), "%s", rows[i].text);
		if (result == ADDRESS_OK)
			ck_assert_msg(span_eq(address.mailbox, span_of(rows[i].mailbox)), "%s", rows[i].text);
	}
}
END_TEST

/* local@domain of exactly these lengths, domain in labels of at most 63. */
static enum address_result
parse_sized(size_t local, size_t domain)
{
	struct buf text = BUF_INIT(TEXT_MAX);
	enum address_result result;

	for (size_t i = 0; i < local; i++)
		(void)buf_char(&text, 'l');
	(void)buf_char(&text, '@');
	for (size_t i = 0; i < domain; i++)
		(void)buf_char(&text, i % 60 == 59 && i + 1 < domain ? '.' : 'd');
	result = address_parse_mailbox(buf_get(&text), 0, &(struct address){ 0 });
	buf_free(&text);
	return result;
}

START_TEST(limits)
{
	bool literal;
	char label[65];

	ck_assert_int_eq(parse_sized(63, 10), ADDRESS_OK);
	ck_assert_int_eq(parse_sized(64, 10), ADDRESS_OK);
	ck_assert_int_eq(parse_sized(65, 10), ADDRESS_OK);
	ck_assert_int_eq(parse_sized(243, 10), ADDRESS_OK);
	ck_assert_int_eq(parse_sized(244, 10), ADDRESS_TOO_LONG);
	ck_assert_int_eq(parse_sized(1, 251), ADDRESS_OK);
	ck_assert_int_eq(parse_sized(1, 252), ADDRESS_OK); /* 254 in all */
	ck_assert_int_eq(parse_sized(1, 253), ADDRESS_TOO_LONG);
	ck_assert_int_eq(parse_sized(64, 189), ADDRESS_OK);
	ck_assert_int_eq(parse_sized(64, 190), ADDRESS_TOO_LONG);
	memset(label, 'x', sizeof(label));
	ck_assert_int_eq(address_parse_domain(span_make(label, 62), 0, &literal), ADDRESS_OK);
	ck_assert_int_eq(address_parse_domain(span_make(label, 63), 0, &literal), ADDRESS_OK);
	ck_assert_int_eq(address_parse_domain(span_make(label, 64), 0, &literal), ADDRESS_TOO_LONG);
	ck_assert(!literal);
	ck_assert_int_eq(address_parse_domain(SPAN("[IPv6:::1]"), 0, &literal), ADDRESS_OK);
	ck_assert(literal);
	ck_assert_int_eq(address_parse_domain(SPAN(""), 0, &literal), ADDRESS_SYNTAX);
	ck_assert_int_eq(address_parse_domain(SPAN("a b"), 0, &literal), ADDRESS_SYNTAX);
}
END_TEST

START_TEST(canonical)
{
	static const struct {
		const char *text, *form; /* NULL: no IDN */
	} rows[] = {
		{ "Jones@Example.COM", "Jones@example.com" }, { "\"jones\"@x", "jones@x" }, { "\"j\\ones\"@x", "jones@x" }, { "\"a b\"@x", "\"a b\"@x" },
		{ "\"a..b\"@x", "\"a..b\"@x" }, { "\"\"@x", "\"\"@x" }, { "\"a\\\"b\"@X", "\"a\\\"b\"@x" }, { "a@[IPv6:2001:DB8::1]", "a@[ipv6:2001:db8::1]" },
		{ "a@B\xc3\234CHER.example", "a@xn--bcher-kva.example" }, { "a@b\xc3\274cher.example", "a@xn--bcher-kva.example" },
		{ "\xc3\xa9@x", "\xc3\xa9@x" }, { "a@\xe2\x80\x8e.example", NULL },
		/* what Unicode maps to a space, "a/c", "@" and brackets is no domain */
		{ "a@e\xc2\xa0.example", NULL }, { "a@\xe2\x84\x80.example", NULL }, { "a@x\xef\xbc\xa0y.example", NULL },
		{ "a@\xef\xbc\xbb" "192.0.2.1\xef\xbc\xbd", NULL },
	};
	struct span null_path = SPAN("<>");
	struct address address;
	struct buf out = BUF_INIT(TEXT_MAX);

	for (size_t i = 0; i < COUNT(rows); i++) {
		ck_assert_int_eq(address_parse_mailbox(span_of(rows[i].text), ADDRESS_SMTPUTF8, &address), ADDRESS_OK);
		ck_assert_msg(address_canonical(&address, &out) == (rows[i].form != NULL ? 0 : -EINVAL), "%s", rows[i].text);
		ck_buf(&out, span_of(rows[i].form != NULL ? rows[i].form : ""), rows[i].text);
	}
	ck_assert_int_eq(address_parse_path(&null_path, ADDRESS_NULL, &address), ADDRESS_OK);
	ck_assert_int_eq(address_canonical(&address, &out), 0);
	ck_buf(&out, SPAN(""), "null path");
}
END_TEST

START_TEST(domains)
{
	struct buf out = BUF_INIT(TEXT_MAX);

	ck_assert(address_domain_equal(SPAN("Example.ORG"), SPAN("example.org")));
	ck_assert(address_domain_equal(SPAN("B\xc3\234cher.example"), SPAN("XN--bcher-KVA.example")));
	ck_assert(!address_domain_equal(SPAN("a.example"), SPAN("b.example")));
	ck_assert(!address_domain_equal(SPAN("\xff"), SPAN("b")));
	ck_assert_int_eq(address_domain_display(SPAN("xn--bcher-kva.example"), &out), 0);
	ck_buf(&out, SPAN("b\xc3\274cher.example"), "display");
	ck_assert_int_eq(address_domain_display(SPAN("xn--a.example"), &out), 0);
	ck_buf(&out, SPAN("xn--a.example"), "no IDN");
	ck_assert_int_eq(address_domain_display(SPAN("a.example"), &out), 0);
	ck_buf(&out, SPAN("a.example"), "ASCII");
}
END_TEST

START_TEST(whole_addresses)
{
	static const struct {
		const char *a, *b;
		bool equal;
	} rows[] = {
		{ "Info@b\xc3\274cher.example", "info@XN--bcher-kva.example", true },
		{ "j\xc3\xb6@b\xc3\274cher.example", "j\xc3\xb6@bu\xcc\210cher.example", true },
		{ "a@b.example", "A@B.example", true },
		{ "a@b\xc3\274cher.example", "b@xn--bcher-kva.example", false },
		{ "a@b\xc3\274cher.example", "a@bucher.example", false },
		{ "a", "a", true },
		{ "b\xc3\xbc", "xn--b-eha", false },
		{ "a@\xff", "a@b", false },
	};
	struct buf out = BUF_INIT(100), small = BUF_INIT(10);

	for (size_t i = 0; i < COUNT(rows); i++)
		ck_assert_msg(address_equal(span_of(rows[i].a), span_of(rows[i].b)) == rows[i].equal, "%s", rows[i].a);
	ck_assert_int_eq(address_with_domain(SPAN("\"A@b\"@B\xc3\234CHER.Example"), &out), 0);
	ck_buf(&out, SPAN("\"A@b\"@xn--bcher-kva.example"), "with_domain");
	ck_assert_int_eq(address_with_domain(SPAN("a"), &out), -EINVAL);
	ck_assert_int_eq(address_with_domain(SPAN("a@\xe2\x98\x83"), &out), -EINVAL);
	ck_assert_int_eq(address_with_domain(SPAN("a@b.example"), &small), -EMSGSIZE);
	ck_assert_uint_eq(out.len + small.len, 0);
	buf_free(&out);
	buf_free(&small);
}
END_TEST

START_TEST(quoting)
{
	static const struct {
		const char *content, *local; /* NULL: refused */
	} rows[] = {
		{ "a.b", "a.b" }, { "a b", "\"a b\"" }, { "", "\"\"" }, { ".a", "\".a\"" }, { "a\"\\", "\"a\\\"\\\\\"" }, { "a\n", NULL }, { "a@b", "\"a@b\"" },
		{ "\xc3\xa9", "\xc3\xa9" }, { "a\x7f", NULL },
	};
	struct buf out = BUF_INIT(TEXT_MAX), back = BUF_INIT(TEXT_MAX);

	for (size_t i = 0; i < COUNT(rows); i++) {
		ck_assert_int_eq(address_local_quote(span_of(rows[i].content), &out), rows[i].local != NULL ? 0 : -EINVAL);
		if (rows[i].local != NULL) {
			ck_assert_int_eq(address_local_unquote(buf_get(&out), &back), 0);
			ck_buf(&back, span_of(rows[i].content), rows[i].content);
		}
		ck_buf(&out, span_of(rows[i].local != NULL ? rows[i].local : ""), rows[i].content);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { mailbox, path, limits, canonical, domains, whole_addresses, quoting };

	return run_suite("address", tests, COUNT(tests));
}
