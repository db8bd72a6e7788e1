/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* At the door: whom a client is taken for, how it is greeted, what it is seen doing before, and whether a recipient is taken from it. */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

#include "smtpd/smtp_client_inside.h"
#include "smtpd/smtpd_conf.h"

static void
judged(void *context, struct span reply)
{
	struct smtp_client *client = context;

	smtp_judged(&client->smtp, reply);
	smtp_client_pump(client);
}

void
smtp_client_judge(struct smtp_client *client)
{
	static const enum defence_test tests[] = {
		[SMTP_SIGN_BARE_NEWLINE] = TEST_BARE_NEWLINE,
		[SMTP_SIGN_PIPELINING] = TEST_EARLY_PIPELINING,
		[SMTP_SIGN_UNKNOWN] = TEST_UNKNOWN_COMMANDS,
	};
	const struct smtp *smtp = &client->smtp;
	const struct guard_case wanted = { .helo = span_of(smtp->helo), .sender = span_of(smtp->envelope.sender), .recipient = smtp->asked,
		.whose = buf_get(&client->whose),
		.first = smtp->envelope.count == 0, .hears_everybody = smtp_hears_everybody(smtp) };

	for (unsigned sign = 1; smtp_client_is_tested(client) && sign < sizeof(tests) / sizeof(*tests); sign <<= 1)
		if ((smtp->signs & sign) != 0)
			defence_note(guard_defence(client->guard), tests[sign]);
	guard_judge(client->guard, &wanted, judged, client);
}

bool
smtp_client_is_tested(const struct smtp_client *client)
{
	return client->guard != NULL && guard_defence(client->guard) != NULL;
}

void
smtp_client_leave_tarpit(struct smtp_client *client)
{
	if (client->tarpit == NULL)
		return;
	event_free(client->tarpit);
	client->tarpit = NULL;
	guards_leave_tarpit(client->role->guards);
}

static void
on_waited(evutil_socket_t fd, short what, void *context)
{
	struct smtp_client *client = context;

	(void)fd, (void)what;
	smtp_client_leave_tarpit(client);
	smtp_waited(&client->smtp);
	smtp_client_pump(client);
}

void
smtp_client_tarpit(struct smtp_client *client)
{
	struct proc *proc = front_proc(client->role->front);
	const struct timeval patience = { smtpd_conf(proc)->tarpit, 0 };

	if (patience.tv_sec == 0 || !guards_enter_tarpit(client->role->guards)) {
		smtp_waited(&client->smtp);
		return;
	}
	client->tarpit = evtimer_new(proc->base, on_waited, client);
	if (client->tarpit == NULL)
		abort();
	(void)event_add(client->tarpit, &patience);
}

/* It is about to tell (XCLIENT) whose connection this is. */
static bool
is_still_a_proxy(const struct smtp *smtp)
{
	return smtp->is_proxy && !smtp->in_mail && strcmp(smtp->client, smtp->peer) == 0;
}

bool
smtp_client_set_guard(struct smtp_client *client)
{
	struct smtp *smtp = &client->smtp;
	const char *address = is_still_a_proxy(smtp) ? "" : smtp->client;

	if (smtp->kind == SMTP_LMTP || strcmp(client->guarded, smtp->client) == 0 || strcmp(client->guarded, address) == 0)
		return true;
	(void)snprintf(client->guarded, sizeof(client->guarded), "%s", address);
	client->guard = guard_free(client->guard);
	if (address[0] != '\0')
		client->guard = guard_new(client->role->guards, address, smtp->kind == SMTP_SUBMISSION);
	smtp->guarded = client->guard != NULL;
	return client->guard == NULL || !guard_is_crowded(client->guard);
}

bool
smtp_client_count(struct smtp_client *client)
{
	if (strcmp(client->counted, client->smtp.client) == 0)
		return true;
	(void)snprintf(client->counted, sizeof(client->counted), "%s", client->smtp.client);
	return front_speaks_for(client->front, client->counted);
}

static void
on_greet(evutil_socket_t fd, short what, void *context)
{
	struct smtp_client *client = context;

	(void)fd, (void)what;
	event_free(client->greeter);
	client->greeter = NULL;
	if (guard_is_crowded(client->guard))
		smtp_hang_up(&client->smtp, "4.7.0", SMTP_CROWDED);
	else
		smtp_greet(&client->smtp);
	smtp_client_pump(client);
}

void
smtp_client_greet(struct smtp_client *client)
{
	struct timeval delay = { smtpd_conf(front_proc(client->role->front))->greet_delay, 0 };

	(void)smtp_client_set_guard(client);
	if (!smtp_client_is_tested(client))
		delay.tv_sec = 0;
	if (client->guard == NULL || (delay.tv_sec == 0 && !guard_is_crowded(client->guard))) {
		smtp_greet(&client->smtp);
		return;
	}
	if (guard_is_crowded(client->guard))
		delay.tv_sec = 0;
	else
		smtp_tease(&client->smtp);
	client->greeter = event_new(front_proc(client->role->front)->base, -1, 0, on_greet, client);
	if (client->greeter == NULL)
		abort();
	(void)event_add(client->greeter, &delay);
}

bool
smtp_client_is_early(struct smtp_client *client)
{
	if (client->greeter == NULL || client->smtp.action != SMTP_NOTHING)
		return false;
	if (stream_input(client->stream).len != 0 && smtp_client_is_tested(client))
		defence_note(guard_defence(client->guard), TEST_EARLY_TALK);
	smtp_client_put_out(client);
	if (client->eof)
		smtp_client_leave(client, "gone before the greeting");
	return true;
}
