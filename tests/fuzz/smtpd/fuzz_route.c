/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A route, a next hop, credentials. */
#include <stdint.h>
#include <stdlib.h>

#include "smtpd/relay_secrets.h"
#include "smtpd/route_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_make(data, size), whom, hop;
	struct buf errors = BUF_INIT(4096);
	struct credentials credentials;
	struct next_hop parsed;
	const char *fault;
	char *item = span_dup(text);
	const struct conf_list list = { &item, 1 };
	bool found;

	if (next_hop_parse(text, &parsed, &fault) == 0 && (!next_hop_is(text) || parsed.host.len == 0 || parsed.port == 0))
		abort();
	(void)route_parse(text, &whom, &hop, &fault);
	(void)route_find(&list, SPAN("a@b.test"), SPAN("c@d.test"), &found);
	(void)relay_secrets_find(text, SPAN("label"), &credentials);
	relay_secrets_check(text, "", &errors);
	buf_free(&errors);
	free(item);
	return 0;
}
