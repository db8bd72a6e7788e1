/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The text of a message, as DATA brings it (RFC 5321 section 4.1.1.4) and as BDAT does (RFC 3030):
 * from the opening of its file to the reply for it. */
#include <inttypes.h>
#include <stdio.h>

#include "common/xalloc.h"
#include "smtpd/smtp_cmds.h"

/* --- the reply for the message --- */

/* What has become of it, and the name by which the log knows it. */
static void
answer_taken(struct smtp *smtp, const char *became, size_t recipient)
{
	smtp->junk = 0;
	if (smtp->kind == SMTP_LMTP)
		smtp_reply(smtp, 250, "2.0.0", "<%s> %s as %s", smtp->envelope.recipients[recipient].address, became, smtp->queue_id);
	else
		smtp_reply(smtp, 250, "2.0.0", "Ok: %s as %s", became, smtp->queue_id);
}

static void
answer_text(struct smtp *smtp, enum smtp_fault fault)
{
	/* RFC 2033 section 4.2: one reply for each recipient that was taken; of chunks the last
	 * alone has them. */
	size_t replies = smtp->kind == SMTP_LMTP && (!smtp->chunked || smtp->chunk_is_last) ?
	    smtp->envelope.count : 1;

	for (size_t i = 0; i < replies; i++)
		if (fault != SMTP_FAULT_NONE)
			smtp_reply_fault(smtp, fault);
		else
			answer_taken(smtp, "queued", i);
}

/* Submitted mail without SMTPUTF8: the headers of its parts are of ASCII too, "at any level within its MIME structure" (RFC 6531 section
 * 3.2). What the reader of parts makes of the text is not wanted, nor whether a header is too long for it. */
static void
look_at_parts(struct smtp *smtp, struct span piece)
{
	struct buf lines = BUF_INIT(SMTP_BINARY_ROOM(SMTP_DATA_STEP));

	if (smtp->parts == NULL || smtp->data.fault != SMTP_FAULT_NONE)
		return;
	(void)smtp_binary_put(smtp->parts, piece, &lines);
	buf_free(&lines);
}

static void
check_parts(struct smtp *smtp)
{
	struct buf lines = BUF_INIT(SMTP_BINARY_ROOM(SMTP_DATA_STEP));

	if (smtp->parts == NULL || smtp->data.fault != SMTP_FAULT_NONE)
		return;
	smtp_binary_end(smtp->parts, &lines);
	if (smtp_binary_utf8_header(smtp->parts))
		smtp_data_fail(&smtp->data, SMTP_FAULT_8BIT_HEADER);
	buf_free(&lines);
}

void
smtp_end_text(struct smtp *smtp)
{
	smtp->phase = SMTP_COMMANDS;
	if (smtp_check_author(smtp))
		return;
	if (smtp->data.fault == SMTP_FAULT_NONE) {
		if (smtp->checks)
			smtp->action = SMTP_CHECK;
		else
			smtp_filter_text(smtp);
	} else {
		answer_text(smtp, smtp->data.fault);
		smtp_abandon(smtp);
	}
}

void
smtp_accept_text(struct smtp *smtp)
{
	enum smtp_fault fault = smtp->data.fault; /* it may have got lost meanwhile */

	if (fault == SMTP_FAULT_NONE && !smtp->discarded) {
		smtp->action = SMTP_COMMIT;
	} else {
		answer_text(smtp, fault);
		smtp_abandon(smtp);
	}
}

/* Where this text ends the two sides may not agree, or it does not end: nothing behind it may be
 * taken for a command. */
static void
break_off(struct smtp *smtp)
{
	smtp->phase = SMTP_ENDED;
	smtp->action = SMTP_CLOSE;
}

/* Of a message that is refused nothing is kept, nor what signatures are of: it may have no file any more. */
static void
drop_refused(struct smtp *smtp)
{
	if (smtp->data.fault == SMTP_FAULT_NONE)
		return;
	buf_clear(&smtp->message);
	buf_clear(&smtp->original);
}

/* --- DATA --- */

