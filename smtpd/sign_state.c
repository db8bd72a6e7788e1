/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Who signs, and the order in which it is done: the seal comes last, for it signs the signature before it. */
#include "smtpd/sign_state.h"

#include <stdlib.h>

#include "common/address.h"
#include "common/xalloc.h"
#include "smtpd/auth_results.h"
#include "smtpd/dmarc_state.h"
#include "smtpd/dns.h"
#include "smtpd/public_suffix.h"

/* One for each key, the message signature of ARC, the seal. */
#define DRAFTS_MAX (SIGNING_KEYS_MAX + 2)

struct draft {
	struct dkim_draft field;
	size_t key;
	bool is_asked, is_answered;
};

struct signing {
	struct signing_order order;
	struct dkim_signer *signer;
	char from[DNS_NAME_MAX + 1];   /* the author's domain; empty when it is not one */
	char domain[DNS_NAME_MAX + 1]; /* of the keys: wanted, then had */
	struct signing_key {
		enum dkim_algorithm algorithm;
		char *selector;
	} keys[SIGNING_KEYS_MAX];
	size_t key_count;

	struct draft drafts[DRAFTS_MAX]; /* of DKIM, then of ARC */
	size_t count, awaited;
	bool seals;
	size_t message;         /* the draft of ARC-Message-Signature; the seal's follows */
	struct arc_chain chain;
	struct buf results;     /* the field ARC-Authentication-Results */
	struct buf fields;
};

struct signing *
signing_new(const struct signing_order *order)
{
	struct signing *signing = xcalloc(1, sizeof(*signing));

	signing->order = *order;
	signing->signer = dkim_signer_new();
	signing->results = BUF_INIT(AUTH_RESULTS_MAX + 256);
	signing->fields = BUF_INIT(SIGNING_FIELDS_MAX);
	return signing;
}

struct signing *
signing_free(struct signing *signing)
{
	if (signing == NULL)
		return NULL;
	for (size_t i = 0; i < signing->count; i++)
		dkim_draft_free(&signing->drafts[i].field);
	for (size_t i = 0; i < signing->key_count; i++)
		free(signing->keys[i].selector);
	arc_chain_free(&signing->chain);
	dkim_signer_free(signing->signer);
	buf_free(&signing->results);
	buf_free(&signing->fields);
	free(signing);
	return NULL;
}

void
signing_feed(struct signing *signing, struct span bytes)
{
	dkim_signer_feed(signing->signer, bytes);
}

/* --- whose keys --- */

static void
find_author(struct signing *signing)
{
	const struct dkim_fields *fields = dkim_signer_fields(signing->signer);
	struct dmarc *dmarc = xcalloc(1, sizeof(*dmarc));

	dmarc_begin(dmarc, span_make(fields->items[0].whole.ptr - fields->items[0].at, fields->block_size));
	memcpy(signing->from, dmarc->outcome.from, sizeof(signing->from));
	free(dmarc);
}

bool
signing_end(struct signing *signing)
{
	struct buf domain = BUF_INIT(DNS_NAME_MAX);

	if (signing->order.as == SIGN_NOT || !dkim_signer_end(signing->signer))
		return false;
	find_author(signing);
	if (signing->order.as == SIGN_AUTHOR)
		(void)buf_str(&domain, signing->from);
	else
		(void)address_domain_canonical(signing->order.domain, &domain);
	memcpy(signing->domain, buf_cstr(&domain), domain.len + 1);
	buf_free(&domain);
	return signing->domain[0] != '\0';
}

struct span
signing_domain(const struct signing *signing)
{
	return span_of(signing->domain);
}

void
signing_add_key(struct signing *signing, enum dkim_algorithm algorithm, struct span selector)
{
	if (signing->key_count < SIGNING_KEYS_MAX)
		signing->keys[signing->key_count++] = (struct signing_key){ algorithm, span_dup(selector) };
}

/* --- drafts --- */

/* Room for one more field; the caller fills it. */
static struct dkim_draft *
add_draft(struct signing *signing, size_t key)
{
	struct draft *draft = &signing->drafts[signing->count++];

	draft->key = key;
	signing->awaited++;
	return &draft->field;
}

static struct dkim_signing
terms_of(const struct signing *signing, size_t key)
{
	return (struct dkim_signing){
		.algorithm = signing->keys[key].algorithm,
		.domain = span_of(signing->domain),
		.selector = span_of(signing->keys[key].selector),
		.time = signing->order.now,
	};
}

/* What others wrote under our name would pass DMARC by our signature: it gets none. */
static bool
may_sign(const struct signing *signing)
{
	return signing->order.as != SIGN_FORWARDER ||
	    (signing->from[0] != '\0' &&
		!span_eq(span_of(public_suffix_organization(signing->from)), span_of(public_suffix_organization(signing->domain))));
}

