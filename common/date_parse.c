/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Dates of mail, read. */
#include "common/date.h"

#include "common/header.h"

#define TEXT_MAX 1000 /* of a field: more is no date */

static const char months[] = "janfebmaraprmayjunjulaugsepoctnovdec";
static const char weekdays[] = "sunmontuewedthufrisat";

/* RFC 5322 section 4.3; others mean nothing certain. */
static const struct {
	struct span name;
	int minutes;
} zones[] = {
	{ { "EST", 3 }, -300 }, { { "EDT", 3 }, -240 }, { { "CST", 3 }, -360 }, { { "CDT", 3 }, -300 },
	{ { "MST", 3 }, -420 }, { { "MDT", 3 }, -360 }, { { "PST", 3 }, -480 }, { { "PDT", 3 }, -420 },
};

struct fields {
	int64_t year;
	unsigned month, day, hour, minute, second;
	int zone;
};

static bool
is_leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static bool
to_date(const struct fields *f, struct date *ret_date)
{
	static const unsigned char lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	if (f->year < 0 || f->year > 9999 || f->month < 1 || f->month > 12 || f->day < 1 ||
	    f->day > lengths[f->month - 1] + (unsigned)(f->month == 2 && is_leap(f->year)) || f->hour > 23 || f->minute > 59 ||
	    f->second > 60)
		return false;
	ret_date->zone = f->zone;
	ret_date->utc = date_days(f->year, f->month, f->day) * 86400 + f->hour * 3600 + f->minute * 60 + f->second -
	    (int64_t)f->zone * 60;
	return true;
}

static bool
take(struct span *text, char c)
{
	if (text->len == 0 || text->ptr[0] != c)
		return false;
	*text = span_skip(*text, 1);
	return true;
}

static struct span
take_word(struct span *text)
{
	size_t len = 0;

	while (len < text->len && ascii_is_alpha(text->ptr[len]))
		len++;
	return span_take(text, len);
}

/* Digits, at least min and at most max of them, none following. */
static bool
take_digits(struct span *text, size_t min, size_t max, unsigned *ret_value, size_t *ret_count)
{
	unsigned value = 0;
	size_t len = 0;

	while (len < text->len && ascii_is_digit(text->ptr[len])) {
		if (len == max)
			return false;
		value = value * 10 + (unsigned)(text->ptr[len++] - '0');
	}
	if (len < min)
		return false;
	*text = span_skip(*text, len);
	*ret_value = value;
	if (ret_count != NULL)
		*ret_count = len;
	return true;
}

/* 1-based place of a word's first three letters in a list of names, or 0. */
static unsigned
find_name(struct span word, const char *names, unsigned count)
{
	for (unsigned i = 0; i < count && word.len >= 3; i++)
		if (span_ieq(span_make(word.ptr, 3), span_make(names + 3 * i, 3)))
			return i + 1;
	return 0;
}

static bool
take_year(struct span *text, struct fields *f)
{
	unsigned year;
	size_t digits;

	if (!take_digits(text, 2, 4, &year, &digits))
		return false;
	/* RFC 5322 section 4.3 */
	if (digits == 2)
		year += year < 50 ? 2000 : 1900;
	else if (digits == 3)
		year += 1900;
	f->year = year;
	return true;
}

static bool
take_time(struct span *text, struct fields *f)
{
	if (!take_digits(text, 1, 2, &f->hour, NULL))
		return false;
	header_skip_cfws(text);
	if (!take(text, ':'))
		return false;
	header_skip_cfws(text);
	if (!take_digits(text, 1, 2, &f->minute, NULL))
		return false;
	header_skip_cfws(text);
	if (!take(text, ':'))
		return true;
	header_skip_cfws(text);
	if (!take_digits(text, 1, 2, &f->second, NULL))
		return false;
	if (take(text, '.'))
		while (text->len != 0 && ascii_is_digit(text->ptr[0]))
			*text = span_skip(*text, 1);
	return true;
}

/* "+0100", also "+01:00" and "+1"; after a name too ("GMT+0100"). What is none is UTC. */
static int
take_offset(struct span *text)
{
	int sign = take(text, '-') ? -1 : take(text, '+') ? 1 : 0;
	unsigned value = 0, minutes = 0;
	size_t digits = 0;

	if (sign == 0 || !take_digits(text, 1, 4, &value, &digits))
		return 0;
	if (digits <= 2 && take(text, ':') && take_digits(text, 2, 2, &minutes, NULL))
		value = value * 100 + minutes;
	else if (digits <= 2)
		value *= 100;
	if (value % 100 > 59 || value / 100 > 23)
		return 0;
	return sign * (int)(value / 100 * 60 + value % 100);
}

static int
take_zone(struct span *text)
{
	struct span name = take_word(text);

	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++)
		if (span_ieq(name, zones[i].name))
			return zones[i].minutes;
	return take_offset(text);
}

