/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The file of keys: what is read is written so that it reads as the same. */
#include <stdint.h>
#include <stdlib.h>

#include "smtpd/dkim_keys_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void
check_row(const struct dkim_key_row *row)
{
	struct buf text = BUF_INIT(DKIM_PEM_MAX + 1024);
	struct dkim_key_row again;
	const char *fault;
	struct span rest;
	unsigned line = 0;

	if (dkim_keys_put(row, &text) < 0)
		abort();
	rest = buf_get(&text);
	if (dkim_keys_next(&rest, &line, &again, &fault) != 1 || !span_eq(again.domain, row->domain) || !span_eq(again.selector, row->selector) ||
	    again.state != row->state || again.since != row->since || !span_eq(again.pem, row->pem))
		abort();
	buf_free(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct span rest = span_make(bytes, len);
	struct dkim_key_row row;
	const char *fault = NULL;
	unsigned line = 0;
	int r;

	while ((r = dkim_keys_next(&rest, &line, &row, &fault)) > 0)
		check_row(&row);
	if (r < 0 && (fault == NULL || line == 0))
		abort();
	return 0;
}
