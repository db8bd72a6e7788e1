/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Tag lists, signature fields, key records. */
#include "smtpd/dkim_parse.h"

#include <errno.h>

#include "common/address.h"
#include "common/base64.h"
#include "smtpd/dns.h"

/* --- tag lists --- */

/* VALCHAR and FWS (RFC 6376 section 3.2); UTF-8 by RFC 8616. */
static bool
is_value(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c == '\r' && i + 1 < text.len && text.ptr[i + 1] == '\n')
			continue;
		if (c == 127 || (c < ' ' && c != '\t' && !(c == '\n' && i != 0 && text.ptr[i - 1] == '\r')))
			return false;
	}
	return span_is_ascii(text) || span_is_utf8(text);
}

static bool
is_tag_name(struct span name)
{
	if (name.len == 0 || !ascii_is_alpha(name.ptr[0]))
		return false;
	for (size_t i = 1; i < name.len; i++)
		if (!ascii_is_alnum(name.ptr[i]) && name.ptr[i] != '_')
			return false;
	return true;
}

int
dkim_tags_parse(struct span text, struct dkim_tags *ret_tags)
{
	const char *end = text.ptr + text.len;
	struct span spec;

	ret_tags->count = 0;
	while (span_split(&text, ';', &spec)) {
		struct dkim_tag tag;
		ptrdiff_t equals = span_chr(spec, '=');

		/* The list may end with a semicolon; no other tag is empty. */
		if (span_trim(spec).len == 0 && spec.ptr + spec.len == end && ret_tags->count != 0)
			return 0;
		if (equals < 0 || ret_tags->count == DKIM_TAGS_MAX)
			return -EINVAL;
		tag.name = span_trim(span_make(spec.ptr, (size_t)equals));
		tag.raw = span_skip(spec, (size_t)equals + 1);
		tag.value = span_trim(tag.raw);
		if (!is_tag_name(tag.name) || !is_value(tag.raw) || dkim_tags_get(ret_tags, tag.name) != NULL)
			return -EINVAL;
		ret_tags->items[ret_tags->count++] = tag;
	}
	return ret_tags->count != 0 ? 0 : -EINVAL;
}

const struct dkim_tag *
dkim_tags_get(const struct dkim_tags *tags, struct span name)
{
	for (size_t i = 0; i < tags->count; i++)
		if (span_eq(tags->items[i].name, name))
			return &tags->items[i];
	return NULL;
}

/* --- values --- */

int
dkim_base64(struct span text, struct buf *out)
{
	struct buf packed = BUF_INIT(BASE64_SIZE(DKIM_KEY_MAX));
	int r;

	for (size_t i = 0; i < text.len; i++)
		if (span_chr(SPAN(" \t\r\n"), text.ptr[i]) < 0)
			(void)buf_char(&packed, text.ptr[i]);
	r = packed.overflow ? -EMSGSIZE : packed.len == 0 ? -EINVAL : base64_decode(buf_get(&packed), out);
	buf_free(&packed);
	return r;
}

bool
dkim_next_name(struct span *names, struct span *ret_name)
{
	if (!span_split(names, ':', ret_name))
		return false;
	*ret_name = span_trim(*ret_name);
	return true;
}

/* The A-labels of a domain that can be looked up. */
static int
domain_append(struct span domain, struct buf *out)
{
	bool literal;

	if (address_parse_domain(domain, ADDRESS_SMTPUTF8, &literal) != ADDRESS_OK || literal)
		return -EINVAL;
	return address_domain_canonical(domain, out) == 0 ? 0 : -EINVAL;
}

static bool
is_domain(struct span domain)
{
	struct buf name = BUF_INIT(DKIM_NAME_MAX);
	bool is = domain_append(domain, &name) == 0;

	buf_free(&name);
	return is;
}

/* Labels of a selector (RFC 6376 section 3.1); real ones have an underscore now and then. */
static bool
is_selector(struct span selector)
{
	bool label = false;

	for (size_t i = 0; i < selector.len; i++) {
		char c = selector.ptr[i];

		if (c == '.' ? !label : !ascii_is_alnum(c) && c != '-' && c != '_' && (unsigned char)c < 128)
			return false;
		label = c != '.';
	}
	return label;
}

