/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What reports of both kinds share. */
#include "smtpd/received_report.h"

#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"

void
received_keep(char out[static RECEIVED_TEXT_MAX + 1], struct span text)
{
	size_t len;

	text = span_trim(text);
	len = text.len < RECEIVED_TEXT_MAX ? text.len : RECEIVED_TEXT_MAX;
	for (size_t i = 0; i < len; i++)
		out[i] = text.ptr[i] < ' ' || text.ptr[i] > '~' ? '?' : text.ptr[i];
	out[len] = '\0';
}

struct received_entry *
received_add(struct received_report *report)
{
	struct received_entry *entry;

	if (report->count >= RECEIVED_ENTRIES_MAX)
		return NULL;
	/* Grows by doubling; the count is bounded above. */
	if ((report->count & (report->count - 1)) == 0)
		report->entries = xreallocarray(report->entries, report->count == 0 ? 1 : report->count * 2, sizeof(*entry));
	entry = &report->entries[report->count++];
	memset(entry, 0, sizeof(*entry));
	return entry;
}

void
received_report_free(struct received_report *report)
{
	free(report->entries);
	*report = (struct received_report){ .tls = false };
}

int
received_report_parse(struct span text, struct received_report *ret_report, const char **ret_fault)
{
	if (span_starts(text, SPAN("\xef\xbb\xbf")))
		text = span_skip(text, 3);
	text = span_trim(text);
	return span_starts(text, SPAN("{")) ? tls_report_parse(text, ret_report, ret_fault) : dmarc_report_parse(text, ret_report, ret_fault);
}
