/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Mail exchangers: their order, null MX, this host among them; answers as messages. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/buf.h"
#include "smtpd/resolve_mx.h"

#define ROWS(table) (sizeof(table) / sizeof(*(table)))

/* --- order --- */

/* Records as "preference name" words; the order wanted, with "|" around hosts that may come in any order left to `shuffled`. */
static const struct {
	const char *name;
	const char *records[6];
	enum resolve_result result;
	const char *hosts[6];
} orders[] = {
	{ "by preference", { "20 b.example", "10 a.example", "30 c.example" }, RESOLVE_OK, { "a.example", "b.example", "c.example" } },
	{ "without MX the domain itself", { NULL }, RESOLVE_OK, { "dom.example" } },
	{ "null MX", { "0 " }, RESOLVE_NULL_MX, { NULL } },
	{ "null MX beside others means nothing", { "0 ", "10 a.example" }, RESOLVE_OK, { "a.example" } },
	{ "the same host twice", { "20 a.example", "10 a.example", "15 b.example" }, RESOLVE_OK, { "a.example", "b.example" } },
	{ "this host and what is not better are left out", { "10 a.example", "20 me.example", "20 b.example", "30 c.example" }, RESOLVE_OK, { "a.example" } },
	{ "this host is the best", { "10 Me.Example", "20 b.example" }, RESOLVE_LOOP, { NULL } },
	{ "preferences of 16 bits", { "65535 b.example", "0 a.example" }, RESOLVE_OK, { "a.example", "b.example" } },
};

static void
add(struct resolve_mx *mx, const char *text)
{
	struct dns_record record = { 0 };
	struct buf lower = BUF_INIT(RESOLVE_NAME_MAX);
	struct span rest = span_of(text), name;
	uint64_t preference;

	ck_assert_int_eq(span_take_u64(&rest, UINT16_MAX, &preference), 0);
	name = span_skip(rest, 1);
	record.preference = (uint16_t)preference;
	for (size_t i = 0; i < name.len; i++)
		(void)buf_char(&lower, ascii_lower(name.ptr[i]));
	record.data = buf_get(&lower);
	resolve_mx_add(mx, &record);
	buf_free(&lower);
}

START_TEST(exchangers_in_order)
{
	for (uint64_t random = 0; random < 20; random++) {
		struct resolve_mx *mx = calloc(1, sizeof(*mx));
		struct resolve_answer answer = { 0 };
		size_t wanted = 0;

		for (size_t i = 0; i < 6 && orders[_i].records[i] != NULL; i++)
			add(mx, orders[_i].records[i]);
		resolve_mx_order(mx, SPAN("dom.example"), SPAN("me.example"), random, &answer);
		ck_assert_msg(answer.result == orders[_i].result, "%s", orders[_i].name);
		for (; wanted < 6 && orders[_i].hosts[wanted] != NULL; wanted++)
			ck_assert_msg(wanted < answer.count && strcmp(answer.hosts[wanted].name, orders[_i].hosts[wanted]) == 0, "%s: %s", orders[_i].name,
			    orders[_i].hosts[wanted]);
		ck_assert_uint_eq(answer.count, wanted);
		free(mx);
	}
}
END_TEST

START_TEST(the_domain_is_this_host)
{
	static struct resolve_mx mx;
	struct resolve_answer answer = { 0 };

	resolve_mx_order(&mx, SPAN("ME.example"), SPAN("me.example"), 1, &answer);
	ck_assert_int_eq(answer.result, RESOLVE_LOOP);
	ck_assert_uint_eq(answer.count, 0);
}
END_TEST

/* RFC 5321 section 5.1: load is spread over hosts of equal preference. */
START_TEST(equals_are_shuffled)
{
	unsigned first[3] = { 0 };

	for (uint64_t random = 0; random < 300; random++) {
		struct resolve_mx *mx = calloc(1, sizeof(*mx));
		struct resolve_answer answer = { 0 };

		add(mx, "10 a"), add(mx, "10 b"), add(mx, "10 c"), add(mx, "20 d");
		resolve_mx_order(mx, SPAN("dom.example"), SPAN("me.example"), random * 77, &answer);
		ck_assert_uint_eq(answer.count, 4);
		ck_assert_str_eq(answer.hosts[3].name, "d");
		first[answer.hosts[0].name[0] - 'a']++;
		free(mx);
	}
	for (int i = 0; i < 3; i++)
		ck_assert_uint_gt(first[i], 50);
}
END_TEST

START_TEST(too_many_exchangers)
{
	struct resolve_mx *mx = calloc(1, sizeof(*mx));
	struct resolve_answer answer = { 0 };
	char text[32];

	for (int i = 400; i > 0; i--) {
		(void)snprintf(text, sizeof(text), "%d h%d", i, i);
		add(mx, text);
	}
	ck_assert_uint_eq(mx->count, DNS_RECORDS_MAX);
	resolve_mx_order(mx, SPAN("dom.example"), SPAN("me.example"), 5, &answer);
	ck_assert_uint_eq(answer.count, RESOLVE_HOSTS_MAX);
	ck_assert_str_eq(answer.hosts[0].name, "h145"); /* the best of those that were looked at */
	free(mx);
}
END_TEST

