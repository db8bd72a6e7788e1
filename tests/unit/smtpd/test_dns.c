/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* DNS messages taken apart, answers as messages between roles, names. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "smtpd/dns.h"

#define ROWS(table) (sizeof(table) / sizeof(*(table)))

static struct dns_answer answer, back;

/* --- DNS messages --- */

#define HEAD(flags, answers) "\x12\x34\x81" flags "\x00\x01\x00" answers "\x00\x00\x00\x00" "\3dom\7example\0\0\xf\0\1"
#define FIXED(type, len) "\0" type "\0\1\0\0\1\x2c\0" len

static const struct {
	const char *name;
	struct span packet;
	enum dns_type type;
	int result;
	enum dns_status status;
	const char *seen;
} packets[] = {
	{ "two MX, one compressed", SPAN(HEAD("\x80", "\2") "\xc0\x0c" FIXED("\xf", "\7") "\0\xa\2Mx\xc0\x0c" "\xc0\x0c" FIXED("\xf", "\5") "\0\x14\1a\0"),
		DNS_MX, 0, DNS_FOUND, "10 mx.dom.example;20 a;" },
	{ "null MX", SPAN(HEAD("\x80", "\1") "\xc0\x0c" FIXED("\xf", "\3") "\0\0\0"), DNS_MX, 0, DNS_FOUND, "0 ;" },
	{ "an alias before the address", SPAN(HEAD("\x80", "\2") "\xc0\x0c" FIXED("\5", "\3") "\1a\0" "\1a\0" FIXED("\1", "\4") "\xc0\0\2\1"), DNS_A, 0,
		DNS_FOUND, "4:c0000201;" },
	{ "an alias asked for", SPAN(HEAD("\x80", "\1") "\xc0\x0c" FIXED("\5", "\3") "\1a\0"), DNS_CNAME, 0, DNS_FOUND, "a;" },
	{ "a name for an address", SPAN(HEAD("\x80", "\1") "\xc0\x0c" FIXED("\xc", "\3") "\1B\0"), DNS_PTR, 0, DNS_FOUND, "b;" },
	{ "text of several strings", SPAN(HEAD("\x80", "\1") "\xc0\x0c" FIXED("\x10", "\x0a") "\4v=sp\0\3f1 "), DNS_TXT, 0, DNS_FOUND, "v=spf1 ;" },
	{ "an empty text", SPAN(HEAD("\x80", "\1") "\xc0\x0c" FIXED("\x10", "\1") "\0"), DNS_TXT, 0, DNS_FOUND, ";" },
	{ "text without a string", SPAN(HEAD("\x80", "\1") "\xc0\x0c" FIXED("\x10", "\0")), DNS_TXT, -EBADMSG, DNS_FAILED, "" },
	{ "a string past its record", SPAN(HEAD("\x80", "\1") "\xc0\x0c" FIXED("\x10", "\3") "\3ab"), DNS_TXT, -EBADMSG, DNS_FAILED, "" },
	{ "a certificate", SPAN(HEAD("\x80", "\1") "\xc0\x0c" FIXED("\x34", "\5") "\3\1\1\xab\xcd"), DNS_TLSA, 0, DNS_FOUND, "3 1 1 abcd;" },
	{ "a certificate that is too short", SPAN(HEAD("\x80", "\1") "\xc0\x0c" FIXED("\x34", "\2") "\3\1"), DNS_TLSA, -EBADMSG, DNS_FAILED, "" },
	{ "another type", SPAN(HEAD("\x80", "\1") "\xc0\x0c" FIXED("\1", "\4") "\xc0\0\2\1"), DNS_AAAA, 0, DNS_NO_DATA, "" },
	{ "another class", SPAN(HEAD("\x80", "\1") "\xc0\x0c" "\0\1\0\3\0\0\0\0\0\4" "\xc0\0\2\1"), DNS_A, 0, DNS_NO_DATA, "" },
	{ "NXDOMAIN", SPAN(HEAD("\x83", "\0")), DNS_MX, 3, DNS_NO_NAME, "" },
	{ "SERVFAIL", SPAN(HEAD("\x82", "\0")), DNS_MX, 2, DNS_FAILED, "" },
	{ "a name that is no host's", SPAN(HEAD("\x80", "\1") "\xc0\x0c" FIXED("\xf", "\6") "\0\1\2a\r\0"), DNS_MX, 0, DNS_NO_DATA, "" },
	{ "an address of the wrong length", SPAN(HEAD("\x80", "\1") "\xc0\x0c" FIXED("\1", "\3") "\xc0\0\2"), DNS_A, -EBADMSG, DNS_FAILED, "" },
	{ "data past the end", SPAN(HEAD("\x80", "\1") "\xc0\x0c" FIXED("\1", "\4") "\xc0\0\2"), DNS_A, -EBADMSG, DNS_FAILED, "" },
	{ "a pointer to itself", SPAN(HEAD("\x80", "\1") "\xc0\x1d" FIXED("\1", "\4") "\xc0\0\2\1"), DNS_A, -EBADMSG, DNS_FAILED, "" },
	{ "a pointer forwards", SPAN(HEAD("\x80", "\1") "\xc0\x30" FIXED("\1", "\4") "\xc0\0\2\1"), DNS_A, -EBADMSG, DNS_FAILED, "" },
	{ "a label of 64", SPAN(HEAD("\x80", "\1") "\x40" "a" FIXED("\1", "\4") "\xc0\0\2\1"), DNS_A, -EBADMSG, DNS_FAILED, "" },
	{ "answers that are not there", SPAN(HEAD("\x80", "\2")), DNS_A, -EBADMSG, DNS_FAILED, "" },
	{ "MX longer than its name", SPAN(HEAD("\x80", "\1") "\xc0\x0c" FIXED("\xf", "\6") "\0\1\1a\0\0"), DNS_MX, -EBADMSG, DNS_FAILED, "" },
	{ "no header", SPAN("\x12\x34\x81\x80\0\1"), DNS_A, -EBADMSG, DNS_FAILED, "" },
	{ "nothing", SPAN(""), DNS_A, -EBADMSG, DNS_FAILED, "" },
};

