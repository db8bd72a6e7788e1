/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Signatures: what RFCs show verifies, what is signed verifies, and nothing that was changed does. */
#include <errno.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "tests/unit/smtpd/dkim_messages.h"

#define ROWS(table) (sizeof(table) / sizeof(*(table)))

static const struct zone_row zone[] = {
	{ "brisbane._domainkey.football.example.com", RFC8463_ED25519 },
	{ "test._domainkey.football.example.com", RFC8463_RSA },
	{ "brisbane._domainkey.example.com", RFC6376_RSA },
};

/* --- canonical forms (RFC 6376 section 3.4.5) --- */

#define EXAMPLE_BODY " C \r\nD \t E\r\n\r\n\r\n"

static const struct {
	enum dkim_canon canon;
	const char *body, *wanted;
} bodies[] = {
	{ DKIM_RELAXED, EXAMPLE_BODY, " C\r\nD E\r\n" },
	{ DKIM_SIMPLE, EXAMPLE_BODY, " C \r\nD \t E\r\n" },
	{ DKIM_RELAXED, "", "" },
	{ DKIM_SIMPLE, "", "\r\n" },
	{ DKIM_RELAXED, "\r\n\r\n", "" },
	{ DKIM_SIMPLE, "\r\n\r\n", "\r\n" },
	{ DKIM_RELAXED, " \t\r\n \r\n", "" },
	{ DKIM_SIMPLE, " \r\n\r\n", " \r\n" },
	{ DKIM_RELAXED, "a", "a\r\n" },
	{ DKIM_SIMPLE, "a", "a\r\n" },
	{ DKIM_RELAXED, "\r\n\r\na \r\n \t \r\n  b\r\n", "\r\n\r\na\r\n\r\n b\r\n" },
	{ DKIM_SIMPLE, "\r\na\r\n\r\n\r\nb\r\n\r\n", "\r\na\r\n\r\n\r\nb\r\n" },
	{ DKIM_RELAXED, "a\rb\r\r\n", "a\rb\r\r\n" },
	{ DKIM_SIMPLE, "a\nb\r", "a\nb\r\r\n" },
};

static void
collect(void *context, struct span bytes)
{
	ck_assert_int_eq(buf_span(context, bytes), 0);
}

static void
check_body(size_t row, uint64_t limit, size_t piece, size_t wanted_len)
{
	struct span rest = span_of(bodies[row].body), wanted = span_of(bodies[row].wanted);
	struct buf out = BUF_INIT(1000);
	struct dkim_body body = { .canon = bodies[row].canon, .left = limit, .put = collect, .context = &out };

	while (rest.len != 0)
		dkim_body_feed(&body, span_take(&rest, piece));
	dkim_body_finish(&body);
	ck_assert_uint_eq(body.total, wanted.len);
	ck_assert_uint_eq(out.len, wanted_len);
	ck_assert(span_eq(buf_get(&out), span_make(wanted.ptr, wanted_len)));
	buf_free(&out);
}

START_TEST(bodies_are_canonical)
{
	size_t row = (size_t)_i, len = strlen(bodies[row].wanted);

	for (size_t piece = 1; piece <= strlen(bodies[row].body) + 1; piece++)
		check_body(row, UINT64_MAX, piece, len);
	/* l= counts canonical bytes. */
	for (size_t limit = 0; limit <= len; limit++)
		check_body(row, limit, 3, limit);
}
END_TEST

static const struct {
	enum dkim_canon canon;
	const char *field, *wanted;
} fields[] = {
	{ DKIM_RELAXED, "A: X\r\n", "a:X" },
	{ DKIM_RELAXED, "B : Y\t\r\n\tZ  \r\n", "b:Y Z" },
	{ DKIM_SIMPLE, "A: X\r\n", "A: X" },
	{ DKIM_SIMPLE, "B : Y\t\r\n\tZ  \r\n", "B : Y\t\r\n\tZ  " },
	{ DKIM_RELAXED, "SUBJECT:\r\n", "subject:" },
	{ DKIM_RELAXED, "Subject: a  \t b", "subject:a b" },
};

START_TEST(fields_are_canonical)
{
	struct buf out = BUF_INIT(100);

	ck_assert_int_eq(dkim_canon_field(fields[_i].canon, span_of(fields[_i].field), &out), 0);
	ck_assert_str_eq(buf_cstr(&out), fields[_i].wanted);
	buf_free(&out);
}
END_TEST

