/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Telling the postmaster that an account sends more than it may: perhaps its password is stolen, or others have put a script there. */
#include <errno.h>

#include "common/compose.h"
#include "common/date.h"
#include "common/header.h"
#include "common/log.h"
#include "smtpd/defence_parse.h"
#include "smtpd/queue.h"

#define ALERT_MAX 8192

static const char about_user[] =
    "Its mail is put off (451), or waits in the queue, until it has room again. If that\r\nis not what its user does, somebody else may know the password:"
    " change it with\r\nmailuser password, and look at what waits with mailqueue list.\r\n";
static const char about_filter[] =
    "This is what its Sieve script or its file forward sends of the mail that comes. Until\r\nthere is room again, mail that they would send on is kept in its mailbox,"
    " and nothing\r\nis answered. If that is not what its user wants, somebody else may have put them\r\nthere: look at them (mailuser forward shows the one), and change the password with\r\n"
    "mailuser password.\r\n";

static int
build(struct queue *queue, const char *postmaster, const struct limit *limit, struct span account, enum account_mail mail, struct buf *out)
{
	const char *hostname = smtpd_conf(queue->proc)->common.hostname;
	struct buf value = BUF_INIT(2048);
	char date[DATE_SIZE];
	struct span now = date_format((struct date){ .utc = queue_now() }, date);
	int r;

	(void)buf_fmt(&value, "Mail Delivery System <MAILER-DAEMON@%s>", hostname);
	r = header_append(out, SPAN("From"), buf_get(&value));
	buf_clear(&value);
	(void)buf_fmt(&value, "<%s>", postmaster);
	if (r == 0)
		r = header_append(out, SPAN("To"), buf_get(&value));
	buf_clear(&value);
	(void)buf_fmt(&value, "%.*s has reached its limit of %s", (int)account.len, account.ptr, limit_what_name(limit->what));
	if (r == 0)
		r = header_append_text(out, SPAN("Subject"), buf_get(&value));
	if (r == 0)
		r = header_append(out, SPAN("Date"), now);
	(void)buf_fmt(out,
	    "Message-ID: <%lld.%08x.limit@%s>\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
	    (long long)queue_now(), queue_random(), hostname);
	(void)buf_fmt(out,
	    "The account %.*s\r\nmay send %u %s within %lld seconds, and wanted to send more.\r\n\r\n%sThe limit stands in limits of smtpd.conf.\r\n",
	    (int)account.len, account.ptr, limit->count, limit_what_name(limit->what), (long long)limit->seconds, mail == ACCOUNT_SUBMITS ? about_user : about_filter);
	buf_free(&value);
	return r == 0 && out->overflow ? -EMSGSIZE : r;
}

void
alert_submit(struct queue *queue, const struct limit *limit, struct span account, enum account_mail mail)
{
	const char *postmaster = smtpd_postmaster(smtpd_conf(queue->proc));
	struct buf text = BUF_INIT(ALERT_MAX);
	struct envelope envelope;
	int r;

	envelope_init(&envelope, SPAN_NULL, queue_now());
	envelope.smtputf8 = !span_is_ascii(account) || !span_is_ascii(span_of(postmaster));
	envelope.body = ENVELOPE_8BITMIME;
	r = envelope_add(&envelope, span_of(postmaster), SPAN_NULL, ENVELOPE_NEVER);
	if (r == 0)
		r = build(queue, postmaster, limit, account, mail, &text);
	if (r == 0)
		r = queue_submit_text(queue, NULL, &envelope, buf_get(&text), NULL, NULL);
	if (r < 0)
		log_error("alert-not-sent", log_span("account", account), log_errno("error", r));
	envelope_free(&envelope);
	buf_free(&text);
}
