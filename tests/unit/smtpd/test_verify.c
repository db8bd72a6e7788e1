/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Whole messages from other hosts: what comes of SPF, signatures, chains and policies together, and what the fields say. */
#include <stdio.h>
#include <stdlib.h>

#include "common/xalloc.h"
#include "smtpd/smtp_check.h"
#include "smtpd/verify_state.h"
#include "tests/unit/smtpd/dkim_messages.h"

#define FORGED "From: joe@football.example.com\r\nSubject: x\r\n\r\nx\r\n"
#define DKIM_ROW { "brisbane._domainkey.football.example.com", RFC8463_ED25519 }
#define REJECT "v=DMARC1; p=reject"
#define REJECT_ROW { "_dmarc.example.com", REJECT }
#define BODY_X "s14J+iztnrytnRYzb7lhFG/jS/vrxWJnnahfijFMnco=" /* of the body of FORGED */
#define WITHOUT_ROOM_CASES 18

static const struct verify_envelope envelope = {
	.client = "192.0.2.7", .helo = "mx.example.org", .sender = "joe@football.example.com"
};

/* Feeds the message and answers from the zone; a row without text has no answer now, nor has that name, if any, perhaps for want of our room. */
static struct verification *
answered_by(const struct verify_settings *settings, struct span message, const struct zone_row *rows, size_t count, const char *unanswered)
{
	struct verification *verification = verify_new(settings, &envelope, NOW, 0);
	static struct dns_answer answer;
	enum dns_type type;
	struct span name;
	size_t number;

	while (message.len != 0)
		verify_feed(verification, span_take(&message, 100));
	verify_end(verification);
	while (verify_question(verification, &name, &type, &number)) {
		answer.status = DNS_NO_NAME;
		answer.count = 0;
		for (size_t i = 0; i < count && type == DNS_TXT; i++) {
			if (rows[i].name == NULL || !span_eq(name, span_of(rows[i].name)))
				continue;
			answer.status = rows[i].text != NULL ? DNS_FOUND : DNS_FAILED;
			answer.count = rows[i].text != NULL;
			answer.records[0].data = span_of(rows[i].text);
		}
		answer.blame = DNS_THEIRS;
		if (unanswered != NULL && span_eq(name, span_of(unanswered))) {
			answer.status = DNS_FAILED;
			answer.blame = DNS_PERHAPS_OURS;
			answer.count = 0;
		}
		ck_assert(!verify_is_done(verification));
		verify_answer(verification, number, &answer);
	}
	ck_assert(verify_is_done(verification));
	return verification;
}

static struct verification *
verified_by(const struct verify_settings *settings, struct span message, const struct zone_row *rows, size_t count)
{
	return answered_by(settings, message, rows, count, NULL);
}

static const struct {
	const char *message;
	struct zone_row rows[3];
	enum dmarc_policy enforced;
	bool defer;
	enum verify_verdict verdict;
	const char *results; /* stands in Authentication-Results */
} rows[] = {
	{ RFC8463_MESSAGE, { DKIM_ROW, REJECT_ROW, { NULL, NULL } }, DMARC_POLICY_REJECT, false, VERIFY_TAKE,
		"dmarc=pass header.from=football.example.com policy.dmarc=reject" },
	{ FORGED, { DKIM_ROW, REJECT_ROW, { NULL, NULL } }, DMARC_POLICY_REJECT, false, VERIFY_REFUSE, "dmarc=fail header.from" },
	{ FORGED, { DKIM_ROW, REJECT_ROW, { NULL, NULL } }, DMARC_POLICY_QUARANTINE, false, VERIFY_QUARANTINE, "dmarc=fail" },
	{ FORGED, { DKIM_ROW, REJECT_ROW, { NULL, NULL } }, DMARC_POLICY_NONE, false, VERIFY_TAKE, "dmarc=fail" },
	{ FORGED, { { "football.example.com", "v=spf1 ip4:192.0.2.7 -all" }, REJECT_ROW, { NULL, NULL } }, DMARC_POLICY_REJECT, false,
		VERIFY_TAKE, "spf=pass smtp.mailfrom=joe@football.example.com" },
	{ FORGED, { { "_dmarc.football.example.com", NULL }, REJECT_ROW, { NULL, NULL } }, DMARC_POLICY_REJECT, false, VERIFY_TAKE,
		"dmarc=temperror" },
	{ FORGED, { { "football.example.com", NULL }, REJECT_ROW, { NULL, NULL } }, DMARC_POLICY_REJECT, true, VERIFY_DEFER,
		"spf=temperror" },
	/* Nobody's policy would be asked. */
	{ "From: a@b.example, c@d.example\r\n\r\n", { { NULL, NULL } }, DMARC_POLICY_REJECT, false, VERIFY_QUARANTINE, "dmarc=permerror" },
	{ "From: a@b.example, c@d.example\r\n\r\n", { { NULL, NULL } }, DMARC_POLICY_NONE, false, VERIFY_TAKE, "dmarc=permerror" },
	{ "", { { NULL, NULL } }, DMARC_POLICY_REJECT, false, VERIFY_QUARANTINE, "dkim=none" },
};