/* --- syntax --- */

#define BASE "v=1; a=rsa-sha256; d=example.org; s=s1; h=from; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA"

static const struct {
	const char *value, *fault; /* NULL: none */
} signatures[] = {
	{ BASE, NULL },
	{ BASE ";", NULL },
	{ BASE "; zz=unknown", NULL },
	{ BASE "; c=relaxed", NULL },
	{ BASE "; l=0; t=1; x=2; q=dns/txt", NULL },
	{ BASE "; i=joe@sub.example.org", NULL },
	{ BASE "; i=@EXAMPLE.org", NULL },
	{ "", "syntax" },
	{ BASE ";;", "syntax" },
	{ BASE "; v=1", "syntax" },
	{ BASE "; x", "syntax" },
	{ BASE "; 1a=x", "syntax" },
	{ BASE "; n=\001", "syntax" },
	{ BASE "; n=a\rb", "syntax" },
	{ BASE "; n=\xff", "syntax" },
	{ BASE "; c=loose/simple", "c= is not known" },
	{ BASE "; c=simple/", "c= is not known" },
	{ BASE "; l=-1", "l= is no number" },
	{ BASE "; l=", "l= is no number" },
	{ BASE "; t=1 2", "t= is no time" },
	{ BASE "; t=5; x=5", "x= is not after t=" },
	{ BASE "; q=other", "q= is not known" },
	{ BASE "; i=joe", "i= has no domain" },
	{ BASE "; i=joe@notexample.org", "i= is not in the domain of d=" },
	{ BASE "; i=joe@org", "i= is not in the domain of d=" },
	{ "v=2; a=rsa-sha256; d=example.org; s=s1; h=from; bh=a; b=AAAA", "v= is not 1" },
	{ "v=1; a=rsa-sha1; d=example.org; s=s1; h=from; bh=a; b=AAAA", "rsa-sha1 is no longer accepted" },
	{ "v=1; a=RSA-SHA256; d=example.org; s=s1; h=from; bh=a; b=AAAA", "a= is not known" },
	{ "v=1; a=rsa-sha256; d=example.org; s=s1; h=from; bh=AAAA; b=AAAA", "bh= is no SHA-256 hash in base64" },
	{ "v=1; a=rsa-sha256; d=example.org; s=s1; h=from; bh=a; b=?", "b= is not base64" },
	{ "v=1; a=rsa-sha256; d=example.org; s=s1; h=from; bh=a", "b= is missing" },
	{ "v=1; a=rsa-sha256; d=example..org; s=s1", "d= is no domain" },
	{ "v=1; a=rsa-sha256; d=[192.0.2.1]; s=s1", "d= is no domain" },
	{ "v=1; a=rsa-sha256; d=example.org; s=.", "s= is no selector" },
	{ "v=1; a=rsa-sha256; d=example.org", "s= is missing" },
	{ "v=1; a=rsa-sha256; d=example.org; s=s; b=AAAA; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; h=to",
	    "h= does not name From" },
};

START_TEST(signatures_are_read)
{
	struct dkim_signature signature;
	const char *fault;
	int r = dkim_signature_parse(DKIM_SIGNATURE, span_of(signatures[_i].value), &signature, &fault);

	ck_assert_int_eq(r == 0, signatures[_i].fault == NULL);
	ck_assert_pstr_eq(fault, signatures[_i].fault);
}
END_TEST

/* --- keys --- */

