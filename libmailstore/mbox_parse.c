/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Reading an mbox, line by line. A line longer than MS_MBOX_LINE_MAX comes in parts: what it is shows in the first. */
#include <stdlib.h>

#include "common/date.h"
#include "common/xalloc.h"
#include "libmailstore/mailstore.h"
#include "libmailstore/ms_mbox.h"

/* "W. Europe Standard Time" has four. */
#define ZONE_WORDS_MAX 6

enum state {
	BEFORE, /* the first message */
	HEADER,
	BODY,
	COUNTED, /* a body whose length is known */
};

struct ms_mbox_reader {
	const struct ms_mbox_sink *sink;
	void *context;
	enum ms_mbox_form form;
	enum state state;
	uint64_t offset;    /* of the next byte after those in line */
	uint64_t left;      /* COUNTED: bytes of the body to come */
	uint64_t length;    /* Content-Length */
	bool has_length, dropping, dropping_keywords;
	bool later;         /* than the file's first message */
	bool noted, named;  /* the header has X-IMAP; the Subject of a mail program's notes */
	bool after_empty;   /* the last line was empty, or a counted body ended */
	bool held;          /* an empty line, not handed on: it may be the one before "From " */
	bool unended;       /* a counted body ended within a line: what ends the line is none of it */
	bool within;        /* the next bytes go on with a line handed on in part */
	struct buf line, keywords;
	struct ms_mbox_status status;
};

struct ms_mbox_reader *
ms_mbox_reader_new(enum ms_mbox_form form, const struct ms_mbox_sink *sink, void *context)
{
	struct ms_mbox_reader *reader = xcalloc(1, sizeof(*reader));

	*reader = (struct ms_mbox_reader){
		.sink = sink, .context = context, .form = form, .line = BUF_INIT(MS_MBOX_LINE_MAX), .keywords = BUF_INIT(MS_MBOX_KEYWORDS_MAX),
	};
	return reader;
}

void
ms_mbox_reader_free(struct ms_mbox_reader *reader)
{
	if (reader == NULL)
		return;
	buf_free(&reader->line);
	buf_free(&reader->keywords);
	free(reader);
}

/* --- lines --- */

/* "2024-01-02", alone or with a time behind it. */
static bool
is_iso_date(struct span word)
{
	static const char digits[] = "0000-00-00";

	if (word.len < 10 || (word.len > 10 && word.ptr[10] != 'T' && word.ptr[10] != 't'))
		return false;
	for (size_t i = 0; i < 10; i++)
		if (digits[i] == '0' ? !ascii_is_digit(word.ptr[i]) : word.ptr[i] != digits[i])
			return false;
	return true;
}

/* "+0100", "+01:00", and behind letters any of "+1", "-5", "+01:00". */
static bool
is_offset(struct span word, bool behind_letters)
{
	static const char *const forms[] = { "+0000", "+00:00", "+0", "+00", "+0:00" };

	for (size_t i = 0; i < (behind_letters ? sizeof(forms) / sizeof(*forms) : 2); i++) {
		size_t len = strlen(forms[i]), k = 1;

		if (word.len != len || (word.ptr[0] != '+' && word.ptr[0] != '-'))
			continue;
		while (k < len && (forms[i][k] == '0' ? ascii_is_digit(word.ptr[k]) : word.ptr[k] == forms[i][k]))
			k++;
		if (k == len)
			return true;
	}
	return false;
}

/* An offset, "CEST", "GMT+01:00", or that in parentheses. */
static bool
is_zone(struct span word)
{
	size_t letters = 0;

	if (word.len > 2 && word.ptr[0] == '(' && word.ptr[word.len - 1] == ')')
		word = span_make(word.ptr + 1, word.len - 2);
	while (letters < word.len && word.ptr[letters] >= 'A' && word.ptr[letters] <= 'Z')
		letters++;
	if (letters == 0)
		return is_offset(word, false);
	return letters >= 2 && letters <= 5 && (letters == word.len || is_offset(span_skip(word, letters), true));
}