int
dkim_key_name(struct span selector, struct span domain, struct buf *out)
{
	size_t before = out->len;

	/* A selector in UTF-8 is an IDN (RFC 8616 section 4). */
	if (is_selector(selector) &&
	    (span_is_ascii(selector) ? buf_span(out, selector) : address_domain_canonical(selector, out)) == 0) {
		for (size_t i = before; i < out->len; i++)
			out->data[i] = ascii_lower(out->data[i]);
		if (buf_str(out, "._domainkey.") == 0 && domain_append(domain, out) == 0 && out->len - before <= DKIM_NAME_MAX &&
		    dns_is_name(span_skip(buf_get(out), before)))
			return 0;
	}
	buf_truncate(out, before);
	return -EINVAL;
}

bool
dkim_is_below(struct span name, struct span domain)
{
	size_t more = name.len - domain.len;

	if (name.len < domain.len)
		return false;
	return address_domain_equal(span_skip(name, more), domain) && (more == 0 || name.ptr[more - 1] == '.');
}

/* True when a list with colons between holds the word, or the other. */
static bool
list_has(struct span list, struct span word, struct span other)
{
	struct span item;

	while (dkim_next_name(&list, &item))
		if (span_ieq(item, word) || (other.len != 0 && span_ieq(item, other)))
			return true;
	return false;
}

/* --- signatures --- */

/* Each reads the value of one tag: NULL, or what is wrong. */

static const char *
take_version(struct span value, struct dkim_signature *signature)
{
	(void)signature;
	return span_eq(value, SPAN("1")) ? NULL : "v= is not 1";
}

static const char *
take_algorithm(struct span value, struct dkim_signature *signature)
{
	signature->algorithm = span_eq(value, SPAN("ed25519-sha256")) ? DKIM_ED25519_SHA256 : DKIM_RSA_SHA256;
	if (span_eq(value, SPAN("rsa-sha1")))
		return "rsa-sha1 is no longer accepted"; /* RFC 8301 section 3.1 */
	return signature->algorithm == DKIM_ED25519_SHA256 || span_eq(value, SPAN("rsa-sha256")) ? NULL : "a= is not known";
}

static const char *
take_bytes(struct span value, struct dkim_signature *signature)
{
	struct buf bytes = BUF_INIT(DKIM_SIGNATURE_MAX);
	int r = dkim_base64(value, &bytes);

	signature->encoded = value;
	buf_free(&bytes);
	return r == 0 ? NULL : "b= is not base64";
}

static const char *
take_body_digest(struct span value, struct dkim_signature *signature)
{
	struct buf bytes = BUF_INIT(DKIM_DIGEST_SIZE);
	int r = dkim_base64(value, &bytes);

	if (r == 0 && bytes.len == DKIM_DIGEST_SIZE)
		memcpy(signature->body_digest, bytes.data, DKIM_DIGEST_SIZE);
	else
		r = -EINVAL;
	buf_free(&bytes);
	return r == 0 ? NULL : "bh= is no SHA-256 hash in base64";
}

static bool
canon_word(struct span word, enum dkim_canon *ret_canon)
{
	*ret_canon = span_eq(word, SPAN("relaxed")) ? DKIM_RELAXED : DKIM_SIMPLE;
	return *ret_canon == DKIM_RELAXED || span_eq(word, SPAN("simple"));
}

static const char *
take_canon(struct span value, struct dkim_signature *signature)
{
	ptrdiff_t slash = span_chr(value, '/');
	struct span header = span_make(value.ptr, slash < 0 ? value.len : (size_t)slash);
	struct span body = slash < 0 ? SPAN("simple") : span_skip(value, (size_t)slash + 1);

	return canon_word(header, &signature->header_canon) && canon_word(body, &signature->body_canon) ? NULL : "c= is not known";
}

static const char *
take_domain(struct span value, struct dkim_signature *signature)
{
	if (!is_domain(value))
		return "d= is no domain";
	signature->domain = value;
	return NULL;
}

static const char *
take_selector(struct span value, struct dkim_signature *signature)
{
	if (!is_selector(value))
		return "s= is no selector";
	signature->selector = value;
	return NULL;
}

