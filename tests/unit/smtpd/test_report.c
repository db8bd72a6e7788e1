/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Aggregate reports: where they go, what is counted, and how they look. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "common/header.h"
#include "smtpd/dmarc_report.h"
#include "smtpd/report_address_parse.h"
#include "smtpd/report_consent.h"
#include "smtpd/report_mail.h"

static const struct {
	const char *text, *first, *second;
	size_t count;
	uint64_t size;
	bool https;
} addresses[] = {
	{ "mailto:a@example.com", "a@example.com", NULL, 1, 0, false },
	{ "mailto:a@example.com!10m, MAILTO:b@example.net", "a@example.com", "b@example.net", 2, 10485760, false },
	{ "mailto:a%2Bdmarc@example.com!50K", "a+dmarc@example.com", NULL, 1, 51200, false },
	{ "https://example.com/report, mailto:a@example.com!7", "a@example.com", NULL, 1, 7, false },
	{ "https://Example.com/report?a=b!7, mailto:a@example.com!7", "https://Example.com/report?a=b!7", "a@example.com", 2, 0, true },
	{ "https://example.com", "https://example.com", NULL, 1, 0, true },
	{ "https://example.com:8443/x", "https://example.com:8443/x", NULL, 1, 0, true },
	{ "https://example.com:0/x, https://example.com:65536/x, https://example.com:1a/x, https://example.com:80:80/x", NULL, NULL, 0, 0, true },
	{ "https://user@example.com/x", NULL, NULL, 0, 0, true },
	{ "https://example.com/a b", NULL, NULL, 0, 0, true },
	{ "https://example.com/\r\nHost:x", NULL, NULL, 0, 0, true },
	{ "https:///x, https://localhost/x, https://[::1]/x", NULL, NULL, 0, 0, true },
	{ "http://example.com/x", NULL, NULL, 0, 0, true },
	{ "", NULL, NULL, 0, 0, false },
	{ "mailto:", NULL, NULL, 0, 0, false },
	{ "mailto:a@example.com!10x", NULL, NULL, 0, 0, false },
	{ "mailto:a@example.com!", NULL, NULL, 0, 0, false },
	{ "mailto:a%0D%0Ab@example.com", NULL, NULL, 0, 0, false },
	{ "mailto:a@example.com?subject=x", NULL, NULL, 0, 0, false },
	{ "mailto:a%4@example.com", NULL, NULL, 0, 0, false },
	{ "mailto:a@[192.0.2.1]", NULL, NULL, 0, 0, false },
	{ "mailto:a@b.test,mailto:c@d.test,mailto:e@f.test,mailto:g@h.test,mailto:i@j.test", "a@b.test", "c@d.test", 4, 0, false },
};

START_TEST(addresses_are_read)
{
	struct report_address read[REPORT_ADDRESSES_MAX];
	size_t count = report_addresses_parse(span_of(addresses[_i].text), addresses[_i].https, read);

	ck_assert_uint_eq(count, addresses[_i].count);
	if (count > 0) {
		ck_assert_str_eq(read[0].text, addresses[_i].first);
		ck_assert_uint_eq(read[0].size_max, addresses[_i].size);
	}
	if (count > 1)
		ck_assert_str_eq(read[1].text, addresses[_i].second);
}
END_TEST

static const struct {
	const char *text, *host, *path;
	uint16_t port;
} parts[] = {
	{ "https://example.com/x?y", "example.com", "/x?y", 443 },
	{ "https://example.com", "example.com", "/", 443 },
	{ "https://example.com:8443", "example.com", "/", 8443 },
	{ "https://example.com:/x:80/", "example.com", "/x:80/", 443 },
	{ "https://example.com:00065535/x", "example.com", "/x", 65535 },
};

START_TEST(parts_of_an_address)
{
	struct report_address read[REPORT_ADDRESSES_MAX];
	struct span host, path;
	uint16_t port;

	ck_assert_uint_eq(report_addresses_parse(span_of(parts[_i].text), true, read), 1);
	ck_assert(report_address_split(&read[0], &host, &port, &path));
	ck_assert(span_eq(host, span_of(parts[_i].host)) && span_eq(path, span_of(parts[_i].path)));
	ck_assert_uint_eq(port, parts[_i].port);
}
END_TEST

