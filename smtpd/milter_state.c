/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The steps of a message, as a milter is told them: a table has what each is called, and what a milter says when it does not want it
 * or does not answer it. */
#include "smtpd/milter_state.h"

#include <stdio.h>

#include "common/header.h"
#include "smtpd/relay_parse.h"
#include "smtpd/smtp_data.h"

/* A header whose fields are all told at once (a packet takes more octets than a field), or a piece of the body; and macros. */
#define OUT_MAX (4 * SMTP_HEADER_MAX + MILTER_PACKET_MAX + 16384)

/* --- what is told --- */

static void
put_connect(struct milter *milter)
{
	const struct milter_client *client = milter->client;
	const struct milter_macro macros[] = { { "j", client->hostname }, { "{daemon_name}", SPAN("smtpd") }, { "v", SPAN("Fourpost") },
		{ "{client_addr}", client->address }, { "{client_name}", client->name }, { NULL, SPAN_NULL } };
	bool v6 = span_chr(client->address, ':') >= 0;
	struct buf *out = &milter->out;
	size_t at;

	milter_put_macros(out, 'C', macros);
	at = milter_begin(out, 'C');
	if (client->name.len != 0) {
		milter_put_text(out, client->name);
	} else {
		/* As sendmail gives it where there is none. */
		(void)buf_char(out, '[');
		(void)buf_span(out, client->address);
		milter_put_text(out, SPAN("]"));
	}
	(void)buf_char(out, client->address.len == 0 ? 'U' : v6 ? '6' : '4');
	if (client->address.len != 0) {
		(void)buf_put(out, "\0\0", 2); /* the port is not told */
		milter_put_text(out, client->address);
	}
	milter_end(out, at);
}

static void
put_helo(struct milter *milter)
{
	struct span version, cipher = milter->client->tls;
	const struct milter_macro macros[] = { { "{tls_version}", span_split(&cipher, ' ', &version) ? version : SPAN_NULL }, { "{cipher}", cipher },
		{ NULL, SPAN_NULL } };
	size_t at;

	milter_put_macros(&milter->out, 'H', macros);
	at = milter_begin(&milter->out, 'H');
	milter_put_text(&milter->out, milter->client->helo);
	milter_end(&milter->out, at);
}

static void
put_path(struct milter *milter, char command, struct span address)
{
	size_t at = milter_begin(&milter->out, command);

	(void)buf_char(&milter->out, '<');
	(void)buf_span(&milter->out, address);
	milter_put_text(&milter->out, SPAN(">"));
	milter_end(&milter->out, at);
}

static void
put_mail(struct milter *milter)
{
	const struct milter_client *client = milter->client;
	const struct milter_macro macros[] = { { "{auth_authen}", client->account }, { "{mail_addr}", client->sender }, { NULL, SPAN_NULL } };

	milter_put_macros(&milter->out, 'M', macros);
	put_path(milter, 'M', client->sender);
}

static void
put_rcpt(struct milter *milter)
{
	const struct milter_macro macros[] = { { "{rcpt_addr}", milter->rcpt }, { NULL, SPAN_NULL } };

	milter_put_macros(&milter->out, 'R', macros);
	put_path(milter, 'R', milter->rcpt);
}

static void
put_alone(struct milter *milter, char command)
{
	const struct milter_macro macros[] = { { "i", milter->queue_id }, { NULL, SPAN_NULL } };

	milter_put_macros(&milter->out, command, macros);
	milter_end(&milter->out, milter_begin(&milter->out, command));
}

static void
put_data(struct milter *milter)
{
	put_alone(milter, 'T');
}

static void
put_eoh(struct milter *milter)
{
	put_alone(milter, 'N');
}

static void
put_eom(struct milter *milter)
{
	put_alone(milter, 'E');
}

static void
put_negotiation(struct milter *milter)
{
	milter_put_negotiation(&milter->out);
}

