/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What goes out is signed by whose word it is; the file of keys. */
#include <errno.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "smtpd/auth_results.h"
#include "smtpd/dkim_keys_parse.h"
#include "smtpd/sign_state.h"
#include "tests/unit/smtpd/dkim_messages.h"

#define MESSAGE(from) \
	"Received: by mail.example.test id 1\r\nFrom: " from "\r\nTo: bob@far.example\r\nSubject: hello\r\nDate: Fri, 11 Jul 2003 21:00:37 -0700\r\n" \
	"\r\nA body.\r\n"
#define KEYS 2

static struct dkim_private *keys[KEYS];
static const char *const selectors[KEYS] = { "ed", "rsa" };
static struct zone_row zone[KEYS];

static void
make_keys(void)
{
	for (size_t i = 0; i < KEYS; i++) {
		struct buf record = BUF_INIT(4096), name = BUF_INIT(DKIM_NAME_MAX);

		keys[i] = dkim_private_make(i == 0 ? DKIM_ED25519_SHA256 : DKIM_RSA_SHA256);
		ck_assert_int_eq(dkim_private_record(keys[i], &record), 0);
		ck_assert_int_eq(dkim_key_name(span_of(selectors[i]), SPAN("example.test"), &name), 0);
		zone[i] = (struct zone_row){ buf_take(&name), buf_take(&record) };
	}
}

static void
free_keys(void)
{
	for (size_t i = 0; i < KEYS; i++) {
		(void)dkim_private_free(keys[i]);
		free((void *)(uintptr_t)zone[i].name);
		free((void *)(uintptr_t)zone[i].text);
	}
}

/* Answers whatever is asked, the last question first. */
static void
answer_all(struct signing *signing)
{
	struct span domain, selector, digest;
	size_t number, asked[SIGNING_KEYS_MAX + 2], count;
	struct buf signature[SIGNING_KEYS_MAX + 2];

	do {
		for (count = 0; signing_question(signing, &domain, &selector, &digest, &number); count++) {
			size_t key = span_eq(selector, SPAN("rsa"));

			ck_assert(span_eq(domain, SPAN("example.test")));
			asked[count] = number;
			signature[count] = BUF_INIT(DKIM_SIGNATURE_MAX);
			ck_assert_uint_eq(digest.len, DKIM_DIGEST_SIZE);
			ck_assert_int_eq(dkim_private_sign(keys[key], (const uint8_t *)digest.ptr, &signature[count]), 0);
		}
		for (size_t i = count; i-- > 0;) {
			signing_answer(signing, asked[i], buf_get(&signature[i]));
			buf_free(&signature[i]);
		}
	} while (count != 0);
	ck_assert(signing_is_done(signing));
}

/* The message as it goes out, for free(3), or NULL when it is not signed at all. */
static char *
made_message(enum sign_as as, const char *domain, bool seal, const char *message)
{
	const struct signing_order order = { as, span_of(domain), seal, "mail.example.test", NOW };
	struct signing *signing = signing_new(&order);
	struct buf out = BUF_INIT(1 << 16);
	struct span rest = span_of(message);

	while (rest.len != 0)
		signing_feed(signing, span_take(&rest, 7));
	if (signing_end(signing)) {
		bool has_keys = span_ieq(signing_domain(signing), SPAN("example.test")) || span_ends(signing_domain(signing), SPAN(".example.test"));

		for (size_t i = 0; i < KEYS && has_keys; i++)
			signing_add_key(signing, dkim_private_algorithm(keys[i]), span_of(selectors[i]));
		signing_begin(signing, has_keys ? SPAN("example.test") : SPAN_NULL);
		answer_all(signing);
		(void)buf_span(&out, signing_fields(signing));
	}
	(void)signing_free(signing);
	(void)buf_str(&out, message);
	return buf_take(&out);
}

static char *
signed_message(enum sign_as as, const char *domain, const char *message)
{
	return made_message(as, domain, true, message);
}