static void
show(enum dns_type type, struct buf *out)
{
	for (size_t i = 0; i < answer.count; i++) {
		const struct dns_record *record = &answer.records[i];

		if (type == DNS_MX)
			(void)buf_fmt(out, "%u ", record->preference);
		if (type == DNS_TLSA)
			(void)buf_fmt(out, "%u %u %u ", record->usage, record->selector, record->matching);
		if (type == DNS_A || type == DNS_AAAA)
			(void)buf_fmt(out, "%zu:", record->data.len);
		if (type == DNS_A || type == DNS_AAAA || type == DNS_TLSA)
			for (size_t b = 0; b < record->data.len; b++)
				(void)buf_fmt(out, "%02x", (unsigned)(unsigned char)record->data.ptr[b]);
		else
			(void)buf_span(out, record->data);
		(void)buf_char(out, ';');
	}
}

START_TEST(packets_are_read)
{
	struct buf seen = BUF_INIT(4096);

	ck_assert_msg(dns_parse(packets[_i].packet, packets[_i].type, &answer) == packets[_i].result, "%s", packets[_i].name);
	ck_assert_msg(answer.status == packets[_i].status, "%s: status %d", packets[_i].name, answer.status);
	if (answer.status != DNS_FAILED)
		show(packets[_i].type, &seen);
	ck_assert_msg(answer.unusable == (strcmp(packets[_i].name, "a name that is no host's") == 0), "%s", packets[_i].name);
	ck_assert_msg(strcmp(buf_cstr(&seen), packets[_i].seen) == 0, "%s: %s", packets[_i].name, buf_cstr(&seen));
	if (answer.status == DNS_FOUND)
		ck_assert_uint_eq(answer.ttl, 300);
	/* Cut anywhere it is read without harm; the sanitizers watch. */
	for (size_t len = 0; len < packets[_i].packet.len; len++) {
		char *copy = malloc(len + 1);

		if (len != 0)
			memcpy(copy, packets[_i].packet.ptr, len);
		(void)dns_parse(span_make(copy, len), packets[_i].type, &answer);
		free(copy);
	}
	buf_free(&seen);
}
END_TEST

