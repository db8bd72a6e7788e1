/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Domains of the configuration: one form, whatever form they are listed and asked for in. */
#include "common/domain_list.h"
#include "common/xalloc.h"
#include "tests/unit/common/syntax.h"

#define BUECHER "b\xc3\274cher.example"
#define PUNY "xn--bcher-kva.example"

START_TEST(lists)
{
	static const char *const listed[] = { "Example.TEST", "B\xc3\234cher.example", PUNY, "\xe4\xbe\x8b\xe5\xad\x90.test", "example.test", "\xe2\x98\x83.test" };
	static const char *const have[] = { "example.test", PUNY, "xn--fsqu00a.test", "\xe2\x98\x83.test" };
	static const struct {
		const char *domain, *found;
	} rows[] = {
		{ "example.test", "example.test" }, { "EXAMPLE.Test", "example.test" }, { "example.tes", NULL }, { "", NULL },
		{ PUNY, PUNY }, { "XN--BCHER-KVA.Example", PUNY }, { BUECHER, PUNY }, { "bu\xcc\210cher.EXAMPLE", PUNY }, { "\xef\xbc\xa2\xc3\274cher\xe3\x80\202example", PUNY },
		{ "b\xc3\266cher.example", NULL }, { "\xff", NULL }, { "\xe4\xbe\x8b\xe5\xad\x90.test", "xn--fsqu00a.test" },
	};
	struct conf_list list = { xcalloc(COUNT(listed), sizeof(char *)), COUNT(listed) };

	for (size_t i = 0; i < list.count; i++)
		list.item[i] = xstrdup(listed[i]);
	domain_list_canonicalise(&list);
	ck_assert_uint_eq(list.count, COUNT(have));
	for (size_t i = 0; i < list.count; i++)
		ck_assert_str_eq(list.item[i], have[i]);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf address = BUF_INIT(200);
		const char *found = domain_list_find(&list, span_of(rows[i].domain));

		ck_assert_msg((found == NULL) == (rows[i].found == NULL), "%s", rows[i].domain);
		if (found != NULL)
			ck_assert_str_eq(found, rows[i].found);
		(void)buf_fmt(&address, "\"a@b\"@%s", rows[i].domain);
		ck_assert_ptr_eq(domain_list_find_address(&list, buf_get(&address)), found);
		buf_free(&address);
	}
	ck_assert_ptr_null(domain_list_find_address(&list, SPAN("example.test")));
	for (size_t i = 0; i < list.count; i++)
		free(list.item[i]);
	free(list.item);
}
END_TEST

START_TEST(what_may_stand_there)
{
	static const struct {
		const char *text;
		bool good;
	} rows[] = {
		{ "example.test", true }, { BUECHER, true }, { PUNY, true }, { "", false }, { "a b", false }, { "a..b", false }, { "[192.0.2.1]", false },
		{ "*.example.test", false }, { "\xe2\x98\x83.test", false }, { "\xff.test", false },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		ck_assert_msg(domain_list_may_have(span_of(rows[i].text)) == rows[i].good, "%s", rows[i].text);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { lists, what_may_stand_there };

	return run_suite("domain_list", tests, COUNT(tests));
}