static const char *
take_names(struct span value, struct dkim_signature *signature)
{
	struct span rest = value, name;
	bool from = false;
	size_t count = 0;

	for (; dkim_next_name(&rest, &name); count++) {
		from |= span_ieq(name, SPAN("From"));
		/* RFC 8617 section 4.1.2: two fields of ARC are passed over by validators of today, but a seal is made after
		 * the signature. */
		if (signature->kind == DKIM_ARC_MESSAGE && span_ieq(name, SPAN("ARC-Seal")))
			return "h= names ARC-Seal";
	}
	signature->names = value;
	if (count > DKIM_NAMES_MAX)
		return "h= names too many fields";
	signature->covers_from = from;
	return signature->kind == DKIM_SIGNATURE && !from ? "h= does not name From" : NULL;
}

static const char *
take_identity(struct span value, struct dkim_signature *signature)
{
	signature->identity = value;
	return span_rchr(value, '@') >= 0 ? NULL : "i= has no domain";
}

static const char *
take_instance(struct span value, struct dkim_signature *signature)
{
	uint64_t instance = 0;

	if (span_to_u64(value, ARC_INSTANCE_MAX, &instance) < 0 || instance == 0)
		return "i= is no instance";
	signature->instance = (unsigned)instance;
	return NULL;
}

static const char *
take_length(struct span value, struct dkim_signature *signature)
{
	signature->has_length = true;
	return span_to_u64(value, UINT64_MAX, &signature->length) == 0 ? NULL : "l= is no number";
}

static const char *
take_query(struct span value, struct dkim_signature *signature)
{
	(void)signature;
	return list_has(value, SPAN("dns/txt"), SPAN("dns")) ? NULL : "q= is not known";
}

/* RFC 6376 section 3.5: twelve digits must be understood. */
#define TIME_MAX 999999999999

static const char *
take_time(struct span value, struct dkim_signature *signature)
{
	uint64_t seconds = 0;
	int r = span_to_u64(value, TIME_MAX, &seconds);

	signature->has_time = true;
	signature->time = (int64_t)seconds;
	return r == 0 ? NULL : "t= is no time";
}

static const char *
take_expiry(struct span value, struct dkim_signature *signature)
{
	uint64_t seconds = 0;
	int r = span_to_u64(value, TIME_MAX, &seconds);

	signature->has_expiry = true;
	signature->expiry = (int64_t)seconds;
	return r == 0 ? NULL : "x= is no time";
}

static const char *
take_chain(struct span value, struct dkim_signature *signature)
{
	signature->chain = span_eq(value, SPAN("pass")) ? ARC_PASS : span_eq(value, SPAN("fail")) ? ARC_FAIL : ARC_NONE;
	return signature->chain != ARC_NONE || span_eq(value, SPAN("none")) ? NULL : "cv= is not known";
}

static const char *
refuse(struct span value, struct dkim_signature *signature)
{
	(void)value, (void)signature;
	return "h= must not be in a seal"; /* RFC 8617 section 4.1.3 */
}

/* The tags of each kind. Domain and selector come first, so that they can be told when another is wrong. */
#define IN(kind) (1u << (kind))
#define IN_DKIM IN(DKIM_SIGNATURE)
#define IN_MESSAGE (IN(DKIM_SIGNATURE) | IN(DKIM_ARC_MESSAGE))
#define IN_ARC (IN(DKIM_ARC_MESSAGE) | IN(DKIM_ARC_SEAL))
#define IN_ALL (IN_DKIM | IN_ARC)
static const struct {
	struct span name;
	unsigned kinds, needed; /* where it is read, where it must be */
	const char *(*take)(struct span value, struct dkim_signature *signature);
	const char *missing;
} rules[] = {
	{ SPAN("d"), IN_ALL, IN_ALL, take_domain, "d= is missing" },
	{ SPAN("s"), IN_ALL, IN_ALL, take_selector, "s= is missing" },
	{ SPAN("v"), IN_DKIM, IN_DKIM, take_version, "v= is missing" },
	{ SPAN("a"), IN_ALL, IN_ALL, take_algorithm, "a= is missing" },
	{ SPAN("b"), IN_ALL, IN_ALL, take_bytes, "b= is missing" },
	{ SPAN("bh"), IN_MESSAGE, IN_MESSAGE, take_body_digest, "bh= is missing" },
	{ SPAN("c"), IN_MESSAGE, 0, take_canon, NULL },
	{ SPAN("h"), IN_MESSAGE, IN_MESSAGE, take_names, "h= is missing" },
	{ SPAN("h"), IN(DKIM_ARC_SEAL), 0, refuse, NULL },
	{ SPAN("i"), IN_DKIM, 0, take_identity, NULL },
	{ SPAN("i"), IN_ARC, IN_ARC, take_instance, "i= is missing" },
	{ SPAN("l"), IN_MESSAGE, 0, take_length, NULL },
	{ SPAN("q"), IN_MESSAGE, 0, take_query, NULL },
	{ SPAN("t"), IN_ALL, 0, take_time, NULL },
	{ SPAN("x"), IN_MESSAGE, 0, take_expiry, NULL },
	{ SPAN("cv"), IN(DKIM_ARC_SEAL), IN(DKIM_ARC_SEAL), take_chain, "cv= is missing" },
};