/* Many verifiers know RSA alone, and a set has one signature. */
static size_t
key_of_set(const struct signing *signing)
{
	for (size_t i = 0; i < signing->key_count; i++)
		if (signing->keys[i].algorithm == DKIM_RSA_SHA256)
			return i;
	return 0;
}

/* What the chain was worth as it came is in our own results. False when nobody has looked. */
static bool
judge_chain(struct signing *signing, struct span results)
{
	struct arc_chain *chain = &signing->chain;

	arc_chain_begin(chain, dkim_signer_fields(signing->signer), signing->order.now);
	if (chain->status == ARC_NONE)
		return true;
	if (auth_results_has(results, SPAN("arc"), SPAN("fail")))
		chain->status = ARC_FAIL;
	else if (!auth_results_has(results, SPAN("arc"), SPAN("pass")))
		return false;
	return arc_may_seal(chain);
}

static void
begin_set(struct signing *signing)
{
	struct buf results = BUF_INIT(AUTH_RESULTS_MAX);
	size_t key = key_of_set(signing);
	const struct dkim_signing terms = terms_of(signing, key);
	int r = auth_results_combine(dkim_signer_fields(signing->signer), span_of(signing->order.hostname), &results);

	if (r < 0) {
		buf_clear(&results);
		(void)buf_fmt(&results, "%s; none", signing->order.hostname);
	}
	signing->seals = judge_chain(signing, buf_get(&results)) && arc_seal_results(&signing->chain, buf_get(&results), &signing->results) == 0;
	buf_free(&results);
	if (!signing->seals)
		return;
	signing->message = signing->count;
	arc_seal_message(signing->signer, &signing->chain, &terms, SPAN_NULL, add_draft(signing, key));
}

static void
begin_seal(struct signing *signing)
{
	const struct draft *message = &signing->drafts[signing->message];
	const struct dkim_signing terms = terms_of(signing, message->key);

	arc_seal(&signing->chain, &terms, buf_get(&signing->results), buf_get(&message->field.text), add_draft(signing, message->key));
}

void
signing_begin(struct signing *signing, struct span domain)
{
	if (domain.len > DNS_NAME_MAX || signing->key_count == 0)
		return;
	memcpy(signing->domain, domain.ptr, domain.len);
	signing->domain[domain.len] = '\0';
	for (size_t i = 0; i < signing->key_count && may_sign(signing); i++) {
		const struct dkim_signing terms = terms_of(signing, i);

		dkim_sign(signing->signer, &terms, add_draft(signing, i));
	}
	if (signing->order.as == SIGN_FORWARDER && signing->order.seal)
		begin_set(signing);
}

/* --- signatures --- */

bool
signing_question(struct signing *signing, struct span *ret_domain, struct span *ret_selector, struct span *ret_digest, size_t *ret_number)
{
	for (size_t i = 0; i < signing->count; i++) {
		struct draft *draft = &signing->drafts[i];

		if (draft->is_asked)
			continue;
		draft->is_asked = true;
		*ret_domain = span_of(signing->domain);
		*ret_selector = span_of(signing->keys[draft->key].selector);
		*ret_digest = span_make(draft->field.digest, DKIM_DIGEST_SIZE);
		*ret_number = i;
		return true;
	}
	return false;
}

/* A set's fields stand first and in the order of RFC 8617's examples. */
static void
put_fields(struct signing *signing)
{
	struct buf *out = &signing->fields;
	size_t end = signing->seals ? signing->message : signing->count;

	if (signing->seals) {
		(void)buf_span(out, buf_get(&signing->drafts[signing->message + 1].field.text));
		(void)buf_span(out, buf_get(&signing->drafts[signing->message].field.text));
		(void)buf_span(out, buf_get(&signing->results));
	}
	for (size_t i = 0; i < end; i++)
		(void)buf_span(out, buf_get(&signing->drafts[i].field.text));
}

void
signing_answer(struct signing *signing, size_t number, struct span signature)
{
	struct draft *draft = number < signing->count ? &signing->drafts[number] : NULL;

	if (draft == NULL || draft->is_answered)
		return;
	draft->is_answered = true;
	signing->awaited--;
	(void)dkim_draft_finish(&draft->field, signature);
	if (signing->seals && number == signing->message)
		begin_seal(signing);
	if (signing->awaited == 0)
		put_fields(signing);
}

bool
signing_is_done(const struct signing *signing)
{
	return signing->awaited == 0;
}

struct span
signing_fields(const struct signing *signing)
{
	return buf_get(&signing->fields);
}
