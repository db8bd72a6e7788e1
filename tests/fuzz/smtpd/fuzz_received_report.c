/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Reports that others send, in whatever they come. */
#include <stdint.h>
#include <stdlib.h>

#include "smtpd/received_report.h"
#include "smtpd/report_unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void
on_found(void *context, struct span text)
{
	struct received_report report;
	const char *fault = NULL;
	int r = received_report_parse(text, &report, &fault);

	(void)context;
	if (r < 0 && fault == NULL)
		abort();
	for (size_t i = 0; r == 0 && i < report.count; i++)
		if (!span_is_ascii(span_of(report.entries[i].source)) || !span_is_ascii(span_of(report.entries[i].domain)))
			abort();
	if (r == 0)
		received_report_free(&report);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	(void)report_unpack(span_make(bytes, len), on_found, NULL);
	return 0;
}
