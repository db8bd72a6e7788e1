/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The state of a sleeping session, as a login role that somebody owns could make it up: read, and written again the same. */
#include <stdlib.h>

#include "common/xalloc.h"
#include "imapd/imap_sleep_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf first = BUF_INIT(IMAP_SLEEP_MAX), second = BUF_INIT(IMAP_SLEEP_MAX);
	char *copy = xmemdup(data, size);
	struct imap_sleep sleep;

	if (imap_sleep_get(span_make(copy, size), &sleep) == 0) {
		if (!imap_sleep_is(span_make(copy, size)) || imap_sleep_put(&sleep, &first) != 0 ||
		    imap_sleep_get(buf_get(&first), &sleep) != 0 || imap_sleep_put(&sleep, &second) != 0 ||
		    !span_eq(buf_get(&first), buf_get(&second)))
			abort();
	}
	buf_free(&first);
	buf_free(&second);
	free(copy);
	return 0;
}