static void
put_head(struct buf *packet, unsigned answers)
{
	(void)buf_put(packet, "\x12\x34\x81\x80\0\0", 6);
	(void)buf_char(packet, (char)(answers >> 8));
	(void)buf_char(packet, (char)answers);
	(void)buf_put(packet, "\0\0\0\0", 4);
}

/* A record of the root, of a type and with so many octets of data. */
static void
put_record(struct buf *packet, unsigned type, size_t len)
{
	const char head[] = { 0, 0, (char)type, 0, 1, 0, 0, 0, 1, (char)(len >> 8), (char)len };

	(void)buf_put(packet, head, sizeof(head));
}

/* Names of the longest kind, and one octet more. */
START_TEST(long_names)
{
	for (unsigned last = 60; last <= 63; last++) {
		struct buf packet = BUF_INIT(1024);

		put_head(&packet, 1);
		put_record(&packet, DNS_MX, 2 + 3 * 64 + last + 2);
		(void)buf_put(&packet, "\0\1", 2);
		for (int label = 0; label < 4; label++) {
			unsigned len = label < 3 ? 63 : last;

			(void)buf_char(&packet, (char)len);
			for (unsigned i = 0; i < len; i++)
				(void)buf_char(&packet, 'x');
		}
		(void)buf_char(&packet, '\0');
		/* 255 octets on the wire are 253 characters. */
		ck_assert_int_eq(dns_parse(buf_get(&packet), DNS_MX, &answer), last <= 61 ? 0 : -EBADMSG);
		ck_assert_uint_eq(answer.count, last <= 61);
		if (last <= 61)
			ck_assert_uint_eq(answer.records[0].data.len, 3 * 64 + last);
		buf_free(&packet);
	}
}
END_TEST

START_TEST(too_many_records)
{
	for (unsigned count = DNS_RECORDS_MAX; count <= DNS_RECORDS_MAX + 1; count++) {
		struct buf packet = BUF_INIT(65536);

		put_head(&packet, count);
		for (unsigned i = 0; i < count; i++) {
			put_record(&packet, DNS_A, 4);
			(void)buf_put(&packet, "\177\0\0\1", 4);
		}
		ck_assert_int_eq(dns_parse(buf_get(&packet), DNS_A, &answer), 0);
		ck_assert_uint_eq(answer.count, DNS_RECORDS_MAX);
		ck_assert(answer.cut == (count > DNS_RECORDS_MAX));
		buf_free(&packet);
	}
}
END_TEST

/* Text that passes the bounds of an answer is left out; when that leaves nothing there is no answer. */
START_TEST(too_much_text)
{
	static char text[60000];
	struct buf packet = BUF_INIT(65536);

	for (size_t i = 0; i < sizeof(text); i += 200)
		text[i] = (char)199;
	put_head(&packet, 2);
	put_record(&packet, DNS_TXT, 20000);
	(void)buf_put(&packet, text, 20000);
	ck_assert_int_eq(dns_parse(buf_get(&packet), DNS_TXT, &answer), -EBADMSG);
	put_record(&packet, DNS_TXT, 200);
	(void)buf_put(&packet, text, 200);
	ck_assert_int_eq(dns_parse(buf_get(&packet), DNS_TXT, &answer), 0);
	ck_assert(answer.cut && answer.count == 1 && answer.records[0].data.len == 199);
	buf_clear(&packet);
	put_head(&packet, 1);
	put_record(&packet, DNS_TXT, 20000);
	(void)buf_put(&packet, text, 20000);
	ck_assert_int_eq(dns_parse(buf_get(&packet), DNS_TXT, &answer), 0);
	ck_assert_int_eq(answer.status, DNS_FAILED);
	buf_free(&packet);
}
END_TEST

START_TEST(too_many_aliases)
{
	for (unsigned aliases = DNS_ALIASES_MAX; aliases <= DNS_ALIASES_MAX + 1; aliases++) {
		struct buf packet = BUF_INIT(4096);

		put_head(&packet, aliases + 1);
		for (unsigned i = 0; i < aliases; i++) {
			put_record(&packet, DNS_CNAME, 1);
			(void)buf_char(&packet, '\0');
		}
		put_record(&packet, DNS_A, 4);
		(void)buf_put(&packet, "\177\0\0\1", 4);
		ck_assert_int_eq(dns_parse(buf_get(&packet), DNS_A, &answer), aliases > DNS_ALIASES_MAX ? -ELOOP : 0);
		buf_free(&packet);
	}
}
END_TEST