/* How much of the text is a zone's name in words: "W. Europe Standard Time", "(Central European Summer Time)". */
static size_t
zone_words(struct span text)
{
	static const char *const kinds[] = { "Standard", "Daylight", "Summer", "Winter", "Mean", "Universal" };
	struct span rest = text, word;
	bool kind = false;

	for (unsigned words = 0; words < ZONE_WORDS_MAX && span_split(&rest, ' ', &word); words++) {
		size_t end = (size_t)(word.ptr - text.ptr) + word.len;

		if (words == 0 && word.len != 0 && word.ptr[0] == '(')
			word = span_skip(word, 1);
		if (word.len > 1 && word.ptr[word.len - 1] == ')')
			word.len--;
		if (kind && span_eq(word, SPAN("Time")))
			return end;
		kind = false;
		for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
			kind = kind || span_eq(word, span_of(kinds[i]));
		/* A sentence has words in small letters. */
		if (word.len == 0 || word.ptr[0] < 'A' || word.ptr[0] > 'Z')
			break;
	}
	return 0;
}

/* A day's or month's name: whole, or its first letters. German ones are written as names are, for "so" and "do" are words elsewhere. */
static bool
is_name(struct span word)
{
	static const struct {
		const char *name;
		size_t least; /* letters */
		bool exact;
	} names[] = {
		{ "Monday", 3, false }, { "Tuesday", 3, false }, { "Wednesday", 3, false }, { "Thursday", 3, false }, { "Friday", 3, false },
		{ "Saturday", 3, false }, { "Sunday", 3, false }, { "January", 3, false }, { "February", 3, false }, { "March", 3, false }, { "April", 3, false },
		{ "May", 3, false }, { "June", 3, false }, { "July", 3, false }, { "August", 3, false }, { "September", 3, false }, { "October", 3, false },
		{ "November", 3, false }, { "December", 3, false },
		{ "Montag", 2, true }, { "Dienstag", 2, true }, { "Mittwoch", 2, true }, { "Donnerstag", 2, true }, { "Freitag", 2, true }, { "Samstag", 2, true },
		{ "Sonnabend", 5, true }, { "Sonntag", 2, true }, { "M\xc3\xa4rz", 4, true }, { "Mrz", 3, true }, { "Mai", 3, true }, { "Juni", 4, true },
		{ "Juli", 4, true }, { "Oktober", 3, true }, { "Dezember", 3, true },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct span begin = span_make(names[i].name, word.len);

		if (word.len >= names[i].least && word.len <= strlen(names[i].name) && (names[i].exact ? span_eq(word, begin) : span_ieq(word, begin)))
			return true;
	}
	return false;
}

enum { NO_DATE = 0, TIME = 1, YEAR = 2, OTHER = 4 };

/* What a word of a date tells. */
static unsigned
date_word(struct span word)
{
	bool time = word.len >= 4 && span_chr(word, ':') > 0;
	uint64_t n;

	if (is_iso_date(word))
		return time ? YEAR | TIME : YEAR;
	if (is_zone(word))
		return OTHER;
	if (time)
		return ascii_is_digit(word.ptr[0]) && (ascii_is_digit(word.ptr[word.len - 1]) || word.ptr[word.len - 1] == 'Z') ? TIME : NO_DATE;
	if (word.len > 1 && (word.ptr[word.len - 1] == ',' || word.ptr[word.len - 1] == '.'))
		word.len--;
	if (word.len == 4 && span_to_u64(word, 9999, &n) == 0 && n >= 1900)
		return YEAR;
	return (word.len <= 2 && span_to_u64(word, 31, &n) == 0) || is_zone(word) || is_name(word) ? OTHER : NO_DATE;
}

/* A sender, and then nothing but a date, but for UUCP's "remote from host": a sentence that begins with "From" has other words. A sender of
 * several words is an address with a quoted local part. *ret_date: where the date begins. */
