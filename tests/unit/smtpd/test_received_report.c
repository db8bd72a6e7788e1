/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Reports that others send: what they come in, and what they say. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#include "smtpd/received_report.h"
#include "smtpd/report_mail.h"
#include "smtpd/report_unpack.h"

#define DMARC \
	"<?xml version=\"1.0\"?>\n<feedback xmlns=\"urn:ietf:params:xml:ns:dmarc-2.0\"><report_metadata><org_name>Far &amp; Away</org_name>" \
	"<email>a@far.example</email><report_id>7</report_id><date_range><begin>86400</begin><end>172799</end></date_range></report_metadata>" \
	"<policy_published><domain>example.test</domain><p>none</p></policy_published>" \
	"<record><row><source_ip>192.0.2.1</source_ip><count> 12 </count><policy_evaluated><disposition>none</disposition><dkim>fail</dkim>" \
	"<spf>pass</spf></policy_evaluated></row><identifiers><header_from>example.test</header_from></identifiers>" \
	"<auth_results><spf><domain>x</domain><result>pass</result></spf></auth_results></record>" \
	"<record><row><source_ip>192.0.2.2</source_ip><count>3</count><policy_evaluated><disposition>none</disposition></policy_evaluated></row>" \
	"<identifiers><header_from>sub.example.test</header_from></identifiers></record></feedback>"
/* RFC 8460 appendix B. */
#define TLS \
	"{\"organization-name\":\"Company-X\",\"date-range\":{\"start-datetime\":\"2016-04-01T00:00:00Z\",\"end-datetime\":\"2016-04-01T23:59:59Z\"}," \
	"\"contact-info\":\"sts-reporting@company-x.example\",\"report-id\":\"5065427c-23d3-47ca-b6e0-946ea0e8c4be\",\"policies\":[{\"policy\":{" \
	"\"policy-type\":\"sts\",\"policy-string\":[\"version: STSv1\"],\"policy-domain\":\"company-y.example\",\"mx-host\":[\"*.mail.company-y.example\"]}," \
	"\"summary\":{\"total-successful-session-count\":5326,\"total-failure-session-count\":303},\"failure-details\":[{\"result-type\":" \
	"\"certificate-expired\",\"sending-mta-ip\":\"2001:db8:abcd:0012::1\",\"receiving-mx-hostname\":\"mx1.mail.company-y.example\"," \
	"\"failed-session-count\":100},{\"result-type\":\"starttls-not-supported\",\"sending-mta-ip\":\"2001:db8:abcd:0013::1\"," \
	"\"receiving-mx-hostname\":\"mx2.mail.company-y.example\",\"receiving-ip\":\"203.0.113.56\",\"failed-session-count\":200}]}]}"

START_TEST(dmarc)
{
	struct received_report report;
	const char *fault;

	ck_assert_int_eq(received_report_parse(SPAN("\xef\xbb\xbf" DMARC), &report, &fault), 0);
	ck_assert(!report.tls);
	ck_assert_str_eq(report.organization, "Far & Away");
	ck_assert_str_eq(report.domain, "example.test");
	ck_assert_int_eq(report.begin, 86400);
	ck_assert_int_eq(report.end, 172799);
	ck_assert_uint_eq(report.count, 2);
	ck_assert_str_eq(report.entries[0].source, "192.0.2.1");
	ck_assert_str_eq(report.entries[0].result, "dkim=fail spf=pass");
	ck_assert_str_eq(report.entries[0].action, "none");
	ck_assert_uint_eq(report.entries[0].count, 12);
	ck_assert(report.entries[0].good);
	ck_assert_str_eq(report.entries[1].result, "dkim=none spf=none");
	ck_assert_str_eq(report.entries[1].domain, "sub.example.test");
	ck_assert(!report.entries[1].good);
	received_report_free(&report);
}
END_TEST

START_TEST(tls)
{
	struct received_report report;
	const char *fault;

	ck_assert_int_eq(received_report_parse(SPAN(TLS), &report, &fault), 0);
	ck_assert(report.tls);
	ck_assert_str_eq(report.organization, "Company-X");
	ck_assert_str_eq(report.domain, "company-y.example");
	ck_assert_uint_eq(report.count, 4);
	ck_assert_uint_eq(report.entries[0].count, 5326);
	ck_assert(report.entries[0].good);
	ck_assert_str_eq(report.entries[2].result, "starttls-not-supported");
	ck_assert_str_eq(report.entries[2].source, "mx2.mail.company-y.example");
	ck_assert_uint_eq(report.entries[2].count, 200);
	/* What the details leave out of the 303. */
	ck_assert_str_eq(report.entries[3].result, "failure");
	ck_assert_uint_eq(report.entries[3].count, 3);
	ck_assert(!report.entries[3].good);
	received_report_free(&report);
}
END_TEST

