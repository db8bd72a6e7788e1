/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Signatures of DKIM and ARC up to the point where a private key is needed. */
#include "smtpd/dkim_sign.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base64.h"
#include "common/cleanup.h"
#include "common/xalloc.h"
#include "smtpd/dkim_key.h"

/* Room for one field without its h=. */
#define FIELD_MAX 8192
/* Columns of h= on one line. */
#define LINE_COLUMNS 72
/* b= is not folded where a line can hold it (RFC 5322 section 2.1.1): some verifiers fail at the folds. */
#define SIGNATURE_COLUMNS 900

struct dkim_signer {
	struct buf header;
	bool in_body;
	struct dkim_fields fields;
	struct dkim_body_hash *body;
	uint8_t body_digest[DKIM_DIGEST_SIZE];
};

/* What is signed (RFC 6376 section 5.4.1). Of those marked, one more than there are is named: adding another, which a reader might be
 * shown instead, breaks the signature (section 8.15). */
static const struct {
	struct span name;
	bool guarded;
} signed_fields[] = {
	{ SPAN("From"), true },
	{ SPAN("To"), true },
	{ SPAN("Cc"), true },
	{ SPAN("Subject"), true },
	{ SPAN("Date"), true },
	{ SPAN("Message-ID"), true },
	{ SPAN("MIME-Version"), true },
	{ SPAN("Content-Type"), true },
	{ SPAN("Content-Transfer-Encoding"), true },
	{ SPAN("Sender"), false },
	{ SPAN("Reply-To"), false },
	{ SPAN("In-Reply-To"), false },
	{ SPAN("References"), false },
	{ SPAN("List-Id"), false },
	{ SPAN("List-Unsubscribe"), false },
	{ SPAN("List-Unsubscribe-Post"), false },
	{ SPAN("Auto-Submitted"), false },
	{ SPAN("TLS-Report-Domain"), false }, /* RFC 8460 section 5.3 */
	{ SPAN("TLS-Report-Submitter"), false },
};

/* --- the message --- */

struct dkim_signer *
dkim_signer_new(void)
{
	struct dkim_signer *signer = xcalloc(1, sizeof(*signer));

	signer->header = BUF_INIT(HEADER_BLOCK_MAX);
	signer->body = dkim_body_hash_new(DKIM_RELAXED, UINT64_MAX);
	return signer;
}

void
dkim_signer_free(struct dkim_signer *signer)
{
	if (signer == NULL)
		return;
	dkim_body_hash_free(signer->body);
	dkim_fields_free(&signer->fields);
	buf_free(&signer->header);
	free(signer);
}

void
dkim_signer_feed(struct dkim_signer *signer, struct span bytes)
{
	if (!signer->in_body)
		bytes = span_skip(bytes, dkim_header_take(&signer->header, bytes, &signer->in_body));
	dkim_body_hash_feed(signer->body, bytes);
}

bool
dkim_signer_end(struct dkim_signer *signer)
{
	(void)dkim_body_hash_finish(TAKE_PTR(signer->body), signer->body_digest);
	if (signer->header.overflow)
		return false;
	dkim_fields_parse(buf_get(&signer->header), &signer->fields);
	for (size_t i = 0; i < signer->fields.count; i++)
		if (span_ieq(signer->fields.items[i].name, SPAN("From")))
			return true;
	return false;
}

const struct dkim_fields *
dkim_signer_fields(const struct dkim_signer *signer)
{
	return &signer->fields;
}

/* --- drafts --- */

void
dkim_draft_free(struct dkim_draft *draft)
{
	buf_free(&draft->text);
	buf_free(&draft->rest);
}

int
dkim_draft_finish(struct dkim_draft *draft, struct span signature)
{
	struct buf encoded = BUF_INIT(BASE64_SIZE(DKIM_SIGNATURE_MAX));
	struct span left;

	(void)base64_encode(signature, &encoded);
	for (left = buf_get(&encoded); left.len != 0;) {
		(void)buf_span(&draft->text, span_take(&left, SIGNATURE_COLUMNS));
		if (left.len != 0)
			(void)buf_str(&draft->text, "\r\n\t");
	}
	(void)buf_span(&draft->text, buf_get(&draft->rest));
	(void)buf_str(&draft->text, "\r\n");
	buf_free(&encoded);
	return draft->text.overflow ? -EMSGSIZE : 0;
}

static size_t
count_fields(const struct dkim_fields *fields, struct span name)
{
	size_t count = 0;

	for (size_t i = 0; i < fields->count; i++)
		count += span_ieq(fields->items[i].name, name);
	return count;
}

static void
add_name(struct buf *names, struct span name, size_t times)
{
	for (size_t i = 0; i < times; i++) {
		if (names->len != 0)
			(void)buf_char(names, ':');
		(void)buf_span(names, name);
	}
}

/* Headers are long in number, not in name: of fields that are there many times, as many as a verifier looks at. */
static void
choose_names(const struct dkim_fields *fields, bool with_signatures, struct buf *names)
{
	const size_t most = 8;

	for (size_t i = 0; i < sizeof(signed_fields) / sizeof(*signed_fields); i++) {
		size_t count = count_fields(fields, signed_fields[i].name);

		add_name(names, signed_fields[i].name, (count < most ? count : most) + signed_fields[i].guarded);
	}
	if (with_signatures) {
		size_t count = count_fields(fields, SPAN("DKIM-Signature"));

		add_name(names, SPAN("DKIM-Signature"), count < most ? count : most);
	}
}