START_TEST(hosts_without_address)
{
	struct resolve_answer answer = { .count = 3, .hosts = { { .name = "a" }, { .name = "b" }, { .name = "c" } } };
	struct dns_record address = { .data = SPAN("\177\0\0\1") };

	for (int i = 0; i < 20; i++)
		resolve_add_address(&answer.hosts[1], &address);
	ck_assert_uint_eq(answer.hosts[1].count, RESOLVE_ADDRESSES_MAX);
	resolve_mx_finish(&answer, true);
	ck_assert_int_eq(answer.result, RESOLVE_OK);
	ck_assert_uint_eq(answer.count, 1);
	ck_assert_str_eq(answer.hosts[0].name, "b");
	answer.hosts[0].count = 0;
	resolve_mx_finish(&answer, true);
	ck_assert_int_eq(answer.result, RESOLVE_FAILED);
	resolve_mx_finish(&answer, false);
	ck_assert_int_eq(answer.result, RESOLVE_NO_ADDRESS);
}
END_TEST

START_TEST(addresses_of_no_host)
{
	const struct span none[] = { SPAN("\0\0\0\0"), SPAN("\0\0\0\1"), SPAN("\340\0\0\1"), SPAN("\377\377\377\377"), SPAN("\177\0\0"), SPAN(""),
		SPAN("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), SPAN("\377\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1"),
		SPAN("\0\0\0\0\0\0\0\0\0\0\377\377\0\0\0\0"), SPAN("\0\0\0\0\0\0\0\0\0\0\0\0\177\0\0\1"), SPAN("\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\1\2") };
	const struct span some[] = { SPAN("\177\0\0\1"), SPAN("\337\1\2\3"), SPAN("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"),
		SPAN("\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\1") };
	struct resolve_host host = { 0 };

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		resolve_add_address(&host, &(struct dns_record){ .data = none[i] });
		ck_assert_msg(host.count == 0, "%zu", i);
	}
	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++)
		resolve_add_address(&host, &(struct dns_record){ .data = some[i] });
	ck_assert_uint_eq(host.count, sizeof(some) / sizeof(some[0]));
}
END_TEST

/* --- messages --- */

START_TEST(answers_as_messages)
{
	static struct resolve_answer answer, back;
	static struct msg_writer body;
	struct msg_reader reader;

	answer.result = RESOLVE_OK;
	answer.secure = true;
	answer.count = RESOLVE_HOSTS_MAX;
	memset(answer.alias_of, 'd', RESOLVE_NAME_MAX);
	for (size_t i = 0; i < RESOLVE_HOSTS_MAX; i++) {
		memset(answer.hosts[i].name, 'n', RESOLVE_NAME_MAX);
		memset(answer.hosts[i].alias_of, 'a', RESOLVE_NAME_MAX);
		answer.hosts[i].preference = (uint16_t)(i * 4000);
		answer.hosts[i].count = RESOLVE_ADDRESSES_MAX;
		for (size_t a = 0; a < RESOLVE_ADDRESSES_MAX; a++)
			answer.hosts[i].addresses[a] = (struct resolve_address){ .len = a % 2 ? 4 : 16, .bytes = { (uint8_t)a, 1, 2, 3 } };
	}
	msg_writer_init(&body);
	resolve_put(&body, &answer);
	ck_assert(!body.overflow);
	reader = msg_read_span(span_make(body.bytes, body.len));
	ck_assert_int_eq(resolve_get(&reader, &back), 0);
	ck_assert_int_eq(memcmp(&answer, &back, sizeof(answer)), 0);
	for (size_t len = 0; len < body.len; len += 7) {
		reader = msg_read_span(span_make(body.bytes, len));
		ck_assert_int_eq(resolve_get(&reader, &back), -EBADMSG);
	}
	body.bytes[0] = RESOLVE_FAILED; /* which has no hosts */
	reader = msg_read_span(span_make(body.bytes, body.len));
	ck_assert_int_eq(resolve_get(&reader, &back), -EBADMSG);
	body.bytes[0] = 200;
	reader = msg_read_span(span_make(body.bytes, body.len));
	ck_assert_int_eq(resolve_get(&reader, &back), -EBADMSG);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("resolve");
	TCase *tests = tcase_create("resolve");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, exchangers_in_order, 0, ROWS(orders));
	tcase_add_test(tests, the_domain_is_this_host);
	tcase_add_test(tests, equals_are_shuffled);
	tcase_add_test(tests, too_many_exchangers);
	tcase_add_test(tests, hosts_without_address);
	tcase_add_test(tests, addresses_of_no_host);
	tcase_add_test(tests, answers_as_messages);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
