/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Dates: what is read is written so that it reads the same. */
#include <stdlib.h>

#include "common/date.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_date(struct date date)
{
	struct date again;
	char text[DATE_SIZE];

	if (date.zone <= -1440 || date.zone >= 1440)
		abort();
	/* At both ends of the calendar the zone has no room. */
	if (date.utc < -62167219200 + 86400 || date.utc > 253402300799 - 86400)
		return;
	if (!date_parse(date_format(date, text), &again) || again.utc != date.utc || again.zone != date.zone)
		abort();
	if (!date_parse_imap(date_format_imap(date, text), &again) || again.utc != date.utc || again.zone != date.zone)
		abort();
	if (!date_parse_rfc3339(date_format_rfc3339(date, text), &again) || again.utc != date.utc || again.zone != date.zone)
		abort();
	if (date_local_day(date) % 86400 != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_make(data, size);
	struct date date;
	int64_t day;

	if (date_parse(text, &date))
		check_date(date);
	if (date_parse_imap(text, &date))
		check_date(date);
	if (date_parse_rfc3339(text, &date))
		check_date(date);
	if (date_parse_imap_date(text, &day))
		check_date((struct date){ day, 0 });
	return 0;
}