static const struct {
	const char *text; /* NULL: the question fails */
	enum dkim_result wanted;
	bool testing;
} records[] = {
	{ RFC8463_RSA, DKIM_PASS, false },
	{ RFC8463_RSA "; t=y", DKIM_PASS, true },
	{ RFC8463_RSA "; h=sha1:sha256; s=email; n=a note", DKIM_PASS, false },
	{ RFC8463_RSA "; s=*; t=s", DKIM_PASS, false },
	{ RFC8463_RSA "; h=sha1", DKIM_PERMERROR, false },
	{ RFC8463_RSA "; s=tlsrpt", DKIM_PERMERROR, false },
	{ RFC8463_RSA "; k=x", DKIM_PERMERROR, false },
	{ "k=rsa; v=DKIM1; p=AAAA", DKIM_PERMERROR, false },
	{ "v=DKIM2; p=AAAA", DKIM_PERMERROR, false },
	{ "v=DKIM1; k=rsa; p=", DKIM_PERMERROR, false },
	{ "v=DKIM1; k=rsa; p=AAAA", DKIM_PERMERROR, false },
	{ "v=DKIM1; k=rsa", DKIM_PERMERROR, false },
	{ "garbage", DKIM_PERMERROR, false },
	{ RFC8463_ED25519, DKIM_PERMERROR, false },
	{ RFC6376_RSA, DKIM_FAIL, false },
	/* 512 bits */
	{ "v=DKIM1; k=rsa; p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAIWmlgix/84GJ+dfgjm7LTc9EPdfk"
	  "ftlgiPpCq4/kbDAZmU0VvYKDljjleJ1dfvS+CGy9U/kk1tG3EeEvb82xAcCAwEAAQ==", DKIM_POLICY, false },
	/* the RSAPublicKey alone */
	{ "v=DKIM1; k=rsa; p=MIGJAoGBAOQeU5CgFPNZGIazlXo2k/eJ1jpaTTxrmqF1HrDLlt04pvaMtCJj8nXoliLRC/H9vJjMI1vdb3XL"
	  "cW60AIN/PBD8EL97/y4GwJH7LPUvGP48vqUe+owqszesbiGy1PlCO8c70/OjFnJVgvMF87YR4Lcincb7aSvI"
	  "5MgpP6X8rjDdAgMBAAE=", DKIM_PASS, false },
	/* one bit less: another number */
	{ "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNATCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2"
	  "jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvH"
	  "O9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB", DKIM_FAIL, false },
	/* cut short */
	{ "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2"
	  "jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvH"
	  "O9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QID", DKIM_PERMERROR, false },
	/* the key of another algorithm */
	{ "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBCgUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2"
	  "jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvH"
	  "O9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB", DKIM_PERMERROR, false },
	{ NULL, DKIM_TEMPERROR, false },
};

/* What is asked of the DNS must be a name, or the role that asks would be taken for broken. */
/* RFC 6376 section 5.4.2: of fields of one name from the last upwards, each once. */
START_TEST(fields_are_signed_from_the_last)
{
	const struct span own = SPAN("s: b=X\r\n");
	uint8_t got[DKIM_DIGEST_SIZE], wanted[DKIM_DIGEST_SIZE];
	struct dkim_fields parsed;

	dkim_fields_parse(SPAN("a: 1\r\nb: 2\r\nA: 3\r\nab: 4\r\nB: 5\r\nno field\r\na: 6\r\n"), &parsed);
	dkim_header_digest(&parsed, SPAN("a:b:A:a:a:c:B:b:aB"), DKIM_RELAXED, own, span_make(own.ptr + 5, 1), got);
	dkim_digest(SPAN("a:6\r\nb:5\r\na:3\r\na:1\r\nb:2\r\nab:4\r\ns:b="), wanted);
	ck_assert_mem_eq(got, wanted, sizeof(got));
	dkim_fields_free(&parsed);
}
END_TEST

START_TEST(names_of_keys_are_names)
{
	static const struct {
		const char *selector, *domain, *name; /* NULL: there is none */
	} tests[] = {
		{ "One", "Example.ORG", "one._domainkey.example.org" },
		{ "a.b_c", "example.org", "a.b_c._domainkey.example.org" },
		{ "0123456789012345678901234567890123456789012345678901234567890123", "example.org", NULL },
		{ "x.0123456789012345678901234567890123456789012345678901234567890123", "example.org", NULL },
		{ "a..b", "example.org", NULL },
		{ "a", "[192.0.2.1]", NULL },
	};

	for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++) {
		struct buf name = BUF_INIT(DKIM_NAME_MAX);
		int r = dkim_key_name(span_of(tests[i].selector), span_of(tests[i].domain), &name);

		ck_assert_int_eq(r, tests[i].name == NULL ? -EINVAL : 0);
		ck_assert_str_eq(buf_cstr(&name), tests[i].name == NULL ? "" : tests[i].name);
		buf_free(&name);
	}
}
END_TEST

