/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* SMTP paths, mailboxes, domains: what is taken has a canonical form, which is taken again and is its own. */
#include <stdlib.h>

#include "common/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_forms(const struct address *address)
{
	struct buf form = BUF_INIT(4096), again = BUF_INIT(4096), display = BUF_INIT(4096);
	struct address parsed;

	if (address->domain.len > ADDRESS_DOMAIN_MAX || address->mailbox.len > ADDRESS_MAX)
		abort();
	(void)address_domain_display(address->domain, &display);
	if (address_canonical(address, &form) == 0 && address->domain.len != 0 && form.len <= ADDRESS_MAX) {
		enum address_result result = address_parse_mailbox(buf_get(&form), ADDRESS_SMTPUTF8, &parsed);

		/* A-labels may be longer than what they stand for. */
		if (result != ADDRESS_TOO_LONG &&
		    (result != ADDRESS_OK || address_canonical(&parsed, &again) != 0 || !span_eq(buf_get(&form), buf_get(&again))))
			abort();
	}
	buf_free(&form);
	buf_free(&again);
	buf_free(&display);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct address address;
	bool literal;
	struct span text;

	if (size == 0)
		return 0;
	text = span_make(data + 1, size - 1);
	if (address_parse_mailbox(text, data[0], &address) == ADDRESS_OK)
		check_forms(&address);
	if (address_parse_path(&text, data[0], &address) == ADDRESS_OK)
		check_forms(&address);
	(void)address_parse_domain(text, data[0], &literal);
	return 0;
}
