/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Options of the defence, the score and its field, and what is thought of a client by its answers of the DNS. */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/xalloc.h"
#include "smtpd/defence_state.h"

/* --- options --- */

static const struct {
	const char *text, *address; /* NULL: the option is wrong */
	bool matches;
} list_rows[] = {
	{ "bl.example 3", "127.0.0.2", true },
	{ "bl.example 3", "127.1.2.3", true },
	{ "bl.example 3", "127.0.0.1", false },       /* RFC 5782 section 5 */
	{ "bl.example 3", "127.255.255.254", false }, /* the list does not answer us */
	{ "bl.example 3", "192.0.2.7", false },       /* somebody answers for names that are not there */
	{ "bl.example -3 127.0.0.2-11", "127.0.0.11", true },
	{ "bl.example -3 127.0.0.2-11", "127.0.0.12", false },
	{ "bl.example -3 127.0.0.2-11", "127.0.1.2", false },
	{ "  bl.example   -3   127.0.*.3  ", "127.0.99.3", true },
	{ "bl.example 3 127.0.*.1-3", "127.0.5.1", true },
	{ "bl.example", NULL, false },
	{ "bl.example 0", NULL, false },
	{ "bl.example x", NULL, false },
	{ "bl.example 1001", NULL, false },
	{ "bl.example 3 127.0.0", NULL, false },
	{ "bl.example 3 127.0.0.1.", NULL, false },
	{ "bl.example 3 127.0.0.11-2", NULL, false },
	{ "bl.example 3 127.0.0.256", NULL, false },
	{ "bl.example 3 10.0.0.1", NULL, false },
	{ "bl.example 3 127.0.0.2 x", NULL, false },
	{ "a..b 3", NULL, false },
	{ "", NULL, false },
};

static struct dns_answer *
answer_of(enum dns_status status, const char *const *addresses, size_t count, uint8_t bytes[][16])
{
	struct dns_answer *answer = xcalloc(1, sizeof(*answer));

	answer->status = status;
	for (size_t i = 0; i < count; i++) {
		if (inet_pton(AF_INET, addresses[i], bytes[i]) == 1)
			answer->records[i].data = span_make(bytes[i], 4);
		else if (inet_pton(AF_INET6, addresses[i], bytes[i]) == 1)
			answer->records[i].data = span_make(bytes[i], 16);
		else
			answer->records[i].data = span_of(addresses[i]);
	}
	answer->count = count;
	return answer;
}

START_TEST(lists)
{
	struct dns_list list;
	const char *fault = NULL;
	int r = dns_list_parse(span_of(list_rows[_i].text), &list, &fault);
	uint8_t bytes[1][16];
	struct dns_answer *answer;

	ck_assert_int_eq(r == 0, list_rows[_i].address != NULL);
	ck_assert_int_eq(fault == NULL, r == 0);
	if (r < 0)
		return;
	ck_assert(span_eq(list.zone, SPAN("bl.example")));
	answer = answer_of(DNS_FOUND, &list_rows[_i].address, 1, bytes);
	ck_assert_int_eq(dns_list_matches(&list, answer), list_rows[_i].matches);
	answer->status = DNS_NO_NAME;
	ck_assert(!dns_list_matches(&list, answer));
	free(answer);
}
END_TEST

static const struct {
	const char *text;
	enum limit_what what;
	enum limit_whom whom;
	uint32_t count; /* 0: it is wrong */
	int64_t seconds;
} limit_rows[] = {
	{ "messages/account=300/1h", LIMIT_MESSAGES, LIMIT_ACCOUNT, 300, 3600 },
	{ "connections/network=5/90", LIMIT_CONNECTIONS, LIMIT_NETWORK, 5, 90 },
	{ "recipients/address=1/2d", LIMIT_RECIPIENTS, LIMIT_ADDRESS, 1, 172800 },
	{ "messages/recipient=60/10m", LIMIT_MESSAGES, LIMIT_RECIPIENT, 60, 600 },
	{ "connections/account=5/1h", 0, 0, 0, 0 },
	{ "recipients/recipient=5/1h", 0, 0, 0, 0 },
	{ "messages/account=0/1h", 0, 0, 0, 0 },
	{ "messages/account=5/0", 0, 0, 0, 0 },
	{ "messages/account=5/32d", 0, 0, 0, 0 },
	{ "messages/account=5", 0, 0, 0, 0 },
	{ "messages=5/1h", 0, 0, 0, 0 },
	{ "mails/account=5/1h", 0, 0, 0, 0 },
	{ "", 0, 0, 0, 0 },
};

