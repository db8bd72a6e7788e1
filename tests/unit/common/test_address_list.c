/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Address lists: RFC 5322 appendix A, obsolete and broken ones, writing, limits. */
#include "common/address_list.h"
#include "common/encoded_word.h"
#include "tests/unit/common/syntax.h"

static void
put(struct buf *out, struct span text)
{
	if (text.ptr == NULL)
		(void)buf_char(out, '-');
	else
		(void)buf_span(out, text);
}

/* name|route|local|domain; "{name" and "}" for groups. */
static void
list_text(struct span value, struct buf *out, bool *ret_bad)
{
	struct address_list list;

	address_list_parse(value, &list);
	for (size_t i = 0; i < list.count; i++) {
		const struct address_entry *entry = &list.entries[i];

		(void)buf_str(out, i == 0 ? "" : " ");
		if (entry->kind == ADDRESS_KIND_GROUP_END) {
			(void)buf_char(out, '}');
			continue;
		}
		if (entry->kind == ADDRESS_KIND_GROUP)
			(void)buf_char(out, '{');
		put(out, entry->name);
		if (entry->kind == ADDRESS_KIND_GROUP)
			continue;
		(void)buf_char(out, '|');
		put(out, entry->route);
		(void)buf_char(out, '|');
		put(out, entry->local);
		(void)buf_char(out, '|');
		put(out, entry->domain);
	}
	*ret_bad = list.bad;
	address_list_free(&list);
}

START_TEST(parse)
{
	static const struct {
		const char *value, *text;
		bool bad;
	} rows[] = {
		/* RFC 5322 appendix A.1 */
		{ "John Doe <jdoe@machine.example>", "John Doe|-|jdoe|machine.example", false },
		{ "\"Joe Q. Public\" <john.q.public@example.com>", "Joe Q. Public|-|john.q.public|example.com", false },
		{ "Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
		  "Mary Smith|-|mary|x.test -|-|jdoe|example.org Who?|-|one|y.test", false },
		{ "<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
		  "-|-|boss|nil.test Giant; \"Big\" Box|-|sysservices|example.net", false },
		{ "A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
		  "{A Group Ed Jones|-|c|a.test -|-|joe|where.test John|-|jdoe|one.test }", false },
		{ "Undisclosed recipients:;", "{Undisclosed recipients }", false },
		/* A.5, A.6 */
		{ "Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", "Pete|-|pete|silly.test", false },
		{ "A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n         joe@example.org,\r\n"
		  "  John <jdoe@one.test> (my dear friend); (the end of the group)",
		  "{A Group Chris Jones|-|c|public.example -|-|joe|example.org John|-|jdoe|one.test }", false },
		{ "(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;", "{Hidden recipients }", false },
		{ "Joe Q. Public <john.q.public@example.com>", "Joe Q. Public|-|john.q.public|example.com", false },
		{ "Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example", "Mary Smith|@node.test|mary|example.net -|-|jdoe|test.example",
		  false },
		{ "<@a.test , @b.test:c@d>", "-|@a.test,@b.test|c|d", false }, { "john . doe @ x", "-|-|john.doe|x", false },
		{ "jdoe@example.org (John Doe)", "John Doe|-|jdoe|example.org", false }, { "a@[192.0.2.1]", "-|-|a|[192.0.2.1]", false },
		{ "\"\" <a@b>", "|-|a|b", false }, { "\"a b\"@c", "-|-|a b|c", false }, { "\"very.odd@x\"@c", "-|-|very.odd@x|c", false },
		{ "", "", false }, { " ,, ", "", false }, { "(only a comment)", "", false },
		{ "=?utf-8?Q?J=C3=B8?= <a@b>", "=?utf-8?Q?J=C3=B8?=|-|a|b", false }, { "J\xc3\xb8 <a@b>", "J\xc3\xb8|-|a|b", false },
		{ "\"a\r\n b\" <c@d>", "a b|-|c|d", false },
		/* broken, and guessed */
		{ "root", "-|-|root|-", true }, { "a@b <c@d>", "a@b|-|c|d", true }, { "a@b@c", "-|-|a@b|c", true }, { "<a@b", "-|-|a|b", true },
		{ "<a@b, c@d", "-|-|a|b -|-|c|d", true }, { "X <>", "X|-||-", true }, { "X <a@b> junk, c@d", "X|-|a|b -|-|c|d", true },
		{ "a@b; c@d", "-|-|a|b -|-|c|d", true }, { "g: a@b", "{g -|-|a|b }", true }, { "\"open <a@b>", "-|-|open <a@b>|-", true },
		{ "(open a@b", "", true }, { "a@", "-|-|a|-", true }, { "@b", "-|-||b", true }, { "X <a@b> <c@d>", "X|-|a|b", true },
		{ "=?utf-8?Q?Doe,_J?= <a@b>", "=?utf-8?Q?Doe,_J?=|-|a|b", false }, { "a)b <c@d>", "ab|-|c|d", true }, { "[x <a@b>", "[x|-|a|b", true },
		{ "X <a @ b . c>", "X|-|a|b.c", false }, { "g:h:a@b;", "{g -|-|ha|b }", true },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf out = BUF_INIT(TEXT_MAX);
		bool bad;

		list_text(span_of(rows[i].value), &out, &bad);
		ck_buf(&out, span_of(rows[i].text), rows[i].value);
		ck_assert_msg(bad == rows[i].bad, "%s", rows[i].value);
	}
}
END_TEST

