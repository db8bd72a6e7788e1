/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The header of a message: the chain that it tells of comes to a verdict, whatever the DNS says of its keys (the first byte). */
#include <stdlib.h>

#include "common/xalloc.h"
#include "smtpd/arc_chain.h"
#include "smtpd/auth_results.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void
give_keys(struct arc_chain *chain, const struct dns_answer *answer)
{
	static const uint8_t body[DKIM_DIGEST_SIZE];

	for (size_t i = 0; i < chain->count; i++)
		dkim_check_key(&chain->sets[i].check, NULL, answer);
	dkim_check_key(&chain->message, NULL, answer);
	dkim_check_body(&chain->message, body, 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct dns_answer *answer = xcalloc(1, sizeof(*answer));
	struct buf results = BUF_INIT(AUTH_RESULTS_MAX);
	struct dkim_fields fields;
	struct arc_chain chain;
	struct span block;

	answer->status = len != 0 && bytes[0] % 2 != 0 ? DNS_FAILED : DNS_NO_NAME;
	block = span_skip(span_make(bytes, len), len != 0);
	dkim_fields_parse(block, &fields);
	arc_chain_begin(&chain, &fields, 1700000000);
	if (chain.count > ARC_INSTANCE_MAX || (chain.status == ARC_FAIL && chain.reason == NULL))
		abort();
	if (chain.status == ARC_PASS) {
		give_keys(&chain, answer);
		arc_chain_conclude(&chain);
		/* Nobody has published a key. */
		if (chain.status != ARC_FAIL)
			abort();
	}
	(void)auth_results_combine(&fields, SPAN("here.example"), &results);
	arc_chain_free(&chain);
	dkim_fields_free(&fields);
	buf_free(&results);
	free(answer);
	return 0;
}