START_TEST(whose_the_records_are)
{
	/* dom.example, an alias of a, has an address; mx.dom.example by a name that is compressed. */
	ck_assert_int_eq(dns_parse(SPAN(HEAD("\x80", "\2") "\xc0\x0c" FIXED("\5", "\3") "\1a\0" "\1A\0" FIXED("\1", "\4") "\xc0\0\2\1"), DNS_A, &answer), 0);
	ck_assert(span_eq(answer.owner, SPAN("a")));
	ck_assert_int_eq(dns_parse(SPAN(HEAD("\x80", "\1") "\2mx\xc0\x0c" FIXED("\1", "\4") "\xc0\0\2\1"), DNS_A, &answer), 0);
	ck_assert(span_eq(answer.owner, SPAN("mx.dom.example")));
	/* No host name, and no record. */
	ck_assert_int_eq(dns_parse(SPAN(HEAD("\x80", "\1") "\1+\0" FIXED("\1", "\4") "\xc0\0\2\1"), DNS_A, &answer), 0);
	ck_assert(answer.count == 1 && answer.owner.len == 0);
	ck_assert_int_eq(dns_parse(SPAN(HEAD("\x80", "\1") "\xc0\x0c" FIXED("\5", "\3") "\1a\0"), DNS_A, &answer), 0);
	ck_assert(answer.count == 0 && answer.owner.len == 0);
}
END_TEST

/* --- answers between roles --- */

static const enum dns_type every_type[] = { DNS_A, DNS_CNAME, DNS_PTR, DNS_MX, DNS_TXT, DNS_AAAA, DNS_TLSA };

START_TEST(answers_as_messages)
{
	enum dns_type type = every_type[_i];
	static const char data[] = "name.example.of.more";
	static struct msg_writer body;
	struct msg_reader reader;

	answer = (struct dns_answer){ .status = DNS_FOUND, .secure = true, .blame = DNS_OURS, .cut = true, .ttl = 70000, .owner = SPAN("mx.example"), .count = DNS_RECORDS_MAX };
	for (size_t i = 0; i < answer.count; i++) {
		answer.records[i].data = span_make(data, type == DNS_A ? 4 : type == DNS_AAAA ? 16 : sizeof(data) - 1);
		if (type == DNS_MX)
			answer.records[i].preference = (uint16_t)(i * 250);
		if (type == DNS_TLSA)
			answer.records[i].usage = answer.records[i].selector = answer.records[i].matching = (uint8_t)i;
	}
	msg_writer_init(&body);
	dns_put(&body, type, &answer);
	ck_assert(!body.overflow);
	reader = msg_read_span(span_make(body.bytes, body.len));
	ck_assert_int_eq(dns_get(&reader, type, &back), 0);
	ck_assert_int_eq(back.status, DNS_FOUND);
	ck_assert(back.secure && back.blame == DNS_OURS && back.cut && back.ttl == 70000 && back.count == answer.count);
	ck_assert(span_eq(back.owner, answer.owner));
	for (size_t i = 0; i < back.count; i++) {
		ck_assert(span_eq(back.records[i].data, answer.records[i].data));
		ck_assert_uint_eq(back.records[i].preference, answer.records[i].preference);
		ck_assert_uint_eq(back.records[i].usage, answer.records[i].usage);
	}
	for (size_t len = 0; len < body.len; len += 7) {
		reader = msg_read_span(span_make(body.bytes, len));
		ck_assert_int_eq(dns_get(&reader, type, &back), -EBADMSG);
	}
	for (uint8_t status = DNS_NO_DATA; status < DNS_BOGUS + 2; status++) {
		body.bytes[0] = status; /* none of which has records */
		reader = msg_read_span(span_make(body.bytes, body.len));
		ck_assert_int_eq(dns_get(&reader, type, &back), -EBADMSG);
	}
}
END_TEST

