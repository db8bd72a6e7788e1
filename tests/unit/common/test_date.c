/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Dates: RFC 5322 appendix A, obsolete forms, IMAP, RFC 3339, the calendar. */
#include <stdlib.h>
#include <time.h>

#include "common/date.h"
#include "tests/unit/common/syntax.h"

START_TEST(mail)
{
	static const struct {
		const char *text;
		int64_t utc;
		int zone;
	} rows[] = {
		{ "Fri, 21 Nov 1997 09:55:06 -0600", 880127706, -360 },      /* RFC 5322 A.1.1 */
		{ "Tue, 1 Jul 2003 10:52:37 +0200", 1057049557, 120 },       /* A.1.2 */
		{ "Thu,\r\n      13\r\n        Feb\r\n          1969\r\n      23:32\r\n               -0330 (Newfoundland Time)",
		  -27723480, -210 },                                         /* A.5 */
		{ "21 Nov 97 09:55:06 GMT", 880106106, 0 },                  /* A.6.2 */
		{ "Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", 880127706, -360 }, /* A.6.3 */
		{ "Mon, 7 Feb 1994 21:52:25 -0800 (PST)", 760686745, -480 },
		{ "7 Feb 1994 21:52:25 PST", 760686745, -480 }, { "7 Feb 1994 21:52:25 EDT", 760672345, -240 },
		{ "7 Feb 1994 21:52:25 Z", 760657945, 0 }, { "7 Feb 1994 21:52:25 A", 760657945, 0 }, { "7 Feb 1994 21:52:25 XYZ", 760657945, 0 },
		{ "7 Feb 1994 21:52:25", 760657945, 0 }, { "7 Feb 1994 21:52", 760657920, 0 }, { "7 Feb 1994", 760579200, 0 },
		{ "7-Feb-1994 21:52:25 +0000", 760657945, 0 }, { "7 February 1994 21:52:25 UT", 760657945, 0 },
		{ "Monday, 07 Feb 94 21:52:25 GMT", 760657945, 0 }, { "Wrong, 7 Feb 1994 21:52:25 GMT", 760657945, 0 },
		{ "Mon Feb  7 21:52:25 1994", 760657945, 0 }, { "Mon Feb  7 21:52:25 EST 1994", 760675945, -300 },
		{ "Mon Feb  7 21:52:25 1994 -0800", 760686745, -480 },
		{ "Mon, 7 Feb 1994 21:52:25 GMT+0100", 760654345, 60 }, { "Mon, 7 Feb 1994 21:52:25 +01:00", 760654345, 60 },
		{ "7 Feb 1994 21:52:25.123 GMT", 760657945, 0 }, { "1 Jan 49 00:00:00 GMT", 2493072000, 0 },
		{ "1 Jan 50 00:00:00 GMT", -631152000, 0 }, { "1 Jan 100 00:00:00 GMT", 946684800, 0 }, { "1 Jan 2000 0:0:0 GMT", 946684800, 0 },
		{ "29 Feb 2000 00:00:00 GMT", 951782400, 0 }, { "31 Dec 1998 23:59:60 GMT", 915148800, 0 },
		{ "7 Feb 1994 21:52:25 +9900", 760657945, 0 }, { "7 Feb 1994 21:52:25 +0060", 760657945, 0 },
		{ "(((a)b) c) 7 Feb 1994 21:52:25 GMT", 760657945, 0 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct date date;

		ck_assert_msg(date_parse(span_of(rows[i].text), &date), "%s", rows[i].text);
		ck_assert_msg(date.utc == rows[i].utc && date.zone == rows[i].zone, "%s: %lld %d", rows[i].text, (long long)date.utc, date.zone);
	}
}
END_TEST

START_TEST(no_mail)
{
	static const char *const bad[] = {
		"", "Mon", "Mon, ", "7", "7 Feb", "7 Foo 1994 21:52:25 GMT", "32 Jan 1994 00:00:00 GMT", "0 Jan 1994 00:00:00 GMT",
		"30 Feb 2000 00:00:00 GMT", "29 Feb 1900 00:00:00 GMT", "7 Feb 1994 24:00:00 GMT", "7 Feb 1994 00:60:00 GMT",
		"7 Feb 1994 00:00:61 GMT", "7 Feb 19940 00:00:00 GMT", "7 Feb 1 00:00:00", "(7 Feb 1994 21:52:25 GMT", "yesterday at noon",
		"7 Feb 1994 noon",
	};
	struct date date;

	for (size_t i = 0; i < COUNT(bad); i++)
		ck_assert_msg(!date_parse(span_of(bad[i]), &date), "%s", bad[i]);
}
END_TEST

START_TEST(imap)
{
	static const char *const bad[] = {
		"", "7-Feb-1994 21:52:25", "07-Feb-94 21:52:25 -0800", "07-Feb-1994 21:52:25 -08:00", "07-Feb-1994 21:52:25 PST",
		"07 Feb 1994 21:52:25 -0800", "07-February-1994 21:52:25 -0800", "31-Jun-1994 21:52:25 -0800", "07-Feb-1994 21:52:25 -0800 ",
		"07-Feb-1994 1:52:25 -0800", "07-Feb-1994 21:52:25 -0860",
	};
	struct date date;
	int64_t day;

	ck_assert(date_parse_imap(SPAN("17-Jul-1996 02:44:25 -0700"), &date) && date.utc == 837596665 && date.zone == -420);
	ck_assert(date_parse_imap(SPAN(" 7-Feb-1994 21:52:25 -0800"), &date) && date.utc == 760686745);
	for (size_t i = 0; i < COUNT(bad); i++)
		ck_assert_msg(!date_parse_imap(span_of(bad[i]), &date), "%s", bad[i]);
	ck_assert(date_parse_imap_date(SPAN("1-Feb-1994"), &day) && day == 760060800);
	ck_assert(date_parse_imap_date(SPAN("01-feb-1994"), &day) && day == 760060800);
	ck_assert(!date_parse_imap_date(SPAN("1-Feb-1994 "), &day));
	ck_assert(!date_parse_imap_date(SPAN("29-Feb-1994"), &day));
	ck_assert(!date_parse_imap_date(SPAN("1-Feb-94"), &day));
}
END_TEST

START_TEST(rfc3339)
{
	static const char *const bad[] = {
		"", "1994-02-07", "1994-02-07T21:52:25", "1994-02-07 21:52:25Z", "1994-02-07t21:52:25z", "1994-2-7T21:52:25Z",
		"1994-02-07T21:52:25.Z", "1994-02-07T21:52:25+0800", "1994-13-07T21:52:25Z", "1994-02-07T21:52:25ZZ", "94-02-07T21:52:25Z",
	};
	struct date date;

	ck_assert(date_parse_rfc3339(SPAN("1994-02-07T21:52:25Z"), &date) && date.utc == 760657945 && date.zone == 0);
	ck_assert(date_parse_rfc3339(SPAN("1996-12-19T16:39:57-08:00"), &date) && date.utc == 851042397 && date.zone == -480);
	ck_assert(date_parse_rfc3339(SPAN("1985-04-12T23:20:50.52Z"), &date) && date.utc == 482196050);
	for (size_t i = 0; i < COUNT(bad); i++)
		ck_assert_msg(!date_parse_rfc3339(span_of(bad[i]), &date), "%s", bad[i]);
}
END_TEST

START_TEST(format)
{
	static const struct {
		struct date date;
		const char *mail, *imap, *rfc3339;
	} rows[] = {
		{ { 760686745, -480 }, "Mon, 07 Feb 1994 21:52:25 -0800", " 7-Feb-1994 21:52:25 -0800", "1994-02-07T21:52:25-08:00" },
		{ { 0, 0 }, "Thu, 01 Jan 1970 00:00:00 +0000", " 1-Jan-1970 00:00:00 +0000", "1970-01-01T00:00:00Z" },
		{ { -1, 0 }, "Wed, 31 Dec 1969 23:59:59 +0000", "31-Dec-1969 23:59:59 +0000", "1969-12-31T23:59:59Z" },
		{ { 951782400, 330 }, "Tue, 29 Feb 2000 05:30:00 +0530", "29-Feb-2000 05:30:00 +0530", "2000-02-29T05:30:00+05:30" },
		{ { 253402300799, 0 }, "Fri, 31 Dec 9999 23:59:59 +0000", "31-Dec-9999 23:59:59 +0000", "9999-12-31T23:59:59Z" },
		{ { INT64_MAX, 0 }, "Fri, 31 Dec 9999 23:59:59 +0000", "31-Dec-9999 23:59:59 +0000", "9999-12-31T23:59:59Z" },
		{ { INT64_MIN, 0 }, "Sat, 01 Jan 0000 00:00:00 +0000", " 1-Jan-0000 00:00:00 +0000", "0000-01-01T00:00:00Z" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[DATE_SIZE];

		ck_assert_str_eq(date_format(rows[i].date, text).ptr, rows[i].mail);
		ck_assert_str_eq(date_format_imap(rows[i].date, text).ptr, rows[i].imap);
		ck_assert_str_eq(date_format_rfc3339(rows[i].date, text).ptr, rows[i].rfc3339);
		ck_assert_uint_eq(date_format_rfc3339(rows[i].date, text).len, strlen(rows[i].rfc3339));
	}
}
END_TEST

START_TEST(calendar)
{
	int64_t year;
	unsigned month, day;

	/* Every day from year 0 on for 800 years, in order. */
	for (int64_t days = date_days(0, 1, 1), end = date_days(800, 1, 1); days < end; days++) {
		date_civil(days, &year, &month, &day);
		ck_assert_int_eq(date_days(year, month, day), days);
	}
	ck_assert_int_eq(date_days(1970, 1, 1), 0);
	ck_assert_int_eq(date_days(2000, 3, 1), 11017);
	ck_assert_int_eq(date_local_day((struct date){ 760686745, -480 }), 760579200);
	ck_assert_int_eq(date_local_day((struct date){ -1, 0 }), -86400);
}
END_TEST

/* What one form writes, its reader reads. */
START_TEST(round_trip)
{
	for (int64_t utc = -62167219200 + 100000; utc < 253402300799 - 100000; utc += 86400 * 397 + 12345) {
		struct date date = { utc, (int)(utc / 7 % 1439) }, back;
		char text[DATE_SIZE];

		ck_assert(date_parse_rfc3339(date_format_rfc3339(date, text), &back) && back.utc == utc && back.zone == date.zone);
		ck_assert(date_parse_imap(date_format_imap(date, text), &back) && back.utc == utc && back.zone == date.zone);
		ck_assert_msg(date_parse(date_format(date, text), &back) && back.utc == utc && back.zone == date.zone, "%s", text);
	}
}
END_TEST

START_TEST(local)
{
	struct date date;

	ck_assert_int_eq(setenv("TZ", "HERE-05:30", 1), 0);
	tzset();
	date = date_local(1000000000);
	ck_assert(date.utc == 1000000000 && date.zone == 330);
	ck_assert_int_eq(setenv("TZ", "THERE+03", 1), 0);
	tzset();
	ck_assert_int_eq(date_local(1000000000).zone, -180);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { mail, no_mail, imap, rfc3339, format, calendar, round_trip, local };

	return run_suite("date", tests, COUNT(tests));
}
