/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The ARC test suite of ValiMail (tests/data/arc): chains validated, and sets sealed to the byte. */
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "smtpd/auth_results.h"
#include "tests/unit/smtpd/dkim_messages.h"
#include "tests/unit/smtpd/yaml_tests.h"

#define ZONE_MAX 8
static struct zone_row zone[ZONE_MAX];
static size_t zone_count;
static unsigned run;

/* A record that is written on several lines. */
static char *
joined(struct span text)
{
	struct buf out = BUF_INIT(4096);
	struct span line;

	while (span_split(&text, '\n', &line))
		ck_assert_int_eq(buf_span(&out, span_trim(line)), 0);
	return buf_take(&out);
}

static void
load_zone(yaml_document_t *document, yaml_node_t *root)
{
	yaml_node_t *records = yaml_get(document, root, "txt-records");
	yaml_node_pair_t *pair = records->data.mapping.pairs.start;

	for (zone_count = 0; pair < records->data.mapping.pairs.top; pair++, zone_count++) {
		struct span text = span_trim(yaml_text(yaml_document_get_node(document, pair->value)));

		ck_assert_uint_lt(zone_count, ZONE_MAX);
		zone[zone_count].name = span_dup(yaml_text(yaml_document_get_node(document, pair->key)));
		zone[zone_count].text = joined(text);
	}
}

static void
free_zone(void)
{
	for (size_t i = 0; i < zone_count; i++) {
		free((void *)(uintptr_t)zone[i].name);
		free((void *)(uintptr_t)zone[i].text);
	}
}

/* The suite's lines end with LF. */
static void
to_crlf(struct span text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++)
		ck_assert_int_eq(text.ptr[i] == '\n' ? buf_str(out, "\r\n") : buf_char(out, text.ptr[i]), 0);
}

/* --- validation --- */

static void
validate(yaml_document_t *document, struct span name, yaml_node_t *test)
{
	struct buf message = BUF_INIT(1 << 16);
	struct span wanted = yaml_get_text(document, test, "cv");
	struct dkim_verifier *verifier;
	const struct arc_chain *chain;

	to_crlf(yaml_get_text(document, test, "message"), &message);
	verifier = verified(buf_get(&message), 100, NOW, zone, zone_count);
	chain = dkim_verifier_chain(verifier);
	/* Nothing is expected where a seal says that the chain was broken before: so it is still. */
	ck_assert_msg(span_ieq(span_of(arc_status_name(chain->status)), wanted.len != 0 ? wanted : SPAN("fail")), "%.*s: %s (%s)",
	    (int)name.len, name.ptr, arc_status_name(chain->status), chain->reason != NULL ? chain->reason : "");
	dkim_verifier_free(verifier);
	buf_free(&message);
	run++;
}

static void
each_test(yaml_document_t *document, yaml_node_t *root, void (*call)(yaml_document_t *, struct span, yaml_node_t *))
{
	yaml_node_t *tests = yaml_get(document, root, "tests");

	load_zone(document, root);
	for (yaml_node_pair_t *pair = tests->data.mapping.pairs.start; pair < tests->data.mapping.pairs.top; pair++)
		call(document, yaml_text(yaml_document_get_node(document, pair->key)), yaml_document_get_node(document, pair->value));
	free_zone();
}

static void
validate_document(yaml_document_t *document, yaml_node_t *root)
{
	each_test(document, root, validate);
}

START_TEST(chains_are_validated)
{
	run = 0;
	yaml_each_document("tests/data/arc/arc-draft-validation-tests.yml", validate_document);
	ck_assert_uint_eq(run, 175);
}
END_TEST

/* --- sealing --- */

static struct dkim_private *key;
static struct span domain, selector;

/* Signs a draft. */
static void
finish(struct dkim_draft *draft)
{
	struct buf signature = BUF_INIT(DKIM_SIGNATURE_MAX);

	ck_assert_int_eq(dkim_private_sign(key, draft->digest, &signature), 0);
	ck_assert_int_eq(dkim_draft_finish(draft, buf_get(&signature)), 0);
	buf_free(&signature);
}

