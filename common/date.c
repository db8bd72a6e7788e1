/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Dates of mail, written; and the calendar. Days are counted from 0000-03-01, so that a leap day ends its year. */
#include "common/date.h"

#include <stdio.h>

#define DAY 86400
#define EPOCH_SHIFT 719468       /* days from 0000-03-01 to 1970-01-01 */
#define UTC_MIN (-62167219200)   /* 0000-01-01T00:00:00Z */
#define UTC_MAX 253402300799     /* 9999-12-31T23:59:59Z */

static const char months[12][4] = {
	"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
};
static const char weekdays[7][4] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" }; /* from 1970-01-01 on */

int64_t
date_days(int64_t year, unsigned month, unsigned day)
{
	int64_t era, of_era, of_year;

	if (month <= 2)
		year--;
	era = (year >= 0 ? year : year - 399) / 400;
	of_era = year - era * 400;
	of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - EPOCH_SHIFT;
}

void
date_civil(int64_t days, int64_t *ret_year, unsigned *ret_month, unsigned *ret_day)
{
	int64_t era, of_era, year, of_year, month;

	days += EPOCH_SHIFT;
	era = (days >= 0 ? days : days - 146096) / 146097;
	of_era = days - era * 146097;
	year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	of_year = of_era - (365 * year + year / 4 - year / 100);
	month = (5 * of_year + 2) / 153;
	*ret_day = (unsigned)(of_year - (153 * month + 2) / 5 + 1);
	*ret_month = (unsigned)(month < 10 ? month + 3 : month - 9);
	*ret_year = year + era * 400 + (*ret_month <= 2);
}

static int64_t
floor_day(int64_t seconds)
{
	return (seconds >= 0 ? seconds : seconds - (DAY - 1)) / DAY;
}

/* A date taken apart, at its zone. */
struct parts {
	int64_t days, year;
	unsigned month, day, hour, minute, second, zone_hour, zone_minute;
	char sign;
};

static struct parts
take_apart(struct date date)
{
	unsigned zone, of_day;
	int64_t local;
	struct parts parts;

	if (date.zone <= -DAY / 60 || date.zone >= DAY / 60)
		date.zone = 0;
	if (date.utc < UTC_MIN || date.utc > UTC_MAX)
		date.utc = date.utc < UTC_MIN ? UTC_MIN : UTC_MAX;
	local = date.utc + (int64_t)date.zone * 60;
	if (local < UTC_MIN || local > UTC_MAX)
		local = local < UTC_MIN ? UTC_MIN : UTC_MAX;
	parts.days = floor_day(local);
	of_day = (unsigned)(local - parts.days * DAY);
	date_civil(parts.days, &parts.year, &parts.month, &parts.day);
	parts.hour = of_day / 3600;
	parts.minute = of_day / 60 % 60;
	parts.second = of_day % 60;
	zone = (unsigned)(date.zone < 0 ? -date.zone : date.zone);
	parts.sign = date.zone < 0 ? '-' : '+';
	parts.zone_hour = zone / 60;
	parts.zone_minute = zone % 60;
	return parts;
}

static struct span
done(char text[static DATE_SIZE], int len)
{
	return span_make(text, len > 0 && len < DATE_SIZE ? (size_t)len : 0);
}

struct span
date_format(struct date date, char text[static DATE_SIZE])
{
	struct parts p = take_apart(date);
	int64_t weekday = (p.days % 7 + 7) % 7;

	return done(text, snprintf(text, DATE_SIZE, "%s, %02u %s %04u %02u:%02u:%02u %c%02u%02u", weekdays[weekday], p.day % 100,
	    months[p.month - 1], (unsigned)p.year % 10000, p.hour % 100, p.minute % 100, p.second % 100, p.sign,
	    p.zone_hour % 100, p.zone_minute % 100));
}

struct span
date_format_imap(struct date date, char text[static DATE_SIZE])
{
	struct parts p = take_apart(date);

	return done(text, snprintf(text, DATE_SIZE, "%2u-%s-%04u %02u:%02u:%02u %c%02u%02u", p.day % 100, months[p.month - 1],
	    (unsigned)p.year % 10000, p.hour % 100, p.minute % 100, p.second % 100, p.sign,
	    p.zone_hour % 100, p.zone_minute % 100));
}

struct span
date_format_rfc3339(struct date date, char text[static DATE_SIZE])
{
	struct parts p = take_apart(date);
	char zone[16] = "Z";

	if (p.zone_hour != 0 || p.zone_minute != 0)
		(void)snprintf(zone, sizeof(zone), "%c%02u:%02u", p.sign, p.zone_hour % 100, p.zone_minute % 100);
	return done(text, snprintf(text, DATE_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u%s", (unsigned)p.year % 10000, p.month % 100,
	    p.day % 100, p.hour % 100, p.minute % 100, p.second % 100, zone));
}

int64_t
date_local_day(struct date date)
{
	return floor_day(date.utc + (int64_t)date.zone * 60) * DAY;
}