/* What no tag says alone. */
static const char *
check_together(const struct dkim_signature *signature)
{
	ptrdiff_t at = span_rchr(signature->identity, '@');

	if (at >= 0 && !dkim_is_below(span_skip(signature->identity, (size_t)at + 1), signature->domain))
		return "i= is not in the domain of d=";
	if (signature->has_time && signature->has_expiry && signature->expiry <= signature->time)
		return "x= is not after t=";
	return NULL;
}

int
dkim_signature_parse(enum dkim_kind kind, struct span value, struct dkim_signature *ret_signature, const char **ret_fault)
{
	struct dkim_tags tags;
	const struct dkim_tag *tag;

	*ret_signature = (struct dkim_signature){ .kind = kind };
	/* A seal knows no other; message signatures without c= are made so by all sealers, whatever RFC 6376 section 3.5 has. */
	if (kind != DKIM_SIGNATURE)
		ret_signature->header_canon = ret_signature->body_canon = DKIM_RELAXED;
	*ret_fault = dkim_tags_parse(value, &tags) < 0 ? "syntax" : NULL;
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules) && *ret_fault == NULL; i++) {
		if ((rules[i].kinds & IN(kind)) == 0)
			continue;
		tag = dkim_tags_get(&tags, rules[i].name);
		if (tag != NULL)
			*ret_fault = rules[i].take(tag->value, ret_signature);
		else if ((rules[i].needed & IN(kind)) != 0)
			*ret_fault = rules[i].missing;
	}
	if (*ret_fault == NULL)
		*ret_fault = check_together(ret_signature);
	if (*ret_fault != NULL)
		return -EINVAL;
	ret_signature->raw = dkim_tags_get(&tags, SPAN("b"))->raw;
	return 0;
}

/* --- key records --- */

int
dkim_key_record_parse(struct span text, struct dkim_key_record *ret_record)
{
	struct dkim_tags tags;
	const struct dkim_tag *tag;

	*ret_record = (struct dkim_key_record){ .type = DKIM_KEY_RSA, .sha256 = true, .email = true };
	if (dkim_tags_parse(text, &tags) < 0)
		return -EINVAL;
	tag = dkim_tags_get(&tags, SPAN("v"));
	if (tag != NULL && (tag != tags.items || !span_eq(tag->value, SPAN("DKIM1"))))
		return -EINVAL;
	tag = dkim_tags_get(&tags, SPAN("p"));
	if (tag == NULL)
		return -EINVAL;
	ret_record->key = tag->value;
	ret_record->revoked = tag->value.len == 0;
	if ((tag = dkim_tags_get(&tags, SPAN("k"))) != NULL)
		ret_record->type = span_eq(tag->value, SPAN("rsa"))     ? DKIM_KEY_RSA :
				   span_eq(tag->value, SPAN("ed25519")) ? DKIM_KEY_ED25519 :
									  DKIM_KEY_OTHER;
	if ((tag = dkim_tags_get(&tags, SPAN("h"))) != NULL)
		ret_record->sha256 = list_has(tag->value, SPAN("sha256"), SPAN_NULL);
	if ((tag = dkim_tags_get(&tags, SPAN("s"))) != NULL)
		ret_record->email = list_has(tag->value, SPAN("email"), SPAN("*"));
	if ((tag = dkim_tags_get(&tags, SPAN("t"))) != NULL) {
		ret_record->testing = list_has(tag->value, SPAN("y"), SPAN_NULL);
		ret_record->strict = list_has(tag->value, SPAN("s"), SPAN_NULL);
	}
	return 0;
}