static size_t
count_lines(const char *message, const char *name)
{
	size_t count = span_istarts(span_of(message), span_of(name));

	for (const char *at = message; (at = strstr(at, name)) != NULL; at++)
		count += at != message && at[-1] == '\n';
	return count;
}

static const struct row {
	enum sign_as as;
	const char *domain, *from;
	size_t signatures, sets;
} rows[] = {
	{ SIGN_NOT, "", "alice@example.test", 0, 0 },
	{ SIGN_AUTHOR, "", "alice@example.test", 2, 0 },
	{ SIGN_AUTHOR, "", "Alice <alice@EXAMPLE.test>", 2, 0 },
	{ SIGN_AUTHOR, "", "MAILER-DAEMON@mail.example.test", 2, 0 },
	{ SIGN_AUTHOR, "", "alice@elsewhere.example", 0, 0 },
	{ SIGN_AUTHOR, "", "alice@example.test, x@other.test", 0, 0 },
	{ SIGN_ACCOUNT, "example.test", "alice@example.test", 2, 0 },
	{ SIGN_ACCOUNT, "example.test", "carol@elsewhere.example", 2, 0 },
	{ SIGN_ACCOUNT, "elsewhere.example", "alice@example.test", 0, 0 },
	{ SIGN_FORWARDER, "example.test", "carol@elsewhere.example", 2, 1 },
	/* Somebody outside who writes in our name must not get our signature by way of an alias. */
	{ SIGN_FORWARDER, "example.test", "boss@example.test", 0, 1 },
	{ SIGN_FORWARDER, "example.test", "boss@sub.example.test", 0, 1 },
	{ SIGN_FORWARDER, "example.test", "nobody", 0, 1 },
	{ SIGN_FORWARDER, "example.test", "boss@example.test, carol@elsewhere.example", 0, 1 },
	{ SIGN_FORWARDER, "elsewhere.example", "carol@elsewhere.example", 0, 0 },
};

START_TEST(each_is_signed_as_it_may_be)
{
	const struct row *row = &rows[_i];
	_cleanup_(freep) char *message = NULL, *out = NULL;
	struct buf text = BUF_INIT(4096);
	struct dkim_verifier *verifier;
	const struct dkim_check *checks;
	size_t count;

	make_keys();
	(void)buf_fmt(&text, MESSAGE("%s"), row->from);
	message = buf_take(&text);
	out = signed_message(row->as, row->domain, message);
	ck_assert_uint_eq(count_lines(out, "DKIM-Signature:"), row->signatures);
	ck_assert_uint_eq(count_lines(out, "ARC-Seal:"), row->sets);
	ck_assert_uint_eq(count_lines(out, "ARC-Message-Signature:"), row->sets);
	ck_assert_uint_eq(count_lines(out, "ARC-Authentication-Results:"), row->sets);
	verifier = verified(span_of(out), 50, NOW, zone, KEYS);
	checks = dkim_verifier_checks(verifier, &count);
	ck_assert_uint_eq(count, row->signatures);
	for (size_t i = 0; i < count; i++)
		ck_assert_msg(checks[i].result == DKIM_PASS, "%s", checks[i].reason);
	ck_assert_int_eq(dkim_verifier_chain(verifier)->status, row->sets != 0 ? ARC_PASS : ARC_NONE);
	dkim_verifier_free(verifier);
	free_keys();
}
END_TEST

/* arc_seal = false: what is sent on is signed as ever. */
START_TEST(nothing_is_sealed_where_that_is_off)
{
	const struct row *row = &rows[_i];
	_cleanup_(freep) char *message = NULL, *out = NULL;
	struct buf text = BUF_INIT(4096);

	make_keys();
	(void)buf_fmt(&text, MESSAGE("%s"), row->from);
	message = buf_take(&text);
	out = made_message(row->as, row->domain, false, message);
	ck_assert_uint_eq(count_lines(out, "DKIM-Signature:"), row->signatures);
	ck_assert_ptr_null(strstr(out, "ARC-"));
	free_keys();
}
END_TEST

