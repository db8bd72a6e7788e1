/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The text after DATA or in chunks, line by line. */
#include "smtpd/smtp_data.h"

#include "common/message_id.h"
#include "smtpd/auth_results.h"
#include "smtpd/defence_score.h"
#include "smtpd/filter_word_parse.h"

/* The longest line, its CRLF, and a byte that shows that it is too long. */
#define HELD_MAX (SMTP_TEXT_LINE_MAX + 3)

void
smtp_data_init(struct smtp_data *data)
{
	*data = (struct smtp_data){ .held = BUF_INIT(HELD_MAX), .authors = BUF_INIT(SMTP_HEADER_MAX), .judged = BUF_INIT(SMTP_HEADER_MAX) };
}

void
smtp_data_free(struct smtp_data *data)
{
	buf_free(&data->held);
	buf_free(&data->authors);
	buf_free(&data->judged);
}

void
smtp_data_fail(struct smtp_data *data, enum smtp_fault fault)
{
	if (data->fault == SMTP_FAULT_NONE)
		data->fault = fault;
}

static void
put_line(struct buf *out, struct span line)
{
	(void)buf_span(out, line);
	(void)buf_put(out, "\r\n", 2);
}

/* What stays, as it came. */
static void
keep(const struct smtp_data *data, struct span lines, struct buf *out)
{
	(void)buf_span(out, lines);
	if (data->whole != NULL && data->whole->len != 0)
		(void)buf_span(data->whole, lines);
}

static void
keep_line(const struct smtp_data *data, struct span line, struct buf *out)
{
	keep(data, line, out);
	keep(data, SPAN("\r\n"), out);
}

/* A field that goes: for who verifies. */
static void
show_removed(const struct smtp_data *data, struct span lines, const struct buf *out)
{
	if (data->whole == NULL)
		return;
	if (data->whole->len == 0)
		(void)buf_span(data->whole, buf_get(out));
	(void)buf_span(data->whole, lines);
}

/* The header has ended: what submitted mail must have (RFC 6409 section 8). */
static void
put_missing(struct smtp_data *data, struct buf *out)
{
	if (!data->mend)
		return;
	if (data->from_fields != 1)
		smtp_data_fail(data, SMTP_FAULT_NO_FROM);
	if (!data->has_date)
		(void)buf_fmt(out, "Date: %s\r\n", data->date);
	if (!data->has_message_id)
		(void)buf_fmt(out, "Message-ID: <%s>\r\n", data->message_id);
}

/* The name of a header field: printable ASCII and a colon (RFC 5322 section 2.2); blanks before the
 * colon are obsolete syntax. */
static bool
is_field(struct span line, struct span *ret_name)
{
	ptrdiff_t colon = span_chr(line, ':');
	struct span name = span_make(line.ptr, colon < 0 ? 0 : (size_t)colon);

	while (name.len != 0 && (name.ptr[name.len - 1] == ' ' || name.ptr[name.len - 1] == '\t'))
		name.len--;
	for (size_t i = 0; i < name.len; i++)
		if (name.ptr[i] <= ' ' || name.ptr[i] > '~')
			return false;
	*ret_name = name;
	return name.len != 0;
}

/* Of submitted mail: who speaks in these must be the account (RFC 6409 section 6.1). */
static const struct span author_fields[] = { SPAN("From"), SPAN("Sender"), SPAN("Resent-From"), SPAN("Resent-Sender") };
/* And these are for nobody else (RFC 5322 sections 3.6.3 and 3.6.6), or are not the sender's to write (RFC 5321 section 4.4). */
static const struct span private_fields[] = { SPAN("Bcc"), SPAN("Resent-Bcc"), SPAN("Return-Path") };
#define COUNT(names) (sizeof(names) / sizeof(*(names)))

static bool
is_among(struct span name, const struct span *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (span_ieq(name, names[i]))
			return true;
	return false;
}