/* The biggest answer that dns_parse makes fits a message. */
START_TEST(the_biggest_answer_fits)
{
	static char data[DNS_BYTES_MAX];
	static struct msg_writer body;
	static char reason[2 * DNS_REASON_MAX];

	memset(data, 'x', sizeof(data));
	memset(reason, 'r', sizeof(reason));
	answer = (struct dns_answer){ .status = DNS_FOUND, .count = DNS_RECORDS_MAX, .reason = span_make(reason, sizeof(reason)), .owner = SPAN("a") };
	answer.records[0].data = span_make(data, sizeof(data) - 1);
	msg_writer_init(&body);
	dns_put(&body, DNS_TLSA, &answer);
	ck_assert(!body.overflow);
}
END_TEST

START_TEST(an_address_of_the_wrong_length)
{
	static struct msg_writer body;
	struct msg_reader reader;

	answer = (struct dns_answer){ .status = DNS_FOUND, .count = 1, .records = { { .data = SPAN("12345") } } };
	msg_writer_init(&body);
	dns_put(&body, DNS_A, &answer);
	reader = msg_read_span(span_make(body.bytes, body.len));
	ck_assert_int_eq(dns_get(&reader, DNS_A, &back), -EBADMSG);
}
END_TEST

/* --- names --- */

#define L63 "123456789012345678901234567890123456789012345678901234567890123"
static const struct {
	const char *name, *escaped; /* NULL: no name */
} names[] = {
	{ "a.example", "a.example" }, { "A.Example.", "A.Example" }, { "_spf.a-b.example", "_spf.a-b.example" }, { "a b.example", "a\\032b.example" },
	{ "a\\.example", "a\\092.example" }, { "\303\244.example", "\\195\\164.example" }, { L63 ".example", L63 ".example" }, { L63 "4.example", NULL },
	{ "", NULL }, { ".", NULL }, { "a..example", NULL }, { ".example", NULL }, { "a.example..", NULL },
	{ L63 "." L63 "." L63 "." "1234567890123456789012345678901234567890123456789012345678901",
		L63 "." L63 "." L63 "." "1234567890123456789012345678901234567890123456789012345678901" },
	{ L63 "." L63 "." L63 "." "12345678901234567890123456789012345678901234567890123456789012", NULL },
};

START_TEST(names_to_ask_for)
{
	struct buf out = BUF_INIT(1024);
	struct span name = span_of(names[_i].name);

	ck_assert(dns_is_name(name) == (names[_i].escaped != NULL));
	ck_assert_int_eq(dns_put_escaped(name, &out), names[_i].escaped != NULL ? 0 : -EINVAL);
	ck_assert_str_eq(buf_cstr(&out), names[_i].escaped != NULL ? names[_i].escaped : "");
	buf_free(&out);
}
END_TEST

START_TEST(names_of_addresses)
{
	static const uint8_t four[] = { 192, 0, 2, 99 }, six[16] = { 0x20, 1, 0xd, 0xb8, [15] = 0x1f };
	struct buf out = BUF_INIT(DNS_NAME_MAX), small = BUF_INIT(20);

	ck_assert_int_eq(dns_put_reverse(four, sizeof(four), SPAN("in-addr.arpa"), &out), 0);
	ck_assert_str_eq(buf_cstr(&out), "99.2.0.192.in-addr.arpa");
	buf_clear(&out);
	ck_assert_int_eq(dns_put_reverse(six, sizeof(six), SPAN("ip6.arpa"), &out), 0);
	ck_assert_str_eq(buf_cstr(&out), "f.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
	ck_assert_int_eq(dns_put_reverse(six, sizeof(six), SPAN("ip6.arpa"), &small), -EMSGSIZE);
	buf_free(&out);
	buf_free(&small);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("dns");
	TCase *tests = tcase_create("dns");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, packets_are_read, 0, ROWS(packets));
	tcase_add_test(tests, long_names);
	tcase_add_test(tests, too_many_records);
	tcase_add_test(tests, too_much_text);
	tcase_add_test(tests, too_many_aliases);
	tcase_add_test(tests, whose_the_records_are);
	tcase_add_loop_test(tests, answers_as_messages, 0, ROWS(every_type));
	tcase_add_test(tests, the_biggest_answer_fits);
	tcase_add_test(tests, an_address_of_the_wrong_length);
	tcase_add_loop_test(tests, names_to_ask_for, 0, ROWS(names));
	tcase_add_test(tests, names_of_addresses);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