START_TEST(keys_are_checked)
{
	const struct zone_row rows[] = { zone[0], { zone[1].name, records[_i].text } };
	struct dkim_verifier *verifier = verified(SPAN(RFC8463_MESSAGE), 1000, NOW, rows, 2);
	size_t count;
	const struct dkim_check *checks = dkim_verifier_checks(verifier, &count);

	ck_assert_uint_eq(count, 2);
	ck_assert_int_eq(checks[0].result, DKIM_PASS);
	ck_assert_str_eq(dkim_result_name(checks[1].result), dkim_result_name(records[_i].wanted));
	ck_assert_int_eq(checks[1].testing, records[_i].testing);
	dkim_verifier_free(verifier);
}
END_TEST

/* --- examples of the RFCs --- */

/* How many signatures pass. */
static size_t
passing(struct span message, size_t piece)
{
	struct dkim_verifier *verifier = verified(message, piece, NOW, zone, ROWS(zone));
	size_t count, pass = 0;
	const struct dkim_check *checks = dkim_verifier_checks(verifier, &count);

	for (size_t i = 0; i < count; i++)
		pass += checks[i].result == DKIM_PASS;
	dkim_verifier_free(verifier);
	return pass;
}

START_TEST(examples_verify)
{
	for (size_t piece = 1; piece < 2000; piece = piece * 3 + 1) {
		ck_assert_uint_eq(passing(SPAN(RFC8463_MESSAGE), piece), 2);
		ck_assert_uint_eq(passing(SPAN(RFC6376_MESSAGE), piece), 1);
	}
}
END_TEST

/* Every byte counts: simple/simple, all fields are signed. */
START_TEST(no_changed_byte_verifies)
{
	struct span message = SPAN(RFC6376_MESSAGE);
	_cleanup_(freep) char *copy = span_dup(message);

	for (size_t i = 0; i < message.len; i++) {
		copy[i] ^= 1;
		/* White space within b= is nothing. */
		if (passing(span_make(copy, message.len), 4096) != 0)
			ck_assert_msg(i > 290 && i < 560 && copy[i] == '!', "byte %zu", i);
		copy[i] ^= 1;
	}
	ck_assert_uint_eq(passing(span_make(copy, message.len - 2), 100), 1); /* the CRLF is added */
	ck_assert_uint_eq(passing(span_make(copy, message.len - 3), 100), 0);
}
END_TEST

START_TEST(signatures_expire)
{
	static const char message[] = "DKIM-Signature: " BASE "; t=1000; x=2000\r\nFrom: a@example.org\r\n\r\n";
	size_t count;
	struct dkim_verifier *verifier = verified(span_of(message), 10, 2001, NULL, 0);

	ck_assert_int_eq(dkim_verifier_checks(verifier, &count)->result, DKIM_FAIL);
	ck_assert_str_eq(dkim_verifier_checks(verifier, &count)->reason, "the signature has expired");
	dkim_verifier_free(verifier);
	verifier = verified(span_of(message), 10, 2000, NULL, 0);
	ck_assert_str_ne(dkim_verifier_checks(verifier, &count)->reason, "the signature has expired");
	dkim_verifier_free(verifier);
}
END_TEST

START_TEST(signatures_are_bounded)
{
	struct buf message = BUF_INIT(1 << 20);
	struct dkim_verifier *verifier;
	size_t count;

	for (int i = 0; i < 100; i++)
		(void)buf_str(&message, "DKIM-Signature: " BASE "\r\n");
	(void)buf_str(&message, "From: a@example.org\r\n\r\nx\r\n");
	verifier = verified(buf_get(&message), 1000, NOW, NULL, 0);
	(void)dkim_verifier_checks(verifier, &count);
	ck_assert_uint_eq(count, DKIM_CHECKS_MAX);
	dkim_verifier_free(verifier);
	/* A header without end. */
	buf_clear(&message);
	while (message.len < DKIM_HEADER_MAX + 100)
		(void)buf_str(&message, "DKIM-Signature: " BASE "\r\n");
	verifier = verified(buf_get(&message), 1000, NOW, NULL, 0);
	(void)dkim_verifier_checks(verifier, &count);
	ck_assert_uint_eq(count, 0);
	dkim_verifier_free(verifier);
	buf_free(&message);
}
END_TEST

