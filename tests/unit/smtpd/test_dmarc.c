/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* DMARC records, whose they are, and what comes of them for a message with given results of SPF and DKIM. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/xalloc.h"
#include "smtpd/auth_results.h"
#include "smtpd/dmarc_state.h"
#include "smtpd/public_suffix.h"

/* --- records --- */

static const struct {
	const char *text;
	int result;
	enum dmarc_policy policy, subdomain;
	bool strict_dkim, strict_spf;
	unsigned percent;
} policies[] = {
	{ "v=DMARC1; p=reject", 0, DMARC_POLICY_REJECT, DMARC_POLICY_REJECT, false, false, 100 },
	{ "v=DMARC1;p=none;sp=quarantine;adkim=s;aspf=s;pct=25;", 0, DMARC_POLICY_NONE, DMARC_POLICY_QUARANTINE, true, true, 25 },
	{ "v = DMARC1 ; p = Quarantine ; adkim=r; pct=101", 0, DMARC_POLICY_QUARANTINE, DMARC_POLICY_QUARANTINE, false, false, 100 },
	/* Section 6.3: what is wrong beside the policy does not count. */
	{ "v=DMARC1; p=reject;; pct=30", 0, DMARC_POLICY_REJECT, DMARC_POLICY_REJECT, false, false, 30 },
	{ "v=DMARC1; p=reject; nonsense; =; a b=c; fo=1; fo=1; aspf=\x01s", 0, DMARC_POLICY_REJECT, DMARC_POLICY_REJECT, false, false, 100 },
	{ "v=DMARC1; p=reject; a=; b=; c=; d=; e=; f=; g=; h=; i=; j=; k=; l=; m=; n=; o=; q=; r=; s=; t=; u=; w=; x=; y=; z=; aa=; bb=; cc=; dd=; ee=; ff=; gg=; adkim=s",
	  0, DMARC_POLICY_REJECT, DMARC_POLICY_REJECT, true, false, 100 },
	/* Without a usable policy: reports alone. */
	{ "v=DMARC1; rua=mailto:d@example.org", 0, DMARC_POLICY_NONE, DMARC_POLICY_NONE, false, false, 100 },
	{ "v=DMARC1; p=reject; sp=who; rua=mailto:d@example.org", 0, DMARC_POLICY_NONE, DMARC_POLICY_NONE, false, false, 100 },
	{ "v=DMARC1; p=who", -EINVAL, 0, 0, false, false, 0 },
	{ "v=DMARC1", -EINVAL, 0, 0, false, false, 0 },
	{ "v=DMARC2; p=reject", -EINVAL, 0, 0, false, false, 0 },
	{ "p=reject; v=DMARC1", -EINVAL, 0, 0, false, false, 0 },
	{ "v=DMARC1; p=reject; p=none", -EINVAL, 0, 0, false, false, 0 },
	{ "v=spf1 -all", -EINVAL, 0, 0, false, false, 0 },
	{ "", -EINVAL, 0, 0, false, false, 0 },
};

START_TEST(record)
{
	struct dmarc_record read = { .percent = 0 };

	ck_assert_int_eq(dmarc_record_parse(span_of(policies[_i].text), &read), policies[_i].result);
	ck_assert_int_eq(read.policy, policies[_i].policy);
	ck_assert_int_eq(read.subdomain_policy, policies[_i].subdomain);
	ck_assert_int_eq(read.strict_dkim, policies[_i].strict_dkim);
	ck_assert_int_eq(read.strict_spf, policies[_i].strict_spf);
	ck_assert_uint_eq(read.percent, policies[_i].percent);
}
END_TEST