void
smtp_cmd_data(struct smtp *smtp, struct span args)
{
	(void)args;
	if (smtp->is_binary)
		smtp_error(smtp, 503, "5.5.1", "BODY=BINARYMIME wants BDAT"); /* RFC 3030 section 3 */
	else
		smtp->action = SMTP_OPEN;
}

size_t
smtp_take_text(struct smtp *smtp, struct span input)
{
	struct smtp_data *data = &smtp->data;
	size_t taken = smtp_data_input(data, input, &smtp->message);

	/* The dots that stand before lines are in no header and no boundary. */
	look_at_parts(smtp, span_make(input.ptr, taken));
	if (data->fault == SMTP_FAULT_BARE ||
	    (data->fault != SMTP_FAULT_NONE && data->size / 2 > smtp->settings->size_max)) {
		answer_text(smtp, data->fault);
		break_off(smtp);
		return input.len;
	}
	drop_refused(smtp);
	if (data->ended) {
		check_parts(smtp);
		(void)snprintf(smtp->line, sizeof(smtp->line), "%s", "DATA end");
		smtp_end_text(smtp);
	}
	return taken;
}

/* --- BDAT --- */

/* Passes on a piece of the message; the end of it when `ends`. */
static void
put_piece(struct smtp *smtp, struct span piece, bool ends)
{
	struct smtp_data *data = &smtp->data;
	struct buf lines = BUF_INIT(SMTP_BINARY_ROOM(SMTP_DATA_STEP));

	look_at_parts(smtp, piece);
	if (smtp->binary == NULL) {
		smtp_data_chunk(data, piece, &smtp->message);
	} else {
		if (smtp->checks)
			(void)buf_span(&smtp->original, piece);
		if (smtp_binary_put(smtp->binary, piece, &lines) < 0)
			smtp_data_fail(data, SMTP_FAULT_HEADER);
		if (ends)
			smtp_binary_end(smtp->binary, &lines);
		smtp_data_chunk(data, buf_get(&lines), &smtp->message);
	}
	if (ends) {
		smtp_data_end(data, &smtp->message);
		check_parts(smtp);
	}
	buf_free(&lines);
}

/* The message is given up with this chunk: its last may be under way (RFC 3030 section 2), and is answered for these recipients. */
static void
owe_replies(struct smtp *smtp)
{
	smtp->owed = smtp->chunk_is_last ? 0 : smtp->envelope.count;
}

/* The octets of the chunk have all come. */
static void
end_chunk(struct smtp *smtp)
{
	struct smtp_data *data = &smtp->data;

	smtp->phase = SMTP_COMMANDS;
	if (smtp->chunk_is_last)
		put_piece(smtp, SPAN_NULL, true);
	drop_refused(smtp);
	if (data->fault != SMTP_FAULT_NONE || smtp->chunk_is_last) {
		owe_replies(smtp);
		smtp_end_text(smtp);
	} else {
		smtp_reply(smtp, 250, "2.0.0", "%" PRIu64 " octets received", smtp->chunk_len);
	}
}

static void
begin_chunk(struct smtp *smtp)
{
	smtp->phase = SMTP_CHUNK;
	if (smtp->chunk_left == 0)
		end_chunk(smtp);
}

/* The chunk is refused, and told so; its octets come all the same (RFC 3030 section 2). */
static void
refuse_chunk(struct smtp *smtp)
{
	if (smtp->phase == SMTP_ENDED)
		return;
	if (smtp->chunk_left > smtp->settings->size_max)
		break_off(smtp);
	else if (smtp->chunk_left != 0)
		smtp->phase = SMTP_SKIPPED_CHUNK;
}

/* RFC 2033 section 4.3: the last chunk has a reply for each recipient that was taken, and none where there was none. False: it is as any other. */
static bool
refuse_last_chunk(struct smtp *smtp)
{
	if (smtp->kind != SMTP_LMTP || !smtp->chunk_is_last || (smtp->in_mail ? smtp->envelope.count != 0 : smtp->owed == 0))
		return false;
	for (size_t i = 0; i < smtp->owed; i++)
		smtp_error(smtp, 503, "5.5.1", "A chunk of the message was refused");
	smtp->owed = 0;
	smtp_reset(smtp);
	return true;
}