/* How many sessions went well, of many ways to write it; UINT64_MAX: it is no report. */
static const struct {
	const char *text;
	uint64_t count;
} numbers[] = {
	{ "5", 5 }, { "5.0", 5 }, { "5e2", 500 }, { "\"5\"", 5 }, { "null", 0 }, { "4294967296", 4294967296 }, { "1000000000000", 1000000000000 },
	{ "1000000000001", UINT64_MAX }, { "9223372036854775807", UINT64_MAX }, { "92233720368547758070", UINT64_MAX }, { "1e300", UINT64_MAX },
	{ "-1", UINT64_MAX }, { "0.5", UINT64_MAX }, { "\"many\"", UINT64_MAX }, { "\"\"", UINT64_MAX }, { "[]", UINT64_MAX }, { "true", UINT64_MAX },
};

START_TEST(tls_numbers)
{
	struct buf text = BUF_INIT(1000);
	struct received_report report;
	const char *fault;

	(void)buf_fmt(&text, "{\"date-range\":{\"start-datetime\":\"2016-04-01T00:00:00Z\",\"end-datetime\":\"2016-04-01T23:59:59Z\"},\"policies\":[{\"policy\":{"
			     "\"policy-type\":\"sts\",\"policy-domain\":\"a.example\"},\"summary\":{\"total-successful-session-count\":%s}}]}", numbers[_i].text);
	if (numbers[_i].count == UINT64_MAX) {
		ck_assert_int_eq(received_report_parse(buf_get(&text), &report, &fault), -EBADMSG);
		ck_assert_ptr_nonnull(fault);
	} else {
		ck_assert_int_eq(received_report_parse(buf_get(&text), &report, &fault), 0);
		ck_assert_uint_eq(report.entries[0].count, numbers[_i].count);
		ck_assert_uint_eq(report.count, 1);
		received_report_free(&report);
	}
	buf_free(&text);
}
END_TEST

static const char *const bad_reports[] = {
	"",
	"<feedback>",
	"<feedback></feedback>",
	"<!DOCTYPE feedback [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]><feedback><policy_published><domain>&b;</domain></policy_published></feedback>",
	"<feedback><policy_published><domain>x</domain></policy_published><record><row></row></record></feedback>",
	"<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a></a></a></a></a></a></a></a></a></a></a></a></a></a></a></a></a></a>",
	"{}",
	"{\"policies\":[],\"policies\":[]}",
	"{\"policies\":[]}",
	"{\"policies\":[],\"date-range\":{\"start-datetime\":\"x\",\"end-datetime\":\"y\"}}",
};

START_TEST(others_are_none)
{
	struct received_report report;
	const char *fault = NULL;

	ck_assert_int_eq(received_report_parse(span_of(bad_reports[_i]), &report, &fault), -EBADMSG);
	ck_assert_ptr_nonnull(fault);
}
END_TEST

/* --- what they come in --- */

struct seen {
	unsigned count;
	struct buf text;
};

static void
on_found(void *context, struct span text)
{
	struct seen *seen = context;

	seen->count++;
	buf_clear(&seen->text);
	(void)buf_span(&seen->text, text);
}

static void
check_unpacked(struct span bytes, unsigned count)
{
	struct seen seen = { .text = BUF_INIT(1 << 20) };

	ck_assert_int_eq(report_unpack(bytes, on_found, &seen), 0);
	ck_assert_uint_eq(seen.count, count);
	ck_assert(count == 0 || span_eq(buf_get(&seen.text), SPAN(DMARC)));
	buf_free(&seen.text);
}

START_TEST(plain_and_gzip)
{
	struct buf packed = BUF_INIT(1 << 16);

	check_unpacked(SPAN(DMARC), 1);
	ck_assert_int_eq(report_pack(SPAN(DMARC), &packed), 0);
	check_unpacked(buf_get(&packed), 1);
	buf_free(&packed);
}
END_TEST