/* fo= of records: what reports tell of it. */
static const struct {
	const char *text, *failures;
} failures[] = {
	{ "v=DMARC1; p=none", "0" }, { "v=DMARC1; p=none; ruf=mailto:a@example.org", "0" }, { "v=DMARC1; p=none; ruf=mailto:a@example.org; fo=1", "1" },
	{ "v=DMARC1; p=none; fo= s : D:1 ; ruf=mailto:a@example.org", "1:d:s" }, { "v=DMARC1; p=none; fo=0:1:d:s:0:1; ruf=x", "0:1:d:s" },
	{ "v=DMARC1; p=none; fo=x:10:; ruf=x", "0" }, { "v=DMARC1; p=none; fo=1; fo=d; ruf=x; ruf=y", "1" },
	/* Section 6.3: it does not count without ruf=. */
	{ "v=DMARC1; p=none; fo=1", "0" },
};

START_TEST(failure_options)
{
	struct dmarc_record read;
	char text[DMARC_FAILURES_SIZE];

	ck_assert_int_eq(dmarc_record_parse(span_of(failures[_i].text), &read), 0);
	dmarc_failures_put(read.failures, text);
	ck_assert_str_eq(text, failures[_i].failures);
}
END_TEST

START_TEST(organization)
{
	ck_assert_str_eq(public_suffix_organization("a.b.example.com"), "example.com");
	ck_assert_str_eq(public_suffix_organization("example.co.uk"), "example.co.uk");
	ck_assert_str_eq(public_suffix_organization("mail.example.co.uk"), "example.co.uk");
	ck_assert_str_eq(public_suffix_organization("co.uk"), "co.uk");
	ck_assert_str_eq(public_suffix_organization("a.example.test"), "example.test");
}
END_TEST

/* --- messages --- */

#define FROM "From: Ann <ann@mail.example.com>\r\n"
#define STRICT "v=DMARC1; p=reject; sp=quarantine; adkim=s; aspf=s"
#define RELAXED "v=DMARC1; p=reject; sp=quarantine"