/* --- consent --- */

static const struct {
	const char *records[2];
	enum dns_status status;
	enum report_consent wanted;
	const char *addresses[3]; /* of REPORT_TAKEN */
} consents[] = {
	{ { "v=DMARC1" }, DNS_FOUND, REPORT_TAKEN, { "old@There.example" } },
	{ { "v=DMARC1;" }, DNS_FOUND, REPORT_TAKEN, { "old@There.example" } },
	{ { "v=DMARC1; p=none; ruf=mailto:x@elsewhere.example" }, DNS_FOUND, REPORT_TAKEN, { "old@There.example" } },
	{ { "v=spf1 -all" }, DNS_FOUND, REPORT_REFUSED, { NULL } },
	{ { "v=DMARC1; rua=mailto:a@there.example; rua=mailto:b@there.example" }, DNS_FOUND, REPORT_REFUSED, { NULL } },
	{ { NULL }, DNS_NO_NAME, REPORT_REFUSED, { NULL } },
	{ { NULL }, DNS_FAILED, REPORT_UNKNOWN, { NULL } },
	{ { NULL }, DNS_BOGUS, REPORT_UNKNOWN, { NULL } },
	{ { "v=DMARC1; rua=mailto:new@there.EXAMPLE!10m" }, DNS_FOUND, REPORT_TAKEN, { "new@there.EXAMPLE" } },
	{ { "v=DMARC1", "v=DMARC1; rua=mailto:a@there.example, mailto:b@there.example" }, DNS_FOUND, REPORT_TAKEN, { "a@there.example", "b@there.example" } },
	{ { "v=DMARC1; rua=mailto:new@elsewhere.example" }, DNS_FOUND, REPORT_ELSEWHERE, { NULL } },
	{ { "v=DMARC1; rua=mailto:new@sub.there.example" }, DNS_FOUND, REPORT_ELSEWHERE, { NULL } },
	{ { "v=DMARC1; rua=mailto:a@there.example,mailto:b@elsewhere.example" }, DNS_FOUND, REPORT_ELSEWHERE, { NULL } },
	{ { "v=DMARC1; rua=https://there.example/" }, DNS_FOUND, REPORT_TAKEN, { NULL } }, /* nothing that can be used */
};

START_TEST(consent_is_read)
{
	const struct report_address address = { .text = "old@There.example", .size_max = 7 };
	struct report_address read[REPORT_ADDRESSES_MAX];
	static struct dns_answer answer;
	size_t count, wanted = 0;

	answer.status = consents[_i].status;
	for (answer.count = 0; answer.count < 2 && consents[_i].records[answer.count] != NULL; answer.count++)
		answer.records[answer.count].data = span_of(consents[_i].records[answer.count]);
	ck_assert_int_eq(report_consent(&answer, &address, read, &count), consents[_i].wanted);
	for (; wanted < 3 && consents[_i].addresses[wanted] != NULL; wanted++)
		ck_assert(wanted < count && strcmp(read[wanted].text, consents[_i].addresses[wanted]) == 0);
	ck_assert(consents[_i].wanted != REPORT_TAKEN || count == wanted);
}
END_TEST

START_TEST(lines_come_back)
{
	const struct report_line line = { SPAN("example.com"), SPAN("mailto:a@example.com"), SPAN("none none r r 100"), SPAN("a\tb\n c"), 3 };
	struct buf text = BUF_INIT(1000);
	struct report_line read;

	ck_assert_int_eq(report_line_put(&line, &text), 0);
	ck_assert(span_ends(buf_get(&text), SPAN("\n")));
	ck_assert(report_line_parse(span_make(text.data, text.len - 1), &read));
	ck_assert_uint_eq(read.count, 3);
	ck_assert(span_eq(read.domain, line.domain) && span_eq(read.addresses, line.addresses) && span_eq(read.policy, line.policy));
	ck_assert(span_eq(read.row, SPAN("a?b? c")));
	buf_free(&text);
}
END_TEST

