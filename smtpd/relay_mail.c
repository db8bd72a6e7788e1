/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Recipients settled, and MAIL and RCPT as the client says them: RFC 5321, with RFC 1870, 2852, 3461, 6152, 6531, 6710 and 8689. */
#include "smtpd/relay_mail.h"

#include "smtpd/utf8_address.h"

#define BY_MAX 999999999

bool
relay_mail_insists_on_tls(const struct relay_mail *mail)
{
	return mail->requiretls && mail->sender.len != 0;
}

void
relay_settle(struct relay_mail *mail, size_t recipient, relay_settled settled, void *context, const struct relay_result *result)
{
	if (mail->recipients[recipient].settled)
		return;
	mail->recipients[recipient].settled = true;
	settled(context, recipient, result);
}

void
relay_settle_all(struct relay_mail *mail, relay_settled settled, void *context, const struct relay_result *result)
{
	for (size_t i = 0; i < mail->count; i++)
		relay_settle(mail, i, settled, context, result);
}

/* Where the command may not have UTF-8, that has its form of ASCII (RFC 6533 section 3); nothing when that is too long. */
static void
put_orcpt(const struct relay_mail *mail, const struct relay_offer *offer, struct span orcpt, struct buf *out)
{
	struct buf ascii = BUF_INIT(ENVELOPE_XTEXT_MAX);
	struct span type;

	if (!span_is_ascii(orcpt) && !(mail->smtputf8 && (offer->extensions & RELAY_EXT_SMTPUTF8) != 0)) {
		(void)span_split(&orcpt, ';', &type);
		(void)buf_fmt(&ascii, "%.*s;", (int)type.len, type.ptr);
		utf8_address_put(orcpt, false, &ascii);
		orcpt = ascii.overflow ? SPAN_NULL : buf_get(&ascii);
	}
	if (orcpt.len != 0)
		(void)buf_fmt(out, " ORCPT=%.*s", (int)orcpt.len, orcpt.ptr);
	buf_free(&ascii);
}

void
relay_put_rcpt(const struct relay_mail *mail, const struct relay_recipient *recipient, const struct relay_offer *offer, struct buf *out)
{
	static const struct {
		uint8_t bit;
		const char *name;
	} notify[] = { { ENVELOPE_NEVER, "NEVER" }, { ENVELOPE_SUCCESS, "SUCCESS" }, { ENVELOPE_FAILURE, "FAILURE" }, { ENVELOPE_DELAY, "DELAY" } };
	uint8_t wanted = recipient->notify;

	(void)buf_fmt(out, "RCPT TO:<%.*s>", (int)recipient->address.len, recipient->address.ptr);
	/* Where nobody else would tell of a delay, DSN does (RFC 2852 section 4.1.4.2). */
	if (mail->by == ENVELOPE_BY_NOTIFY && (offer->extensions & RELAY_EXT_DELIVERBY) == 0 && wanted != ENVELOPE_NEVER)
		wanted = (wanted == 0 ? ENVELOPE_FAILURE : wanted) | ENVELOPE_DELAY;
	if ((offer->extensions & RELAY_EXT_DSN) != 0) {
		const char *before = " NOTIFY=";

		for (size_t n = 0; n < sizeof(notify) / sizeof(*notify); n++)
			if ((wanted & notify[n].bit) != 0) {
				(void)buf_fmt(out, "%s%s", before, notify[n].name);
				before = ",";
			}
		put_orcpt(mail, offer, recipient->orcpt, out);
	}
	(void)buf_str(out, "\r\n");
}

/* RFC 2852 section 4: no more than nine digits. */
static int64_t
by_time(int64_t seconds)
{
	return seconds < -BY_MAX ? -BY_MAX : seconds > BY_MAX ? BY_MAX : seconds;
}

void
relay_put_mail(const struct relay_mail *mail, const struct relay_offer *offer, bool secured, struct buf *out)
{
	unsigned offered = offer->extensions;

	(void)buf_fmt(out, "MAIL FROM:<%.*s>", (int)mail->sender.len, mail->sender.ptr != NULL ? mail->sender.ptr : "");
	if ((offered & RELAY_EXT_SIZE) != 0)
		(void)buf_fmt(out, " SIZE=%llu", (unsigned long long)mail->size);
	if ((offered & RELAY_EXT_8BITMIME) != 0 && mail->body == ENVELOPE_8BITMIME)
		(void)buf_str(out, " BODY=8BITMIME");
	if ((offered & RELAY_EXT_SMTPUTF8) != 0 && mail->smtputf8)
		(void)buf_str(out, " SMTPUTF8");
	if ((offered & RELAY_EXT_DSN) != 0) {
		if (mail->ret != ENVELOPE_RET_NONE)
			(void)buf_fmt(out, " RET=%s", mail->ret == ENVELOPE_RET_FULL ? "FULL" : "HDRS");
		if (mail->envid.len != 0)
			(void)buf_fmt(out, " ENVID=%.*s", (int)mail->envid.len, mail->envid.ptr);
	}
	if ((offered & RELAY_EXT_REQUIRETLS) != 0 && mail->requiretls && secured)
		(void)buf_str(out, " REQUIRETLS");
	if ((offered & RELAY_EXT_DELIVERBY) != 0 && mail->by != ENVELOPE_BY_NONE)
		(void)buf_fmt(out, " BY=%lld;%c%s", (long long)by_time(mail->by_left), mail->by == ENVELOPE_BY_RETURN ? 'R' : 'N', mail->by_trace ? "T" : "");
	if ((offered & RELAY_EXT_MT_PRIORITY) != 0) /* 0 too: RFC 6710 section 4.2 */
		(void)buf_fmt(out, " MT-PRIORITY=%d", mail->priority);
	(void)buf_str(out, "\r\n");
}