static const struct {
	const char *header;
	/* At _dmarc.mail.example.com and _dmarc.example.com; NULL: none; "?": no answer. */
	const char *own, *organization;
	enum spf_result spf;
	const char *spf_domain;
	enum dkim_result dkim;
	const char *dkim_domain;
	unsigned sample;
	enum dmarc_result result;
	enum dmarc_policy wanted;
} messages[] = {
	{ FROM, RELAXED, NULL, SPF_PASS, "example.com", DKIM_FAIL, "example.org", 0, DMARC_PASS, 0 },
	{ FROM, STRICT, NULL, SPF_PASS, "example.com", DKIM_PASS, "example.com", 0, DMARC_FAIL, DMARC_POLICY_REJECT },
	{ FROM, STRICT, NULL, SPF_PASS, "mail.example.com", DKIM_PASS, "example.com", 0, DMARC_PASS, 0 },
	{ FROM, STRICT, NULL, SPF_FAIL, "mail.example.com", DKIM_PASS, "MAIL.example.com", 0, DMARC_PASS, 0 },
	{ FROM, RELAXED, NULL, SPF_SOFTFAIL, "mail.example.com", DKIM_POLICY, "example.com", 0, DMARC_FAIL, DMARC_POLICY_REJECT },
	{ FROM, RELAXED, NULL, SPF_PASS, "example.org", DKIM_PASS, "example.net", 0, DMARC_FAIL, DMARC_POLICY_REJECT },
	/* A name that ends alike is another's. */
	{ FROM, RELAXED, NULL, SPF_PASS, "badexample.com", DKIM_PASS, "com", 0, DMARC_FAIL, DMARC_POLICY_REJECT },
	/* The organization's record has another policy for what is below it. */
	{ FROM, NULL, RELAXED, SPF_NONE, "mail.example.com", DKIM_FAIL, "example.com", 0, DMARC_FAIL, DMARC_POLICY_QUARANTINE },
	{ FROM, "v=spf1 -all", RELAXED, SPF_NONE, "", DKIM_NONE, "", 0, DMARC_FAIL, DMARC_POLICY_QUARANTINE },
	{ FROM, NULL, NULL, SPF_FAIL, "", DKIM_FAIL, "", 0, DMARC_NONE, 0 },
	{ FROM, "?", NULL, SPF_FAIL, "", DKIM_FAIL, "", 0, DMARC_TEMPERROR, 0 },
	{ FROM, NULL, "?", SPF_FAIL, "", DKIM_FAIL, "", 0, DMARC_TEMPERROR, 0 },
	{ FROM, "v=DMARC1; p=?", NULL, SPF_FAIL, "", DKIM_FAIL, "", 0, DMARC_PERMERROR, 0 },
	/* What would have shown it could not be looked up. */
	{ FROM, RELAXED, NULL, SPF_TEMPERROR, "example.com", DKIM_FAIL, "example.com", 0, DMARC_TEMPERROR, 0 },
	{ FROM, RELAXED, NULL, SPF_FAIL, "example.com", DKIM_TEMPERROR, "example.com", 0, DMARC_TEMPERROR, 0 },
	{ FROM, RELAXED, NULL, SPF_TEMPERROR, "example.org", DKIM_TEMPERROR, "example.org", 0, DMARC_FAIL, DMARC_POLICY_REJECT },
	/* pct=: what is left out gets the next milder one. */
	{ FROM, RELAXED "; pct=30", NULL, SPF_FAIL, "", DKIM_FAIL, "", 29, DMARC_FAIL, DMARC_POLICY_REJECT },
	{ FROM, RELAXED "; pct=30", NULL, SPF_FAIL, "", DKIM_FAIL, "", 30, DMARC_FAIL, DMARC_POLICY_QUARANTINE },
	{ FROM, "v=DMARC1; p=quarantine; pct=0", NULL, SPF_FAIL, "", DKIM_FAIL, "", 0, DMARC_FAIL, DMARC_POLICY_NONE },
	/* Nobody's, or several people's. */
	{ "Subject: x\r\n", RELAXED, NULL, SPF_PASS, "example.com", DKIM_PASS, "example.com", 0, DMARC_PERMERROR, 0 },
	{ FROM FROM, RELAXED, NULL, SPF_PASS, "example.com", DKIM_PASS, "example.com", 0, DMARC_PERMERROR, 0 },
	{ "From: a@mail.example.com, b@example.org\r\n", RELAXED, NULL, SPF_PASS, "example.com", DKIM_PASS, "example.com", 0, DMARC_PERMERROR, 0 },
	{ "From: a@[192.0.2.1]\r\n", RELAXED, NULL, SPF_PASS, "example.com", DKIM_PASS, "example.com", 0, DMARC_PERMERROR, 0 },
	{ "From: a@mail.example.com <b@example.com> <c@example.org>\r\n", RELAXED, NULL, SPF_PASS, "example.com", DKIM_PASS, "example.com", 0, DMARC_PERMERROR, 0 },
	/* What is no domain, in which others find one. */
	{ "From: A <a@bank.example.org mail.example.com>\r\n", RELAXED, NULL, SPF_PASS, "example.com", DKIM_PASS, "example.com", 0, DMARC_PERMERROR, 0 },
	{ "From: a@bank.example.org\"mail.example.com\"\r\n", RELAXED, NULL, SPF_PASS, "example.com", DKIM_PASS, "example.com", 0, DMARC_PERMERROR, 0 },
	{ "From: A <a@bank.example.org/mail.example.com>\r\n", RELAXED, NULL, SPF_PASS, "example.com", DKIM_PASS, "example.com", 0, DMARC_PERMERROR, 0 },
	{ "From: =?utf-8?q?,a@bank.example.org,?= <a@mail.example.com>\r\n", RELAXED, NULL, SPF_PASS, "example.com", DKIM_PASS, "example.com", 0, DMARC_PERMERROR, 0 },
	{ "From: nobody\r\n", RELAXED, NULL, SPF_PASS, "example.com", DKIM_PASS, "example.com", 0, DMARC_PERMERROR, 0 },
	/* Two in one domain have one policy. */
	{ "From: a@mail.example.com, b@MAIL.example.com\r\n", RELAXED, NULL, SPF_PASS, "example.com", DKIM_NONE, "", 0, DMARC_PASS, 0 },
};