START_TEST(torn_lines_are_none)
{
	static const char line[] = "1\texample.com\tmailto:a@example.com\tnone\trow";
	struct report_line read;

	ck_assert(report_line_parse(span_of(line), &read));
	for (size_t len = 0; len < sizeof(line) - 1 - 3; len++)
		ck_assert(!report_line_parse(span_make(line, len), &read));
	ck_assert(!report_line_parse(SPAN("1\texample.com\tx\tnone\trow1\texample.com\tx\tnone\trow"), &read));
	ck_assert(!report_line_parse(SPAN("x\texample.com\tx\tnone\trow"), &read));
}
END_TEST

static void
add(struct report_day *day, const char *domain, const char *policy, const char *row, uint64_t count)
{
	const struct report_line line = { span_of(domain), SPAN("mailto:a@example.com"), span_of(policy), span_of(row), count };

	report_day_add(day, &line);
}

static const struct report_domain *
find(const struct report_day *day, const char *name)
{
	const struct report_domain *domain = day->domains;

	while (domain != NULL && strcmp(domain->name, name) != 0)
		domain = domain->next;
	return domain;
}

START_TEST(rows_are_summed)
{
	struct report_day day;

	report_day_init(&day);
	add(&day, "a.example", "none none r r 100", "192.0.2.1 x", 1);
	add(&day, "b.example", "none none r r 100", "192.0.2.1 x", 5);
	add(&day, "a.example", "reject none r r 100", "192.0.2.1 x", 2);
	add(&day, "a.example", "reject none r r 100", "192.0.2.2 x", 1);
	ck_assert_uint_eq(day.domain_count, 2);
	ck_assert_uint_eq(find(&day, "a.example")->row_count, 2);
	ck_assert_str_eq(find(&day, "a.example")->policy, "reject none r r 100");
	ck_assert_uint_eq(find(&day, "a.example")->rows->next->count, 3);
	ck_assert_uint_eq(find(&day, "b.example")->rows->count, 5);
	report_day_free(&day);
}
END_TEST

START_TEST(a_day_is_bounded)
{
	struct report_day day;

	report_day_init(&day);
	for (unsigned i = 0; i < REPORT_ROWS_PER_DOMAIN_MAX + 10; i++) {
		char row[32];

		(void)snprintf(row, sizeof(row), "row %u", i);
		add(&day, "a.example", "none", row, 1);
	}
	ck_assert_uint_eq(day.row_count, REPORT_ROWS_PER_DOMAIN_MAX);
	ck_assert_uint_eq(find(&day, "a.example")->left_out, 10);
	report_day_free(&day);
}
END_TEST

START_TEST(a_report_looks_as_appendix_c_says)
{
	static const char wanted[] =
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<feedback>\n<version>1.0</version>\n<report_metadata>\n<org_name>mail.example.test</org_name>\n"
	    "<email>postmaster@example.test</email>\n<report_id>id</report_id>\n"
	    "<date_range><begin>86400</begin><end>172799</end></date_range>\n</report_metadata>\n<policy_published>\n<domain>a.example</domain>\n"
	    "<adkim>s</adkim>\n<aspf>r</aspf>\n<p>reject</p>\n<sp>none</sp>\n<pct>50</pct>\n<fo>1:d</fo>\n</policy_published>\n"
	    "<record>\n<row>\n<source_ip>192.0.2.1</source_ip>\n<count>7</count>\n<policy_evaluated>\n<disposition>quarantine</disposition>\n"
	    "<dkim>fail</dkim>\n<spf>fail</spf>\n<reason>\n<type>local_policy</type>\n</reason>\n</policy_evaluated>\n</row>\n<identifiers>\n"
	    "<envelope_from>evil.example</envelope_from>\n<header_from>x.a.example</header_from>\n</identifiers>\n<auth_results>\n"
	    "<dkim>\n<domain>b&lt;&amp;&gt;.example</domain>\n<selector>s</selector>\n<result>pass</result>\n</dkim>\n"
	    "<spf>\n<domain>evil.example</domain>\n<scope>mfrom</scope>\n<result>pass</result>\n</spf>\n</auth_results>\n</record>\n</feedback>\n";
	const struct dmarc_report_head head = { SPAN("mail.example.test"), SPAN("postmaster@example.test"), SPAN("id"), 86400, 172799, false };
	struct buf out = BUF_INIT(1 << 16);
	struct report_day day;

	report_day_init(&day);
	add(&day, "a.example", "reject none s r 50 1:d",
	    "192.0.2.1 quarantine fail fail local_policy x.a.example evil.example evil.example mfrom pass b<&>.example s pass", 7);
	ck_assert_int_eq(dmarc_report_compose(&head, day.domains, &out), 0);
	ck_assert_str_eq(buf_cstr(&out), wanted);
	report_day_free(&day);
	buf_free(&out);
}
END_TEST