START_TEST(verdicts)
{
	const struct conf_list none = { .count = 0 };
	const struct verify_settings settings = {
		.hostname = "here.example", .enforced = rows[_i].enforced, .defer = rows[_i].defer, .arc_trusted = &none
	};
	struct verification *verification = verified_by(&settings, span_of(rows[_i].message), rows[_i].rows, 3);
	struct buf fields = BUF_INIT(10000);

	ck_assert_int_eq(verify_verdict(verification), rows[_i].verdict);
	ck_assert_int_eq(verify_put_fields(verification, &fields), 0);
	ck_assert_msg(span_find(buf_get(&fields), span_of(rows[_i].results)) > 0, "%s", buf_cstr(&fields));
	ck_assert_int_eq(span_starts(buf_get(&fields), SPAN("X-Spam-Flag: YES\r\n")), rows[_i].verdict == VERIFY_QUARANTINE);
	verify_free(verification);
	buf_free(&fields);
}
END_TEST

/* RFC 7505: one exchanger that is none; the bounce's sender, which is nobody, is asked about by no one. */
START_TEST(sender_that_takes_no_mail)
{
	static const struct {
		const char *sender;
		enum dns_status status;
		const char *exchangers[2];
		size_t count;
		bool asked, expected;
	} cases[] = {
		{ "a@silent.example", DNS_FOUND, { "" }, 1, true, true },
		{ "a@talks.example", DNS_FOUND, { "mx.talks.example" }, 1, true, false },
		{ "a@odd.example", DNS_FOUND, { "", "mx.odd.example" }, 2, true, false },
		{ "a@none.example", DNS_NO_DATA, { NULL }, 0, true, false },
		{ "a@broken.example", DNS_FAILED, { NULL }, 0, true, false },
		{ "", DNS_FOUND, { "" }, 1, false, false },
		{ "a@[192.0.2.1]", DNS_FOUND, { "" }, 1, false, false },
	};
	const struct conf_list none = { .count = 0 };
	const struct verify_settings settings = { .hostname = "here.example", .arc_trusted = &none };
	const struct verify_envelope from = { .client = "192.0.2.7", .helo = "mx.example.org", .sender = cases[_i].sender };
	struct verification *verification = verify_new(&settings, &from, NOW, 0);
	static struct dns_answer answer;
	enum dns_type type;
	struct span name;
	size_t number;
	bool asked = false;

	verify_feed(verification, SPAN(FORGED));
	verify_end(verification);
	while (verify_question(verification, &name, &type, &number)) {
		answer.status = type == DNS_MX ? cases[_i].status : DNS_NO_DATA;
		answer.count = type == DNS_MX ? cases[_i].count : 0;
		for (size_t i = 0; i < answer.count; i++)
			answer.records[i].data = span_of(cases[_i].exchangers[i]);
		ck_assert(type != DNS_MX || span_eq(name, span_of(cases[_i].sender + 2)));
		asked |= type == DNS_MX;
		ck_assert(!verify_is_done(verification));
		verify_answer(verification, number, &answer);
	}
	ck_assert(verify_is_done(verification));
	ck_assert_int_eq(asked, cases[_i].asked);
	ck_assert_int_eq(verify_sender_takes_no_mail(verification), cases[_i].expected);
	verify_free(verification);
}
END_TEST