/* "Feb  7 21:52:25 [zone] 1994" after the weekday: asctime(3), and date(1) with its zone. */
static bool
parse_asctime(struct span text, unsigned month, struct fields *f)
{
	f->month = month;
	header_skip_cfws(&text);
	if (!take_digits(&text, 1, 2, &f->day, NULL))
		return false;
	(void)take(&text, ',');
	header_skip_cfws(&text);
	if (!take_time(&text, f))
		return false;
	header_skip_cfws(&text);
	if (text.len != 0 && !ascii_is_digit(text.ptr[0]))
		f->zone = take_zone(&text);
	header_skip_cfws(&text);
	if (!take_year(&text, f))
		return false;
	header_skip_cfws(&text);
	if (f->zone == 0)
		f->zone = take_zone(&text);
	return true;
}

bool
date_parse(struct span text, struct date *ret_date)
{
	struct fields f = { 0 };
	struct span word;

	if (text.len > TEXT_MAX)
		text.len = TEXT_MAX;
	header_skip_cfws(&text);
	word = take_word(&text);
	if (word.len != 0 && find_name(word, months, 12) != 0 && find_name(word, weekdays, 7) == 0)
		return parse_asctime(text, find_name(word, months, 12), &f) && to_date(&f, ret_date);
	if (word.len != 0) {
		header_skip_cfws(&text);
		(void)(take(&text, ',') || take(&text, '.'));
		header_skip_cfws(&text);
		word = take_word(&text);
		if (word.len != 0)
			return parse_asctime(text, find_name(word, months, 12), &f) && to_date(&f, ret_date);
	}
	if (!take_digits(&text, 1, 2, &f.day, NULL))
		return false;
	header_skip_cfws(&text);
	(void)(take(&text, '-') || take(&text, '.'));
	header_skip_cfws(&text);
	f.month = find_name(take_word(&text), months, 12);
	(void)(take(&text, '-') || take(&text, '.') || take(&text, ','));
	header_skip_cfws(&text);
	if (!take_year(&text, &f))
		return false;
	(void)take(&text, ',');
	header_skip_cfws(&text);
	if (text.len != 0 && !take_time(&text, &f))
		return false;
	header_skip_cfws(&text);
	f.zone = take_zone(&text);
	return to_date(&f, ret_date);
}

/* RFC 3501 date-text. */
static bool
take_imap_date(struct span *text, struct fields *f)
{
	unsigned year;

	if (!take_digits(text, 1, 2, &f->day, NULL) || !take(text, '-'))
		return false;
	f->month = find_name(span_take(text, 3), months, 12);
	if (!take(text, '-') || !take_digits(text, 4, 4, &year, NULL))
		return false;
	f->year = year;
	return true;
}

static bool
take_fixed(struct span *text, size_t digits, unsigned *ret_value)
{
	struct span part = span_take(text, digits);

	return part.len == digits && take_digits(&part, digits, digits, ret_value, NULL);
}

static bool
take_hms(struct span *text, struct fields *f)
{
	return take_fixed(text, 2, &f->hour) && take(text, ':') && take_fixed(text, 2, &f->minute) && take(text, ':') &&
	    take_fixed(text, 2, &f->second);
}

/* hhmm or hh:mm after its sign. */
static bool
take_strict_zone(struct span *text, bool colon, struct fields *f)
{
	int sign = take(text, '-') ? -1 : take(text, '+') ? 1 : 0;
	unsigned hour, minute;

	if (sign == 0 || !take_fixed(text, 2, &hour) || (colon && !take(text, ':')) || !take_fixed(text, 2, &minute) || hour > 23 ||
	    minute > 59)
		return false;
	f->zone = sign * (int)(hour * 60 + minute);
	return true;
}

bool
date_parse_imap_date(struct span text, int64_t *ret_utc)
{
	struct fields f = { 0 };
	struct date date;

	if (!take_imap_date(&text, &f) || text.len != 0 || !to_date(&f, &date))
		return false;
	*ret_utc = date.utc;
	return true;
}

bool
date_parse_imap(struct span text, struct date *ret_date)
{
	struct fields f = { 0 };

	(void)take(&text, ' ');
	return take_imap_date(&text, &f) && take(&text, ' ') && take_hms(&text, &f) && take(&text, ' ') &&
	    take_strict_zone(&text, false, &f) && text.len == 0 && to_date(&f, ret_date);
}

bool
date_parse_rfc3339(struct span text, struct date *ret_date)
{
	struct fields f = { 0 };
	unsigned year;

	if (!take_fixed(&text, 4, &year) || !take(&text, '-') || !take_fixed(&text, 2, &f.month) || !take(&text, '-') ||
	    !take_fixed(&text, 2, &f.day) || !take(&text, 'T') || !take_hms(&text, &f))
		return false;
	f.year = year;
	if (take(&text, '.')) {
		if (text.len == 0 || !ascii_is_digit(text.ptr[0]))
			return false;
		while (text.len != 0 && ascii_is_digit(text.ptr[0]))
			text = span_skip(text, 1);
	}
	if (!take(&text, 'Z') && !take_strict_zone(&text, true, &f))
		return false;
	return text.len == 0 && to_date(&f, ret_date);
}