/* Fields that a reader would be shown cannot be put before the message. */
START_TEST(nothing_can_be_added)
{
	static const char *const added[] = { "From: x@evil.example\r\n", "Subject: other\r\n", "To: you@other.example\r\n", "Cc: you@other.example\r\n",
		"Date: Sat, 12 Jul 2003 21:00:37 -0700\r\n", "Message-ID: <1@evil.example>\r\n", "MIME-Version: 1.0\r\n", "Content-Type: text/html\r\n",
		"Content-Transfer-Encoding: base64\r\n" };

	make_keys();
	for (size_t i = 0; i < sizeof(added) / sizeof(*added); i++) {
		_cleanup_(freep) char *out = signed_message(SIGN_AUTHOR, "", MESSAGE("alice@example.test"));
		struct buf text = BUF_INIT(1 << 16);
		struct dkim_verifier *verifier;
		const struct dkim_check *checks;
		size_t count;

		(void)buf_fmt(&text, "%s%s", added[i], out);
		verifier = verified(buf_get(&text), 1000, NOW, zone, KEYS);
		checks = dkim_verifier_checks(verifier, &count);
		ck_assert_uint_eq(count, KEYS);
		ck_assert_int_eq(checks[0].result, DKIM_FAIL);
		ck_assert_int_eq(checks[1].result, DKIM_FAIL);
		dkim_verifier_free(verifier);
		buf_free(&text);
	}
	free_keys();
}
END_TEST

/* Sent on again and again: what the chain was worth as it came, our own results tell. */
START_TEST(chains_grow)
{
	static const struct {
		const char *arc;
		enum arc_status status;
		size_t sets;
	} hops[] = { { "", ARC_PASS, 1 }, { ";\r\n\tarc=pass header.d=example.test", ARC_PASS, 2 }, { ";\r\n\tarc=pass", ARC_PASS, 3 },
		{ "; arc=fail (broken)", ARC_FAIL, 4 }, { "; arc=fail", ARC_FAIL, 4 } };
	_cleanup_(freep) char *message = xstrdup(MESSAGE("carol@elsewhere.example"));

	make_keys();
	for (size_t i = 0; i < sizeof(hops) / sizeof(*hops); i++) {
		struct buf text = BUF_INIT(1 << 16);
		struct dkim_verifier *verifier;
		size_t results, rest;

		(void)buf_fmt(&text, "Authentication-Results: mail.example.test; spf=pass smtp.mailfrom=a@b%s\r\n", hops[i].arc);
		results = text.len;
		(void)buf_str(&text, message);
		rest = text.len - results;
		free(message);
		message = signed_message(SIGN_FORWARDER, "example.test", buf_cstr(&text));
		buf_free(&text);
		ck_assert_uint_eq(count_lines(message, "ARC-Seal:"), hops[i].sets);
		verifier = verified(span_of(message), 50, NOW, zone, KEYS);
		ck_assert_int_eq(dkim_verifier_chain(verifier)->status, hops[i].status);
		dkim_verifier_free(verifier);
		/* The next host takes the results of this one out. */
		(void)buf_put(&text, message, strlen(message) - rest - results);
		(void)buf_str(&text, message + strlen(message) - rest);
		free(message);
		message = buf_take(&text);
	}
	free_keys();
}
END_TEST

/* A chain that nobody has looked at is not gone on with. */
START_TEST(unknown_chains_stay)
{
	_cleanup_(freep) char *first = NULL, *second = NULL;

	make_keys();
	first = signed_message(SIGN_FORWARDER, "example.test", MESSAGE("carol@elsewhere.example"));
	second = signed_message(SIGN_FORWARDER, "example.test", first);
	ck_assert_uint_eq(count_lines(first, "ARC-Seal:"), 1);
	ck_assert_uint_eq(count_lines(second, "ARC-Seal:"), 1);
	free_keys();
}
END_TEST

/* --- the file of keys --- */