START_TEST(limits)
{
	struct limit limit;
	const char *fault = NULL;
	int r = limit_parse(span_of(limit_rows[_i].text), &limit, &fault);

	ck_assert_int_eq(r == 0, limit_rows[_i].count != 0);
	ck_assert_int_eq(fault == NULL, r == 0);
	ck_assert(r < 0 ||
	    (limit.what == limit_rows[_i].what && limit.whom == limit_rows[_i].whom && limit.count == limit_rows[_i].count &&
		limit.seconds == limit_rows[_i].seconds));
}
END_TEST

START_TEST(weights)
{
	enum defence_test test;
	const char *fault;
	int weight;

	ck_assert_int_eq(test_weight_parse(SPAN("early-talk=-7"), &test, &weight, &fault), 0);
	ck_assert(test == TEST_EARLY_TALK && weight == -7);
	ck_assert_int_eq(test_weight_parse(SPAN("early-talk"), &test, &weight, &fault), -EINVAL);
	ck_assert_int_eq(test_weight_parse(SPAN("early=1"), &test, &weight, &fault), -EINVAL);
}
END_TEST

/* --- the field --- */

START_TEST(fields)
{
	struct score score = { 0 }, read;
	struct buf field = BUF_INIT(SCORE_FIELD_MAX);
	struct span value, line, rest;
	int junk;

	score_add(&score, SPAN("one"), 5);
	score_add(&score, SPAN("none"), 0);
	score_add(&score, SPAN("ONE"), 5);
	score_add(&score, SPAN("b;a=d\r"), -2);
	ck_assert_int_eq(score_put_field(&score, 6, &field), 0);
	ck_assert_str_eq(buf_cstr(&field), "X-Fourpost-Score: 3/6; one=5; b?a?d?=-2\r\n");
	for (int i = 0; i < 100; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "zone-%d.example", i);
		score_add(&score, span_of(name), 1000);
	}
	ck_assert_uint_eq(score.count, SCORE_ITEMS_MAX);
	buf_clear(&field);
	ck_assert_int_eq(score_put_field(&score, 0, &field), 0);
	rest = buf_get(&field);
	while (span_split(&rest, '\n', &line))
		ck_assert_uint_le(line.len, 79);
	value = span_skip(buf_get(&field), strlen(SCORE_FIELD ":"));
	ck_assert_int_eq(score_parse(value, &read, &junk), 0);
	ck_assert(junk == 0 && read.total == score.total && read.count == score.count);
	for (size_t i = 0; i < read.count; i++)
		ck_assert(strcmp(read.items[i].name, score.items[i].name) == 0 && read.items[i].weight == score.items[i].weight);
	score_free(&read);
	score_free(&score);
	buf_free(&field);
}
END_TEST

START_TEST(fields_that_are_none)
{
	static const char *const values[] = { "", "7", "7/", "/6", "7/-6", "x/6", "7/6; a", "7/6; =1", "7/6; a=x", "7/6;;", "99999999/6" };
	struct score score;
	int junk;

	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
		ck_assert_msg(score_parse(span_of(values[i]), &score, &junk) == -EINVAL, "%s", values[i]);
	ck_assert_int_eq(score_percent(3, 6), 50);
	ck_assert_int_eq(score_percent(7, 6), 100);
	ck_assert_int_eq(score_percent(-1, 6) + score_percent(5, 0), 0);
}
END_TEST

/* --- clients --- */

#define RECORDS 3
struct record {
	const char *name;
	enum dns_type type;
	const char *data; /* NULL: an answer that failed */
};