/* Line ends within a value are LF alone. */
static void
put_value(struct buf *out, struct span value)
{
	struct span line;

	for (bool first = true; span_split(&value, '\n', &line); first = false) {
		if (!first)
			(void)buf_char(out, '\n');
		if (span_ends(line, SPAN("\r")))
			line.len--;
		for (ptrdiff_t nul; (nul = span_chr(line, '\0')) >= 0;) {
			(void)buf_span(out, span_take(&line, (size_t)nul));
			line = span_skip(line, 1);
		}
		(void)buf_span(out, line);
	}
}

/* A field may be longer than a packet. What is left out of it a milter does not hear; the message is whole, and the log tells. */
static void
put_field(struct milter *milter, struct span name, struct span value)
{
	size_t max = (milter->options & MILTER_LARGE) != 0 ? MILTER_LARGE_MAX : MILTER_FIELD_MAX;
	struct buf *out = &milter->out;
	size_t at = milter_begin(out, 'L'), end = at + sizeof(uint32_t) + max;
	struct span whole = name;

	milter_put_text(out, span_take(&name, max - sizeof("L\0")));
	put_value(out, value);
	if (out->len >= end && !out->overflow) {
		buf_truncate(out, end - 1);
		milter->cut = whole;
		milter->cut_len = value.len;
	}
	(void)buf_char(out, '\0');
	milter_end(out, at);
}

/* The next field; false when there is none. */
static bool
put_header(struct milter *milter)
{
	struct header_iter iter;
	struct header_field field;

	header_begin(&iter, milter->header);
	do {
		if (!header_next(&iter, &field)) {
			milter->header = SPAN_NULL;
			return false;
		}
	} while (field.name.len == 0);
	milter->header = span_skip(milter->header, field.at + field.whole.len);
	if ((milter->options & MILTER_LEADING_SPACE) == 0 && span_starts(field.value, SPAN(" ")))
		field.value = span_skip(field.value, 1);
	put_field(milter, field.name, field.value);
	return true;
}

static const struct {
	uint32_t unwanted, silent;
	void (*put)(struct milter *milter); /* NULL: told in pieces */
} steps[MILTER_STEPS] = {
	[MILTER_NEGOTIATE] = { 0, 0, put_negotiation },
	[MILTER_CONNECT] = { MILTER_NO_CONNECT, MILTER_SILENT_CONNECT, put_connect },
	[MILTER_HELO] = { MILTER_NO_HELO, MILTER_SILENT_HELO, put_helo },
	[MILTER_MAIL] = { MILTER_NO_MAIL, MILTER_SILENT_MAIL, put_mail },
	[MILTER_RCPT] = { MILTER_NO_RCPT, MILTER_SILENT_RCPT, put_rcpt },
	[MILTER_DATA] = { MILTER_NO_DATA, MILTER_SILENT_DATA, put_data },
	[MILTER_HEADERS] = { MILTER_NO_HEADERS, MILTER_SILENT_HEADER, NULL },
	[MILTER_EOH] = { MILTER_NO_EOH, MILTER_SILENT_EOH, put_eoh },
	[MILTER_BODY] = { MILTER_NO_BODY, MILTER_SILENT_BODY, NULL },
	[MILTER_EOM] = { 0, 0, put_eom },
};

/* --- going on --- */

static enum milter_result
done(struct milter *milter, enum milter_verdict verdict)
{
	milter->verdict = verdict;
	milter->awaits = false;
	return MILTER_DONE;
}

/* Tells steps from this one on, until one has an answer. */
static enum milter_result
go_on(struct milter *milter, enum milter_step step)
{
	for (; step <= milter->last; step++) {
		milter->step = step;
		milter->awaits = false;
		if ((milter->options & steps[step].unwanted) != 0)
			continue;
		if (step == MILTER_BODY) {
			if (!milter->skips_body)
				return MILTER_WANTS_BODY;
			continue;
		}
		if (step == MILTER_HEADERS) {
			bool silent = (milter->options & steps[step].silent) != 0;

			while (!milter->awaits && put_header(milter))
				milter->awaits = !silent;
		} else {
			steps[step].put(milter);
			milter->awaits = (milter->options & steps[step].silent) == 0;
		}
		if (milter->awaits)
			return MILTER_MORE;
	}
	return done(milter, MILTER_PASS);
}