/* Text without white space, and without the name of its field. */
static char *
packed(struct span text, struct span name)
{
	struct buf out = BUF_INIT(1 << 16);

	if (name.len != 0)
		text = span_skip(text, name.len);
	for (size_t i = 0; i < text.len; i++)
		if (span_chr(SPAN(" \t\r\n"), text.ptr[i]) < 0)
			(void)buf_char(&out, text.ptr[i]);
	return buf_take(&out);
}

static void
compare(struct span test, struct span field, struct span name, struct span wanted)
{
	_cleanup_(freep) char *a = packed(field, name), *b = packed(wanted, SPAN_NULL);

	ck_assert_msg(strcmp(a, b) == 0, "%.*s: %.*s\n%s\n%s", (int)test.len, test.ptr, (int)name.len, name.ptr, a, b);
}

static void
seal(yaml_document_t *document, struct span name, yaml_node_t *test)
{
	struct span authserv = yaml_get_text(document, test, "srv-id");
	struct dkim_signing signing = { DKIM_RSA_SHA256, domain, selector, 0, 0 };
	struct buf message = BUF_INIT(1 << 16), payload = BUF_INIT(AUTH_RESULTS_MAX), results = BUF_INIT(AUTH_RESULTS_MAX);
	struct dkim_verifier *verifier;
	struct dkim_signer *signer = dkim_signer_new();
	struct dkim_draft signature, seal;
	const struct arc_chain *chain;
	uint64_t now = 0;

	ck_assert_int_eq(span_to_u64(yaml_get_text(document, test, "t"), UINT32_MAX, &now), 0);
	signing.time = (int64_t)now;
	to_crlf(yaml_get_text(document, test, "message"), &message);
	verifier = verified(buf_get(&message), 100, NOW, zone, zone_count);
	chain = dkim_verifier_chain(verifier);
	dkim_signer_feed(signer, buf_get(&message));
	ck_assert(dkim_signer_end(signer));
	run++;
	ck_assert_int_eq(arc_may_seal(chain), yaml_get_text(document, test, "AS").len != 0);
	if (arc_may_seal(chain)) {
		ck_assert_int_eq(auth_results_combine(dkim_signer_fields(signer), authserv, &payload), 0);
		ck_assert_int_eq(arc_seal_results(chain, buf_get(&payload), &results), 0);
		arc_seal_message(signer, chain, &signing, yaml_get_text(document, test, "sig-headers"), &signature);
		finish(&signature);
		arc_seal(chain, &signing, buf_get(&results), buf_get(&signature.text), &seal);
		finish(&seal);
		compare(name, buf_get(&results), SPAN("ARC-Authentication-Results:"), yaml_get_text(document, test, "AAR"));
		compare(name, buf_get(&signature.text), SPAN("ARC-Message-Signature:"), yaml_get_text(document, test, "AMS"));
		compare(name, buf_get(&seal.text), SPAN("ARC-Seal:"), yaml_get_text(document, test, "AS"));
		dkim_draft_free(&signature);
		dkim_draft_free(&seal);
	}
	dkim_signer_free(signer);
	dkim_verifier_free(verifier);
	buf_free(&message);
	buf_free(&payload);
	buf_free(&results);
}

static void
seal_document(yaml_document_t *document, yaml_node_t *root)
{
	struct buf error = BUF_INIT(200);

	key = dkim_private_load(yaml_get_text(document, root, "privatekey"), &error);
	ck_assert_ptr_nonnull(key);
	domain = yaml_get_text(document, root, "domain");
	selector = yaml_get_text(document, root, "sel");
	each_test(document, root, seal);
	(void)dkim_private_free(key);
}

START_TEST(sets_are_sealed)
{
	run = 0;
	yaml_each_document("tests/data/arc/arc-draft-sign-tests.yml", seal_document);
	ck_assert_uint_eq(run, 17);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("arc");
	TCase *tests = tcase_create("arc");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 120);
	tcase_add_test(tests, chains_are_validated);
	tcase_add_test(tests, sets_are_sealed);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
