/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* HELO, EHLO and LHLO, and the table of service extensions: what is offered to whom. A parameter or
 * command of an extension is taken where it is offered, and nowhere else. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/date.h"
#include "common/xalloc.h"
#include "smtpd/smtp_cmds.h"
#include "smtpd/xclient_parse.h"

/* Beside the kinds of listener (enum smtp_kind bits). */
enum where {
	ANYWHERE = SMTP_MX | SMTP_SUBMISSION | SMTP_LMTP,
	IN_CLEAR = 1 << 3, /* only without TLS */
	IN_TLS = 1 << 4,   /* only with it */
};

static bool
may_start_tls(const struct smtp *smtp)
{
	return smtp->settings->tls;
}

static bool
may_log_in(const struct smtp *smtp)
{
	return smtp->account == NULL && (smtp->tls[0] != '\0' || smtp->settings->plaintext_login);
}

static bool
is_proxy(const struct smtp *smtp)
{
	return smtp->is_proxy;
}

static void
put_attributes(const struct smtp *smtp, struct buf *out)
{
	(void)smtp;
	(void)buf_str(out, " ADDR HELO LOGIN NAME PORT PROTO DESTADDR DESTPORT");
}

static void
put_size(const struct smtp *smtp, struct buf *out)
{
	(void)buf_fmt(out, " %" PRIu64, smtp->settings->size_max);
}

static void
put_mechanisms(const struct smtp *smtp, struct buf *out)
{
	(void)smtp;
	(void)buf_str(out, " PLAIN LOGIN");
}

static void
put_hold_max(const struct smtp *smtp, struct buf *out)
{
	char text[DATE_SIZE];
	struct span date =
	    date_format_rfc3339((struct date){ .utc = smtp->now + SMTP_HOLD_MAX }, text);

	(void)buf_fmt(out, " %d %.*s", SMTP_HOLD_MAX, (int)date.len, date.ptr);
}

static void
put_limits(const struct smtp *smtp, struct buf *out)
{
	(void)buf_fmt(out, " RCPTMAX=%zu", smtp->settings->recipients_max);
}

static const struct {
	const char *keyword;
	unsigned where;
	bool (*may)(const struct smtp *smtp); /* NULL: always */
	void (*put_values)(const struct smtp *smtp, struct buf *out);
} extensions[SMTP_EXTENSIONS] = {
	[SMTP_EXT_PIPELINING] = { "PIPELINING", ANYWHERE, NULL, NULL },
	[SMTP_EXT_SIZE] = { "SIZE", ANYWHERE, NULL, put_size },
	[SMTP_EXT_STARTTLS] = { "STARTTLS", ANYWHERE | IN_CLEAR, may_start_tls, NULL },
	[SMTP_EXT_AUTH] = { "AUTH", SMTP_SUBMISSION, may_log_in, put_mechanisms },
	[SMTP_EXT_8BITMIME] = { "8BITMIME", ANYWHERE, NULL, NULL },
	[SMTP_EXT_SMTPUTF8] = { "SMTPUTF8", ANYWHERE, NULL, NULL },
	[SMTP_EXT_CHUNKING] = { "CHUNKING", ANYWHERE, NULL, NULL },
	[SMTP_EXT_BINARYMIME] = { "BINARYMIME", ANYWHERE, NULL, NULL },
	[SMTP_EXT_DSN] = { "DSN", ANYWHERE, NULL, NULL },
	[SMTP_EXT_STATUS_CODES] = { "ENHANCEDSTATUSCODES", ANYWHERE, NULL, NULL },
	[SMTP_EXT_REQUIRETLS] = { "REQUIRETLS", ANYWHERE | IN_TLS, NULL, NULL },
	[SMTP_EXT_MT_PRIORITY] = { "MT-PRIORITY", ANYWHERE, NULL, NULL },
	/* RFC 4865 section 4.2: on submission ports only. */
	[SMTP_EXT_FUTURERELEASE] = { "FUTURERELEASE", SMTP_SUBMISSION, NULL, put_hold_max },
	[SMTP_EXT_DELIVERBY] = { "DELIVERBY", ANYWHERE, NULL, NULL },
	[SMTP_EXT_XCLIENT] = { "XCLIENT", ANYWHERE, is_proxy, put_attributes },
	[SMTP_EXT_LIMITS] = { "LIMITS", ANYWHERE, NULL, put_limits },
};

