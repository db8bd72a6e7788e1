/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Mail exchangers: their order, null MX, this host among them; DNS answers taken apart; answers as messages. */
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
	struct resolve_record record = { 0 };
	struct span rest = span_of(text), name;
	uint64_t preference;

	ck_assert_int_eq(span_take_u64(&rest, UINT16_MAX, &preference), 0);
	name = span_skip(rest, 1);
	record.preference = (uint16_t)preference;
	for (size_t i = 0; i < name.len; i++)
		record.name[i] = ascii_lower(name.ptr[i]);
	resolve_mx_add(mx, &record);
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
	ck_assert_uint_eq(mx->count, RESOLVE_RECORDS_MAX);
	resolve_mx_order(mx, SPAN("dom.example"), SPAN("me.example"), 5, &answer);
	ck_assert_uint_eq(answer.count, RESOLVE_HOSTS_MAX);
	ck_assert_str_eq(answer.hosts[0].name, "h145"); /* the best of those that were looked at */
	free(mx);
}
END_TEST

START_TEST(hosts_without_address)
{
	struct resolve_answer answer = { .count = 3, .hosts = { { .name = "a" }, { .name = "b" }, { .name = "c" } } };
	struct resolve_address address = { .len = 4 };

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

/* --- DNS messages --- */

#define HEAD(flags, answers) "\x12\x34\x81" flags "\x00\x01\x00" answers "\x00\x00\x00\x00" "\3dom\7example\0\0\xf\0\1"
#define FIXED(type, len) "\0" type "\0\1\0\0\1\x2c\0" len

static const struct {
	const char *name;
	struct span packet;
	enum resolve_type type;
	int result;
	const char *seen;
} packets[] = {
	{ "two MX, one compressed", SPAN(HEAD("\x80", "\2") "\xc0\x0c" FIXED("\xf", "\7") "\0\xa\2Mx\xc0\x0c" "\xc0\x0c" FIXED("\xf", "\5") "\0\x14\1a\0"),
		RESOLVE_MX, 0, "10 mx.dom.example;20 a;" },
	{ "null MX", SPAN(HEAD("\x80", "\1") "\xc0\x0c" FIXED("\xf", "\3") "\0\0\0"), RESOLVE_MX, 0, "0 ;" },
	{ "an alias before the address", SPAN(HEAD("\x80", "\2") "\xc0\x0c" FIXED("\5", "\3") "\1a\0" "\1a\0" FIXED("\1", "\4") "\xc0\0\2\1"), RESOLVE_A, 0,
		"4:192.0.2.1;" },
	{ "another type", SPAN(HEAD("\x80", "\1") "\xc0\x0c" FIXED("\1", "\4") "\xc0\0\2\1"), RESOLVE_AAAA, 0, "" },
	{ "another class", SPAN(HEAD("\x80", "\1") "\xc0\x0c" "\0\1\0\3\0\0\0\0\0\4" "\xc0\0\2\1"), RESOLVE_A, 0, "" },
	{ "NXDOMAIN", SPAN(HEAD("\x83", "\0")), RESOLVE_MX, 3, "" },
	{ "a name that is no host's", SPAN(HEAD("\x80", "\1") "\xc0\x0c" FIXED("\xf", "\6") "\0\1\2a\r\0"), RESOLVE_MX, 0, "" },
	{ "an address of the wrong length", SPAN(HEAD("\x80", "\1") "\xc0\x0c" FIXED("\1", "\3") "\xc0\0\2"), RESOLVE_A, -EBADMSG, "" },
	{ "data past the end", SPAN(HEAD("\x80", "\1") "\xc0\x0c" FIXED("\1", "\4") "\xc0\0\2"), RESOLVE_A, -EBADMSG, "" },
	{ "a pointer to itself", SPAN(HEAD("\x80", "\1") "\xc0\x1d" FIXED("\1", "\4") "\xc0\0\2\1"), RESOLVE_A, -EBADMSG, "" },
	{ "a pointer forwards", SPAN(HEAD("\x80", "\1") "\xc0\x30" FIXED("\1", "\4") "\xc0\0\2\1"), RESOLVE_A, -EBADMSG, "" },
	{ "a label of 64", SPAN(HEAD("\x80", "\1") "\x40" "a" FIXED("\1", "\4") "\xc0\0\2\1"), RESOLVE_A, -EBADMSG, "" },
	{ "answers that are not there", SPAN(HEAD("\x80", "\2")), RESOLVE_A, -EBADMSG, "" },
	{ "MX longer than its name", SPAN(HEAD("\x80", "\1") "\xc0\x0c" FIXED("\xf", "\6") "\0\1\1a\0\0"), RESOLVE_MX, -EBADMSG, "" },
	{ "no header", SPAN("\x12\x34\x81\x80\0\1"), RESOLVE_A, -EBADMSG, "" },
	{ "nothing", SPAN(""), RESOLVE_A, -EBADMSG, "" },
};

static void
note(void *context, const struct resolve_record *record)
{
	struct buf *seen = context;
	const uint8_t *b = record->address.bytes;

	if (record->address.len == 0)
		(void)buf_fmt(seen, "%u %s;", record->preference, record->name);
	else
		(void)buf_fmt(seen, "%u:%u.%u.%u.%u;", record->address.len, b[0], b[1], b[2], b[3]);
}

START_TEST(packets_are_read)
{
	struct buf seen = BUF_INIT(4096);

	ck_assert_msg(resolve_parse(packets[_i].packet, packets[_i].type, note, &seen) == packets[_i].result, "%s", packets[_i].name);
	ck_assert_msg(strcmp(buf_cstr(&seen), packets[_i].seen) == 0, "%s: %s", packets[_i].name, buf_cstr(&seen));
	/* Cut anywhere it is read without harm; the sanitizers watch. */
	for (size_t len = 0; len < packets[_i].packet.len; len++) {
		char *copy = malloc(len + 1);

		if (len != 0)
			memcpy(copy, packets[_i].packet.ptr, len);
		(void)resolve_parse(span_make(copy, len), packets[_i].type, note, &seen);
		free(copy);
	}
	buf_free(&seen);
}
END_TEST

/* Names of the longest kind, and one octet more. */
START_TEST(long_names)
{
	for (unsigned last = 60; last <= 63; last++) {
		struct buf packet = BUF_INIT(1024), seen = BUF_INIT(1024);

		(void)buf_put(&packet, "\x12\x34\x81\x80\0\0\0\1\0\0\0\0\0\0\xf\0\1\0\0\0\0", 21);
		(void)buf_char(&packet, (char)((2 + 3 * 64 + last + 2) >> 8));
		(void)buf_char(&packet, (char)(2 + 3 * 64 + last + 2));
		(void)buf_put(&packet, "\0\1", 2);
		for (int label = 0; label < 4; label++) {
			unsigned len = label < 3 ? 63 : last;

			(void)buf_char(&packet, (char)len);
			for (unsigned i = 0; i < len; i++)
				(void)buf_char(&packet, 'x');
		}
		(void)buf_char(&packet, '\0');
		/* 255 octets on the wire are 253 characters. */
		ck_assert_int_eq(resolve_parse(buf_get(&packet), RESOLVE_MX, note, &seen), last <= 61 ? 0 : -EBADMSG);
		ck_assert_uint_eq(seen.len, last <= 61 ? 3 * 64 + last + strlen("1 ;") : 0);
		buf_free(&packet);
		buf_free(&seen);
	}
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
	for (size_t i = 0; i < RESOLVE_HOSTS_MAX; i++) {
		memset(answer.hosts[i].name, 'n', RESOLVE_NAME_MAX);
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
	tcase_add_loop_test(tests, packets_are_read, 0, ROWS(packets));
	tcase_add_test(tests, long_names);
	tcase_add_test(tests, answers_as_messages);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
