/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Names of mailboxes and lists of subscriptions as Dovecot and Courier write them. */
#include <stdbool.h>
#include <string.h>

#include "common/utf7.h"
#include "libmailstore/mailstore.h"
#include "libmailstore/ms_import.h"

#define NAME_MAX_LEN 1024

/* One level, decoded, with '_' for what divides levels or is a pattern or control character; any: also for one that is empty, and for
 * bytes that are no UTF-8. */
static int
put_level(struct span level, bool any, struct buf *out)
{
	bool utf8 = span_is_utf8(level);
	size_t from = out->len;

	if (!any && (level.len == 0 || !utf8))
		return MS_E_BADNAME;
	/* Names in modified UTF-7 have no bytes above ASCII; others are what the newer of those servers write. */
	if (level.len == 0)
		(void)buf_char(out, '_');
	else if (!span_is_ascii(level) || utf7_decode(level, out) != 0)
		(void)buf_span(out, level);
	for (size_t i = from; i < out->len; i++) {
		unsigned char c = (unsigned char)out->data[i];

		if (c < ' ' || c == 0x7f || strchr("./%*", c) != NULL || (!utf8 && c >= 0x80))
			out->data[i] = '_';
	}
	return 0;
}

static int
put_levels(struct span name, const char *separators, bool any, struct buf *out)
{
	size_t from = out->len, begin = 0;

	for (size_t i = 0; i <= name.len; i++) {
		if (i < name.len && (name.ptr[i] == '\0' || strchr(separators, name.ptr[i]) == NULL))
			continue;
		if ((begin != 0 && buf_char(out, '/') != 0) || put_level(span_make(name.ptr + begin, i - begin), any, out) != 0 || out->overflow) {
			buf_truncate(out, from);
			return MS_E_BADNAME;
		}
		begin = i + 1;
	}
	return 0;
}

int
ms_import_name(struct span name, const char *separators, struct buf *out)
{
	return put_levels(name, separators, true, out);
}

static bool
put_name(struct span name, const char *separators, ms_import_name_fn each, void *context)
{
	struct buf text = BUF_INIT(NAME_MAX_LEN);
	int r = put_levels(name, separators, false, &text);

	if (r == 0)
		each(context, buf_cstr(&text));
	buf_free(&text);
	return r == 0;
}

size_t
ms_import_subscriptions_parse(struct span text, ms_import_name_fn each, void *context)
{
	struct span line;
	size_t skipped = 0;
	bool first = true;

	while (span_split(&text, '\n', &line)) {
		/* "V", a tab and "2" begin the newer version, whose levels stand between tabs. */
		if (line.len != 0 && !(first && span_starts(line, SPAN("V\t"))) && !put_name(line, "./\t", each, context))
			skipped++;
		first = false;
	}
	return skipped;
}

size_t
ms_import_subscribed_parse(struct span text, ms_import_name_fn each, void *context)
{
	struct span line;
	size_t skipped = 0;

	while (span_split(&text, '\n', &line)) {
		if (line.len == 0)
			continue;
		/* All of a user's own mailboxes are below INBOX there. Others are somebody else's. */
		if (span_istarts(line, SPAN("INBOX.")))
			line = span_skip(line, 6);
		else if (!span_ieq(line, SPAN("INBOX"))) {
			skipped++;
			continue;
		}
		if (!put_name(line, ".", each, context))
			skipped++;
	}
	return skipped;
}
