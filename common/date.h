/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Dates of mail (RFC 5322 section 3.3, RFC 3501 date and date-time, RFC 3339), read and written
 * without the C library's time zone. Pure. */
#ifndef COMMON_DATE_H
#define COMMON_DATE_H

#include "common/buf.h"

struct date {
	int64_t utc; /* seconds since 1970-01-01T00:00:00Z, years 0000 to 9999 */
	int zone;    /* minutes east of UTC, -1439..1439: the sender's */
};

/* RFC 5322 date-time, also obsolete: no weekday or a wrong one, comments, 2- and 3-digit years,
 * zone names (unknown and military ones are +0000), no zone, no seconds, asctime order. True and
 * *ret_date, or false. */
bool date_parse(struct span text, struct date *ret_date);
/* IMAP date ("1-Feb-1994", quotes removed): 00:00 UTC of that day. */
bool date_parse_imap_date(struct span text, int64_t *ret_utc);
/* IMAP date-time (" 7-Feb-1994 21:52:25 -0800", quotes removed). */
bool date_parse_imap(struct span text, struct date *ret_date);
/* RFC 3339 date-time (JMAP Date, UTCDate): fractions are cut off. */
bool date_parse_rfc3339(struct span text, struct date *ret_date);

/* Room for any of the forms below with its NUL. Years outside 0000..9999 are shown as the
 * nearest of them. */
#define DATE_SIZE 40
/* "Mon, 07 Feb 1994 21:52:25 -0800". Each returns the text as a span of `text`. */
struct span date_format(struct date date, char text[static DATE_SIZE]);
/* " 7-Feb-1994 21:52:25 -0800", without quotes: INTERNALDATE. */
struct span date_format_imap(struct date date, char text[static DATE_SIZE]);
/* "1994-02-07T21:52:25-08:00"; with zone 0 "...Z", the JMAP UTCDate. */
struct span date_format_rfc3339(struct date date, char text[static DATE_SIZE]);

/* That moment with the offset of this host's time zone (RFC 5321 section 4.4 prefers it to UTC in trace fields). The zone's file is read at
 * the first use: in a jail that must have been before, and log_init has seen to it. */
struct date date_local(int64_t utc);

/* Days since 1970-01-01 of a date of the Gregorian calendar, and back. */
int64_t date_days(int64_t year, unsigned month, unsigned day);
void date_civil(int64_t days, int64_t *ret_year, unsigned *ret_month, unsigned *ret_day);
/* The day as its sender saw it, for SENTON and its like (which disregard time and zone): seconds
 * of 00:00 "UTC" of that day. */
int64_t date_local_day(struct date date);

#endif