static const struct {
	const char *client, *helo;
	struct record records[RECORDS];
	const char *items, *lists;
} client_rows[] = {
	{ "192.0.2.7", "mx.far.example",
	    { { "7.2.0.192.in-addr.arpa", DNS_PTR, "mx.far.example" }, { "mx.far.example", DNS_A, "192.0.2.7" } }, "", "" },
	{ "192.0.2.7", "mx.far.example",
	    { { "7.2.0.192.in-addr.arpa", DNS_PTR, "mx.far.example" }, { "mx.far.example", DNS_A, "192.0.2.8" } }, "reverse-name-unconfirmed=1", "" },
	{ "192.0.2.7", "mx.far.example", { { "7.2.0.192.in-addr.arpa", DNS_PTR, "mx.far.example" }, { "mx.far.example", DNS_A, NULL } }, "", "" },
	{ "192.0.2.7", "mx.far.example", { { "7.2.0.192.in-addr.arpa", DNS_PTR, NULL } }, "", "" },
	{ "192.0.2.7", "[192.0.2.7]", { { "7.2.0.192.bl.example", DNS_A, "127.0.0.2" } }, "bl.example=4 no-reverse-name=2", "bl.example" },
	{ "192.0.2.7", "[192.0.2.8]", { { "7.2.0.192.bl.example", DNS_A, "127.0.0.5" } }, "bl.example=8 helo-literal=4 no-reverse-name=2", "bl.example" },
	{ "192.0.2.7", "localhost", { { "7.2.0.192.wl.example", DNS_A, "127.0.0.9" } }, "wl.example=-5 helo-bare=1 no-reverse-name=2", "" },
	{ "192.0.2.7", "Example.TEST.", { { "7.2.0.192.bl.example", DNS_A, NULL } }, "helo-ours=5 no-reverse-name=2", "" },
	{ "192.0.2.7", "mail.example.test", { { "7.2.0.192.bl.example", DNS_A, "10.0.0.1" } }, "helo-ours=5 no-reverse-name=2", "" },
	{ "2001:db8::1", "[IPv6:2001:db8::1]",
	    { { "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example", DNS_A, "127.0.0.2" },
		{ "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", DNS_PTR, "six.example" },
		{ "six.example", DNS_AAAA, "2001:db8::1" } }, "bl.example=4", "bl.example" },
	{ "2001:db8::1", "[2001:db8::1]", { { NULL, 0, NULL } }, "helo-literal=4 no-reverse-name=2", "" },
	{ "", "x.example", { { NULL, 0, NULL } }, "", "" },
};

static struct defence_settings *
new_settings(void)
{
	char *texts[] = { xstrdup("bl.example 4 127.0.0.2-4"), xstrdup("bl.example 8 127.0.0.5"), xstrdup("wl.example -5") };
	char *domain = xstrdup("example.test"), hostname[] = "mail.example.test";
	struct smtpd_conf conf = { .common = { .hostname = hostname, .domains = { &domain, 1 } }, .dns_lists = { texts, 3 } };
	struct defence_settings *settings = defence_settings_new(&conf);

	free(domain);
	for (size_t i = 0; i < 3; i++)
		free(texts[i]);
	return settings;
}

static void
answer_one(struct defence *defence, size_t row, struct span name, enum dns_type type, size_t number)
{
	struct dns_answer *answer;
	uint8_t bytes[1][16];

	for (size_t i = 0; i < RECORDS && client_rows[row].records[i].name != NULL; i++) {
		const struct record *record = &client_rows[row].records[i];

		if (record->type != type || !span_eq(name, span_of(record->name)))
			continue;
		answer = answer_of(record->data != NULL ? DNS_FOUND : DNS_FAILED, &record->data, record->data != NULL, bytes);
		defence_answer(defence, number, answer);
		free(answer);
		return;
	}
	answer = answer_of(DNS_NO_NAME, NULL, 0, bytes);
	defence_answer(defence, number, answer);
	free(answer);
}

START_TEST(clients)
{
	struct defence_settings *settings = new_settings();
	struct defence *defence = defence_new(settings, client_rows[_i].client);
	struct buf text = BUF_INIT(1000), against = BUF_INIT(1000);
	struct score score = { 0 };
	enum dns_type type;
	struct span name;
	size_t number, asked = 0;

	(void)defence_settings_drop(settings); /* as at a reload */
	while (defence_question(defence, &name, &type, &number)) {
		ck_assert(!defence_is_done(defence));
		answer_one(defence, (size_t)_i, name, type, number);
		asked++;
	}
	ck_assert(defence_is_done(defence));
	ck_assert_uint_le(asked, 2 + 1 + 1); /* a zone that stands in two entries is asked once */
	defence_hello(defence, SPAN("mail.example.test"));
	defence_hello(defence, span_of(client_rows[_i].helo));
	defence_score(defence, &score);
	score_put_items(&score, &text);
	ck_assert_str_eq(buf_cstr(&text), client_rows[_i].items);
	defence_put_lists(defence, &against);
	ck_assert_str_eq(buf_cstr(&against), client_rows[_i].lists);
	defence_note(defence, TEST_EARLY_TALK);
	defence_note(defence, TEST_EARLY_TALK);
	score_free(&score);
	defence_score(defence, &score);
	ck_assert(score_has(&score, SPAN("early-talk")));
	score_free(&score);
	buf_free(&against);
	buf_free(&text);
	(void)defence_free(defence);
}
END_TEST