static bool
is_sender_and_date(struct span text, struct span *ret_date)
{
	ptrdiff_t remote = span_find(text, SPAN(" remote from "));
	struct span rest, word, sender = SPAN_NULL;
	unsigned words = 0, seen = 0;

	if (remote > 0)
		text.len = (size_t)remote;
	for (rest = text; span_split(&rest, ' ', &word);) {
		unsigned what = words != 0 ? date_word(word) : NO_DATE;

		if (word.len == 0)
			continue;
		if (what != NO_DATE && seen == 0)
			*ret_date = span_skip(text, (size_t)(word.ptr - text.ptr));
		if (what == NO_DATE && (seen & TIME) != 0) {
			struct span zone = span_skip(text, (size_t)(word.ptr - text.ptr));
			size_t len = zone_words(zone);

			rest = span_skip(zone, len);
			if (len != 0)
				continue;
		}
		if (what == NO_DATE && seen != 0)
			return false;
		if (what == NO_DATE) {
			words++;
			sender = word;
		}
		seen |= what;
	}
	return (seen & TIME) != 0 && (seen & YEAR) != 0 && (words == 1 || span_chr(sender, '@') >= 0);
}

/* "2024-01-02 10:00:00", which is UTC where it tells no zone. 0: another date. */
static int64_t
iso_date(struct span text)
{
	struct span rest = span_skip(text, 11), time, zone;
	struct buf whole = BUF_INIT(128);
	struct date date = { 0 };
	bool parsed;

	if (text.len < 12 || !is_iso_date(span_make(text.ptr, 10)) || !span_split(&rest, ' ', &time))
		return 0;
	zone = span_trim(rest);
	(void)buf_fmt(&whole, "%.10sT%.*s", text.ptr, (int)(time.len < 64 ? time.len : 64), time.ptr);
	if (is_offset(zone, false))
		(void)buf_fmt(&whole, "%.3s:%.2s", zone.ptr, zone.ptr + zone.len - 2);
	parsed = date_parse_rfc3339(buf_get(&whole), &date);
	if (!parsed) {
		(void)buf_char(&whole, 'Z');
		parsed = date_parse_rfc3339(buf_get(&whole), &date);
	}
	buf_free(&whole);
	return parsed && date.utc > 0 ? date.utc : 0;
}

bool
ms_mbox_is_from(struct span line, int64_t *ret_date)
{
	static const char *const days[] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };
	struct span begin = SPAN_NULL;
	struct date date;

	*ret_date = 0;
	if (!span_starts(line, SPAN("From ")))
		return false;
	line = span_trim(span_skip(line, 5));
	for (struct span rest = line; rest.len > 4; rest = span_skip(rest, 1))
		for (size_t i = 0; i < sizeof(days) / sizeof(*days); i++)
			if (span_istarts(rest, span_of(days[i])) && (rest.ptr == line.ptr || rest.ptr[-1] == ' ') && date_parse(rest, &date)) {
				*ret_date = date.utc > 0 ? date.utc : 0;
				return true;
			}
	if (!is_sender_and_date(line, &begin))
		return false;
	*ret_date = iso_date(begin);
	return true;
}

bool
ms_mbox_is_quoted(struct span line)
{
	size_t quotes = 0;

	while (quotes < line.len && line.ptr[quotes] == '>')
		quotes++;
	return span_starts(span_skip(line, quotes), SPAN("From "));
}

enum ms_mbox_field
ms_mbox_field(struct span line, struct span *ret_value)
{
	static const struct {
		struct span name;
		enum ms_mbox_field field;
	} fields[] = {
		{ { "Status", 6 }, MS_MBOX_STATUS }, { { "X-Status", 8 }, MS_MBOX_X_STATUS }, { { "X-Keywords", 10 }, MS_MBOX_KEYWORDS },
		{ { "Content-Length", 14 }, MS_MBOX_LENGTH }, { { "X-IMAP", 6 }, MS_MBOX_IMAP }, { { "X-IMAPbase", 10 }, MS_MBOX_NOTE },
		{ { "X-UID", 5 }, MS_MBOX_NOTE },
	};
	ptrdiff_t colon = span_chr(line, ':');

	if (colon > 0)
		for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
			if (span_ieq(span_make(line.ptr, (size_t)colon), fields[i].name)) {
				*ret_value = span_trim(span_skip(line, (size_t)colon + 1));
				return fields[i].field;
			}
	return MS_MBOX_OTHER;
}