/* Writes h=, folded behind its colons. */
static void
put_names(struct buf *out, struct span names)
{
	size_t column = strlen("h=");
	struct span name;
	bool first = true;

	(void)buf_str(out, "h=");
	for (; dkim_next_name(&names, &name); first = false) {
		if (!first)
			(void)buf_char(out, ':');
		if (!first && column + name.len + 2 > LINE_COLUMNS) {
			(void)buf_str(out, "\r\n\t");
			column = 0;
		}
		(void)buf_span(out, name);
		column += name.len + 1;
	}
}

struct extra {
	const char *field; /* name of the field */
	unsigned instance; /* of ARC, or 0 */
	const char *chain; /* cv= of a seal, or NULL */
};

/* Writes the tags of any of the three, in the order of their names. Domain and selector are of our own configuration. */
static void
write_draft(const struct extra *extra, const struct dkim_signing *signing, const uint8_t *body_digest, struct span names,
    struct dkim_draft *ret_draft)
{
	struct buf *rest = &ret_draft->rest;

	ret_draft->text = BUF_INIT(FIELD_MAX + 2 * names.len);
	ret_draft->rest = BUF_INIT(FIELD_MAX + 2 * names.len);
	(void)buf_fmt(&ret_draft->text, "%s: %sa=%s;\r\n\tb=", extra->field, extra->instance == 0 ? "v=1; " : "",
	    dkim_algorithm_name(signing->algorithm));
	(void)buf_str(rest, ";\r\n\t");
	if (body_digest != NULL) {
		(void)buf_str(rest, "bh=");
		(void)base64_encode(span_make(body_digest, DKIM_DIGEST_SIZE), rest);
		(void)buf_str(rest, ";\r\n\tc=relaxed/relaxed; ");
	}
	if (extra->chain != NULL)
		(void)buf_fmt(rest, "cv=%s; ", extra->chain);
	(void)buf_fmt(rest, "d=%.*s;\r\n\t", (int)signing->domain.len, signing->domain.ptr);
	if (names.len != 0) {
		put_names(rest, names);
		(void)buf_str(rest, ";\r\n\t");
	}
	/* The space is for verifiers that look for the tag with it. */
	if (extra->instance != 0)
		(void)buf_fmt(rest, " i=%u; ", extra->instance);
	(void)buf_fmt(rest, "s=%.*s; t=%lld", (int)signing->selector.len, signing->selector.ptr, (long long)signing->time);
	if (signing->lifetime != 0 && extra->chain == NULL)
		(void)buf_fmt(rest, "; x=%lld", (long long)(signing->time + signing->lifetime));
}

/* The field as it stands without its signature. */
static void
draft_field(const struct dkim_draft *draft, struct buf *field, struct span *ret_raw)
{
	*field = BUF_INIT(draft->text.max + draft->rest.max);
	(void)buf_span(field, buf_get(&draft->text));
	(void)buf_span(field, buf_get(&draft->rest));
	*ret_raw = span_make(field->data + draft->text.len, 0);
}

static void
sign_message(const struct dkim_signer *signer, const struct extra *extra, const struct dkim_signing *signing, struct span names,
    struct dkim_draft *ret_draft)
{
	struct buf field;
	struct span raw;

	write_draft(extra, signing, signer->body_digest, names, ret_draft);
	draft_field(ret_draft, &field, &raw);
	dkim_header_digest(&signer->fields, names, DKIM_RELAXED, buf_get(&field), raw, ret_draft->digest);
	buf_free(&field);
}

void
dkim_sign(const struct dkim_signer *signer, const struct dkim_signing *signing, struct dkim_draft *ret_draft)
{
	const struct extra extra = { .field = "DKIM-Signature" };
	struct buf names = BUF_INIT(FIELD_MAX);

	choose_names(&signer->fields, false, &names);
	sign_message(signer, &extra, signing, buf_get(&names), ret_draft);
	buf_free(&names);
}

/* --- ARC --- */

bool
arc_may_seal(const struct arc_chain *chain)
{
	return !chain->closed && chain->highest < ARC_INSTANCE_MAX;
}

int
arc_seal_results(const struct arc_chain *chain, struct span payload, struct buf *out)
{
	(void)buf_fmt(out, "ARC-Authentication-Results: i=%u; ", chain->highest + 1);
	(void)buf_span(out, payload);
	return buf_str(out, "\r\n");
}

void
arc_seal_message(const struct dkim_signer *signer, const struct arc_chain *chain, const struct dkim_signing *signing,
    struct span names, struct dkim_draft *ret_draft)
{
	const struct extra extra = { .field = "ARC-Message-Signature", .instance = chain->highest + 1 };
	struct buf chosen = BUF_INIT(FIELD_MAX);

	if (names.len == 0) {
		choose_names(&signer->fields, true, &chosen);
		names = buf_get(&chosen);
	}
	sign_message(signer, &extra, signing, names, ret_draft);
	buf_free(&chosen);
}

void
arc_seal(const struct arc_chain *chain, const struct dkim_signing *signing, struct span results, struct span message,
    struct dkim_draft *ret_draft)
{
	const struct extra extra = { "ARC-Seal", chain->highest + 1, arc_status_name(chain->status) };
	const struct header_field fields[] = { { .whole = results }, { .whole = message } };
	/* A chain that is broken is not signed: the new set stands alone (section 5.1.2). */
	size_t before = chain->status == ARC_PASS ? chain->count : 0;
	struct arc_set *sets = xcalloc(before + 1, sizeof(*sets));
	struct buf field;
	struct span raw;

	for (size_t i = 0; i < before; i++)
		sets[i] = chain->sets[i];
	sets[before].results = &fields[0];
	sets[before].message = &fields[1];
	write_draft(&extra, signing, NULL, SPAN_NULL, ret_draft);
	draft_field(ret_draft, &field, &raw);
	arc_seal_digest(sets, before + 1, buf_get(&field), raw, ret_draft->digest);
	buf_free(&field);
	free(sets);
}
