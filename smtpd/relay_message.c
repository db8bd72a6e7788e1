/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The message that a connection carries: looked through, signed, and sent. */
#include <time.h>

#include "common/log.h"
#include "smtpd/relay_conn.h"

/* How long the key role may take. */
#define SIGN_SECONDS 60

/* Looks through the whole message, in that form. 0 or -errno. */
static int
scan_as(struct relay_job *job, enum smtp_binary_form form, struct relay_scan *ret, uint64_t *ret_size)
{
	struct buf piece = BUF_INIT(RELAY_TEXT_PIECE);
	struct relay_text text;
	int r;

	*ret = (struct relay_scan){ 0 };
	*ret_size = 0;
	relay_text_begin(&text, job, form);
	do {
		buf_clear(&piece);
		r = relay_text_next(&text, &piece);
		relay_scan_put(ret, buf_get(&piece));
		*ret_size += piece.len;
	} while (r > 0);
	relay_text_end(&text);
	buf_free(&piece);
	return r;
}

/* The headers of parts are no other than the message's own (RFC 6532 section 3), but parts that are of messages in UTF-8 can be encoded.
 * 0 or -errno. */
static int
scan_parts(struct relay_job *job)
{
	struct buf piece = BUF_INIT(RELAY_TEXT_CHUNK), passed = BUF_INIT(RELAY_TEXT_PIECE);
	struct smtp_binary *parts = smtp_binary_new(SMTP_BINARY_ASCII_HEADERS);
	struct relay_text text;
	uint64_t size = 0;
	int r, fault = 0;

	relay_text_begin(&text, job, SMTP_BINARY_LINES);
	do {
		buf_clear(&piece);
		buf_clear(&passed);
		r = relay_text_next(&text, &piece);
		fault = smtp_binary_put(parts, buf_get(&piece), &passed);
		size += passed.len;
	} while (r > 0 && fault == 0);
	/* Behind a header that is too long for it nothing is looked for, and nothing encoded. */
	buf_clear(&passed);
	smtp_binary_end(parts, &passed);
	job->mail.utf8_header = smtp_binary_utf8_header(parts);
	if (r == 0 && fault == 0 && !job->mail.utf8_header && smtp_binary_changed(parts)) {
		job->mail.form = SMTP_BINARY_ASCII_HEADERS;
		job->mail.size = size + passed.len;
	}
	relay_text_end(&text);
	(void)smtp_binary_free(parts);
	buf_free(&piece);
	buf_free(&passed);
	return r < 0 ? r : 0;
}

/* Where what the host offers makes it necessary. 0 or -errno. */
static int
scan(struct relay_conn *conn)
{
	struct relay_job *job = conn->job;
	struct relay_scan found;
	uint64_t size;
	int r;

	job->mail.size = job->length;
	job->mail.form = SMTP_BINARY_LINES;
	if (!relay_state_wants_scan(&conn->state, &job->mail))
		return 0;
	r = scan_as(job, SMTP_BINARY_LINES, &found, &size);
	job->mail.eight_bit = found.eight_bit;
	job->mail.utf8_header = found.utf8_header;
	if (r < 0 || !found.eight_bit)
		return r;
	if (!relay_state_is_seven_bit(&conn->state))
		return job->mail.smtputf8 && !found.utf8_header ? scan_parts(job) : 0;
	/* What has a header that is too long for it cannot be converted. */
	if (scan_as(job, SMTP_BINARY_SEVEN_BIT, &found, &size) == 0 && !found.eight_bit) {
		job->mail.form = SMTP_BINARY_SEVEN_BIT;
		job->mail.size = size;
	}
	return 0;
}

static void
begin_transaction(struct relay_conn *conn)
{
	struct buf out = BUF_INIT(RELAY_OUT_MAX);
	struct relay_job *job = conn->job;
	enum relay_action action;

	job->mail.size += conn->fields.len;
	job->mail.by_left = job->deliver_by - (int64_t)time(NULL);
	conn->state.until = relay_conn_seconds() + relay_state_longest(&job->mail);
	action = relay_state_mail(&conn->state, &job->mail, relay_job_settled, job, &out);
	relay_conn_act(conn, action, &out);
	buf_free(&out);
}