static void
put_flags(struct ms_mbox_reader *reader, struct span value)
{
	static const struct {
		char letter;
		uint32_t flag;
	} letters[] = { { 'R', MS_SEEN }, { 'A', MS_ANSWERED }, { 'F', MS_FLAGGED }, { 'D', MS_DELETED }, { 'T', MS_DRAFT } };

	for (size_t i = 0; i < value.len; i++)
		for (size_t k = 0; k < sizeof(letters) / sizeof(*letters); k++)
			if (letters[k].letter == value.ptr[i])
				reader->status.flags |= letters[k].flag;
}

/* In any parts of the field: one space between words, whatever stands there. */
static void
put_keywords(struct ms_mbox_reader *reader, struct span text)
{
	struct buf *out = &reader->keywords;

	for (size_t i = 0; i < text.len; i++) {
		bool blank = text.ptr[i] == ' ' || text.ptr[i] == '\t';

		if (!blank || (out->len != 0 && out->data[out->len - 1] != ' '))
			(void)buf_char(out, blank ? ' ' : text.ptr[i]);
	}
}

static int
give(struct ms_mbox_reader *reader, struct span bytes)
{
	return bytes.len != 0 ? reader->sink->bytes(reader->context, bytes) : 0;
}

/* --- messages --- */

static int
begin_message(struct ms_mbox_reader *reader, int64_t date)
{
	reader->later = reader->state != BEFORE;
	reader->state = HEADER;
	reader->noted = reader->named = false;
	reader->has_length = reader->dropping = reader->dropping_keywords = reader->held = reader->after_empty = reader->unended = false;
	buf_clear(&reader->keywords);
	reader->status = (struct ms_mbox_status){ .date = date };
	return reader->sink->begin(reader->context);
}

static int
end_message(struct ms_mbox_reader *reader)
{
	reader->status.keywords = span_trim(buf_get(&reader->keywords));
	reader->status.keywords_cut = reader->keywords.overflow;
	/* Anybody may send a message with such a field. The notes are the first of their file, and have a subject of their own. */
	reader->status.internal = reader->noted && reader->named && !reader->later;
	return reader->sink->end(reader->context, &reader->status);
}

/* The empty line after the header. */
static int
begin_body(struct ms_mbox_reader *reader)
{
	int r = give(reader, SPAN("\n"));

	reader->state = BODY;
	reader->after_empty = true; /* a message may have no body */
	if (r == 0 && reader->form != MS_MBOX_RD && reader->has_length && reader->length <= UINT64_MAX / 2 &&
	    reader->sink->ends_at(reader->context, reader->offset + reader->length)) {
		reader->left = reader->length;
		reader->state = reader->left != 0 ? COUNTED : BODY;
	}
	return r;
}

static int
header_line(struct ms_mbox_reader *reader, struct span line, bool whole)
{
	struct span value = SPAN_NULL;
	uint64_t length;
	int r;

	if (line.len == 0)
		return begin_body(reader);
	if (line.ptr[0] == ' ' || line.ptr[0] == '\t') {
		if (reader->dropping_keywords)
			put_keywords(reader, line);
	} else {
		enum ms_mbox_field field = ms_mbox_field(line, &value);

		reader->dropping = field != MS_MBOX_OTHER;
		reader->dropping_keywords = field == MS_MBOX_KEYWORDS;
		if (field == MS_MBOX_STATUS || field == MS_MBOX_X_STATUS)
			put_flags(reader, value);
		else if (field == MS_MBOX_KEYWORDS)
			put_keywords(reader, SPAN(" ")), put_keywords(reader, span_skip(line, (size_t)span_chr(line, ':') + 1));
		else if (field == MS_MBOX_IMAP)
			reader->noted = true;
		else if (field == MS_MBOX_OTHER && span_istarts(line, SPAN("Subject:")) && span_find(line, SPAN("FOLDER INTERNAL DATA")) >= 0)
			reader->named = true;
		else if (field == MS_MBOX_LENGTH && span_to_u64(value, UINT64_MAX / 2, &length) == 0) {
			reader->length = length;
			reader->has_length = true;
		}
	}
	if (reader->dropping)
		return 0;
	r = give(reader, line);
	return r == 0 && whole ? give(reader, SPAN("\n")) : r;
}