/* --- signing --- */

#define PLAIN \
	"From: Joe <joe@football.example.com>\r\nTo: suzie@shopping.example.net\r\nSubject: a\r\n" \
	" folded  subject\r\nDate: Fri, 11 Jul 2003 21:00:37 -0700\r\n"
#define TEXT "Hi. \r\n\r\n  there\r\n\r\n"

/* The DKIM-Signature field of a message, and the key's record. */
static void
sign_text(struct span message, enum dkim_algorithm algorithm, int64_t lifetime, struct buf *field, struct buf *record)
{
	const struct dkim_signing signing = { algorithm, SPAN("football.example.com"),
		algorithm == DKIM_RSA_SHA256 ? SPAN("test") : SPAN("brisbane"), NOW, lifetime };
	struct dkim_private *key = dkim_private_make(algorithm);
	struct dkim_signer *signer = dkim_signer_new();
	struct buf signature = BUF_INIT(DKIM_SIGNATURE_MAX), pem = BUF_INIT(8192), error = BUF_INIT(100);
	struct dkim_draft draft;

	while (message.len != 0)
		dkim_signer_feed(signer, span_take(&message, 7));
	ck_assert(dkim_signer_end(signer));
	dkim_sign(signer, &signing, &draft);
	/* Through its file. */
	ck_assert_int_eq(dkim_private_pem(key, &pem), 0);
	(void)dkim_private_free(key);
	key = dkim_private_load(buf_get(&pem), &error);
	ck_assert_ptr_nonnull(key);
	ck_assert_int_eq(dkim_private_sign(key, draft.digest, &signature), 0);
	ck_assert_int_eq(dkim_draft_finish(&draft, buf_get(&signature)), 0);
	ck_assert_int_eq(buf_span(field, buf_get(&draft.text)), 0);
	ck_assert_int_eq(dkim_private_record(key, record), 0);
	dkim_draft_free(&draft);
	dkim_signer_free(signer);
	(void)dkim_private_free(key);
	buf_free(&signature);
	buf_wipe(&pem);
	buf_free(&error);
}

struct both {
	struct buf message, rsa, ed25519;
	struct zone_row rows[2];
};

static void
sign_both(struct both *both)
{
	*both = (struct both){ BUF_INIT(1 << 16), BUF_INIT(2000), BUF_INIT(2000), { { NULL, NULL }, { NULL, NULL } } };
	sign_text(SPAN(PLAIN "\r\n" TEXT), DKIM_RSA_SHA256, 3600, &both->message, &both->rsa);
	sign_text(SPAN(PLAIN "\r\n" TEXT), DKIM_ED25519_SHA256, 0, &both->message, &both->ed25519);
	both->rows[0] = (struct zone_row){ zone[0].name, buf_cstr(&both->ed25519) };
	both->rows[1] = (struct zone_row){ zone[1].name, buf_cstr(&both->rsa) };
}

static void
free_both(struct both *both)
{
	buf_free(&both->message);
	buf_free(&both->rsa);
	buf_free(&both->ed25519);
}

static const struct {
	const char *header, *body;
	enum dkim_result wanted;
} changes[] = {
	{ PLAIN, TEXT, DKIM_PASS },
	/* What relaxed allows. */
	{ PLAIN "X-Other: field\r\n", "Hi.\r\n\r\n \tthere \r\n\r\n\r\n", DKIM_PASS },
	{ "Received: by x\r\n" PLAIN, TEXT, DKIM_PASS },
	{ PLAIN, TEXT "more\r\n", DKIM_FAIL },
	{ PLAIN, "", DKIM_FAIL },
	/* Fields that are there once more. */
	{ "From: eve@example.net\r\n" PLAIN, TEXT, DKIM_FAIL },
	{ PLAIN "From: eve@example.net\r\n", TEXT, DKIM_FAIL },
	{ "Subject: other\r\n" PLAIN, TEXT, DKIM_FAIL },
	{ "Content-Type: text/html\r\n" PLAIN, TEXT, DKIM_FAIL },
	{ "Message-ID: <a@b>\r\n" PLAIN, TEXT, DKIM_FAIL },
};