void
smtp_cmd_bdat(struct smtp *smtp, struct span args)
{
	if (smtp_parse_bdat(args, &smtp->chunk_len, &smtp->chunk_is_last) < 0) {
		/* How much of what follows is no command nobody knows. */
		smtp_reply(smtp, 501, "5.5.4", "Syntax: BDAT length [LAST]");
		break_off(smtp);
		return;
	}
	smtp->chunk_left = smtp->chunk_len;
	if (refuse_last_chunk(smtp) || !smtp_is_legal(smtp,
		SMTP_AFTER_TLS | SMTP_AFTER_HELLO | SMTP_AFTER_AUTH | SMTP_AFTER_MAIL | SMTP_AFTER_RCPT,
		SPAN_NULL)) {
		refuse_chunk(smtp);
	} else if (smtp->queue_id != NULL) {
		begin_chunk(smtp);
	} else {
		smtp->chunked = true;
		smtp->action = SMTP_OPEN;
	}
}

size_t
smtp_take_chunk(struct smtp *smtp, struct span input)
{
	struct smtp_data *data = &smtp->data;
	struct span piece = input;

	if (piece.len > SMTP_DATA_STEP)
		piece.len = SMTP_DATA_STEP;
	if (piece.len > smtp->chunk_left)
		piece.len = (size_t)smtp->chunk_left;
	smtp->chunk_left -= piece.len;
	smtp->chunks_len += piece.len;
	if (smtp->chunks_len > smtp->settings->size_max)
		smtp_data_fail(data, SMTP_FAULT_SIZE);
	put_piece(smtp, piece, false);
	if (data->fault != SMTP_FAULT_NONE && smtp->chunk_left > smtp->settings->size_max) {
		answer_text(smtp, data->fault);
		break_off(smtp);
		return input.len;
	}
	drop_refused(smtp);
	if (smtp->chunk_left == 0)
		end_chunk(smtp);
	return piece.len;
}

size_t
smtp_skip_chunk(struct smtp *smtp, struct span input)
{
	size_t skipped = input.len < smtp->chunk_left ? input.len : (size_t)smtp->chunk_left;

	smtp->chunk_left -= skipped;
	if (smtp->chunk_left == 0)
		smtp->phase = SMTP_COMMANDS;
	return skipped;
}

/* --- the owner's answers --- */

void
smtp_opened(struct smtp *smtp, enum smtp_stored result, struct span queue_id, const char *date)
{
	if (!smtp_answers(smtp, SMTP_OPEN))
		return;
	if (result != SMTP_STORED) {
		enum smtp_fault fault = result == SMTP_NO_SPACE ? SMTP_FAULT_NO_SPACE :
		    result == SMTP_LIMITED                 ? SMTP_FAULT_LIMIT :
		    result == SMTP_EXCEEDS                 ? SMTP_FAULT_EXCEEDS :
							     SMTP_FAULT_WRITE;

		/* DATA is refused once; the last chunk ends the text, for each recipient (RFC 2033 section 4.2). */
		if (smtp->chunked) {
			answer_text(smtp, fault);
			owe_replies(smtp);
			refuse_chunk(smtp);
		} else {
			smtp_reply_fault(smtp, fault);
		}
		smtp_reset(smtp);
		return;
	}
	smtp->queue_id = span_dup(queue_id);
	smtp->message_id = xasprintf("%s@%s", smtp->queue_id, smtp->settings->hostname);
	smtp->date = xstrdup(date);
	smtp_data_init(&smtp->data);
	/* Base64 takes more octets than the client was told of. */
	smtp->data.size_max = smtp->is_binary ? UINT64_MAX : smtp->settings->size_max;
	smtp->binary = smtp->is_binary ? smtp_binary_new(SMTP_BINARY_LINES) : NULL;
	smtp->data.hops_max = smtp->settings->hops_max;
	smtp->data.mend = smtp->kind == SMTP_SUBMISSION;
	/* Programs that use LMTP are this site's, and may have put them there for us. */
	smtp->data.authserv = smtp->kind != SMTP_LMTP ? smtp->settings->hostname : NULL;
	smtp->data.outside = smtp->verifies;
	smtp->data.whole = smtp->checks && !smtp->is_binary ? &smtp->original : NULL;
	smtp->data.smtputf8 = smtp->envelope.smtputf8;
	smtp->parts = smtp->data.mend && !smtp->data.smtputf8 ? smtp_binary_new(SMTP_BINARY_LINES) : NULL;
	smtp->data.date = smtp->date;
	smtp->data.message_id = smtp->message_id;
	smtp_put_trace(smtp, date);
	if (smtp->chunked) {
		begin_chunk(smtp);
	} else {
		smtp->phase = SMTP_TEXT;
		smtp_reply(smtp, 354, NULL, "End the message with <CRLF>.<CRLF>");
	}
}

