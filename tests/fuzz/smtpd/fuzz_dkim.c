/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The first byte chooses what the rest is: one of the three kinds of signature, or a key record. What is read of it lies within it, and names that
 * are asked for are names. */
#include <stdlib.h>

#include "smtpd/dkim_parse.h"
#include "smtpd/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void
check_within(struct span part, struct span whole)
{
	if (part.len != 0 && (part.ptr < whole.ptr || part.ptr + part.len > whole.ptr + whole.len))
		abort();
}

static void
check_signature(struct span text, const struct dkim_signature *signature)
{
	struct span names = signature->names, name;
	struct buf out = BUF_INIT(DKIM_SIGNATURE_MAX);

	check_within(signature->domain, text);
	check_within(signature->selector, text);
	check_within(signature->identity, text);
	check_within(signature->names, text);
	check_within(signature->raw, text);
	check_within(signature->encoded, text);
	for (size_t i = 0; dkim_next_name(&names, &name); i++) {
		check_within(name, text);
		if (i > text.len)
			abort();
	}
	(void)dkim_base64(signature->encoded, &out);
	buf_clear(&out);
	if (dkim_key_name(signature->selector, signature->domain, &out) == 0 && !dns_is_name(buf_get(&out)))
		abort();
	buf_free(&out);
	if (!dkim_is_below(signature->domain, signature->domain))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct dkim_signature signature = { .kind = DKIM_SIGNATURE };
	struct dkim_key_record record;
	struct span text = span_make(bytes, len);
	const char *fault = NULL;
	unsigned kind;

	if (len == 0)
		return 0;
	kind = bytes[0] % 4;
	text = span_skip(text, 1);
	if (kind == 3) {
		if (dkim_key_record_parse(text, &record) == 0)
			check_within(record.key, text);
	} else if (dkim_signature_parse((enum dkim_kind)kind, text, &signature, &fault) == 0) {
		check_signature(text, &signature);
	} else if (fault == NULL) {
		abort();
	}
	return 0;
}