/* The schema has each address in eight groups or four numbers, and fo even where it is that of a record without. */
START_TEST(a_report_of_a_line_without_fo)
{
	const struct dmarc_report_head head = { SPAN("mail.example.test"), SPAN("postmaster@example.test"), SPAN("id"), 86400, 172799, false };
	struct buf out = BUF_INIT(1 << 16);
	struct report_day day;

	report_day_init(&day);
	add(&day, "a.example", "reject none s r 50", "2001:db8::1 none pass pass - a.example a.example a.example mfrom pass", 1);
	ck_assert_int_eq(dmarc_report_compose(&head, day.domains, &out), 0);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "<pct>50</pct>\n<fo>0</fo>\n</policy_published>"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "<source_ip>2001:db8:0:0:0:0:0:1</source_ip>\n<count>1</count>"));
	report_day_free(&day);
	buf_free(&out);
}
END_TEST

/* What is missing is said, where the schema has a place for that. */
START_TEST(a_report_says_what_is_missing)
{
	const struct dmarc_report_head head = { SPAN("mail.example.test"), SPAN("postmaster@example.test"), SPAN("id"), 86400, 172799, _i == 1 };
	static const char *const errors[] = {
		"<error>10 messages are not in this report: they differ in more ways than it has records</error>\n",
		"<error>some messages late on this day were not counted: there were too many in all</error>\n",
	};
	struct buf out = BUF_INIT(16 << 20);
	struct report_day day;
	char wanted[512];

	report_day_init(&day);
	for (unsigned i = 0; i < (_i == 0 ? REPORT_ROWS_PER_DOMAIN_MAX + 10 : 1); i++) {
		char row[128];

		(void)snprintf(row, sizeof(row), "10.0.%u.%u none pass pass - a.example a.example a.example mfrom pass", i / 256, i % 256);
		add(&day, "a.example", "reject none s r 50 0", row, 1);
	}
	ck_assert_int_eq(dmarc_report_compose(&head, day.domains, &out), 0);
	(void)snprintf(wanted, sizeof(wanted), "<end>172799</end></date_range>\n%s</report_metadata>\n<policy_published>", errors[_i]);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), wanted));
	report_day_free(&day);
	buf_free(&out);
}
END_TEST

/* The schema has at least one record: a domain whose rows found no room has no report, nor has one whose only row is torn. */
START_TEST(no_report_without_a_record)
{
	const struct dmarc_report_head head = { SPAN("mail.example.test"), SPAN("postmaster@example.test"), SPAN("id"), 86400, 172799, false };
	struct buf out = BUF_INIT(1 << 16);
	struct report_day day;

	report_day_init(&day);
	day.row_count = REPORT_ROWS_MAX;
	add(&day, "a.example", "reject none s r 50 0", "192.0.2.1 none pass pass - a.example a.example a.example mfrom pass", 3);
	ck_assert_uint_eq(day.domains->left_out, 3);
	ck_assert_int_eq(dmarc_report_compose(&head, day.domains, &out), 1);
	ck_assert_uint_eq(out.len, 0);
	report_day_free(&day);
	buf_free(&out);
}
END_TEST

/* Each beginning of a row beside one that is whole: it is in no record, and counted for missing. That of a row without its signatures cannot be told
 * from one that had none, but says nothing wrong. */