#define PEM "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"

START_TEST(keys_are_read)
{
	static const char text[] = "# a comment\n\nkey example.test 2026a signing 2026-11-26T12:00:00Z\n" PEM "\nkey b.test x.y retired 2026-01-01T00:00:00Z\r\n"
				   "-----BEGIN PRIVATE KEY-----\r\nBBBB\r\n-----END PRIVATE KEY-----\r\n";
	struct span rest = span_of(text);
	struct buf out = BUF_INIT(4096);
	struct dkim_key_row row;
	const char *fault;
	unsigned line = 0;

	ck_assert_int_eq(dkim_keys_next(&rest, &line, &row, &fault), 1);
	ck_assert(span_eq(row.domain, SPAN("example.test")) && span_eq(row.selector, SPAN("2026a")) && row.state == DKIM_KEY_SIGNING);
	ck_assert_int_eq(row.since, 1795694400);
	ck_assert_uint_eq(row.line, 3);
	ck_assert(span_eq(row.pem, SPAN(PEM)));
	ck_assert_int_eq(dkim_keys_put(&row, &out), 0);
	ck_assert_str_eq(buf_cstr(&out), "key example.test 2026a signing 2026-11-26T12:00:00Z\n" PEM "\n");
	ck_assert_int_eq(dkim_keys_next(&rest, &line, &row, &fault), 1);
	ck_assert(span_eq(row.selector, SPAN("x.y")) && row.state == DKIM_KEY_RETIRED);
	ck_assert_int_eq(dkim_keys_next(&rest, &line, &row, &fault), 0);
	buf_free(&out);
}
END_TEST

static const char *const bad_files[] = {
	"example.test 2026a signing 2026-11-26T12:00:00Z\n" PEM,
	"key example.test 2026a\n" PEM,
	"key Example.test 2026a signing 2026-11-26T12:00:00Z\n" PEM,
	"key example..test 2026a signing 2026-11-26T12:00:00Z\n" PEM,
	"key example.test. 2026a signing 2026-11-26T12:00:00Z\n" PEM,
	"key example.test a_b signing 2026-11-26T12:00:00Z\n" PEM,
	"key example.test -a signing 2026-11-26T12:00:00Z\n" PEM,
	"key example.test 2026a used 2026-11-26T12:00:00Z\n" PEM,
	"key example.test 2026a signing yesterday\n" PEM,
	"key example.test 2026a signing 2026-11-26T12:00:00Z\n",
	"key example.test 2026a signing 2026-11-26T12:00:00Z\nkey b.test x signing 2026-11-26T12:00:00Z\n" PEM,
	"key example.test 2026a signing 2026-11-26T12:00:00Z\n-----BEGIN PRIVATE KEY-----\nAAAA\n",
	"key example.test 2026a signing 2026-11-26T12:00:00Z\n-----BEGIN PRIVATE KEY-----\n" PEM,
};

START_TEST(other_files_are_refused)
{
	struct span rest = span_of(bad_files[_i]);
	struct dkim_key_row row;
	const char *fault = NULL;
	unsigned line = 0;

	ck_assert_int_eq(dkim_keys_next(&rest, &line, &row, &fault), -EBADMSG);
	ck_assert_ptr_nonnull(fault);
	ck_assert_uint_ge(line, 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("sign");
	TCase *tests = tcase_create("sign");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 120);
	tcase_add_loop_test(tests, each_is_signed_as_it_may_be, 0, sizeof(rows) / sizeof(*rows));
	tcase_add_loop_test(tests, nothing_is_sealed_where_that_is_off, 0, sizeof(rows) / sizeof(*rows));
	tcase_add_test(tests, nothing_can_be_added);
	tcase_add_test(tests, chains_grow);
	tcase_add_test(tests, unknown_chains_stay);
	tcase_add_test(tests, keys_are_read);
	tcase_add_loop_test(tests, other_files_are_refused, 0, sizeof(bad_files) / sizeof(*bad_files));
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