/* RFC 1952 section 2.2. */
START_TEST(members_of_gzip)
{
	struct buf packed = BUF_INIT(1 << 20), bomb = BUF_INIT(1 << 20), text = BUF_INIT(RECEIVED_REPORT_MAX);
	struct seen seen = { .text = BUF_INIT(1 << 20) };
	char *room = buf_reserve(&text, RECEIVED_REPORT_MAX / 2 + 1);

	ck_assert_int_eq(report_pack(span_make(DMARC, 100), &packed), 0);
	ck_assert_int_eq(report_pack(SPAN_NULL, &packed), 0);
	ck_assert_int_eq(report_pack(span_skip(SPAN(DMARC), 100), &packed), 0);
	check_unpacked(buf_get(&packed), 1);
	(void)buf_put(&packed, "\0\0\0\0", 4); /* as a tape pads it */
	check_unpacked(buf_get(&packed), 1);
	/* Each is not too much. */
	memset(room, ' ', RECEIVED_REPORT_MAX / 2 + 1);
	buf_added(&text, RECEIVED_REPORT_MAX / 2 + 1);
	ck_assert_int_eq(report_pack(buf_get(&text), &bomb), 0);
	ck_assert_int_eq(report_pack(buf_get(&text), &bomb), 0);
	ck_assert_int_eq(report_unpack(buf_get(&bomb), on_found, &seen), -EFBIG);
	ck_assert_uint_eq(seen.count, 0);
	buf_free(&packed);
	buf_free(&bomb);
	buf_free(&text);
	buf_free(&seen.text);
}
END_TEST

START_TEST(a_message_of_ours)
{
	struct buf packed = BUF_INIT(1 << 16), message = BUF_INIT(1 << 16);
	struct report_mail mail = { .from = SPAN("a@b.test"), .to = SPAN("c@d.test"), .subject = SPAN("x"), .message_id = SPAN("1@b.test"), .boundary = SPAN("=_x"),
		.type = "multipart/mixed", .fields = "", .part_type = "application/gzip", .sentence = SPAN("{}"), .file_name = SPAN("a.gz") };

	ck_assert_int_eq(report_pack(SPAN(DMARC), &packed), 0);
	mail.report = buf_get(&packed);
	ck_assert_int_eq(report_mail_compose(&mail, &message), 0);
	check_unpacked(buf_get(&message), 1);
	check_unpacked(SPAN("Subject: x\r\n\r\n<html>{}</html>\r\n"), 0);
	buf_free(&packed);
	buf_free(&message);
}
END_TEST

static void
put_number(struct buf *out, size_t number, size_t len)
{
	for (size_t i = 0; i < len; i++, number >>= 8)
		(void)buf_char(out, (char)number);
}

