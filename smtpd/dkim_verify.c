/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A message's signatures: the header is kept, the body is hashed as it passes, each key is asked for once. */
#include "smtpd/dkim_verify.h"

#include <stdlib.h>

#include "common/cleanup.h"
#include "common/xalloc.h"

/* Checks with a body, and with the seals those with a key. */
#define BODIES_MAX (DKIM_CHECKS_MAX + 1)
#define KEYS_MAX (BODIES_MAX + ARC_INSTANCE_MAX)

enum phase { IN_HEADER, IN_BODY, ENDED };

/* Signatures that hash the body alike share one hash. */
struct body {
	struct dkim_body_hash *hash;
	enum dkim_canon canon;
	uint64_t limit;
	uint8_t digest[DKIM_DIGEST_SIZE];
	uint64_t total;
};

/* A check that waits for a key. */
struct asking {
	struct dkim_check *check;
	bool asked; /* its question was given out; those of one name stand for one, the first's */
	bool answered; /* or dropped */
};

struct dkim_verifier {
	int64_t now;
	enum phase phase;
	struct buf header;
	struct dkim_known *known;
	struct dkim_fields fields;
	struct dkim_check checks[DKIM_CHECKS_MAX];
	size_t check_count;
	struct arc_chain chain;
	struct body bodies[BODIES_MAX];
	size_t body_count;
	struct asking asking[KEYS_MAX];
	size_t asking_count, given, under_way;
};

struct dkim_verifier *
dkim_verifier_new(struct dkim_known *known, int64_t now)
{
	struct dkim_verifier *verifier = xcalloc(1, sizeof(*verifier));

	verifier->known = known;
	verifier->now = now;
	verifier->header = BUF_INIT(DKIM_HEADER_MAX);
	return verifier;
}

void
dkim_verifier_free(struct dkim_verifier *verifier)
{
	if (verifier == NULL)
		return;
	for (size_t i = 0; i < verifier->check_count; i++)
		dkim_check_free(&verifier->checks[i]);
	for (size_t i = 0; i < verifier->body_count; i++)
		dkim_body_hash_free(verifier->bodies[i].hash);
	arc_chain_free(&verifier->chain);
	dkim_fields_free(&verifier->fields);
	buf_free(&verifier->header);
	free(verifier);
}

/* --- the header --- */

static uint64_t
body_limit(const struct dkim_signature *signature)
{
	return signature->has_length ? signature->length : UINT64_MAX;
}

static struct body *
find_body(struct dkim_verifier *verifier, const struct dkim_signature *signature)
{
	struct body *body = verifier->bodies;

	for (; body < verifier->bodies + verifier->body_count; body++)
		if (body->canon == signature->body_canon && body->limit == body_limit(signature))
			break;
	return body;
}

static void
want_body(struct dkim_verifier *verifier, const struct dkim_signature *signature)
{
	struct body *body = find_body(verifier, signature);

	if (body != verifier->bodies + verifier->body_count)
		return;
	*body = (struct body){ .canon = signature->body_canon, .limit = body_limit(signature) };
	body->hash = dkim_body_hash_new(body->canon, body->limit);
	verifier->body_count++;
}

static void
want(struct dkim_verifier *verifier, struct dkim_check *check)
{
	if (check->result != DKIM_NONE)
		return;
	if (check->signature.kind != DKIM_ARC_SEAL)
		want_body(verifier, &check->signature);
	verifier->asking[verifier->asking_count++].check = check;
}

static void
begin_checks(struct dkim_verifier *verifier)
{
	if (verifier->header.overflow)
		return;
	dkim_fields_parse(buf_get(&verifier->header), &verifier->fields);
	for (size_t i = 0; i < verifier->fields.count && verifier->check_count < DKIM_CHECKS_MAX; i++) {
		const struct header_field *field = &verifier->fields.items[i];
		struct dkim_check *check = &verifier->checks[verifier->check_count];

		if (!span_ieq(field->name, SPAN("DKIM-Signature")))
			continue;
		dkim_check_begin(check, DKIM_SIGNATURE, &verifier->fields, field, verifier->now);
		verifier->check_count++;
		want(verifier, check);
	}
	arc_chain_begin(&verifier->chain, &verifier->fields, verifier->now);
	if (verifier->chain.status != ARC_PASS)
		return;
	want(verifier, &verifier->chain.message);
	for (size_t i = verifier->chain.count; i-- > 0;)
		want(verifier, &verifier->chain.sets[i].check);
}

void
dkim_verifier_feed(struct dkim_verifier *verifier, struct span bytes)
{
	bool whole;

	if (verifier->phase == IN_HEADER) {
		bytes = span_skip(bytes, dkim_header_take(&verifier->header, bytes, &whole));
		if (whole) {
			verifier->phase = IN_BODY;
			begin_checks(verifier);
		}
	}
	for (size_t i = 0; i < verifier->body_count; i++)
		dkim_body_hash_feed(verifier->bodies[i].hash, bytes);
}