static int
body_line(struct ms_mbox_reader *reader, struct span line, bool whole, bool first)
{
	bool unended = reader->unended;
	int r = 0;

	reader->unended = false;
	if (line.len == 0 && whole && first) {
		if (unended)
			return 0;
		if (reader->held)
			r = give(reader, SPAN("\n"));
		reader->held = reader->after_empty = true;
		return r;
	}
	if (reader->held)
		r = give(reader, SPAN("\n"));
	reader->held = reader->after_empty = false;
	if (first && reader->form != MS_MBOX_CL2 && line.len != 0 && line.ptr[0] == '>' && ms_mbox_is_quoted(line))
		line = span_skip(line, 1);
	if (r == 0)
		r = give(reader, line);
	return r == 0 && whole ? give(reader, SPAN("\n")) : r;
}

/* whole: the line ended here; first: it began here. */
static int
take_line(struct ms_mbox_reader *reader, struct span line, bool whole, bool first)
{
	int64_t date;
	int r;

	if (whole && line.len != 0 && line.ptr[line.len - 1] == '\r')
		line.len--;
	if (reader->state == COUNTED) {
		r = give(reader, line);
		return r == 0 && whole ? give(reader, SPAN("\n")) : r;
	}
	/* A line that is not whole when the file ends is one, too; one too long for us is none that begins a message. */
	if (first && (reader->state != BODY || reader->after_empty) && ms_mbox_is_from(line, &date)) {
		r = reader->state != BEFORE ? end_message(reader) : 0;
		return r == 0 ? begin_message(reader, date) : r;
	}
	if (reader->state == BEFORE)
		return line.len == 0 && whole ? 0 : MS_E_CORRUPT;
	if (reader->state == HEADER && first)
		return header_line(reader, line, whole);
	if (reader->state == HEADER) {
		if (reader->dropping_keywords)
			put_keywords(reader, line);
		r = reader->dropping ? 0 : give(reader, line);
		return r == 0 && whole && !reader->dropping ? give(reader, SPAN("\n")) : r;
	}
	return body_line(reader, line, whole, first);
}

static int
flush(struct ms_mbox_reader *reader, bool whole)
{
	bool first = !reader->within;
	int r = take_line(reader, buf_get(&reader->line), whole, first);

	reader->within = !whole;
	buf_clear(&reader->line);
	return r;
}

int
ms_mbox_push(struct ms_mbox_reader *reader, struct span bytes)
{
	int r = 0;

	while (r == 0 && bytes.len != 0) {
		size_t room = MS_MBOX_LINE_MAX - reader->line.len, len = bytes.len < room ? bytes.len : room;
		bool counted = reader->state == COUNTED, whole;
		ptrdiff_t end;

		if (counted && len > reader->left)
			len = (size_t)reader->left;
		end = span_chr(span_make(bytes.ptr, len), '\n');
		whole = end >= 0;
		if (whole)
			len = (size_t)end + 1;
		(void)buf_put(&reader->line, bytes.ptr, whole ? len - 1 : len);
		bytes = span_skip(bytes, len);
		reader->offset += len;
		if (counted)
			reader->left -= len;
		if (whole || reader->line.len == MS_MBOX_LINE_MAX || (counted && reader->left == 0))
			r = flush(reader, whole);
		if (counted && reader->left == 0) {
			reader->state = BODY;
			reader->unended = reader->within;
			reader->within = reader->held = false;
			reader->after_empty = true;
		}
	}
	return r;
}

int
ms_mbox_finish(struct ms_mbox_reader *reader)
{
	int r = reader->line.len != 0 ? flush(reader, false) : 0;

	if (r == 0 && reader->state != BEFORE)
		r = end_message(reader);
	reader->state = BEFORE;
	return r;
}