/* Whatever the site wants of mail that cannot be verified: where it is for want of our own room, it comes again. */
START_TEST(without_room)
{
	static const struct {
		const char *name; /* of the question that has no answer */
		enum dns_type type;
		enum dns_blame blame;
		enum verify_verdict verdict;
		const char *policy, *spf; /* of the domain; NULL: it has none */
	} cases[] = {
		{ "_dmarc.example.com", DNS_TXT, DNS_PERHAPS_OURS, VERIFY_DEFER, REJECT, NULL },
		{ "_dmarc.football.example.com", DNS_TXT, DNS_PERHAPS_OURS, VERIFY_DEFER, REJECT, NULL },
		{ "football.example.com", DNS_TXT, DNS_PERHAPS_OURS, VERIFY_DEFER, REJECT, NULL },
		{ "inc.example", DNS_TXT, DNS_PERHAPS_OURS, VERIFY_DEFER, REJECT, "v=spf1 include:inc.example -all" },
		{ "s8._domainkey.example.com", DNS_TXT, DNS_PERHAPS_OURS, VERIFY_DEFER, REJECT, NULL },
		{ "s8._domainkey.example.com", DNS_TXT, DNS_OURS, VERIFY_DEFER, REJECT, NULL },
		{ "_dmarc.example.com", DNS_TXT, DNS_THEIRS, VERIFY_TAKE, REJECT, NULL },
		{ "s9._domainkey.far.example", DNS_TXT, DNS_THEIRS, VERIFY_REFUSE, REJECT, NULL },
		{ "s8._domainkey.example.com", DNS_TXT, DNS_THEIRS, VERIFY_TAKE, REJECT, NULL },
		{ "elsewhere.example", DNS_TXT, DNS_PERHAPS_OURS, VERIFY_REFUSE, REJECT, NULL },
		/* What has nothing to say of the author. */
		{ "football.example.com", DNS_MX, DNS_OURS, VERIFY_REFUSE, REJECT, NULL },
		{ "s9._domainkey.far.example", DNS_TXT, DNS_PERHAPS_OURS, VERIFY_REFUSE, REJECT, NULL },
		/* Or of one whose body was changed. */
		{ "s7._domainkey.example.com", DNS_TXT, DNS_PERHAPS_OURS, VERIFY_REFUSE, REJECT, NULL },
		/* Whose policy does not want to be known, or is met. */
		{ "football.example.com", DNS_TXT, DNS_PERHAPS_OURS, VERIFY_TAKE, NULL, NULL },
		{ "s8._domainkey.example.com", DNS_TXT, DNS_PERHAPS_OURS, VERIFY_TAKE, NULL, NULL },
		{ "s8._domainkey.example.com", DNS_TXT, DNS_PERHAPS_OURS, VERIFY_TAKE, REJECT, "v=spf1 ip4:192.0.2.7 -all" },
		{ "football.example.com", DNS_TXT, DNS_PERHAPS_OURS, VERIFY_DEFER, REJECT "; aspf=r", NULL },
		{ "s8._domainkey.example.com", DNS_TXT, DNS_PERHAPS_OURS, VERIFY_REFUSE, REJECT "; adkim=s", NULL },
	};
	const struct conf_list none = { .count = 0 };
	const struct verify_settings settings = { .hostname = "here.example", .enforced = DMARC_POLICY_REJECT, .arc_trusted = &none };
	struct verification *verification = verify_new(&settings, &envelope, NOW, 0);
	static struct dns_answer answer;
	enum dns_type type;
	struct span name;
	size_t number;

	_Static_assert(sizeof(cases) / sizeof(*cases) == WITHOUT_ROOM_CASES, "each row is a test");
	verify_feed(verification, SPAN("DKIM-Signature: v=1; a=rsa-sha256; d=far.example; s=s9; h=from; bh=" BODY_X "; b=AAAA\r\n"
				       "DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=s8; h=from; bh=" BODY_X "; b=AAAA\r\n"
				       "DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=s7; h=from; "
				       "bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=; b=AAAA\r\n" FORGED));
	verify_end(verification);
	while (verify_question(verification, &name, &type, &number)) {
		bool fails = type == cases[_i].type && span_eq(name, span_of(cases[_i].name));
		const char *text = span_eq(name, SPAN("_dmarc.example.com")) ? cases[_i].policy :
		    type == DNS_TXT && span_eq(name, SPAN("football.example.com")) ? cases[_i].spf : NULL;

		answer.status = fails ? DNS_FAILED : text != NULL ? DNS_FOUND : DNS_NO_NAME;
		answer.blame = cases[_i].blame; /* that of answers which come counts for nothing */
		answer.count = !fails && text != NULL;
		if (answer.count != 0)
			answer.records[0].data = span_of(text);
		verify_answer(verification, number, &answer);
	}
	ck_assert(verify_is_done(verification));
	ck_assert_int_eq(verify_verdict(verification), cases[_i].verdict);
	verify_free(verification);
}
END_TEST

