/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The tests date and currentdate (RFC 5260 sections 4 and 5). */
#include "sieve/run.h"

#include <errno.h>
#include <stdlib.h>

#include "common/date.h"
#include "sieve/run_parts.h"

#define MJD_OF_1970 40587
#define DATE_STEPS 20 /* to read a date and to write it */

enum part {
	PART_YEAR, PART_MONTH, PART_DAY, PART_DATE, PART_JULIAN, PART_HOUR, PART_MINUTE, PART_SECOND, PART_TIME, PART_ISO8601, PART_STD11, PART_ZONE,
	PART_WEEKDAY, PART_COUNT,
};

static enum part
part_of(struct span name)
{
	static const struct span names[PART_COUNT] = {
		[PART_YEAR] = SPAN("year"), [PART_MONTH] = SPAN("month"), [PART_DAY] = SPAN("day"), [PART_DATE] = SPAN("date"),
		[PART_JULIAN] = SPAN("julian"), [PART_HOUR] = SPAN("hour"), [PART_MINUTE] = SPAN("minute"), [PART_SECOND] = SPAN("second"),
		[PART_TIME] = SPAN("time"), [PART_ISO8601] = SPAN("iso8601"), [PART_STD11] = SPAN("std11"), [PART_ZONE] = SPAN("zone"),
		[PART_WEEKDAY] = SPAN("weekday"),
	};
	size_t i = 0;

	while (i < PART_COUNT && !span_ieq(name, names[i]))
		i++;
	return (enum part)i;
}

bool
run_is_date_part(struct span name)
{
	return part_of(name) != PART_COUNT;
}

bool
run_parse_zone(struct span text, int *ret_minutes)
{
	uint64_t hours, minutes;

	if (text.len != 5 || (text.ptr[0] != '+' && text.ptr[0] != '-') || span_to_u64(span_make(text.ptr + 1, 2), 23, &hours) < 0 ||
	    span_to_u64(span_make(text.ptr + 3, 2), 59, &minutes) < 0)
		return false;
	*ret_minutes = (int)(hours * 60 + minutes) * (text.ptr[0] == '-' ? -1 : 1);
	return true;
}

/* RFC 5260 section 4.2. */
static void
put_part(enum part part, struct date date, struct buf *out)
{
	int64_t local = date.utc + date.zone * 60, days = local / 86400 - (local % 86400 < 0), year;
	unsigned seconds = (unsigned)(local - days * 86400), month, day, zone = (unsigned)abs(date.zone);
	char text[DATE_SIZE];

	date_civil(days, &year, &month, &day);
	switch (part) {
	case PART_YEAR: (void)buf_fmt(out, "%04d", (int)year); break;
	case PART_MONTH: (void)buf_fmt(out, "%02u", month); break;
	case PART_DAY: (void)buf_fmt(out, "%02u", day); break;
	case PART_DATE: (void)buf_fmt(out, "%04d-%02u-%02u", (int)year, month, day); break;
	case PART_JULIAN: (void)buf_fmt(out, "%lld", (long long)(days + MJD_OF_1970)); break;
	case PART_HOUR: (void)buf_fmt(out, "%02u", seconds / 3600); break;
	case PART_MINUTE: (void)buf_fmt(out, "%02u", seconds / 60 % 60); break;
	case PART_SECOND: (void)buf_fmt(out, "%02u", seconds % 60); break;
	case PART_TIME: (void)buf_fmt(out, "%02u:%02u:%02u", seconds / 3600, seconds / 60 % 60, seconds % 60); break;
	case PART_ISO8601: (void)buf_span(out, date_format_rfc3339(date, text)); break;
	case PART_STD11: (void)buf_span(out, date_format(date, text)); break;
	case PART_ZONE: (void)buf_fmt(out, "%c%02u%02u", date.zone < 0 ? '-' : '+', zone / 60, zone % 60); break;
	case PART_WEEKDAY: (void)buf_fmt(out, "%d", (int)((days % 7 + 11) % 7)); break; /* 1970-01-01 was a Thursday: 4 */
	case PART_COUNT: break;
	}
}

struct date_match {
	struct matcher matcher;
	enum part part;
	bool original;
	bool zoned; /* the script names a zone */
	int zone;
};

/* RFC 5260 section 4: local time, which summers have another of than winters. */
static int
local_zone(const struct sieve_host *host, int64_t utc)
{
	return host->zone_at != NULL ? host->zone_at(host->context, utc) : host->zone;
}

static bool
match_date(struct date_match *match, struct date date)
{
	struct buf text = BUF_INIT(64);
	bool done;

	if (!match->original)
		date.zone = match->zoned ? match->zone : local_zone(match->matcher.run->host, date.utc);
	put_part(match->part, date, &text);
	done = matcher_value(&match->matcher, buf_get(&text));
	buf_free(&text);
	return done;
}

/* A field that is a date, or has one after its last semicolon, as Received has (section 4). */
static bool
match_field(void *context, struct span value)
{
	struct date_match *match = context;
	ptrdiff_t semicolon = span_rchr(value, ';');
	struct date date;

	if (run_spend(match->matcher.run, DATE_STEPS) != 0)
		return true;
	if (!date_parse(value, &date) && (semicolon < 0 || !date_parse(span_skip(value, (size_t)semicolon + 1), &date)))
		return false;
	return match_date(match, date);
}

int
run_test_date(struct run *run, const struct instruction *instruction)
{
	bool current = instruction->command == COMMAND_CURRENTDATE;
	const struct operand *positional = instruction->positional + (current ? 0 : 1);
	struct span part = run_string(run, &positional[0]), zone = run_string(run, &instruction->tagged[TAG_ZONE]);
	struct date_match match = { .part = part_of(part), .zoned = (instruction->tags & T(ZONE)) != 0 };
	int r = matcher_begin(&match.matcher, run, instruction, &positional[1]);

	if (r != 0)
		return r;
	match.original = (instruction->tags & T(ORIGINALZONE)) != 0;
	if (match.zoned && !run_parse_zone(zone, &match.zone))
		return run_error(run, "\"%.*s\" is no time zone such as \"+0100\"", (int)(zone.len < 60 ? zone.len : 60), zone.ptr);
	if (match.part == PART_COUNT)
		return run_error(run, "\"%.*s\" is no part of a date", (int)(part.len < 60 ? part.len : 60), part.ptr);
	if (current)
		(void)match_date(&match, (struct date){ .utc = run->host->now });
	else
		run_fields(run, instruction, run_string(run, &instruction->positional[0]), match_field, &match);
	return matcher_end(&match.matcher);
}
