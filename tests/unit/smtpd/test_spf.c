/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* SPF against the cases of the openspf.org test suite for RFC 7208 (tests/data/spf), with a DNS made of their zones; and what that suite leaves out. */
#include <arpa/inet.h>
#include <check.h>
#include <stdio.h>

#include "smtpd/spf_state.h"

#define CASES "tests/data/spf/rfc7208.cases"
#define LINE_MAX 8192
#define ZONE_MAX 512
#define QUESTIONS_MAX 200

struct zone_record {
	const char *name, *type;
	struct span data;
};
static struct zone_record zone[ZONE_MAX];
static size_t zone_count;
/* What the lines of one section say. */
static char arena[1 << 18];
static size_t arena_used;
static struct dns_answer answer;
static uint8_t addresses[DNS_RECORDS_MAX][16];

/* --- the DNS --- */

static void
put_record(enum dns_type type, struct span data)
{
	struct dns_record *record = &answer.records[answer.count];
	uint64_t preference;

	*record = (struct dns_record){ .data = data };
	if (type == DNS_MX) {
		ck_assert_int_eq(span_take_u64(&data, UINT16_MAX, &preference), 0);
		record->preference = (uint16_t)preference;
		record->data = span_skip(data, 1);
	} else if (type == DNS_A || type == DNS_AAAA) {
		ck_assert_int_eq(inet_pton(type == DNS_A ? AF_INET : AF_INET6, data.ptr, addresses[answer.count]), 1);
		record->data = span_make(addresses[answer.count], type == DNS_A ? 4 : 16);
	}
	answer.count++;
}

static void
look_up(struct span name, enum dns_type type)
{
	bool there = false, timeout = false;

	answer.count = 0;
	answer.reason = SPAN_NULL;
	for (size_t i = 0; i < zone_count; i++) {
		if (!span_ieq(span_of(zone[i].name), name))
			continue;
		there = true;
		if (strcmp(zone[i].type, "CNAME") == 0 && type != DNS_CNAME) {
			look_up(zone[i].data, type);
			return;
		}
		if (strcmp(zone[i].type, "TIMEOUT") == 0)
			timeout = true;
		else if (strcmp(zone[i].type, dns_type_name(type)) == 0)
			put_record(type, zone[i].data);
	}
	answer.status = answer.count != 0 ? DNS_FOUND : timeout ? DNS_FAILED : there ? DNS_NO_DATA : DNS_NO_NAME;
}

/* --- the cases --- */

static struct span
unescape(struct span text)
{
	char *out = arena + arena_used;
	size_t len = 0;

	ck_assert_uint_lt(text.len + 1, sizeof(arena) - arena_used);
	arena_used += text.len + 1;
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] == '\\') {
			out[len++] = (char)(ascii_hex(text.ptr[i + 1]) << 4 | ascii_hex(text.ptr[i + 2]));
			i += 2;
		} else {
			out[len++] = text.ptr[i];
		}
	out[len] = '\0';
	return span_make(out, len);
}

static const struct spf_outcome *
evaluate(struct spf *spf)
{
	enum dns_type type;
	struct span name;
	size_t questions = 0;

	while (spf_question(spf, &name, &type)) {
		ck_assert_msg(questions++ < QUESTIONS_MAX, "it asks and asks");
		look_up(name, type);
		spf_answer(spf, &answer);
	}
	return spf_outcome(spf);
}

static bool
is_among(struct span results, const char *result)
{
	struct span one;

	while (span_split(&results, ',', &one))
		if (span_eq(one, span_of(result)))
			return true;
	return false;
}

static struct spf *
begin(const char *address, struct span helo, struct span sender)
{
	uint8_t bytes[16];
	bool six = strchr(address, ':') != NULL;

	ck_assert_int_eq(inet_pton(six ? AF_INET6 : AF_INET, address, bytes), 1);
	return spf_new(bytes, six ? 16 : 4, helo, sender, SPAN("receiver.example"), 1234567890);
}

/* A line of a case: name, address, helo, sender, results, explanation. The number of what is wrong. */
static unsigned
run_case(const struct span fields[6])
{
	struct spf *spf = begin(fields[1].ptr, fields[2], fields[3]);
	const struct spf_outcome *outcome = evaluate(spf);
	const char *wanted = strcmp(fields[5].ptr, "DEFAULT") == 0 ? "" : fields[5].ptr;
	unsigned faults = 0;

	if (!is_among(fields[4], spf_result_name(outcome->result))) {
		(void)fprintf(stderr, "%s: %s (%s), wanted %s\n", fields[0].ptr, spf_result_name(outcome->result), outcome->reason, fields[4].ptr);
		faults++;
	}
	if (strcmp(wanted, "-") != 0 && strcmp(wanted, outcome->explanation) != 0) {
		(void)fprintf(stderr, "%s: explanation \"%s\", wanted \"%s\"\n", fields[0].ptr, outcome->explanation, wanted);
		faults++;
	}
	(void)spf_free(spf);
	return faults;
}

static void
add_record(struct span name, struct span type, struct span data)
{
	ck_assert_uint_lt(zone_count, ZONE_MAX);
	zone[zone_count++] = (struct zone_record){ name.ptr, type.ptr, data };
}

