/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* One client of the smtp role: joins a stream, the SMTP machine, the auth role and the queue. */
#ifndef SMTPD_SMTP_CLIENT_H
#define SMTPD_SMTP_CLIENT_H

#include "frame/front.h"
#include "smtpd/dns_client.h"
#include "smtpd/smtp_filter_client.h"
#include "smtpd/smtp_guard.h"
#include "smtpd/smtp_handin.h"
#include "smtpd/relay_recipients.h"
#include "smtpd/smtp_check.h"
#include "smtpd/smtp_rules.h"
#include "smtpd/smtp_score.h"
#include "smtpd/smtp_state.h"

/* What all clients share. */
struct smtp_role {
	struct front *front; /* first: FRONT_HANDLERS */
	struct smtp_settings settings;
	struct verify_settings verify;
	struct dkim_known *known;
	struct handins *handins;
	struct dns_client *dns;
	struct filter_client *filters;
	struct guards *guards;
	struct rules *rules; /* NULL: there are none */
	struct relay_recipients *relay_recipients; /* NULL: all at relay_domains are taken */
	struct smtp_client *clients;
	unsigned timeout;    /* seconds */
	struct event *look;  /* smtp_client_crowd.c's, or NULL */
	void (*empty)(struct smtp_role *role); /* the last client is gone */
};

extern const struct handin_ops smtp_client_handin_ops;

/* For filter_client_new. */
void smtp_client_filtered(void *context, struct filtered *filtered);

/* Begins to serve: takes over the stream. */
/* A header of the PROXY protocol comes first, before TLS too. context: struct smtp_role. */
bool smtp_client_awaits_proxy(const struct front_client *front_client, void *context);
/* It speaks for others, by such a header or by XCLIENT. context: struct smtp_role. */
bool smtp_client_is_proxy(const struct front_client *front_client, void *context);
void smtp_client_new(struct smtp_role *role, struct front_client *front_client);
/* Tells everybody 421 and closes, but lets messages that are committed get their answer. */
void smtp_clients_stop(struct smtp_role *role);

#endif
