/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* One signature, from its field to its result (RFC 6376 section 6.1). */
#include "smtpd/dkim_check.h"

#include "smtpd/dkim_key.h"

const char *
dkim_result_name(enum dkim_result result)
{
	static const char *const names[] = {
		[DKIM_NONE] = "none",
		[DKIM_PASS] = "pass",
		[DKIM_FAIL] = "fail",
		[DKIM_POLICY] = "policy",
		[DKIM_TEMPERROR] = "temperror",
		[DKIM_PERMERROR] = "permerror",
	};

	return names[result];
}

/* The first word on it stays. */
static void
settle(struct dkim_check *check, enum dkim_result result, const char *reason)
{
	if (check->result != DKIM_NONE)
		return;
	check->result = result;
	check->reason = reason;
}

void
dkim_check_begin(struct dkim_check *check, enum dkim_kind kind, const struct dkim_fields *fields,
    const struct header_field *field, int64_t now)
{
	struct dkim_signature *signature = &check->signature;
	const char *fault;

	*check = (struct dkim_check){ .key_name = BUF_INIT(DKIM_NAME_MAX) };
	check->has_body = kind == DKIM_ARC_SEAL;
	if (dkim_signature_parse(kind, field->value, signature, &fault) < 0) {
		settle(check, DKIM_PERMERROR, fault);
		return;
	}
	if (dkim_key_name(signature->selector, signature->domain, &check->key_name) < 0)
		settle(check, DKIM_PERMERROR, "s= and d= make no name");
	else if (signature->has_expiry && signature->expiry < now)
		settle(check, DKIM_FAIL, "the signature has expired");
	else if (kind != DKIM_ARC_SEAL)
		dkim_header_digest(
		    fields, signature->names, signature->header_canon, field->whole, signature->raw, check->digest);
}

void
dkim_check_free(struct dkim_check *check)
{
	buf_free(&check->key_name);
}

/* Body and key are known. */
static void
conclude(struct dkim_check *check)
{
	if (check->has_body && check->has_key)
		settle(check, check->key_fits ? DKIM_PASS : DKIM_FAIL, check->key_fits ? NULL : "the signature does not fit the header");
}

/* Whatever the key is. */
static void
refuse_body(struct dkim_check *check, enum dkim_result result, const char *reason)
{
	check->unanswered = false;
	settle(check, result, reason);
}

void
dkim_check_body(struct dkim_check *check, const uint8_t digest[static DKIM_DIGEST_SIZE], uint64_t total)
{
	const struct dkim_signature *signature = &check->signature;

	if (signature->has_length && signature->length > total)
		refuse_body(check, DKIM_FAIL, "the body is shorter than l=");
	else if (memcmp(digest, signature->body_digest, DKIM_DIGEST_SIZE) != 0)
		refuse_body(check, DKIM_FAIL, "the body was changed");
	else if (signature->has_length && signature->length < total)
		/* RFC 6376 section 8.2: what follows may be anybody's. */
		refuse_body(check, DKIM_POLICY, "a part of the body is not signed");
	check->has_body = true;
	conclude(check);
}

/* The identity's domain must be d= itself where the key says so (RFC 6376 section 3.6.1, t=s). */
static bool
is_strict_enough(const struct dkim_signature *signature, const struct dkim_key_record *record)
{
	ptrdiff_t at = span_rchr(signature->identity, '@');

	return !record->strict || signature->kind != DKIM_SIGNATURE || at < 0 ||
	    span_skip(signature->identity, (size_t)at + 1).len == signature->domain.len;
}

/* What keeps the record from being used for this signature, or NULL. */
static const char *
refuse_record(const struct dkim_signature *signature, const struct dkim_key_record *record)
{
	enum dkim_key_type wanted = signature->algorithm == DKIM_ED25519_SHA256 ? DKIM_KEY_ED25519 : DKIM_KEY_RSA;

	if (record->revoked)
		return "the key is revoked";
	if (record->type != wanted)
		return "the key is for another algorithm";
	if (!record->sha256)
		return "the key is not for SHA-256";
	if (!record->email)
		return "the key is not for mail";
	return is_strict_enough(signature, record) ? NULL : "i= is below d=, which the key does not allow";
}

static void
use_record(struct dkim_check *check, struct dkim_known *known, const struct dkim_key_record *record)
{
	struct buf bytes = BUF_INIT(DKIM_SIGNATURE_MAX);

	check->testing = record->testing;
	(void)dkim_base64(check->signature.encoded, &bytes);
	switch (dkim_key_check(known, check->signature.algorithm, record->key, check->digest, buf_get(&bytes))) {
	case DKIM_KEY_FITS:
		check->key_fits = true;
		break;
	case DKIM_KEY_DIFFERS:
		break;
	case DKIM_KEY_TOO_SHORT:
		settle(check, DKIM_POLICY, "the key has fewer than 1024 bits");
		break;
	case DKIM_KEY_UNUSABLE:
		settle(check, DKIM_PERMERROR, "the key is unusable");
		break;
	}
	buf_free(&bytes);
	check->has_key = true;
	conclude(check);
}

void
dkim_check_key(struct dkim_check *check, struct dkim_known *known, const struct dns_answer *answer)
{
	struct dkim_key_record record;
	const char *refusal = "there is no key record";

	if (answer->status == DNS_FAILED || answer->status == DNS_BOGUS) {
		check->unanswered = check->result == DKIM_NONE && answer->blame != DNS_THEIRS;
		settle(check, DKIM_TEMPERROR, "the key could not be looked up");
		return;
	}
	/* There should be one record; of several, the first that can be used (RFC 6376 section 3.6.2.2 leaves it open). */
	for (size_t i = 0; answer->status == DNS_FOUND && i < answer->count; i++) {
		if (dkim_key_record_parse(answer->records[i].data, &record) < 0)
			continue;
		refusal = refuse_record(&check->signature, &record);
		if (refusal == NULL) {
			use_record(check, known, &record);
			return;
		}
	}
	settle(check, DKIM_PERMERROR, refusal);
}