static enum milter_result
ask(struct milter *milter, enum milter_step first, enum milter_step last)
{
	milter->last = last;
	return milter->accepted ? done(milter, MILTER_PASS) : go_on(milter, first);
}

enum milter_result
milter_mail(struct milter *milter)
{
	return ask(milter, MILTER_NEGOTIATE, MILTER_MAIL);
}

enum milter_result
milter_rcpt(struct milter *milter, struct span rcpt)
{
	milter->rcpt = rcpt;
	return ask(milter, MILTER_RCPT, MILTER_RCPT);
}

enum milter_result
milter_text(struct milter *milter, struct span queue_id, struct span header)
{
	milter->queue_id = queue_id;
	milter->header = header;
	return ask(milter, MILTER_DATA, MILTER_EOM);
}

enum milter_result
milter_body(struct milter *milter, struct span piece)
{
	size_t at;

	if (piece.len == 0)
		return go_on(milter, MILTER_EOM);
	at = milter_begin(&milter->out, 'B');
	(void)buf_span(&milter->out, piece);
	milter_end(&milter->out, at);
	milter->awaits = (milter->options & MILTER_SILENT_BODY) == 0;
	return milter->awaits ? MILTER_MORE : MILTER_WANTS_BODY;
}

/* --- answers --- */

/* Of a line behind the first what the first has not said: its code and status stand before each line of smfi_setmlreply. */
static struct span
without_code(struct span line, struct span first)
{
	struct span status = relay_parse_status(span_skip(first, 4), (unsigned)(first.ptr[0] - '0'));

	if (line.len < 4 || !span_starts(line, span_make(first.ptr, 3)) || (line.ptr[3] != '-' && line.ptr[3] != ' '))
		return line;
	line = span_skip(line, 4);
	return span_trim(status.len != 0 && span_starts(line, status) ? span_skip(line, status.len) : line);
}

/* "550 5.7.1 text" that clients may be told: a code of the fourth or fifth hundred and printable text. Several lines become one. */
static bool
set_reply(struct milter *milter, struct span text)
{
	struct buf reply = BUF_INIT(2 * MILTER_PACKET_MAX);
	struct span first, line;
	size_t len;

	(void)span_split(&text, '\n', &first);
	first = span_trim(first);
	if (first.len < 3 || (first.ptr[0] != '4' && first.ptr[0] != '5') || !ascii_is_digit(first.ptr[1]) || !ascii_is_digit(first.ptr[2]) ||
	    (first.len > 3 && first.ptr[3] != ' ' && first.ptr[3] != '-'))
		return false;
	(void)buf_span(&reply, span_make(first.ptr, 3));
	if (first.len > 4)
		(void)buf_fmt(&reply, " %.*s", (int)first.len - 4, first.ptr + 4);
	while (span_split(&text, '\n', &line)) {
		line = without_code(span_trim(line), first);
		(void)buf_fmt(&reply, " %.*s", (int)line.len, line.ptr);
	}
	if (reply.len > MILTER_REPLY_MAX) {
		buf_truncate(&reply, MILTER_REPLY_MAX - sizeof("...") + 1);
		(void)buf_str(&reply, "...");
	}
	len = reply.len;
	for (size_t i = 0; i < len; i++)
		milter->reply[i] = reply.data[i] < ' ' || reply.data[i] > '~' ? '?' : reply.data[i];
	milter->reply[len] = '\0';
	buf_free(&reply);
	return true;
}

static enum milter_result
refuse(struct milter *milter, struct span text)
{
	if (!set_reply(milter, text))
		return MILTER_BROKEN;
	return done(milter, MILTER_REFUSE);
}

static enum milter_result
negotiated(struct milter *milter)
{
	const struct milter_packet *packet = &milter->packet;

	if (milter->step != MILTER_NEGOTIATE || packet->version < 2 || packet->version > MILTER_VERSION ||
	    (packet->actions & ~(uint32_t)MILTER_ACTIONS) != 0 || (packet->options & ~(uint32_t)MILTER_OPTIONS) != 0)
		return MILTER_BROKEN;
	milter->actions = packet->actions;
	milter->options = packet->options;
	return go_on(milter, MILTER_CONNECT);
}