static void
begin_field(struct smtp_data *data, struct span name, struct span line)
{
	/* What nobody looks at behind so many could be another From. */
	if (++data->header_fields > SMTP_HEADER_FIELDS_MAX)
		smtp_data_fail(data, SMTP_FAULT_HEADER);
	data->in_field = true;
	data->in_judged_field = (data->authserv != NULL && (span_ieq(name, SPAN("Authentication-Results")) || span_ieq(name, SPAN(SCORE_FIELD)))) ||
	    (data->outside && filter_word_is(name)) || (data->mend && (span_ieq(name, SPAN("Date")) || span_ieq(name, SPAN("Message-ID"))));
	data->skipping_field = data->mend && is_among(name, private_fields, COUNT(private_fields));
	data->from_fields += span_ieq(name, SPAN("From"));
	data->in_author_field = data->mend && is_among(name, author_fields, COUNT(author_fields));
	if (data->in_author_field) {
		(void)buf_char(&data->authors, '\0');
		put_line(&data->authors, span_skip(line, (size_t)span_chr(line, ':') + 1));
	}
	if (span_ieq(name, SPAN("Received")) && ++data->hops > data->hops_max)
		smtp_data_fail(data, SMTP_FAULT_HOPS);
}

/* RFC 6409 sections 8.2 and 8.3: what is none goes, and one that is takes its place. */
static bool
is_usable(struct smtp_data *data, struct span name, struct span value)
{
	struct message_id_list ids;
	bool usable = span_trim(value).len != 0;

	if (span_ieq(name, SPAN("Date"))) {
		data->has_date |= usable;
		return usable;
	}
	message_id_list_parse(value, &ids);
	usable = ids.count != 0;
	message_id_list_free(&ids);
	data->has_message_id |= usable;
	return usable;
}

/* The field that was to be judged is whole. */
static void
put_judged(struct smtp_data *data, struct buf *out)
{
	struct span field = buf_get(&data->judged), name;
	bool stays;

	if (field.len == 0)
		return;
	(void)span_split(&field, ':', &name);
	name = span_trim(name);
	if (span_ieq(name, SPAN("Authentication-Results")))
		stays = !auth_results_is_claimed(field, span_of(data->authserv));
	else if (span_ieq(name, SPAN(SCORE_FIELD)))
		stays = false;
	else if (filter_word_is(name)) /* nobody outside says for this site's filters that it is nothing */
		stays = filter_word_is_against(buf_get(&data->judged));
	else
		stays = is_usable(data, name, field);
	if (stays)
		keep(data, buf_get(&data->judged), out);
	else
		show_removed(data, buf_get(&data->judged), out);
	buf_clear(&data->judged);
}

static void
header_line(struct smtp_data *data, struct span line, struct buf *out)
{
	bool goes_on = line.len != 0 && (line.ptr[0] == ' ' || line.ptr[0] == '\t') && data->in_field;
	struct span name;

	if (!goes_on)
		put_judged(data, out);

	data->header_size += line.len + 2;
	if (data->header_size > SMTP_HEADER_MAX)
		smtp_data_fail(data, SMTP_FAULT_HEADER);
	if (line.len == 0) {
		put_missing(data, out);
		data->in_body = true;
	} else if (goes_on) {
		if (data->in_author_field)
			put_line(&data->authors, line);
	} else if (is_field(line, &name)) {
		begin_field(data, name, line);
	} else {
		/* No header, or the end of one without its empty line: what follows is the body. */
		put_missing(data, out);
		keep_line(data, SPAN_NULL, out);
		data->in_body = true;
	}
	if (data->in_judged_field && !data->in_body)
		put_line(&data->judged, line);
	else if (data->in_body || !data->skipping_field)
		keep_line(data, line, out);
	if (data->mend && !data->in_body && !data->smtputf8 && !span_is_ascii(line))
		smtp_data_fail(data, SMTP_FAULT_8BIT_HEADER);
}

static void
end(struct smtp_data *data, struct buf *out)
{
	if (!data->in_body) {
		put_judged(data, out);
		put_missing(data, out);
	}
	data->ended = true;
}

