/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* An aliases file, and an address that is looked for in it: the first line is the address, the rest the file. */
#include <stdint.h>
#include <stdlib.h>

#include "frame/recipient.h"

static int
exists(void *context, struct span name)
{
	(void)context;
	return name.len % 3 == 0 ? 0 : 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char first[] = "a.test", second[] = "b.test";
	static char *names[] = { first, second };
	static const struct conf_list domains = { names, 2 };
	struct recipient_host host = { .domains = &domains, .delimiter = '+', .exists = exists };
	struct span text = span_make(data, size), address;
	struct buf errors = BUF_INIT(4096);
	struct recipients recipients;
	struct aliases *aliases;

	(void)span_split(&text, '\n', &address);
	host.aliases = aliases = aliases_new(text, "", &errors);
	for (unsigned whole = 0; whole < 2; whole++) {
		enum lookup_result result = recipient_expand(&host, address, whole != 0, &recipients);

		if (recipients.count > RECIPIENT_MEMBERS_MAX || (result == LOOKUP_ALIAS && !recipients.deliverable) ||
		    (result == LOOKUP_LOOP && (recipients.deliverable || recipients.count != 0)) ||
		    (recipients.fault != NULL && result != LOOKUP_TEMPFAIL))
			abort();
		recipients_free(&recipients);
	}
	(void)aliases_free(aliases);
	buf_free(&errors);
	return 0;
}