bool
smtp_offers(const struct smtp *smtp, enum smtp_extension extension)
{
	unsigned where = extensions[extension].where;
	bool secure = smtp->tls[0] != '\0';

	return (where & smtp->kind) != 0 && ((where & IN_CLEAR) == 0 || !secure) &&
	    ((where & IN_TLS) == 0 || secure) &&
	    (extensions[extension].may == NULL || extensions[extension].may(smtp));
}

bool
smtp_takes(const struct smtp *smtp, enum smtp_extension extension)
{
	/* RFC 4954 section 5: AUTH= stands behind the login, when AUTH is offered no more. */
	return smtp_offers(smtp, extension) ||
	    (extension == SMTP_EXT_AUTH && smtp->account != NULL);
}

static void
put_extensions(const struct smtp *smtp, struct buf *out)
{
	unsigned last = 0;

	for (unsigned i = 0; i < SMTP_EXTENSIONS; i++)
		if (smtp_offers(smtp, i))
			last = i;
	for (unsigned i = 0; i <= last; i++) {
		if (!smtp_offers(smtp, i))
			continue;
		(void)buf_fmt(out, "250%c%s", i == last ? ' ' : '-', extensions[i].keyword);
		if (extensions[i].put_values != NULL)
			extensions[i].put_values(smtp, out);
		(void)buf_str(out, "\r\n");
	}
}

static void
hello(struct smtp *smtp, struct span name, bool extended)
{
	bool again;

	if (!smtp_is_helo(name)) {
		smtp_error(smtp, 501, "5.5.4", "A host name or address literal is missing");
		return;
	}
	again = smtp->greeted;
	smtp_abandon(smtp);
	free(smtp->helo);
	smtp->helo = smtp->told_helo != NULL ? xstrdup(smtp->told_helo) : span_dup(name);
	smtp->greeted = true;
	smtp->extended = extended;
	if (extended) {
		(void)buf_fmt(&smtp->out, "250-%s\r\n", smtp->settings->hostname);
		put_extensions(smtp, &smtp->out);
	} else {
		smtp_reply(smtp, 250, NULL, "%s", smtp->settings->hostname);
	}
	if (again)
		smtp_count_junk(smtp);
}

void
smtp_cmd_helo(struct smtp *smtp, struct span args)
{
	hello(smtp, args, false);
}

void
smtp_cmd_ehlo(struct smtp *smtp, struct span args)
{
	hello(smtp, args, true);
}

/* --- XCLIENT --- */

/* The connection is as new, with somebody else. */
static void
become(struct smtp *smtp, const struct xclient *xclient)
{
	/* What is not known of this one is not that of the one before. */
	if (xclient->told_address)
		(void)snprintf(smtp->client, sizeof(smtp->client), "%s", xclient->address[0] != '\0' ? xclient->address : smtp->peer);
	if (xclient->told_helo) {
		free(smtp->told_helo);
		smtp->told_helo = xclient->helo.len != 0 ? span_dup(buf_get(&xclient->helo)) : NULL;
	}
	/* Whoever logged in before may be another. */
	free(smtp->account);
	smtp->account = xclient->login.len != 0 && smtp->kind == SMTP_SUBMISSION ? span_dup(buf_get(&xclient->login)) : NULL;
	smtp->greeted = smtp->extended = false;
	smtp->signs = 0;
	smtp_greet(smtp);
}

void
smtp_cmd_xclient(struct smtp *smtp, struct span args)
{
	struct xclient xclient;

	if (!smtp->is_proxy) {
		smtp_error(smtp, 550, "5.7.0", "XCLIENT is for proxies of this site's");
	} else if (xclient_parse(args, &xclient) < 0) {
		smtp_error(smtp, 501, "5.5.4", "Syntax: XCLIENT attribute=value ...");
	} else {
		become(smtp, &xclient);
		xclient_free(&xclient);
	}
}
