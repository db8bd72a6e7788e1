/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The sanitiser: whatever comes in, no element outside the lists and no remote reference comes out. */
#include <stdint.h>
#include <stdlib.h>

#include "webmaild/html_sanitize.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(int fact)
{
	if (!fact)
		abort();
}

static void
check(struct span out)
{
	static const char *const never[] = {
		"<script", "<svg", "<math", "<iframe", "<object", "<embed", "<form", "<input", "<link", "<base", "<template", "<textarea", "<noscript",
		"src=\"http", "src=\"//", "background=\"http", "href=\"j", "href=\"d", "href=\"v", "url('http",
	};

	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		require(span_find(out, span_of(never[i])) < 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct html_options options = { false, { "MARK", 4 } };
	struct buf out = BUF_INIT(HTML_OUTPUT_MAX);
	struct html_counts counts;

	if (html_sanitize(span_make(data, size), &options, &out, &counts) == 0)
		check(buf_get(&out));
	buf_clear(&out);
	html_text_begin(&out);
	if (html_text_put(span_make(data, size), (struct flowed_format){ size % 2 == 0, size % 3 == 0 }, &out) == 0 && html_text_end(&out) == 0)
		check(buf_get(&out));
	buf_free(&out);
	return 0;
}