/* The policy and keys of the author's domain come before keys that anybody may have thought of, and of these few at once. */
START_TEST(questions_in_order)
{
	const struct conf_list none = { .count = 0 };
	const struct verify_settings settings = { .hostname = "here.example", .enforced = DMARC_POLICY_REJECT, .arc_trusted = &none };
	struct verification *verification = verify_new(&settings, &envelope, NOW, 0);
	struct buf message = BUF_INIT(20000);
	static struct dns_answer answer;
	char *asked[20];
	size_t numbers[20], count = 0, first;
	enum dns_type type;
	struct span name;

	for (unsigned i = 0; i < DKIM_CHECKS_MAX; i++)
		(void)buf_fmt(&message, "DKIM-Signature: v=1; a=rsa-sha256; d=%s; s=s%u; h=from; bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=; b=AAAA\r\n",
		    i == 4 ? "mail.Example.com" : i == 9 ? "example.com" : "notexample.com", i);
	ck_assert_int_eq(buf_str(&message, FORGED), 0);
	verify_feed(verification, buf_get(&message));
	for (; verify_question(verification, &name, &type, &numbers[count]); count++) {
		ck_assert_uint_lt(count, 20);
		asked[count] = span_dup(name);
	}
	/* SPF, exchangers, policy. */
	ck_assert_uint_eq(count, 3 + DKIM_KEYS_AT_ONCE);
	ck_assert_str_eq(asked[2], "_dmarc.football.example.com");
	ck_assert_str_eq(asked[3], "s4._domainkey.mail.example.com");
	ck_assert_str_eq(asked[4], "s9._domainkey.example.com");
	ck_assert_str_eq(asked[5], "s0._domainkey.notexample.com");
	/* However many keys wait, the policy of the organization is asked for; and with each answer one more key. */
	answer.status = DNS_NO_NAME;
	verify_answer(verification, numbers[2], &answer);
	ck_assert(verify_question(verification, &name, &type, &numbers[2]));
	ck_assert(span_eq(name, SPAN("_dmarc.example.com")));
	ck_assert(!verify_question(verification, &name, &type, &first));
	for (unsigned i = 0; i < DKIM_CHECKS_MAX - DKIM_KEYS_AT_ONCE; i++) {
		verify_answer(verification, numbers[3 + i], &answer);
		ck_assert(verify_question(verification, &name, &type, &first));
		ck_assert(!verify_question(verification, &name, &type, &numbers[19]));
		numbers[3 + i] = first;
	}
	verify_end(verification);
	for (size_t i = 0; i < count; i++) {
		ck_assert(!verify_is_done(verification));
		verify_answer(verification, numbers[i], &answer);
		free(asked[i]);
	}
	ck_assert(verify_is_done(verification));
	verify_free(verification);
	buf_free(&message);
}
END_TEST