/* A whole line without its CRLF. */
static void
text_line(struct smtp_data *data, struct span line, struct buf *out)
{
	if (!data->chunked && line.len == 1 && line.ptr[0] == '.') {
		end(data, out);
		return;
	}
	if (!data->chunked && line.len != 0 && line.ptr[0] == '.')
		line = span_skip(line, 1);
	data->size += line.len + 2;
	if (data->size > data->size_max)
		smtp_data_fail(data, SMTP_FAULT_SIZE);
	if (span_chr(line, '\0') >= 0)
		smtp_data_fail(data, SMTP_FAULT_NUL);
	if (data->fault != SMTP_FAULT_NONE)
		return;
	if (data->in_body)
		keep_line(data, line, out);
	else
		header_line(data, line, out);
}

/* The rest of a line that is too long: drops it, up to and without the CR that may belong to its
 * end. */
static size_t
skip_long(struct smtp_data *data, struct span input)
{
	size_t len = input.len;

	if (len != 0 && input.ptr[len - 1] == '\r')
		len--;
	data->size += len;
	data->in_long_line = true;
	smtp_data_fail(data, SMTP_FAULT_LONG_LINE);
	if (data->size > data->size_max)
		smtp_data_fail(data, SMTP_FAULT_SIZE);
	return len;
}

size_t
smtp_data_input(struct smtp_data *data, struct span input, struct buf *out)
{
	size_t taken = 0;

	if (input.len > SMTP_DATA_STEP)
		input.len = SMTP_DATA_STEP;
	while (!data->ended && data->fault != SMTP_FAULT_BARE && taken < input.len) {
		struct span rest = span_skip(input, taken);
		ptrdiff_t lf = span_chr(rest, '\n');
		size_t seen = lf < 0 ? rest.len : (size_t)lf;
		ptrdiff_t cr = span_chr(span_make(rest.ptr, seen), '\r');

		/* A CR must be the last before the LF; at the end of the input the LF may still
		 * come. */
		if ((cr >= 0 && (size_t)cr + 1 != seen) || (lf >= 0 && cr < 0)) {
			smtp_data_fail(data, SMTP_FAULT_BARE);
			data->fault = SMTP_FAULT_BARE;
			break;
		}
		if (lf < 0) {
			if (data->in_long_line || rest.len > SMTP_TEXT_LINE_MAX)
				taken += skip_long(data, rest);
			break;
		}
		if (data->in_long_line || seen + 1 > SMTP_TEXT_LINE_MAX) {
			(void)skip_long(data, span_make(rest.ptr, (size_t)cr));
			data->in_long_line = false;
		} else {
			text_line(data, span_make(rest.ptr, (size_t)cr), out);
		}
		taken += seen + 1;
	}
	return taken;
}

/* --- chunks --- */

/* Goes on with the line that is held, as far as its end or until it is seen to be too long. */
static void
go_on_with_held(struct smtp_data *data, struct span *piece, struct buf *out)
{
	ptrdiff_t lf = span_chr(*piece, '\n');
	size_t wanted = lf < 0 ? piece->len : (size_t)lf + 1, room = HELD_MAX - data->held.len;

	(void)buf_span(&data->held, span_take(piece, wanted < room ? wanted : room));
	buf_drop(&data->held, smtp_data_input(data, buf_get(&data->held), out));
}

void
smtp_data_chunk(struct smtp_data *data, struct span piece, struct buf *out)
{
	data->chunked = true;
	while (piece.len != 0 && data->fault != SMTP_FAULT_BARE) {
		size_t taken;

		if (data->held.len != 0) {
			go_on_with_held(data, &piece, out);
			continue;
		}
		taken = smtp_data_input(data, piece, out);
		piece = span_skip(piece, taken);
		if (taken == 0)
			(void)buf_span(&data->held, span_take(&piece, HELD_MAX));
	}
}

void
smtp_data_end(struct smtp_data *data, struct buf *out)
{
	if (data->held.len != 0 && data->fault != SMTP_FAULT_BARE)
		smtp_data_chunk(data, SPAN("\r\n"), out);
	end(data, out);
}