/* A zip of two files: one stored, one deflated, with the sizes behind it. */
static void
make_zip(struct buf *out)
{
	static char packed[sizeof(DMARC) + 1000];
	z_stream stream = { .next_in = (Bytef *)(uintptr_t)DMARC, .avail_in = sizeof(DMARC) - 1, .next_out = (Bytef *)packed, .avail_out = sizeof(packed) };
	size_t second, directory, length;

	ck_assert_int_eq(deflateInit2(&stream, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
	ck_assert_int_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
	length = stream.total_out;
	(void)deflateEnd(&stream);
	(void)buf_str(out, "PK\x03\x04");
	put_number(out, 0, 22);
	put_number(out, 1, 2);
	put_number(out, 0, 2);
	(void)buf_str(out, "a" DMARC);
	second = out->len;
	(void)buf_str(out, "PK\x03\x04");
	put_number(out, 0, 22);
	put_number(out, 1, 2);
	put_number(out, 0, 2);
	(void)buf_str(out, "b");
	(void)buf_put(out, packed, length);
	directory = out->len;
	for (unsigned i = 0; i < 2; i++) {
		(void)buf_str(out, "PK\x01\x02");
		put_number(out, 0, 6);
		put_number(out, i == 0 ? 0 : 8, 2);
		put_number(out, 0, 8);
		put_number(out, i == 0 ? sizeof(DMARC) - 1 : length, 4);
		put_number(out, sizeof(DMARC) - 1, 4);
		put_number(out, 1, 2);
		put_number(out, 0, 12);
		put_number(out, i == 0 ? 0 : second, 4);
		(void)buf_str(out, i == 0 ? "a" : "b");
	}
	length = out->len - directory;
	(void)buf_str(out, "PK\x05\x06");
	put_number(out, 0, 6);
	put_number(out, 2, 2);
	put_number(out, length, 4);
	put_number(out, directory, 4);
	put_number(out, 0, 2);
}

START_TEST(zip)
{
	struct buf text = BUF_INIT(1 << 16);
	struct seen seen = { .text = BUF_INIT(1 << 20) };

	make_zip(&text);
	check_unpacked(buf_get(&text), 2);
	/* Cut anywhere it is damaged, and nothing worse. */
	for (size_t len = 4; len < text.len; len++)
		ck_assert_int_eq(report_unpack(span_make(text.data, len), on_found, &seen), -EBADMSG);
	buf_free(&seen.text);
	buf_free(&text);
}
END_TEST

/* Thousands of files that are the same packed bytes, of which each unpacks to as much as may be: what they hold is no report, or nothing. */
START_TEST(zip_of_the_same_bytes)
{
	for (unsigned empty = 0; empty < 2; empty++) {
		struct buf text = BUF_INIT(RECEIVED_REPORT_MAX), packed = BUF_INIT(4 << 20);
		struct seen seen = { .text = BUF_INIT(1 << 20) };
		size_t directory, length;
		char *room;

		(void)buf_str(&packed, "PK\x03\x04");
		put_number(&packed, 0, 26);
		if (empty == 0) {
			static char bytes[1 << 17];
			z_stream stream = { .avail_in = RECEIVED_REPORT_MAX, .next_out = (Bytef *)bytes, .avail_out = sizeof(bytes) };

			room = buf_reserve(&text, RECEIVED_REPORT_MAX);
			memset(room, 'x', RECEIVED_REPORT_MAX);
			stream.next_in = (Bytef *)room;
			ck_assert_int_eq(deflateInit2(&stream, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
			ck_assert_int_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
			(void)buf_put(&packed, bytes, stream.total_out);
			(void)deflateEnd(&stream);
		} else {
			for (unsigned i = 0; i < 400000; i++)
				(void)buf_put(&packed, "\0\0\0\xff\xff", 5); /* a block of no bytes */
			(void)buf_put(&packed, "\1\0\0\xff\xff", 5);
		}
		directory = packed.len;
		length = directory - 30;
		for (unsigned i = 0; i < 20000; i++) {
			(void)buf_str(&packed, "PK\x01\x02");
			put_number(&packed, 0, 6);
			put_number(&packed, 8, 2);
			put_number(&packed, 0, 8);
			put_number(&packed, length, 4);
			put_number(&packed, 0, 22);
		}
		(void)buf_str(&packed, "PK\x05\x06");
		put_number(&packed, 0, 6);
		put_number(&packed, 20000, 2);
		put_number(&packed, packed.len - directory, 4);
		put_number(&packed, directory, 4);
		put_number(&packed, 0, 2);
		ck_assert_int_eq(report_unpack(buf_get(&packed), on_found, &seen), -EFBIG);
		ck_assert_uint_eq(seen.count, 0);
		buf_free(&text);
		buf_free(&packed);
		buf_free(&seen.text);
	}
}
END_TEST

START_TEST(bombs_are_bounded)
{
	struct buf text = BUF_INIT(RECEIVED_REPORT_MAX + 2), packed = BUF_INIT(1 << 20), again = BUF_INIT(1 << 20);
	struct seen seen = { .text = BUF_INIT(1 << 20) };
	char *room = buf_reserve(&text, RECEIVED_REPORT_MAX + 1);

	memset(room, ' ', RECEIVED_REPORT_MAX + 1);
	buf_added(&text, RECEIVED_REPORT_MAX + 1);
	ck_assert_int_eq(report_pack(buf_get(&text), &packed), 0);
	ck_assert_int_eq(report_unpack(buf_get(&packed), on_found, &seen), -EFBIG);
	/* Packed in packed in packed. */
	buf_clear(&packed);
	(void)report_pack(SPAN(DMARC), &packed);
	for (unsigned i = 0; i < 5; i++) {
		buf_clear(&again);
		(void)report_pack(buf_get(&packed), &again);
		buf_clear(&packed);
		(void)buf_span(&packed, buf_get(&again));
	}
	ck_assert_int_eq(report_unpack(buf_get(&packed), on_found, &seen), -EBADMSG);
	ck_assert_uint_eq(seen.count, 0);
	buf_free(&text);
	buf_free(&packed);
	buf_free(&again);
	buf_free(&seen.text);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("received report");
	TCase *tests = tcase_create("received report");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 120);
	tcase_add_test(tests, dmarc);
	tcase_add_test(tests, tls);
	tcase_add_loop_test(tests, others_are_none, 0, sizeof(bad_reports) / sizeof(*bad_reports));
	tcase_add_loop_test(tests, tls_numbers, 0, sizeof(numbers) / sizeof(*numbers));
	tcase_add_test(tests, plain_and_gzip);
	tcase_add_test(tests, members_of_gzip);
	tcase_add_test(tests, a_message_of_ours);
	tcase_add_test(tests, zip);
	tcase_add_test(tests, zip_of_the_same_bytes);
	tcase_add_test(tests, bombs_are_bounded);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