/* A domain that is cut could look like another one, and a field that is left out would tell nothing: whatever names somebody chooses. */
START_TEST(long_names)
{
#define L50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define L200 L50 "." L50 "." L50 "." L50
	const struct conf_list none = { .count = 0 };
	const struct verify_settings settings = { .hostname = "here.example", .enforced = DMARC_POLICY_REJECT, .arc_trusted = &none };
	const struct verify_envelope from = { .client = "192.0.2.7", .helo = "mx." L200 ".example", .sender = "mallory@bank.example." L200 ".example" };
	struct verification *verification = verify_new(&settings, &from, NOW, 0);
	struct buf message = BUF_INIT(20000), fields = BUF_INIT(SMTP_CHECK_FIELDS_MAX);
	static struct dns_answer answer;
	struct span name, rest, line;
	size_t number;
	enum dns_type type;

	for (unsigned i = 0; i < DKIM_CHECKS_MAX; i++)
		(void)buf_fmt(&message, "DKIM-Signature: v=1; a=rsa-sha256; d=%u." L200 ".example; s=" L200 ".s%u; h=from; bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=; "
		    "b=AAAAAAAAAAAA\r\n", i, i);
	ck_assert_int_eq(buf_str(&message, FORGED), 0);
	verify_feed(verification, buf_get(&message));
	verify_end(verification);
	answer.status = DNS_NO_NAME;
	while (verify_question(verification, &name, &type, &number))
		verify_answer(verification, number, &answer);
	ck_assert(verify_is_done(verification));
	ck_assert_int_eq(verify_put_fields(verification, &fields), 0);
	ck_assert_int_eq(span_find(buf_get(&fields), SPAN("Authentication-Results: here.example;\r\n\tspf=none")), 0);
	ck_assert_int_gt(span_find(buf_get(&fields), SPAN("smtp.mailfrom=mallory@bank.example." L200 ".example;\r\n")), 0);
	ck_assert_int_gt(span_find(buf_get(&fields), SPAN("header.d=2." L200 ".example\r\n")), 0);
	ck_assert_int_gt(span_find(buf_get(&fields), SPAN("dmarc=")), 0);
	ck_assert_int_gt(span_find(buf_get(&fields), SPAN("Received-SPF: none")), 0);
	for (rest = buf_get(&fields); span_split(&rest, '\n', &line);)
		ck_assert_uint_le(line.len, 999);
	verify_free(verification);
	buf_free(&message);
	buf_free(&fields);
}
END_TEST

/* --- ARC --- */

static void
finish(const struct dkim_private *key, struct dkim_draft *draft)
{
	struct buf signature = BUF_INIT(DKIM_SIGNATURE_MAX);

	ck_assert_int_eq(dkim_private_sign(key, draft->digest, &signature), 0);
	ck_assert_int_eq(dkim_draft_finish(draft, buf_get(&signature)), 0);
	buf_free(&signature);
}

/* The text as fwd.example sends it on, having seen that. */
static void
seal(const struct dkim_private *key, struct span payload, struct span text, struct buf *out)
{
	const struct dkim_signing signing = { DKIM_RSA_SHA256, SPAN("fwd.example"), SPAN("s"), NOW, 0 };
	struct buf results = BUF_INIT(4096);
	struct dkim_signer *signer = dkim_signer_new();
	struct dkim_verifier *before = verified(text, 100, NOW, NULL, 0);
	const struct arc_chain *chain = dkim_verifier_chain(before);
	struct dkim_draft message, whole;

	dkim_signer_feed(signer, text);
	ck_assert(dkim_signer_end(signer));
	ck_assert_int_eq(arc_seal_results(chain, payload, &results), 0);
	arc_seal_message(signer, chain, &signing, SPAN_NULL, &message);
	finish(key, &message);
	arc_seal(chain, &signing, buf_get(&results), buf_get(&message.text), &whole);
	finish(key, &whole);
	(void)buf_span(out, buf_get(&whole.text));
	(void)buf_span(out, buf_get(&message.text));
	(void)buf_span(out, buf_get(&results));
	ck_assert_int_eq(buf_span(out, text), 0);
	dkim_draft_free(&message);
	dkim_draft_free(&whole);
	dkim_verifier_free(before);
	dkim_signer_free(signer);
	buf_free(&results);
}

