/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* TLSA records: which can be used, which names are asked for, what comes of the answers. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/xalloc.h"
#include "smtpd/dane.h"

#define ROWS(table) (sizeof(table) / sizeof(*(table)))

static const char bytes[64];

static const struct {
	uint8_t usage, selector, matching;
	size_t len;
	bool usable;
} records[] = {
	{ 3, 1, 1, 32, true }, { 3, 0, 1, 32, true }, { 2, 0, 1, 32, true }, { 2, 1, 2, 64, true }, { 3, 1, 2, 64, true }, { 3, 0, 0, 1, true },
	/* For certificates of public authorities, unknown numbers, digests of the wrong length, nothing at all. */
	{ 0, 0, 1, 32, false }, { 1, 1, 1, 32, false }, { 4, 1, 1, 32, false }, { 255, 1, 1, 32, false }, { 3, 2, 1, 32, false }, { 3, 1, 3, 32, false },
	{ 3, 1, 1, 31, false }, { 3, 1, 1, 33, false }, { 3, 1, 2, 32, false }, { 2, 0, 1, 0, false }, { 3, 0, 0, 0, false },
};

START_TEST(which_can_be_used)
{
	struct dns_record record = { .usage = records[_i].usage, .selector = records[_i].selector, .matching = records[_i].matching,
		.data = span_make(bytes, records[_i].len) };

	ck_assert(dane_is_usable(&record) == records[_i].usable);
}
END_TEST

/* A host, and answers: "-" none, "s" secure records that can be used, "u" secure ones that cannot, "i" insecure ones, "c" a secure alias, "j" an
 * insecure one, "f" no answer, "b" a bogus one; the questions asked, and the result. */
static const struct {
	const char *name, *alias_of;
	bool secure;
	const char *answers;
	const char *questions;
	enum dane_result result;
	const char *base;
} searches[] = {
	{ "mx.example", "", true, "s", "_25._tcp.mx.example ", DANE_VERIFY, "mx.example" },
	{ "mx.example", "", true, "u", "_25._tcp.mx.example ", DANE_ENCRYPT, "mx.example" },
	{ "mx.example", "", true, "-", "_25._tcp.mx.example ", DANE_NONE, "" },
	{ "mx.example", "", true, "i", "_25._tcp.mx.example ", DANE_NONE, "" },
	{ "mx.example", "", true, "f", "_25._tcp.mx.example ", DANE_FAILED, "" },
	{ "mx.example", "", true, "b", "_25._tcp.mx.example ", DANE_FAILED, "" },
	/* RFC 7672 section 2.2.2: no question in zones that are not signed. */
	{ "mx.example", "", false, "", "", DANE_NONE, "" },
	/* An alias: its target first, then itself. */
	{ "mx.example", "far.example", true, "s", "_25._tcp.far.example ", DANE_VERIFY, "far.example" },
	{ "mx.example", "far.example", true, "-s", "_25._tcp.far.example _25._tcp.mx.example ", DANE_VERIFY, "mx.example" },
	{ "mx.example", "far.example", true, "iu", "_25._tcp.far.example _25._tcp.mx.example ", DANE_ENCRYPT, "mx.example" },
	{ "mx.example", "far.example", true, "--", "_25._tcp.far.example _25._tcp.mx.example ", DANE_NONE, "" },
	{ "mx.example", "far.example", true, "u", "_25._tcp.far.example ", DANE_ENCRYPT, "far.example" },
	{ "mx.example", "far.example", true, "-f", "_25._tcp.far.example _25._tcp.mx.example ", DANE_FAILED, "" },
	/* A signed alias of what is not signed. */
	{ "mx.example", "far.example", false, "cs", "mx.example _25._tcp.mx.example ", DANE_VERIFY, "mx.example" },
	{ "mx.example", "far.example", false, "c-", "mx.example _25._tcp.mx.example ", DANE_NONE, "" },
	{ "mx.example", "far.example", false, "j", "mx.example ", DANE_NONE, "" },
	{ "mx.example", "far.example", false, "-", "mx.example ", DANE_NONE, "" },
	{ "mx.example", "far.example", false, "b", "mx.example ", DANE_FAILED, "" },
};

static void
make(struct dns_answer *answer, char kind)
{
	*answer = (struct dns_answer){ .status = kind == '-' ? DNS_NO_DATA : kind == 'f' ? DNS_FAILED : kind == 'b' ? DNS_BOGUS : DNS_FOUND,
		.secure = kind != 'i' && kind != 'j', .reason = SPAN("why") };
	if (answer->status != DNS_FOUND)
		return;
	answer->count = 2;
	answer->records[0] = (struct dns_record){ .usage = kind == 'u' ? 1 : 3, .selector = 1, .matching = 1, .data = span_make(bytes, 32) };
	answer->records[1] = (struct dns_record){ .usage = 3, .selector = 1, .matching = 9, .data = span_make(bytes, 3) };
}

START_TEST(what_is_asked)
{
	struct dns_answer *answer = xcalloc(1, sizeof(*answer));
	struct buf asked = BUF_INIT(1024);
	const char *answers = searches[_i].answers;
	struct dane_search search;
	struct dane dane;
	enum dns_type type;

	dane_search(&search, &dane, searches[_i].name, searches[_i].alias_of, searches[_i].secure, 25);
	while (dane_next(&search, &asked, &type)) {
		ck_assert_msg(*answers != '\0', "%s", buf_cstr(&asked));
		ck_assert(type == (*answers == 'c' || *answers == 'j' || search.asks_alias ? DNS_CNAME : DNS_TLSA));
		(void)buf_char(&asked, ' ');
		make(answer, *answers++);
		dane_answer(&search, answer);
	}
	ck_assert_str_eq(answers, "");
	ck_assert_str_eq(buf_cstr(&asked), searches[_i].questions);
	ck_assert_int_eq(dane.result, searches[_i].result);
	ck_assert_str_eq(dane.base, searches[_i].base);
	ck_assert_str_eq(dane.reason, dane.result == DANE_FAILED ? "why" : "");
	ck_assert_uint_eq(dane.count, dane.result == DANE_VERIFY ? 1 : 0);
	dane_free(&dane);
	buf_free(&asked);
	free(answer);
}
END_TEST

START_TEST(more_records_than_are_kept)
{
	struct dns_answer *answer = xcalloc(1, sizeof(*answer));
	struct dane_search search;
	struct dane dane;

	*answer = (struct dns_answer){ .status = DNS_FOUND, .secure = true, .count = DNS_RECORDS_MAX };
	for (size_t i = 0; i < DNS_RECORDS_MAX; i++) {
		char *data = xcalloc(1, 32);

		data[0] = (char)i;
		answer->records[i] = (struct dns_record){ .usage = 3, .selector = 1, .matching = 1, .data = span_make(data, 32) };
	}
	dane_search(&search, &dane, "mx.example", "", true, 25);
	dane_answer(&search, answer);
	for (size_t i = 0; i < DNS_RECORDS_MAX; i++)
		free((void *)(uintptr_t)answer->records[i].data.ptr);
	ck_assert_uint_eq(dane.count, DANE_RECORDS_MAX);
	for (size_t i = 0; i < DANE_RECORDS_MAX; i++)
		ck_assert(dane.records[i].data.len == 32 && dane.records[i].data.ptr[0] == (char)i);
	dane_free(&dane);
	free(answer);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("dane");
	TCase *tests = tcase_create("dane");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, which_can_be_used, 0, ROWS(records));
	tcase_add_loop_test(tests, what_is_asked, 0, ROWS(searches));
	tcase_add_test(tests, more_records_than_are_kept);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