/* --- the end --- */

static void
finish(struct dkim_verifier *verifier, struct dkim_check *check)
{
	const struct body *body = find_body(verifier, &check->signature);

	if (body != verifier->bodies + verifier->body_count)
		dkim_check_body(check, body->digest, body->total);
}

/* Of a chain that is broken already the other seals say nothing. */
static void
drop_seals(struct dkim_verifier *verifier)
{
	if (!arc_chain_is_broken(&verifier->chain))
		return;
	for (size_t i = verifier->given; i < verifier->asking_count; i++)
		verifier->asking[i].answered |= verifier->asking[i].check->signature.kind == DKIM_ARC_SEAL;
}

static void
conclude(struct dkim_verifier *verifier)
{
	drop_seals(verifier);
	if (dkim_verifier_is_done(verifier))
		arc_chain_conclude(&verifier->chain);
}

void
dkim_verifier_end(struct dkim_verifier *verifier)
{
	if (verifier->phase == IN_HEADER)
		begin_checks(verifier);
	verifier->phase = ENDED;
	for (size_t i = 0; i < verifier->body_count; i++) {
		struct body *body = &verifier->bodies[i];

		body->total = dkim_body_hash_finish(TAKE_PTR(body->hash), body->digest);
	}
	for (size_t i = 0; i < verifier->check_count; i++)
		finish(verifier, &verifier->checks[i]);
	if (verifier->chain.status == ARC_PASS)
		finish(verifier, &verifier->chain.message);
	conclude(verifier);
}

bool
dkim_verifier_has_header(const struct dkim_verifier *verifier)
{
	return verifier->phase != IN_HEADER;
}

struct span
dkim_verifier_header(const struct dkim_verifier *verifier)
{
	return verifier->header.overflow ? SPAN_NULL : buf_get(&verifier->header);
}

/* --- questions --- */

static bool
same_question(const struct dkim_check *a, const struct dkim_check *b)
{
	return span_eq(buf_get(&a->key_name), buf_get(&b->key_name));
}

static bool
was_asked(const struct dkim_verifier *verifier, size_t number)
{
	for (size_t i = 0; i < number; i++)
		if (verifier->asking[i].asked && same_question(verifier->asking[i].check, verifier->asking[number].check))
			return true;
	return false;
}

void
dkim_verifier_ask_first(struct dkim_verifier *verifier, struct span domain)
{
	struct asking later[KEYS_MAX];
	size_t first = 0, count = 0;

	for (size_t i = 0; i < verifier->asking_count; i++) {
		struct span name = buf_get(&verifier->asking[i].check->key_name);

		if (span_ends(name, domain) && name.len > domain.len && name.ptr[name.len - domain.len - 1] == '.')
			verifier->asking[first++] = verifier->asking[i];
		else
			later[count++] = verifier->asking[i];
	}
	for (size_t i = 0; i < count; i++)
		verifier->asking[first + i] = later[i];
}

bool
dkim_verifier_question(struct dkim_verifier *verifier, struct span *ret_name, size_t *ret_number)
{
	while (verifier->given < verifier->asking_count && verifier->under_way < DKIM_KEYS_AT_ONCE) {
		size_t number = verifier->given++;

		if (verifier->asking[number].answered || was_asked(verifier, number))
			continue;
		verifier->asking[number].asked = true;
		verifier->under_way++;
		*ret_name = buf_get(&verifier->asking[number].check->key_name);
		*ret_number = number;
		return true;
	}
	return false;
}

void
dkim_verifier_answer(struct dkim_verifier *verifier, size_t number, const struct dns_answer *answer)
{
	verifier->under_way--;
	for (size_t i = number; i < verifier->asking_count; i++) {
		struct asking *asking = &verifier->asking[i];

		if (asking->answered || !same_question(asking->check, verifier->asking[number].check))
			continue;
		asking->answered = true;
		dkim_check_key(asking->check, verifier->known, answer);
	}
	conclude(verifier);
}

bool
dkim_verifier_is_done(const struct dkim_verifier *verifier)
{
	for (size_t i = 0; i < verifier->asking_count; i++)
		if (!verifier->asking[i].answered)
			return false;
	return verifier->phase == ENDED;
}

const struct dkim_check *
dkim_verifier_checks(const struct dkim_verifier *verifier, size_t *ret_count)
{
	*ret_count = verifier->check_count;
	return verifier->checks;
}

const struct arc_chain *
dkim_verifier_chain(const struct dkim_verifier *verifier)
{
	return &verifier->chain;
}