START_TEST(a_trusted_sealer)
{
	static char trusted[] = "FWD.example", other[] = "other.example";
	static const struct {
		char *sealer;
		const char *payload;
		enum verify_verdict verdict;
	} cases[] = {
		{ trusted, "mx.fwd.example; dmarc=pass header.from=football.example.com", VERIFY_TAKE },
		{ trusted, "mx.fwd.example; dmarc=fail header.from=football.example.com", VERIFY_REFUSE },
		{ other, "mx.fwd.example; dmarc=pass header.from=football.example.com", VERIFY_REFUSE },
	};
	struct dkim_private *key = dkim_private_make(DKIM_RSA_SHA256);
	struct buf record = BUF_INIT(2000);

	ck_assert_int_eq(dkim_private_record(key, &record), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *items[] = { cases[i].sealer };
		const struct conf_list list = { .item = items, .count = 1 };
		const struct verify_settings settings = {
			.hostname = "here.example", .enforced = DMARC_POLICY_REJECT, .arc_trusted = &list
		};
		const struct zone_row zone[] = { { "s._domainkey.fwd.example", buf_cstr(&record) }, REJECT_ROW };
		struct buf message = BUF_INIT(20000);
		struct verification *verification;

		seal(key, span_of(cases[i].payload), SPAN(FORGED), &message);
		verification = verified_by(&settings, buf_get(&message), zone, 2);
		ck_assert_int_eq(verify_chain(verification)->status, ARC_PASS);
		ck_assert_int_eq(verify_dmarc(verification)->result, DMARC_FAIL);
		ck_assert_int_eq(verify_verdict(verification), cases[i].verdict);
		verify_free(verification);
		/* Where its key is not to be had, which may be for want of our own room, it counts whose it is and what he saw. */
		verification = answered_by(&settings, buf_get(&message), zone, 2, "s._domainkey.fwd.example");
		ck_assert_int_eq(verify_verdict(verification), cases[i].verdict == VERIFY_TAKE ? VERIFY_DEFER : VERIFY_REFUSE);
		verify_free(verification);
		/* What was changed on the way is vouched for by nobody. */
		message.data[message.len - 3] = 'y';
		verification = verified_by(&settings, buf_get(&message), zone, 2);
		ck_assert_int_eq(verify_verdict(verification), VERIFY_REFUSE);
		verify_free(verification);
		verification = answered_by(&settings, buf_get(&message), zone, 2, "s._domainkey.fwd.example");
		ck_assert_int_eq(verify_verdict(verification), VERIFY_REFUSE);
		verify_free(verification);
		buf_free(&message);
	}
	(void)dkim_private_free(key);
	buf_free(&record);
}
END_TEST

/* RFC 8617 section 4.1.2: a chain may hold while nobody can tell whose the message is that it vouches for. */
START_TEST(a_trusted_sealer_of_two_authors)
{
	static char trusted[] = "fwd.example";
	char *items[] = { trusted };
	const struct conf_list list = { .item = items, .count = 1 };
	const struct verify_settings settings = { .hostname = "here.example", .enforced = DMARC_POLICY_REJECT, .arc_trusted = &list };
	struct dkim_private *key = dkim_private_make(DKIM_RSA_SHA256);
	struct buf record = BUF_INIT(2000), message = BUF_INIT(20000);
	struct verification *verification;

	ck_assert_int_eq(dkim_private_record(key, &record), 0);
	seal(key, SPAN("mx.fwd.example; dmarc=pass header.from=football.example.com"), SPAN("From: ceo@bank.example\r\n" FORGED), &message);
	verification = verified_by(&settings, buf_get(&message), (const struct zone_row[]){ { "s._domainkey.fwd.example", buf_cstr(&record) }, REJECT_ROW }, 2);
	ck_assert_int_eq(verify_chain(verification)->status, ARC_PASS);
	ck_assert_int_eq(verify_dmarc(verification)->result, DMARC_PERMERROR);
	ck_assert(!verify_is_vouched_for(verification));
	ck_assert_int_eq(verify_verdict(verification), VERIFY_QUARANTINE);
	verify_free(verification);
	verification = answered_by(&settings, buf_get(&message), NULL, 0, "s._domainkey.fwd.example");
	ck_assert_int_eq(verify_verdict(verification), VERIFY_QUARANTINE);
	verify_free(verification);
	(void)dkim_private_free(key);
	buf_free(&record);
	buf_free(&message);
}
END_TEST

/* --- every message comes to an end --- */

static unsigned state;

static unsigned
random_below(unsigned limit)
{
	state = state * 1103515245 + 12345;
	return (state >> 16) % limit;
}

