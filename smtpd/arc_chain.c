/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Chain validation (RFC 8617 section 5.2). */
#include "smtpd/arc_chain.h"

#include <stdlib.h>

#include "common/xalloc.h"

const char *
arc_status_name(enum arc_status status)
{
	return status == ARC_PASS ? "pass" : status == ARC_FAIL ? "fail" : "none";
}

bool
arc_results_payload(struct span value, unsigned *ret_instance, struct span *ret_payload)
{
	uint64_t instance = 0;

	/* instance [CFWS] ";": i=, with white space around the sign as in tag lists. */
	header_skip_cfws(&value);
	if (!span_istarts(value, SPAN("i")))
		return false;
	value = span_skip(value, 1);
	header_skip_cfws(&value);
	if (!span_starts(value, SPAN("=")))
		return false;
	value = span_skip(value, 1);
	header_skip_cfws(&value);
	if (span_take_u64(&value, ARC_INSTANCE_MAX, &instance) < 0 || instance == 0)
		return false;
	header_skip_cfws(&value);
	if (!span_starts(value, SPAN(";")))
		return false;
	*ret_instance = (unsigned)instance;
	*ret_payload = span_trim(span_skip(value, 1));
	return true;
}

/* --- collecting --- */

static void
fail(struct arc_chain *chain, const char *reason)
{
	if (chain->status == ARC_FAIL)
		return;
	chain->status = ARC_FAIL;
	chain->reason = reason;
}

/* The instance of a signature or seal field, or 0. */
static unsigned
instance_of(enum dkim_kind kind, struct span value, struct dkim_signature *signature)
{
	struct dkim_tags tags;
	const struct dkim_tag *tag = dkim_tags_parse(value, &tags) == 0 ? dkim_tags_get(&tags, SPAN("i")) : NULL;
	const char *fault;
	uint64_t instance = 0;

	(void)dkim_signature_parse(kind, value, signature, &fault);
	if (tag == NULL || span_to_u64(tag->value, ARC_INSTANCE_MAX, &instance) < 0)
		return 0;
	return (unsigned)instance;
}

/* Enters a field of ARC into its set. */
static void
collect(struct arc_chain *chain, const struct header_field *field)
{
	const struct header_field **place = NULL;
	struct dkim_signature signature;
	struct span payload;
	unsigned instance = 0;

	if (!span_istarts(field->name, SPAN("ARC-")))
		return;
	if (chain->sets == NULL)
		chain->sets = xcalloc(ARC_INSTANCE_MAX, sizeof(*chain->sets));
	if (span_ieq(field->name, SPAN("ARC-Authentication-Results"))) {
		if (arc_results_payload(field->value, &instance, &payload))
			place = &chain->sets[instance - 1].results;
	} else if (span_ieq(field->name, SPAN("ARC-Message-Signature"))) {
		instance = instance_of(DKIM_ARC_MESSAGE, field->value, &signature);
		if (instance != 0)
			place = &chain->sets[instance - 1].message;
	} else if (span_ieq(field->name, SPAN("ARC-Seal"))) {
		instance = instance_of(DKIM_ARC_SEAL, field->value, &signature);
		if (instance != 0)
			place = &chain->sets[instance - 1].seal;
		if (instance >= chain->highest)
			chain->closed = instance != 0 && signature.chain == ARC_FAIL;
	} else {
		return;
	}
	if (chain->status == ARC_NONE)
		chain->status = ARC_PASS; /* unless something is found */
	if (place == NULL)
		fail(chain, "a field of it has no instance");
	else if (*place != NULL)
		fail(chain, "an instance is there twice");
	else
		*place = field;
	if (instance > chain->highest)
		chain->highest = instance;
}

void
arc_seal_digest(const struct arc_set *sets, size_t count, struct span own, struct span raw,
    uint8_t ret_digest[static DKIM_DIGEST_SIZE])
{
	/* Each field once, and they are all of one header. */
	struct buf text = BUF_INIT(own.len + HEADER_BLOCK_MAX);

	for (size_t i = 0; i < count; i++) {
		const struct header_field *const fields[] = { sets[i].results, sets[i].message, sets[i].seal };

		for (size_t f = 0; f < (i + 1 == count ? 2 : 3); f++) {
			(void)dkim_canon_field(DKIM_RELAXED, fields[f]->whole, &text);
			(void)buf_str(&text, "\r\n");
		}
	}
	dkim_canon_without(DKIM_RELAXED, own, raw, &text);
	dkim_digest(buf_get(&text), ret_digest);
	buf_free(&text);
}