static void
answer(struct dmarc *dmarc, const char *text)
{
	struct dns_answer *made = xcalloc(1, sizeof(*made));

	made->status = text == NULL ? DNS_NO_NAME : strcmp(text, "?") == 0 ? DNS_FAILED : DNS_FOUND;
	if (made->status == DNS_FOUND) {
		made->count = 1;
		made->records[0].data = span_of(text);
	}
	dmarc_answer(dmarc, made);
	free(made);
}

START_TEST(message)
{
	struct spf_outcome spf = { .result = messages[_i].spf };
	struct dkim_check check = { .result = messages[_i].dkim, .signature.domain = span_of(messages[_i].dkim_domain) };
	struct dmarc dmarc;
	struct span name;

	(void)snprintf(spf.domain, sizeof(spf.domain), "%s", messages[_i].spf_domain);
	dmarc_begin(&dmarc, span_of(messages[_i].header));
	if (dmarc_question(&dmarc, &name)) {
		ck_assert(span_eq(name, SPAN("_dmarc.mail.example.com")));
		answer(&dmarc, messages[_i].own);
	}
	if (dmarc_question(&dmarc, &name)) {
		ck_assert(span_eq(name, SPAN("_dmarc.example.com")));
		answer(&dmarc, messages[_i].organization);
	}
	ck_assert(!dmarc_question(&dmarc, &name));
	dmarc_conclude(&dmarc, &spf, &check, 1, messages[_i].sample);
	ck_assert_int_eq(dmarc.outcome.result, messages[_i].result);
	ck_assert_int_eq(dmarc.outcome.wanted, messages[_i].wanted);
}
END_TEST

START_TEST(long_domain)
{
	struct dmarc dmarc;
	struct span name;
	struct buf from = BUF_INIT(400);

	/* 4 labels of 61 and the dots are 247 octets: "_dmarc." does not fit before them. */
	(void)buf_str(&from, "From: a@");
	for (int i = 0; i < 4; i++) {
		for (int j = 0; j < 61; j++)
			(void)buf_char(&from, 'x');
		(void)buf_str(&from, i < 3 ? "." : "\r\n");
	}
	dmarc_begin(&dmarc, buf_get(&from));
	ck_assert(!dmarc_question(&dmarc, &name));
	ck_assert_int_eq(dmarc.outcome.result, DMARC_PERMERROR);
	buf_free(&from);
}
END_TEST

START_TEST(seen_by_others)
{
	static const struct {
		const char *payload;
		bool has;
	} rows[] = {
		{ "mx.example; dmarc=pass header.from=a.example", true },
		{ "mx.example; spf=pass; DMARC = Pass (p=none; x)", true },
		{ "mx.example; spf=fail (dmarc=pass; dmarc=pass); dmarc=fail", false },
		{ "mx.example; spf=fail smtp.mailfrom=\"; dmarc=pass\"", false },
		{ "mx.example; dmarc=passed", false },
		{ "dmarc=pass; spf=pass", false },
		{ "mx.example; none", false },
		{ "mx.example; spf=fail (; dmarc=pass", false },
		{ "", false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		ck_assert_msg(auth_results_has(span_of(rows[i].payload), SPAN("dmarc"), SPAN("pass")) == rows[i].has, "%s", rows[i].payload);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("dmarc");
	TCase *tests = tcase_create("dmarc");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, record, 0, sizeof(policies) / sizeof(*policies));
	tcase_add_loop_test(tests, failure_options, 0, sizeof(failures) / sizeof(*failures));
	tcase_add_test(tests, organization);
	tcase_add_loop_test(tests, message, 0, sizeof(messages) / sizeof(*messages));
	tcase_add_test(tests, long_domain);
	tcase_add_test(tests, seen_by_others);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