/* What one reader takes for one author and another for another one. */
START_TEST(ambiguous)
{
	static const struct {
		const char *value;
		bool ambiguous, lost;
	} rows[] = {
		{ "X <a@b> <c@d>", true, true }, { "<a@b>c@d", true, true }, { "X <a@b> junk, c@d", true, false }, { "a@b c@d", true, false }, { "a@b@c", true, false },
		{ "a@b (open <c@d>", true, true }, { "a@b <c@d>", false, false }, { "\"<c@d>\" <a@b>", false, false }, { "a@b (c@d), e@f", false, false }, { "<@c,@d:a@b>", false, false },
		{ "a@b; c@d", false, false }, { "<a@b", false, false }, { "<c@d.org x.b.org>", true, false }, { "c@d \"x.b\"", true, false }, { "c@d\"x.b\"", true, false }, { "<c@[1.2.3.4]x.b>", true, false },
		{ "S @ Acme Inc <a@b>", false, false }, { "c@d via List <a@b>", false, false }, { "c@d via List <a@b c>", true, false }, { "c@d x, <a@b>", true, false },
		{ "<c@d. b>", false, false }, { "<a@ b . c >", false, false }, { "=?utf-8?q?,c@d,?= <a@b>", true, false }, { "=?utf-8?q?<c@d>?= <a@b>", true, false },
		{ "=?utf-8?q?Doe,_J.?= <a@b>", false, false }, { "=?utf-8?q?c@d?= <a@b>", false, false }, { "\"c@d, <a@b>", true, true }, { "\"c@d, \" <a@b>", false, false },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct address_list list;

		address_list_parse(span_of(rows[i].value), &list);
		ck_assert_msg(list.ambiguous == rows[i].ambiguous, "%s", rows[i].value);
		ck_assert_msg(list.lost == rows[i].lost, "%s", rows[i].value);
		address_list_free(&list);
	}
}
END_TEST

START_TEST(limits)
{
	for (size_t count = ADDRESS_LIST_COUNT_MAX - 1; count <= ADDRESS_LIST_COUNT_MAX + 1; count++) {
		struct buf value = BUF_INIT(TEXT_MAX);
		struct address_list list;

		for (size_t i = 0; i < count; i++)
			(void)buf_str(&value, "a@b,");
		address_list_parse(buf_get(&value), &list);
		ck_assert_uint_eq(list.count, count < ADDRESS_LIST_COUNT_MAX ? count : ADDRESS_LIST_COUNT_MAX);
		ck_assert(list.cut == (count > ADDRESS_LIST_COUNT_MAX));
		address_list_free(&list);
		buf_free(&value);
	}
	for (size_t size = ADDRESS_LIST_TEXT_MAX - 1; size <= ADDRESS_LIST_TEXT_MAX + 1; size++) {
		struct buf value = BUF_INIT(ADDRESS_LIST_TEXT_MAX + 1);
		struct address_list list;

		ck_assert_ptr_nonnull(buf_reserve(&value, size));
		memset(value.data, 'x', size);
		buf_added(&value, size);
		address_list_parse(buf_get(&value), &list);
		ck_assert_uint_eq(list.count, 1);
		ck_assert(list.cut == (size > ADDRESS_LIST_TEXT_MAX));
		ck_assert_uint_eq(list.entries[0].local.len, size <= ADDRESS_LIST_TEXT_MAX ? size : ADDRESS_LIST_TEXT_MAX);
		address_list_free(&list);
		buf_free(&value);
	}
}
END_TEST

