/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The time of day where this host stands. Apart, for the rest of date.h knows no time zone. */
#include <time.h>

#include "common/date.h"

struct date
date_local(int64_t utc)
{
	const time_t when = (time_t)utc;
	struct tm tm;

	return (struct date){ .utc = utc, .zone = localtime_r(&when, &tm) != NULL ? (int)(tm.tm_gmtoff / 60) : 0 };
}