START_TEST(what_is_signed_verifies)
{
	struct both both;
	struct dkim_verifier *verifier;
	const struct dkim_check *checks;
	size_t count;

	sign_both(&both);
	(void)buf_fmt(&both.message, "%s\r\n%s", changes[_i].header, changes[_i].body);
	verifier = verified(buf_get(&both.message), 11, NOW, both.rows, 2);
	checks = dkim_verifier_checks(verifier, &count);
	ck_assert_uint_eq(count, 2);
	for (size_t i = 0; i < count; i++)
		ck_assert_int_eq(checks[i].result, changes[_i].wanted);
	ck_assert(checks[0].signature.has_expiry);
	ck_assert_int_eq(checks[0].signature.expiry, NOW + 3600);
	ck_assert(!checks[1].signature.has_expiry);
	dkim_verifier_free(verifier);
	free_both(&both);
}
END_TEST

START_TEST(lines_of_signatures_fit)
{
	struct both both;
	struct span rest, line;

	sign_both(&both);
	for (rest = buf_get(&both.message); span_split(&rest, '\n', &line);)
		ck_assert_uint_le(line.len, 999);
	free_both(&both);
}
END_TEST

/* More keys than are remembered, each asked for again and again. */
START_TEST(known_keys_are_the_same)
{
	enum { KEYS = 40, TURNS = 3 };
	static const uint8_t digest[DKIM_DIGEST_SIZE] = "it is signed", other[DKIM_DIGEST_SIZE] = "it is not";
	struct dkim_known *known = dkim_known_new();
	struct buf texts[KEYS], made[KEYS];

	for (int i = 0; i < KEYS; i++) {
		struct dkim_private *key = dkim_private_make(i == 0 ? DKIM_RSA_SHA256 : DKIM_ED25519_SHA256);

		texts[i] = BUF_INIT(4096);
		made[i] = BUF_INIT(1024);
		ck_assert_int_eq(dkim_private_record(key, &texts[i]), 0);
		ck_assert_int_eq(dkim_private_sign(key, digest, &made[i]), 0);
		(void)dkim_private_free(key);
	}
	for (int turn = 0; turn < TURNS * KEYS; turn++) {
		int i = turn % KEYS, next = i == KEYS - 1 ? 1 : i + 1;
		enum dkim_algorithm algorithm = i == 0 ? DKIM_RSA_SHA256 : DKIM_ED25519_SHA256;
		enum dkim_algorithm wrong = i == 0 ? DKIM_ED25519_SHA256 : DKIM_RSA_SHA256;
		struct dkim_key_record record;
		struct span signature = buf_get(&made[i]);

		ck_assert_int_eq(dkim_key_record_parse(buf_get(&texts[i]), &record), 0);
		for (int again = 0; again < 2; again++) {
			ck_assert_int_eq(dkim_key_check(known, algorithm, record.key, digest, signature), DKIM_KEY_FITS);
			ck_assert_int_eq(dkim_key_check(known, algorithm, record.key, other, signature), DKIM_KEY_DIFFERS);
			ck_assert_int_eq(dkim_key_check(known, algorithm, record.key, digest, buf_get(&made[next])), DKIM_KEY_DIFFERS);
			ck_assert_int_eq(dkim_key_check(known, wrong, record.key, digest, signature), DKIM_KEY_UNUSABLE);
			ck_assert_int_eq(dkim_key_check(NULL, algorithm, record.key, digest, signature), DKIM_KEY_FITS);
		}
	}
	for (int i = 0; i < KEYS; i++) {
		buf_free(&texts[i]);
		buf_free(&made[i]);
	}
	(void)dkim_known_free(known);
}
END_TEST

static struct dkim_private *
make_rsa(const char *exponent)
{
	EVP_PKEY_CTX *making = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, NULL);
	BIO *bio = BIO_new(BIO_s_mem());
	struct buf error = BUF_INIT(1000);
	struct dkim_private *key;
	EVP_PKEY *pkey = NULL;
	BIGNUM *number = NULL;
	char *pem;
	long len;

	ck_assert_int_gt(BN_dec2bn(&number, exponent), 0);
	ck_assert(EVP_PKEY_keygen_init(making) == 1 && EVP_PKEY_CTX_set_rsa_keygen_bits(making, 1024) == 1 &&
	    EVP_PKEY_CTX_set1_rsa_keygen_pubexp(making, number) == 1 && EVP_PKEY_keygen(making, &pkey) == 1);
	ck_assert_int_eq(PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL), 1);
	len = BIO_get_mem_data(bio, &pem);
	key = dkim_private_load(span_make(pem, (size_t)len), &error);
	ck_assert_msg(key != NULL, "%s", buf_cstr(&error));
	buf_free(&error);
	BN_free(number);
	EVP_PKEY_free(pkey);
	EVP_PKEY_CTX_free(making);
	BIO_free(bio);
	return key;
}

