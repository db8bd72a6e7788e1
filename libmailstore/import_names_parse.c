/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Names of mailboxes and lists of subscriptions as Dovecot and Courier write them. */
#include <stdbool.h>
#include <string.h>

#include "common/utf7.h"
#include "libmailstore/mailstore.h"
#include "libmailstore/ms_import.h"

bool
ms_import_is_part(const char *entry)
{
	static const char *const parts[] = { "cur", "new", "tmp", "courierimapkeywords" };

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (strcmp(entry, parts[i]) == 0)
			return true;
	return false;
}

/* One level, decoded, with '_' for what divides levels or is a pattern or control character, and for bytes that are no UTF-8. */
static void
put_level(struct span level, struct buf *out, bool *exact)
{
	bool utf8 = span_is_utf8(level);
	size_t from = out->len;

	/* Names in modified UTF-7 have no bytes above ASCII; others are what the newer of those servers write. */
	if (level.len == 0)
		(void)buf_char(out, '_');
	else if (!span_is_ascii(level) || utf7_decode(level, out) != 0)
		(void)buf_span(out, level);
	if (level.len == 0)
		*exact = false;
	for (size_t i = from; i < out->len; i++) {
		unsigned char c = (unsigned char)out->data[i];

		if (c < ' ' || c == 0x7f || strchr("./%*", c) != NULL || (!utf8 && c >= 0x80)) {
			out->data[i] = '_';
			*exact = false;
		}
	}
}

int
ms_import_name(struct span name, const char *separators, struct buf *out, bool *ret_exact)
{
	size_t from = out->len, begin = 0;

	*ret_exact = true;
	for (size_t i = 0; i <= name.len; i++) {
		if (i < name.len && (name.ptr[i] == '\0' || strchr(separators, name.ptr[i]) == NULL))
			continue;
		if (begin != 0)
			(void)buf_char(out, '/');
		put_level(span_make(name.ptr + begin, i - begin), out, ret_exact);
		if (out->overflow) {
			buf_truncate(out, from);
			return MS_E_BADNAME;
		}
		begin = i + 1;
	}
	return 0;
}

static void
give_path(struct span name, const char *separators, ms_import_path_fn each, void *context)
{
	struct buf path = BUF_INIT(name.len);

	for (size_t i = 0; i < name.len; i++)
		(void)buf_char(&path, name.ptr[i] != '\0' && strchr(separators, name.ptr[i]) != NULL ? '/' : name.ptr[i]);
	each(context, buf_get(&path));
	buf_free(&path);
}

void
ms_import_subscriptions_parse(struct span text, bool tree, ms_import_path_fn each, void *context)
{
	struct span line;
	bool first = true;

	while (span_split(&text, '\n', &line)) {
		/* "V", a tab and "2" begin the newer version, whose levels stand between tabs. */
		if (line.len != 0 && !(first && span_starts(line, SPAN("V\t"))))
			give_path(line, tree ? "\t" : ".\t", each, context);
		first = false;
	}
}

size_t
ms_import_subscribed_parse(struct span text, ms_import_path_fn each, void *context)
{
	struct span line;
	size_t skipped = 0;

	while (span_split(&text, '\n', &line)) {
		if (line.len == 0)
			continue;
		/* All of a user's own mailboxes are below INBOX there. Others are somebody else's. */
		if (span_istarts(line, SPAN("INBOX."))) {
			line = span_skip(line, 6);
		} else if (!span_ieq(line, SPAN("INBOX"))) {
			skipped++;
			continue;
		}
		give_path(line, ".", each, context);
	}
	return skipped;
}