/* What was slow in others: many brackets, quotes, comments and marks that open and do not close. */
START_TEST(not_quadratic)
{
	static const char *const pieces[] = { "(", "<@a", "\"", "=?a?b", "a@", "<", "[", ":", "(\\" };

	for (size_t i = 0; i < COUNT(pieces); i++) {
		struct buf value = BUF_INIT(ADDRESS_LIST_TEXT_MAX);
		struct address_list list;

		while (value.len + 8 < ADDRESS_LIST_TEXT_MAX)
			(void)buf_str(&value, pieces[i]);
		address_list_parse(buf_get(&value), &list);
		address_list_free(&list);
		buf_free(&value);
	}
}
END_TEST

START_TEST(append)
{
	static const struct {
		const char *name, *local, *domain;
		size_t column;
		const char *text; /* NULL: refused */
	} rows[] = {
		{ "", "a", "b.c", 4, "a@b.c" }, { "John Doe", "a", "b", 4, "John Doe <a@b>" }, { "Doe, John", "a", "b", 4, "\"Doe, John\" <a@b>" },
		{ "J. \"Q\" Doe", "a", "b", 4, "\"J. \\\"Q\\\" Doe\" <a@b>" }, { "J\xc3\xb8", "a", "b", 4, "=?utf-8?B?SsO4?= <a@b>" },
		{ "a\r\nb", "a", "b", 4, "\"a  b\" <a@b>" }, { "=?x?=", "a", "b", 4, "=?utf-8?B?PT94Pz0=?= <a@b>" },
		{ "", "a b", "c", 4, "\"a b\"@c" }, { "", "a", "[192.0.2.1]", 4, "a@[192.0.2.1]" }, { "", "a", "b", 76, "\r\n a@b" },
		{ "John Doe", "someone", "example.org", 60, "John Doe\r\n <someone@example.org>" },
		{ "", "", "b", 4, NULL }, { "", "a", "", 4, NULL }, { "", "a\n", "b", 4, NULL }, { "", "a", "b>", 4, NULL }, { "", "a", "b c", 4, NULL },
		{ "", "a", "b\r\nX:y", 4, NULL }, { "", "a", "b..c", 4, NULL }, { "", "a\xff", "b", 4, NULL }, { "", "a", "[", 4, NULL },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf out = BUF_INIT(TEXT_MAX);
		size_t column = rows[i].column;
		int r = address_append(&out, span_of(rows[i].name), span_of(rows[i].local), span_of(rows[i].domain), &column);

		ck_assert_msg(r == (rows[i].text != NULL ? 0 : -EINVAL), "%zu %s: %d", i, rows[i].local, r);
		ck_buf(&out, span_of(rows[i].text != NULL ? rows[i].text : ""), rows[i].local);
	}
}
END_TEST

#define LONG "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl"

START_TEST(append_list)
{
	static const char *const values[] = {
		"John Doe <a@b>, \"Doe, J\" <c@d>, =?utf-8?Q?J=C3=B8?= <e@f>", "Friends: a@b, c@d;, e@f", "Nobody:;",
		/* too long for one line: specials are still none of the list's, and encoded words none twice */
		"\"" LONG ", x <y@z>, " LONG "\" <a@b>",
		"=?utf-8?Q?" LONG "?= =?utf-8?Q?" LONG "?= =?utf-8?Q?_," LONG "?= <a@b>, c@d",
		"Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa <aaaaaaaaaaaaa@example.org>,\r\n bbbbbbbbbbbbbbbbbbbbbbbbbbbb@example.org",
	};

	for (size_t i = 0; i < COUNT(values); i++) {
		struct buf out = BUF_INIT(TEXT_MAX), before = BUF_INIT(TEXT_MAX), after = BUF_INIT(TEXT_MAX);
		struct buf before_shown = BUF_INIT(TEXT_MAX), after_shown = BUF_INIT(TEXT_MAX);
		struct address_list list;
		size_t column = 4;
		bool bad;

		address_list_parse(span_of(values[i]), &list);
		ck_assert_int_eq(address_list_append(&out, &list, &column), 0);
		address_list_free(&list);
		list_text(span_of(values[i]), &before, &bad);
		list_text(buf_get(&out), &after, &bad);
		ck_assert(!bad);
		ck_assert_int_eq(encoded_word_decode(buf_get(&before), &before_shown), 0);
		ck_assert_int_eq(encoded_word_decode(buf_get(&after), &after_shown), 0);
		ck_buf(&after_shown, buf_get(&before_shown), values[i]);
		buf_free(&before);
		buf_free(&after);
		buf_free(&before_shown);
		buf_free(&out);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { parse, ambiguous, limits, not_quadratic, append, append_list };

	return run_suite("address_list", tests, COUNT(tests));
}