/* No other host would get it signed: it waits. */
void
relay_message_unsigned(struct relay_conn *conn, int r)
{
	struct relay_result result;

	log_error("not-signed", log_str("queue", conn->job->queue_id), log_errno("error", r));
	relay_result_set(&result, VERDICT_TEMPFAIL, "4.3.0", "The message cannot be signed now");
	relay_settle_all(&conn->job->mail, relay_job_settled, conn->job, &result);
	relay_conn_ready(conn);
}

static void
on_signed(void *context, int r, struct span fields)
{
	struct relay_conn *conn = context;

	conn->signing = NULL;
	if (r < 0) {
		relay_message_unsigned(conn, r);
		return;
	}
	(void)buf_span(&conn->fields, fields);
	begin_transaction(conn);
}

void
relay_message_begin(struct relay_conn *conn)
{
	struct relay_job *job = conn->job;
	int r = scan(conn);

	if (r < 0) {
		log_error("message-unreadable", log_str("queue", job->queue_id), log_errno("error", r));
		relay_conn_fail(conn, "4.3.0", "The message cannot be read from the queue now");
		return;
	}
	conn->messages++;
	conn->data = (struct relay_data){ 0 };
	buf_free(&conn->fields); /* of a message of which nothing was sent */
	buf_init(&conn->fields, SIGNING_FIELDS_MAX);
	relay_text_end(&conn->text);
	relay_text_begin(&conn->text, job, job->mail.form);
	if (job->mail.form != SMTP_BINARY_LINES)
		log_info("converted", log_str("queue", job->queue_id), log_str("host", conn->host),
		    log_str("reason", job->mail.form == SMTP_BINARY_SEVEN_BIT ? "no 8BITMIME" : "no SMTPUTF8"));
	conn->signing = relay_sign_begin(job, job->mail.form, on_signed, conn);
	if (conn->signing != NULL)
		relay_conn_set_timer(conn, SIGN_SECONDS);
	else
		begin_transaction(conn);
}

/* Appends the next of the text as it is sent, as much as makes a write worth while. 1; 0 when it was the last; -errno. */
static int
next_of_text(struct relay_conn *conn, struct buf *out)
{
	struct buf piece = BUF_INIT(RELAY_TEXT_PIECE);
	int r;

	(void)buf_span(out, buf_get(&conn->fields));
	buf_free(&conn->fields);
	do {
		buf_clear(&piece);
		r = relay_text_next(&conn->text, &piece);
		relay_data_put(&conn->data, buf_get(&piece), out);
	} while (r > 0 && out->len < RELAY_TEXT_CHUNK);
	if (r == 0)
		relay_data_end(&conn->data, out);
	buf_free(&piece);
	return r;
}

/* False when the message cannot be read. */
static bool
send_next(struct relay_conn *conn)
{
	struct buf out = BUF_INIT(RELAY_CONN_OUTPUT_MAX), command = BUF_INIT(64);
	bool chunked = relay_state_is_chunked(&conn->state);
	int r;

	conn->data.undotted = chunked;
	r = next_of_text(conn, &out);
	if (r < 0) {
		buf_free(&out);
		return false;
	}
	if (chunked)
		(void)buf_fmt(&command, "BDAT %zu%s\r\n", out.len, r == 0 ? " LAST" : "");
	/* There is room: what went before has been sent. A broken connection tells its end by itself. */
	(void)stream_write(conn->stream, buf_get(&command));
	(void)stream_write(conn->stream, buf_get(&out));
	buf_free(&command);
	buf_free(&out);
	if (r == 0)
		relay_state_message_sent(&conn->state);
	else if (chunked)
		relay_state_chunk_sent(&conn->state);
	/* That bytes leave at all is for the stream's own timeout. */
	relay_conn_set_timeout(conn);
	return true;
}

void
relay_message_go_on(struct relay_conn *conn)
{
	if (!relay_state_may_send(&conn->state) || stream_pending(conn->stream) != 0 || send_next(conn))
		return;
	/* Half a message is out: it ends with the connection, without the final dot or the last chunk. */
	log_error("message-unreadable", log_str("queue", conn->job->queue_id));
	relay_conn_fail(conn, "4.3.0", "The message cannot be read from the queue now");
}