/* What has no answer for want of our own room says that the client is not known: another failure does not, nor an answer that comes. */
START_TEST(clients_that_are_not_known)
{
	static const struct {
		enum dns_status status;
		enum dns_blame blame;
		bool wanted;
	} cases[] = { { DNS_FAILED, DNS_OURS, true }, { DNS_FAILED, DNS_PERHAPS_OURS, false }, { DNS_FAILED, DNS_THEIRS, false }, { DNS_NO_NAME, DNS_OURS, false } };
	struct defence_settings *settings = new_settings();
	struct defence *defence = defence_new(settings, "192.0.2.7");
	struct dns_answer *answer = xcalloc(1, sizeof(*answer));
	enum dns_type type;
	struct span name;
	size_t number;

	answer->status = cases[_i].status;
	answer->blame = cases[_i].blame;
	ck_assert(!defence_is_busy(defence));
	while (defence_question(defence, &name, &type, &number))
		defence_answer(defence, number, answer);
	ck_assert(defence_is_done(defence));
	ck_assert_int_eq(defence_is_busy(defence), cases[_i].wanted);
	(void)defence_free(defence);
	(void)defence_settings_drop(settings);
	free(answer);
}
END_TEST

/* What is told of a list that lets in whom it knows: not what is our own resolver's doing, for such a client is put off. */
START_TEST(lists_that_do_not_answer)
{
	static const struct {
		const char *address;
		enum dns_status status;
		enum dns_blame blame;
		enum list_state wanted;
	} cases[] = {
		{ NULL, DNS_FAILED, DNS_THEIRS, LIST_SILENT }, { NULL, DNS_FAILED, DNS_PERHAPS_OURS, LIST_SILENT }, { NULL, DNS_FAILED, DNS_OURS, LIST_UNKNOWN },
		{ NULL, DNS_NO_NAME, DNS_THEIRS, LIST_ANSWERED }, { "127.0.0.2", DNS_FOUND, DNS_THEIRS, LIST_ANSWERED },
		{ "127.255.255.254", DNS_FOUND, DNS_THEIRS, LIST_REFUSES },
	};
	struct defence_settings *settings = new_settings();
	struct defence *defence = defence_new(settings, "192.0.2.7");
	uint8_t bytes[1][16];
	struct dns_answer *answer = answer_of(cases[_i].status, &cases[_i].address, cases[_i].address != NULL, bytes);
	enum dns_type type;
	struct span name;
	size_t number;

	answer->blame = cases[_i].blame;
	ck_assert_int_eq(defence_list_state(defence, 0), LIST_UNKNOWN);
	while (defence_question(defence, &name, &type, &number))
		if (span_ends(name, SPAN("bl.example")))
			defence_answer(defence, number, answer);
	ck_assert_int_eq(defence_list_state(defence, 0), cases[_i].wanted);
	ck_assert_int_eq(defence_list_state(defence, 1), LIST_UNKNOWN); /* of the same zone */
	ck_assert_int_eq(defence_list_state(defence, 2), LIST_UNKNOWN);
	(void)defence_free(defence);
	(void)defence_settings_drop(settings);
	free(answer);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("defence");
	TCase *tests = tcase_create("defence");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, lists, 0, (int)(sizeof(list_rows) / sizeof(*list_rows)));
	tcase_add_loop_test(tests, limits, 0, (int)(sizeof(limit_rows) / sizeof(*limit_rows)));
	tcase_add_test(tests, weights);
	tcase_add_test(tests, fields);
	tcase_add_test(tests, fields_that_are_none);
	tcase_add_loop_test(tests, clients_that_are_not_known, 0, 4);
	tcase_add_loop_test(tests, lists_that_do_not_answer, 0, 6);
	tcase_add_loop_test(tests, clients, 0, (int)(sizeof(client_rows) / sizeof(*client_rows)));
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
