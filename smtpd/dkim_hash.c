/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Hashes of header fields and bodies. */
#include "smtpd/dkim_hash.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "common/xalloc.h"

/* --- header --- */

static int
compare_names(struct span a, struct span b)
{
	for (size_t i = 0; i < a.len && i < b.len; i++)
		if (ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i]))
			return (unsigned char)ascii_lower(a.ptr[i]) < (unsigned char)ascii_lower(b.ptr[i]) ? -1 : 1;
	return a.len < b.len ? -1 : a.len > b.len;
}

static int
compare_fields(const void *a, const void *b)
{
	const struct header_field *x = *(const struct header_field *const *)a, *y = *(const struct header_field *const *)b;
	int order = compare_names(x->name, y->name);

	return order != 0 ? order : x->at < y->at ? -1 : x->at > y->at;
}

void
dkim_fields_parse(struct span block, struct dkim_fields *ret_fields)
{
	struct header_iter iter;
	struct header_field field;
	size_t count = 0, at = 0;

	header_begin(&iter, block);
	while (header_next(&iter, &field))
		count++;
	*ret_fields = (struct dkim_fields){ .items = xcalloc(count + 1, sizeof(field)), .count = count, .block_size = block.len };
	header_begin(&iter, block);
	while (at < count && header_next(&iter, &ret_fields->items[at]))
		at++;
	ret_fields->by_name = xcalloc(count + 1, sizeof(*ret_fields->by_name));
	for (size_t i = 0; i < count; i++)
		ret_fields->by_name[i] = &ret_fields->items[i];
	qsort(ret_fields->by_name, count, sizeof(*ret_fields->by_name), compare_fields);
}

void
dkim_fields_free(struct dkim_fields *fields)
{
	free(fields->items);
	free(fields->by_name);
	*fields = (struct dkim_fields){ 0 };
}

size_t
dkim_header_take(struct buf *block, struct span bytes, bool *ret_whole)
{
	*ret_whole = false;
	for (size_t taken = 0; taken < bytes.len;) {
		struct span rest = span_skip(bytes, taken);
		ptrdiff_t newline = span_chr(rest, '\n');
		size_t len = newline < 0 ? rest.len : (size_t)newline + 1;

		taken += len;
		if (buf_put(block, rest.ptr, len) < 0)
			continue; /* the owner sees the overflow */
		if (span_eq(buf_get(block), SPAN("\r\n")) || span_ends(buf_get(block), SPAN("\r\n\r\n"))) {
			buf_truncate(block, block->len - 2);
			*ret_whole = true;
			return taken;
		}
	}
	return bytes.len;
}

void
dkim_digest(struct span bytes, uint8_t ret_digest[static DKIM_DIGEST_SIZE])
{
	if (EVP_Digest(bytes.ptr, bytes.len, ret_digest, NULL, EVP_sha256(), NULL) != 1)
		abort();
}

void
dkim_canon_without(enum dkim_canon canon, struct span field, struct span raw, struct buf *out)
{
	struct buf text = BUF_INIT(field.len);
	size_t before = (size_t)(raw.ptr - field.ptr);

	(void)buf_put(&text, field.ptr, before);
	(void)buf_span(&text, span_skip(field, before + raw.len));
	(void)dkim_canon_field(canon, buf_get(&text), out);
	buf_free(&text);
}

/* The last field of that name that is not taken, or NULL. taken: how many are, for each name at its last field. Signatures may name as many as
 * there are, ten thousand, so that they are not looked through for each. */
static const struct header_field *
take_last(const struct dkim_fields *fields, size_t *taken, struct span name)
{
	size_t low = 0, high = fields->count; /* the first behind that name is there */

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_names(fields->by_name[middle]->name, name) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || name.len == 0 || taken[low - 1] >= low || !span_ieq(fields->by_name[low - 1 - taken[low - 1]]->name, name))
		return NULL;
	return fields->by_name[low - ++taken[low - 1]];
}

void
dkim_header_digest(const struct dkim_fields *fields, struct span names, enum dkim_canon canon, struct span own, struct span raw,
    uint8_t ret_digest[static DKIM_DIGEST_SIZE])
{
	size_t *taken = xcalloc(fields->count + 1, sizeof(*taken));
	/* Each field at most once, and a colon that a line without one did not have. */
	struct buf text = BUF_INIT(fields->block_size + own.len + 2 * (fields->count + 1));
	const struct header_field *field;
	struct span name;

	while (dkim_next_name(&names, &name)) {
		field = take_last(fields, taken, name);
		if (field == NULL)
			continue; /* it says that there is none, or no more (section 5.4) */
		(void)dkim_canon_field(canon, field->whole, &text);
		(void)buf_str(&text, "\r\n");
	}
	dkim_canon_without(canon, own, raw, &text);
	dkim_digest(buf_get(&text), ret_digest);
	buf_free(&text);
	free(taken);
}

/* --- body --- */

struct dkim_body_hash {
	struct dkim_body body;
	EVP_MD_CTX *digest;
};

static void
update(void *context, struct span bytes)
{
	if (EVP_DigestUpdate(context, bytes.ptr, bytes.len) != 1)
		abort();
}

struct dkim_body_hash *
dkim_body_hash_new(enum dkim_canon canon, uint64_t limit)
{
	struct dkim_body_hash *hash = xcalloc(1, sizeof(*hash));

	hash->digest = EVP_MD_CTX_new();
	if (hash->digest == NULL || EVP_DigestInit_ex(hash->digest, EVP_sha256(), NULL) != 1)
		abort();
	hash->body = (struct dkim_body){ .canon = canon, .left = limit, .put = update, .context = hash->digest };
	return hash;
}

void
dkim_body_hash_feed(struct dkim_body_hash *hash, struct span bytes)
{
	dkim_body_feed(&hash->body, bytes);
}

uint64_t
dkim_body_hash_finish(struct dkim_body_hash *hash, uint8_t ret_digest[static DKIM_DIGEST_SIZE])
{
	uint64_t total;

	dkim_body_finish(&hash->body);
	total = hash->body.total;
	if (EVP_DigestFinal_ex(hash->digest, ret_digest, NULL) != 1)
		abort();
	dkim_body_hash_free(hash);
	return total;
}

void
dkim_body_hash_free(struct dkim_body_hash *hash)
{
	if (hash == NULL)
		return;
	EVP_MD_CTX_free(hash->digest);
	free(hash);
}