struct span
smtp_original(const struct smtp *smtp)
{
	if (smtp->is_binary)
		return buf_get(&smtp->original);
	return span_skip(buf_get(smtp->original.len != 0 ? &smtp->original : &smtp->message), smtp->trace_len); /* both begin with that */
}

bool
smtp_any_taken(const struct smtp_verdict *verdicts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (verdicts[i].code < 300)
			return true;
	return false;
}

/* RFC 5429 section 2.5: in as many lines as it has. */
static void
answer_refused(struct smtp *smtp, const struct smtp_verdict *verdict, const char *recipient)
{
	struct buf text = BUF_INIT(ENVELOPE_ADDRESS_MAX + 3 + verdict->text.len);

	(void)buf_fmt(&text, "<%s> ", recipient);
	(void)buf_span(&text, verdict->text);
	smtp_reply_lines(smtp, verdict->code, verdict->status, buf_get(&text));
	buf_free(&text);
}

/* What the deliveries themselves have said. */
static void
answer_each(struct smtp *smtp, const struct smtp_verdict *verdicts)
{
	size_t replies = smtp->kind == SMTP_LMTP ? smtp->envelope.count : 1;

	for (size_t i = 0; i < replies; i++)
		if (verdicts[i].code == 250)
			answer_taken(smtp, "delivered", i);
		else
			answer_refused(smtp, &verdicts[i], smtp->envelope.recipients[i].address);
}

void
smtp_checked(struct smtp *smtp, enum smtp_fault fault)
{
	if (!smtp_answers(smtp, SMTP_CHECK))
		return;
	smtp_data_fail(&smtp->data, fault);
	if (smtp->data.fault == SMTP_FAULT_NONE) {
		smtp_filter_text(smtp);
		return;
	}
	answer_text(smtp, smtp->data.fault);
	smtp_abandon(smtp);
}

void
smtp_committed(struct smtp *smtp, enum smtp_stored result, const struct smtp_verdict *verdicts, size_t count)
{
	if (!smtp_answers(smtp, SMTP_COMMIT))
		return;
	if (result == SMTP_ANSWERED && count == smtp->envelope.count)
		answer_each(smtp, verdicts);
	else
		answer_text(smtp,
		    result == SMTP_STORED       ? SMTP_FAULT_NONE :
			result == SMTP_NO_SPACE ? SMTP_FAULT_NO_SPACE :
						  SMTP_FAULT_WRITE);
	smtp_reset(smtp);
}

void
smtp_write_failed(struct smtp *smtp, bool no_space)
{
	buf_clear(&smtp->message);
	buf_clear(&smtp->original);
	if (smtp->queue_id == NULL)
		return;
	if (smtp->data.fault == SMTP_FAULT_NONE)
		smtp->data.fault = no_space ? SMTP_FAULT_NO_SPACE : SMTP_FAULT_WRITE;
	/* The text may have ended with these bytes; otherwise the client is told at its end. */
	if (smtp->action == SMTP_CHECK || smtp->action == SMTP_FILTER || smtp->action == SMTP_COMMIT || smtp->action == SMTP_LOOKUP)
		smtp_end_text(smtp);
}