/* Steps 1 to 3: sets 1..N are whole, and each seal says what it must of those before it. */
static void
begin_sets(struct arc_chain *chain, int64_t now)
{
	const struct dkim_fields none = { 0 };

	chain->count = chain->highest;
	for (size_t i = 0; i < chain->count && chain->status == ARC_PASS; i++) {
		struct arc_set *set = &chain->sets[i];
		struct dkim_signature *signature = &set->check.signature;

		if (set->results == NULL || set->message == NULL || set->seal == NULL) {
			fail(chain, "a set is not whole");
			return;
		}
		dkim_check_begin(&set->check, DKIM_ARC_SEAL, &none, set->seal, now);
		if (set->check.result != DKIM_NONE)
			fail(chain, set->check.reason);
		else if (signature->chain != (i == 0 ? ARC_NONE : ARC_PASS))
			fail(chain, signature->chain == ARC_FAIL ? "it was broken before" : "a seal does not go on from those before it");
		else
			arc_seal_digest(chain->sets, i + 1, set->seal->whole, signature->raw, set->check.digest);
	}
}

void
arc_chain_begin(struct arc_chain *chain, const struct dkim_fields *fields, int64_t now)
{
	*chain = (struct arc_chain){ 0 };
	for (size_t i = 0; i < fields->count; i++)
		collect(chain, &fields->items[i]);
	if (chain->status != ARC_PASS)
		return;
	begin_sets(chain, now);
	if (chain->status != ARC_PASS)
		return;
	/* Older signatures need not hold: whoever sealed after them may have changed the message. */
	dkim_check_begin(&chain->message, DKIM_ARC_MESSAGE, fields, chain->sets[chain->count - 1].message, now);
	if (chain->message.result != DKIM_NONE)
		fail(chain, chain->message.reason);
}

static bool
has_failed(const struct dkim_check *check)
{
	return check->result != DKIM_PASS && check->result != DKIM_NONE;
}

bool
arc_chain_is_broken(const struct arc_chain *chain)
{
	bool broken = chain->status == ARC_FAIL || (chain->status == ARC_PASS && has_failed(&chain->message));

	for (size_t i = chain->count; i-- > 0 && chain->status == ARC_PASS && !broken;)
		broken = has_failed(&chain->sets[i].check);
	return broken;
}

bool
arc_chain_is_unanswered(const struct arc_chain *chain)
{
	bool unanswered = chain->message.unanswered;

	if (has_failed(&chain->message) && !chain->message.unanswered)
		return false;
	for (size_t i = 0; i < chain->count; i++) {
		const struct dkim_check *seal = &chain->sets[i].check;

		if (has_failed(seal) && !seal->unanswered)
			return false;
		unanswered |= seal->unanswered;
	}
	return unanswered;
}

void
arc_chain_conclude(struct arc_chain *chain)
{
	if (chain->status != ARC_PASS)
		return;
	/* Section 5.2.1: all failures are permanent. */
	if (has_failed(&chain->message))
		fail(chain, chain->message.reason);
	for (size_t i = chain->count; i-- > 0;)
		if (has_failed(&chain->sets[i].check))
			fail(chain, chain->sets[i].check.reason);
	if (chain->message.result != DKIM_PASS)
		fail(chain, "a signature of it was not checked");
	for (size_t i = chain->count; i-- > 0;)
		if (chain->sets[i].check.result != DKIM_PASS)
			fail(chain, "a seal of it was not checked");
}

void
arc_chain_free(struct arc_chain *chain)
{
	for (size_t i = 0; chain->sets != NULL && i < ARC_INSTANCE_MAX; i++)
		dkim_check_free(&chain->sets[i].check);
	dkim_check_free(&chain->message);
	free(chain->sets);
	*chain = (struct arc_chain){ 0 };
}