/* A public exponent is what makes a signature dear to verify: whoever signs chooses his own. */
START_TEST(exponents_are_bounded)
{
	static const struct {
		const char *exponent;
		enum dkim_key_result result;
	} rows[] = { { "65537", DKIM_KEY_FITS }, { "4294967291", DKIM_KEY_FITS }, { "8589934583", DKIM_KEY_UNUSABLE } };
	static const uint8_t digest[DKIM_DIGEST_SIZE] = { 1, 2, 3 };
	struct dkim_private *key = make_rsa(rows[_i].exponent);
	struct dkim_known *known = dkim_known_new();
	struct buf signature = BUF_INIT(DKIM_SIGNATURE_MAX), text = BUF_INIT(4096);
	struct dkim_key_record record;

	ck_assert_int_eq(dkim_private_sign(key, digest, &signature), 0);
	ck_assert_int_eq(dkim_private_record(key, &text), 0);
	ck_assert_int_eq(dkim_key_record_parse(buf_get(&text), &record), 0);
	for (int again = 0; again < 2; again++)
		ck_assert_int_eq(dkim_key_check(known, DKIM_RSA_SHA256, record.key, digest, buf_get(&signature)), rows[_i].result);
	buf_free(&signature);
	buf_free(&text);
	(void)dkim_known_free(known);
	(void)dkim_private_free(key);
}
END_TEST

START_TEST(without_from_nothing_is_signed)
{
	struct dkim_signer *signer = dkim_signer_new();

	dkim_signer_feed(signer, SPAN("To: a@example.org\r\n\r\nFrom: b\r\n"));
	ck_assert(!dkim_signer_end(signer));
	dkim_signer_free(signer);
}
END_TEST

/* l= that leaves bytes unsigned passes for nobody. */
START_TEST(partial_bodies_are_not_trusted)
{
	struct both both;
	struct dkim_verifier *verifier;
	struct buf message = BUF_INIT(1 << 16);
	size_t count;

	sign_both(&both);
	/* The signature does not fit any more, but the body's part comes first. */
	(void)buf_fmt(&message, "DKIM-Signature: v=1; l=%d; a=rsa-sha256; d=football.example.com; s=test; h=from; "
		      "bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n" PLAIN "\r\n" TEXT, 0);
	verifier = verified(buf_get(&message), 11, NOW, both.rows, 2);
	ck_assert_int_eq(dkim_verifier_checks(verifier, &count)->result, DKIM_POLICY);
	dkim_verifier_free(verifier);
	buf_free(&message);
	free_both(&both);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("dkim");
	TCase *tests = tcase_create("dkim");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 120);
	tcase_add_loop_test(tests, bodies_are_canonical, 0, ROWS(bodies));
	tcase_add_loop_test(tests, fields_are_canonical, 0, ROWS(fields));
	tcase_add_loop_test(tests, signatures_are_read, 0, ROWS(signatures));
	tcase_add_loop_test(tests, keys_are_checked, 0, ROWS(records));
	tcase_add_test(tests, fields_are_signed_from_the_last);
	tcase_add_test(tests, names_of_keys_are_names);
	tcase_add_test(tests, examples_verify);
	tcase_add_test(tests, no_changed_byte_verifies);
	tcase_add_test(tests, signatures_expire);
	tcase_add_test(tests, signatures_are_bounded);
	tcase_add_loop_test(tests, what_is_signed_verifies, 0, ROWS(changes));
	tcase_add_test(tests, lines_of_signatures_fit);
	tcase_add_test(tests, known_keys_are_the_same);
	tcase_add_loop_test(tests, exponents_are_bounded, 0, 3);
	tcase_add_test(tests, without_from_nothing_is_signed);
	tcase_add_test(tests, partial_bodies_are_not_trusted);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