START_TEST(the_suite)
{
	static char line[LINE_MAX];
	FILE *file = fopen(CASES, "re");
	unsigned cases = 0, faults = 0;

	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		struct span rest = span_of(line), word, part, fields[6] = { 0 };
		size_t count = 0;

		rest.len -= rest.len != 0 && rest.ptr[rest.len - 1] == '\n';
		(void)span_split(&rest, '\t', &word);
		while (count < 6 && span_split(&rest, '\t', &part))
			fields[count++] = unescape(part);
		for (; count < 6; count++)
			fields[count] = unescape(SPAN_NULL);
		if (span_eq(word, SPAN("SECTION"))) {
			zone_count = arena_used = 0;
		} else if (span_eq(word, SPAN("ZONE"))) {
			add_record(fields[0], fields[1], fields[2]);
		} else if (span_eq(word, SPAN("CASE"))) {
			faults += run_case(fields);
			cases++;
		}
	}
	(void)fclose(file);
	zone_count = 0;
	ck_assert_uint_eq(cases, 203);
	ck_assert_uint_eq(faults, 0);
}
END_TEST

/* --- what the suite leaves out --- */

static const struct {
	const char *about, *record, *sender, *helo, *address;
	enum spf_result result;
} more[] = {
	{ "an IPv4-mapped address", "v=spf1 ip4:192.0.2.0/24 -all", "a@dom.example", "h.example", "::ffff:192.0.2.9", SPF_PASS },
	{ "a prefix within an octet", "v=spf1 ip4:192.0.2.0/25 -all", "a@dom.example", "h.example", "192.0.2.128", SPF_FAIL },
	{ "a local-part that is not ASCII matches nothing", "v=spf1 exists:%{l}.dom.example -all", "\303\244@dom.example", "h.example", "192.0.2.1", SPF_FAIL },
	{ "a domain as U-labels", "v=spf1 +all", "a@b\303\274cher.example", "h.example", "192.0.2.1", SPF_PASS },
	{ "the empty path: HELO", "v=spf1 +all", "", "dom.example", "192.0.2.1", SPF_PASS },
	{ "an address literal", "v=spf1 +all", "", "[192.0.2.1]", "192.0.2.1", SPF_NONE },
	{ "NUL in a qualifier's place is no term", "v=spf1 \001all", "a@dom.example", "h.example", "192.0.2.1", SPF_PERMERROR },
	{ "itself included", "v=spf1 include:dom.example -all", "a@dom.example", "h.example", "192.0.2.1", SPF_PERMERROR },
	{ "redirect to itself", "v=spf1 redirect=dom.example", "a@dom.example", "h.example", "192.0.2.1", SPF_PERMERROR },
};

START_TEST(beyond_the_suite)
{
	static const char *const names[] = { "dom.example", "xn--bcher-kva.example" };
	struct spf *spf;

	zone_count = 0;
	for (size_t i = 0; i < 2; i++)
		zone[zone_count++] = (struct zone_record){ names[i], "TXT", span_of(more[_i].record) };
	spf = begin(more[_i].address, span_of(more[_i].helo), span_of(more[_i].sender));
	ck_assert_msg(evaluate(spf)->result == more[_i].result, "%s: %s (%s)", more[_i].about, spf_result_name(spf_outcome(spf)->result),
	    spf_outcome(spf)->reason);
	(void)spf_free(spf);
	zone_count = 0;
}
END_TEST

/* Who is told from one that only has no record, and from one that another's record leads to. */
START_TEST(no_such_domain)
{
	static const struct {
		const char *sender;
		bool expected;
	} cases[] = { { "a@no.example", true }, { "a@bare.example", false }, { "a@dom.example", false }, { "a@to.example", false } };
	struct spf *spf = begin("192.0.2.1", SPAN("h.example"), span_of(cases[_i].sender));

	zone_count = 0;
	zone[zone_count++] = (struct zone_record){ "bare.example", "A", SPAN("192.0.2.7") };
	zone[zone_count++] = (struct zone_record){ "dom.example", "TXT", SPAN("v=spf1 include:no.example -all") };
	zone[zone_count++] = (struct zone_record){ "to.example", "TXT", SPAN("v=spf1 redirect=no.example") };
	ck_assert_int_eq(evaluate(spf)->no_such_domain, cases[_i].expected);
	(void)spf_free(spf);
	zone_count = 0;
}
END_TEST

/* An evaluation that is given up half-way leaves nothing; the sanitizers watch. */
START_TEST(given_up)
{
	zone_count = 0;
	zone[zone_count++] = (struct zone_record){ "dom.example", "TXT", SPAN("v=spf1 include:dom.example -all") };
	for (size_t questions = 0; questions < 5; questions++) {
		struct spf *spf = begin("192.0.2.1", SPAN("h.example"), SPAN("a@dom.example"));
		enum dns_type type;
		struct span name;

		for (size_t i = 0; i < questions && spf_question(spf, &name, &type); i++) {
			look_up(name, type);
			spf_answer(spf, &answer);
		}
		(void)spf_free(spf);
	}
	zone_count = 0;
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("spf");
	TCase *tests = tcase_create("spf");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, the_suite);
	tcase_add_loop_test(tests, beyond_the_suite, 0, sizeof(more) / sizeof(*more));
	tcase_add_loop_test(tests, no_such_domain, 0, 4);
	tcase_add_test(tests, given_up);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