/* Signatures, of which none holds, by few names in many spellings. */
static void
write_signed(struct buf *out)
{
	static const char *const domains[] = { "xn--bcher-kva.example", "sub.xn--bcher-kva.example", "XN--bcher-kva.example", "b\303\274cher.example", "other.example" };
	static const char *const hashes[] = { BODY_X, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" };
	unsigned selectors = 1 + random_below(12);

	for (unsigned i = random_below(25); i > 0; i--)
		(void)buf_fmt(out, "ARC-Seal: i=%u; a=rsa-sha256; cv=%s; d=%s; s=s%u; b=AAAA\r\n"
			      "ARC-Message-Signature: i=%u; a=rsa-sha256; d=%s; s=s%u; h=From; bh=%s; b=AAAA\r\n"
			      "ARC-Authentication-Results: i=%u; x.example; dmarc=pass\r\n", i, i == 1 ? "none" : "pass", domains[random_below(5)],
			      random_below(selectors), i, domains[random_below(5)], random_below(selectors), hashes[random_below(2)], i);
	for (unsigned i = random_below(12); i > 0; i--)
		(void)buf_fmt(out, "DKIM-Signature: v=1; a=rsa-sha256; d=%s; s=s%u; h=From; bh=%s; b=AAAA\r\n", domains[random_below(5)], random_below(selectors),
		    hashes[random_below(2)]);
	(void)buf_fmt(out, "From: a@%s\r\n", domains[random_below(5)]);
	/* Some have no empty line, some no body. */
	(void)buf_str(out, random_below(4) == 0 ? "" : random_below(2) == 0 ? "\r\n" : "\r\nx\r\n");
}

/* Answers come in any order, before the end of the message and behind it. */
START_TEST(every_message_ends)
{
	static const enum dns_status statuses[] = { DNS_NO_NAME, DNS_FAILED, DNS_FOUND };
	const struct conf_list none = { .count = 0 };
	const struct verify_settings settings = { .hostname = "here.example", .enforced = DMARC_POLICY_REJECT, .arc_trusted = &none };
	static struct dns_answer answer;

	for (state = (unsigned)_i * 1000; state < (unsigned)_i * 1000 + 200; state++) {
		unsigned seed = state;
		struct verification *verification = verify_new(&settings, &envelope, NOW, 0);
		struct buf message = BUF_INIT(100000);
		size_t numbers[100], count = 0, at = 0;
		bool ended = false;

		write_signed(&message);
		while (!ended || count != 0) {
			enum dns_type type;
			struct span name;

			if (at < message.len && random_below(2) == 0) {
				size_t piece = 1 + random_below((unsigned)(message.len - at));

				verify_feed(verification, span_make(message.data + at, piece));
				at += piece;
			} else if (at == message.len && !ended && random_below(2) == 0) {
				verify_end(verification);
				ended = true;
			}
			while (verify_question(verification, &name, &type, &numbers[count]))
				count++;
			if (count != 0 && random_below(2) == 0) {
				size_t which = random_below((unsigned)count), number = numbers[which];

				numbers[which] = numbers[--count];
				answer.status = statuses[random_below(3)];
				verify_answer(verification, number, &answer);
				while (verify_question(verification, &name, &type, &numbers[count]))
					count++;
			}
		}
		ck_assert_msg(verify_is_done(verification), "seed %u", seed);
		verify_free(verification);
		buf_free(&message);
		state = seed;
	}
}
END_TEST

/* Of a header that no empty line ends, every key is asked for, too. */
START_TEST(signatures_of_a_header_alone)
{
	static const char text[] = "DKIM-Signature: v=1; a=rsa-sha256; d=other.example; s=s; h=From; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n"
		"DKIM-Signature: v=1; a=rsa-sha256; d=third.example; s=s; h=From; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n"
		"ARC-Seal: i=1; a=rsa-sha256; cv=none; d=list.example; s=s; b=AAAA\r\n"
		"ARC-Message-Signature: i=1; a=rsa-sha256; d=list.example; s=m; h=From; bh=AAAA; b=AAAA\r\n"
		"ARC-Authentication-Results: i=1; list.example; none\r\nFrom: a@list.example\r\n%s";
	const struct conf_list none = { .count = 0 };
	const struct verify_settings settings = { .hostname = "here.example", .arc_trusted = &none };
	struct verification *verification = verify_new(&settings, &envelope, NOW, 0);
	struct buf message = BUF_INIT(2000);
	unsigned asked = 0;
	enum dns_type type;
	struct span name;
	size_t number;

	(void)buf_fmt(&message, text, _i == 0 ? "" : "\r\n");
	verify_feed(verification, buf_get(&message));
	verify_end(verification);
	while (verify_question(verification, &name, &type, &number))
		asked += span_ieq(name, SPAN("s._domainkey.other.example")) || span_ieq(name, SPAN("s._domainkey.third.example"));
	ck_assert_uint_eq(asked, 2);
	verify_free(verification);
	buf_free(&message);
}
END_TEST

/* The newest first; and once one of them does not hold, no more are asked for. */
START_TEST(seals_come_last)
{
	enum { SETS = 30 };
	const struct conf_list none = { .count = 0 };
	const struct verify_settings settings = { .hostname = "here.example", .enforced = DMARC_POLICY_REJECT, .arc_trusted = &none };
	struct verification *verification = verify_new(&settings, &envelope, NOW, 0);
	static struct dns_answer answer;
	struct buf message = BUF_INIT(100000);
	size_t numbers[100], count = 0, more;
	enum dns_type type;
	struct span name;

	for (unsigned i = 1; i <= SETS; i++)
		(void)buf_fmt(&message, "ARC-Seal: i=%u; a=rsa-sha256; d=far.example; s=seal%u; cv=%s; b=AAAA\r\n"
			      "ARC-Message-Signature: i=%u; a=rsa-sha256; d=far.example; s=message%u; h=from; bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=; b=AAAA\r\n"
			      "ARC-Authentication-Results: i=%u; far.example; none\r\n", i, i, i == 1 ? "none" : "pass", i, i, i);
	ck_assert_int_eq(buf_str(&message, FORGED), 0);
	verify_feed(verification, buf_get(&message));
	if (_i == 1)
		verify_end(verification); /* the body was changed */
	for (; verify_question(verification, &name, &type, &numbers[count]); count++)
		if (count >= 3) {
			char wanted[100];

			(void)snprintf(wanted, sizeof(wanted), "%s%zu._domainkey.far.example", count == 3 ? "message" : "seal", SETS + (count == 3 ? 0 : 4 - count));
			ck_assert_msg(span_eq(name, span_of(wanted)), "%.*s is not %s", (int)name.len, name.ptr, wanted);
		}
	ck_assert_uint_eq(count, _i == 1 ? 4 : 3 + DKIM_KEYS_AT_ONCE);
	/* From the last, a seal or the message's signature, so that it is broken at once. */
	answer.status = DNS_NO_NAME;
	while (count-- > 0) {
		verify_answer(verification, numbers[count], &answer);
		/* The policy of the organization follows. */
		while (verify_question(verification, &name, &type, &more)) {
			ck_assert_msg(span_istarts(name, SPAN("_dmarc.")), "%.*s", (int)name.len, name.ptr);
			verify_answer(verification, more, &answer);
		}
	}
	if (_i == 0)
		verify_end(verification);
	ck_assert(verify_is_done(verification));
	ck_assert_int_eq(verify_chain(verification)->status, ARC_FAIL);
	ck_assert_str_eq(verify_chain(verification)->reason, _i == 1 ? "the body was changed" : "there is no key record");
	verify_free(verification);
	buf_free(&message);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("verify");
	TCase *tests = tcase_create("verify");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 120);
	tcase_add_loop_test(tests, verdicts, 0, sizeof(rows) / sizeof(*rows));
	tcase_add_loop_test(tests, sender_that_takes_no_mail, 0, 7);
	tcase_add_loop_test(tests, without_room, 0, WITHOUT_ROOM_CASES);
	tcase_add_test(tests, questions_in_order);
	tcase_add_test(tests, long_names);
	tcase_add_loop_test(tests, seals_come_last, 0, 2);
	tcase_add_test(tests, a_trusted_sealer);
	tcase_add_test(tests, a_trusted_sealer_of_two_authors);
	tcase_add_loop_test(tests, every_message_ends, 0, 10);
	tcase_add_loop_test(tests, signatures_of_a_header_alone, 0, 2);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