/* What stands behind the answered step. */
static enum milter_result
continued(struct milter *milter)
{
	/* A field, or a piece, is one of several. */
	if (milter->step == MILTER_HEADERS || milter->step == MILTER_BODY)
		return go_on(milter, milter->step);
	return go_on(milter, milter->step + 1);
}

/* A change needs its permission, and comes in answer to the end of the message alone. */
static enum milter_result
changed(const struct milter *milter)
{
	static const uint32_t rights[] = {
		[MILTER_IS_ADD_HEADER] = MILTER_ADD_HEADERS,
		[MILTER_IS_INSERT_HEADER] = MILTER_ADD_HEADERS,
		[MILTER_IS_CHANGE_HEADER] = MILTER_CHANGE_HEADERS,
		[MILTER_IS_BODY] = MILTER_CHANGE_BODY,
		[MILTER_IS_ADD_RCPT] = MILTER_ADD_RCPT | MILTER_ADD_RCPT_ARGS,
		[MILTER_IS_DELETE_RCPT] = MILTER_DELETE_RCPT,
		[MILTER_IS_CHANGE_FROM] = MILTER_CHANGE_FROM,
		[MILTER_IS_QUARANTINE] = MILTER_QUARANTINE,
	};

	return milter->step == MILTER_EOM && (milter->actions & rights[milter->packet.type]) != 0 ? MILTER_CHANGE : MILTER_BROKEN;
}

static enum milter_result
answered(struct milter *milter)
{
	switch (milter->packet.type) {
	case MILTER_IS_NEGOTIATION:
		return negotiated(milter);
	case MILTER_IS_PROGRESS:
		return MILTER_ALIVE;
	case MILTER_IS_GOODBYE:
		return MILTER_BROKEN;
	default:
		break;
	}
	if (milter->step == MILTER_NEGOTIATE)
		return MILTER_BROKEN;
	switch (milter->packet.type) {
	case MILTER_IS_CONTINUE:
		return continued(milter);
	case MILTER_IS_SKIP:
		if (milter->step != MILTER_BODY)
			return MILTER_BROKEN;
		milter->skips_body = true;
		return go_on(milter, MILTER_BODY);
	case MILTER_IS_ACCEPT:
		/* Of a recipient, it takes that one. */
		milter->accepted = milter->step != MILTER_RCPT;
		return done(milter, MILTER_PASS);
	case MILTER_IS_DISCARD:
		return done(milter, MILTER_DISCARD);
	case MILTER_IS_REJECT:
		return refuse(milter, SPAN("550 5.7.1 The message is refused by this site's rules"));
	case MILTER_IS_TEMPFAIL:
		return refuse(milter, SPAN("451 4.7.1 The message cannot be taken now: try again later"));
	case MILTER_IS_REPLY:
		return refuse(milter, milter->packet.text);
	default:
		return changed(milter);
	}
}

enum milter_result
milter_input(struct milter *milter, struct span input, size_t *ret_taken)
{
	int r;

	*ret_taken = 0;
	if (!milter->awaits)
		return input.len == 0 ? MILTER_MORE : MILTER_BROKEN;
	r = milter_parse(input, (milter->options & MILTER_LARGE) != 0 ? MILTER_LARGE_MAX + 1 : MILTER_PACKET_MAX, &milter->packet, ret_taken);
	if (r != 0)
		return r > 0 ? MILTER_MORE : MILTER_BROKEN;
	return answered(milter);
}

void
milter_init(struct milter *milter, const struct milter_client *client)
{
	*milter = (struct milter){ .client = client };
	buf_init(&milter->out, OUT_MAX);
}

void
milter_free(struct milter *milter)
{
	buf_free(&milter->out);
}

void
milter_quit(struct milter *milter)
{
	milter_end(&milter->out, milter_begin(&milter->out, 'Q'));
}