START_TEST(torn_rows_are_left_out)
{
	static const char row[] = "192.0.2.1 quarantine fail fail local_policy a.example b.example b.example mfrom softfail c.example s permerror";
	const struct dmarc_report_head head = { SPAN("mail.example.test"), SPAN("postmaster@example.test"), SPAN("id"), 86400, 172799, false };
	size_t without = (size_t)(strstr(row, " c.example") - row);

	for (size_t len = 1; len < sizeof(row); len++) {
		bool whole = len == without || len == without + 1 || len == sizeof(row) - 1;
		struct buf out = BUF_INIT(1 << 16);
		struct report_day day;
		char torn[sizeof(row)] = "";

		memcpy(torn, row, len);
		report_day_init(&day);
		add(&day, "a.example", "reject none s r 50 0", torn, 1);
		ck_assert_int_eq(dmarc_report_compose(&head, day.domains, &out), whole ? 0 : 1);
		add(&day, "a.example", "reject none s r 50 0", "192.0.2.7 none pass pass - a.example a.example a.example mfrom pass", 1);
		buf_clear(&out);
		ck_assert_int_eq(dmarc_report_compose(&head, day.domains, &out), 0);
		ck_assert_int_eq(strstr(buf_cstr(&out), "<source_ip>192.0.2.1</source_ip>") != NULL, whole);
		ck_assert_int_eq(strstr(buf_cstr(&out), "<error>1 messages are not in this report: what was noted of them cannot be read</error>\n") == NULL, whole);
		report_day_free(&day);
		buf_free(&out);
	}
}
END_TEST

START_TEST(what_is_packed_unpacks)
{
	struct buf text = BUF_INIT(1 << 20), packed = BUF_INIT(1 << 20);
	static char out[1 << 20];
	z_stream stream = { 0 };

	for (unsigned i = 0; i < 20000; i++)
		(void)buf_fmt(&text, "%u,", i * 2654435761u);
	ck_assert_int_eq(report_pack(buf_get(&text), &packed), 0);
	ck_assert_int_eq(inflateInit2(&stream, 31), Z_OK);
	stream.next_in = (Bytef *)packed.data;
	stream.avail_in = (uInt)packed.len;
	stream.next_out = (Bytef *)out;
	stream.avail_out = sizeof(out);
	ck_assert_int_eq(inflate(&stream, Z_FINISH), Z_STREAM_END);
	ck_assert_uint_eq(stream.total_out, text.len);
	ck_assert_mem_eq(out, text.data, text.len);
	(void)inflateEnd(&stream);
	packed.max = packed.len;
	ck_assert_int_eq(report_pack(buf_get(&text), &packed), -EMSGSIZE);
	buf_free(&text);
	buf_free(&packed);
}
END_TEST

START_TEST(a_message_holds_it)
{
	const struct report_mail mail = { .from = SPAN("postmaster@example.test"), .to = SPAN("a@b.example"), .subject = SPAN("Report Domain: b.example"),
		.message_id = SPAN("id@example.test"), .boundary = SPAN("x"), .type = "multipart/mixed", .fields = "", .part_type = "application/gzip",
		.sentence = SPAN("Hello."), .file_name = SPAN("a!b.xml.gz"), .report = SPAN("PACKED"), .now = 0 };
	struct buf out = BUF_INIT(4096);
	struct header_field field;

	ck_assert_int_eq(report_mail_compose(&mail, &out), 0);
	ck_assert(header_find(buf_get(&out), SPAN("From"), &field) && span_eq(span_trim(field.value), SPAN("postmaster@example.test")));
	ck_assert(header_find(buf_get(&out), SPAN("Content-Type"), &field));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "\r\n\r\nUEFDS0VE\r\n"));
	ck_assert(span_ends(buf_get(&out), SPAN("\r\n--x--\r\n")));
	buf_free(&out);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("report");
	TCase *tests = tcase_create("report");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 120);
	tcase_add_loop_test(tests, addresses_are_read, 0, sizeof(addresses) / sizeof(*addresses));
	tcase_add_loop_test(tests, parts_of_an_address, 0, sizeof(parts) / sizeof(*parts));
	tcase_add_loop_test(tests, consent_is_read, 0, sizeof(consents) / sizeof(*consents));
	tcase_add_test(tests, lines_come_back);
	tcase_add_test(tests, torn_lines_are_none);
	tcase_add_test(tests, rows_are_summed);
	tcase_add_test(tests, a_day_is_bounded);
	tcase_add_test(tests, a_report_looks_as_appendix_c_says);
	tcase_add_test(tests, a_report_of_a_line_without_fo);
	tcase_add_loop_test(tests, a_report_says_what_is_missing, 0, 2);
	tcase_add_test(tests, no_report_without_a_record);
	tcase_add_test(tests, torn_rows_are_left_out);
	tcase_add_test(tests, what_is_packed_unpacks);
	tcase_add_test(tests, a_message_holds_it);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
