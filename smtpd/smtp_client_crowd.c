/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* When nearly all connections that there may be are taken, those that nothing comes from are needed: whoever holds them would keep out all
 * others, for a few addresses are enough to hold as many. */
#include <event2/event.h>
#include <stdlib.h>

#include "common/log.h"
#include "smtpd/smtp_client_inside.h"
#include "smtpd/smtpd_conf.h"

/* Of all connections so many parts of CROWD_OF. */
#define CROWD_PARTS 7
#define CROWD_OF 8
/* How often it is looked after, and at how many looks in a row nothing may have come. */
#define LOOK_SECONDS 5
#define LOOKS_MAX 2
/* Less than that between two looks is nothing, but a command. */
#define PROGRESS_BYTES 256

static bool
is_crowded(const struct smtp_role *role)
{
	return front_client_count(role->front) * CROWD_OF >= front_client_max(role->front) * CROWD_PARTS;
}

/* Who has not logged in, and is none of whom the site allows, nor a program of its own. */
static bool
is_stranger(const struct smtp_client *client)
{
	const struct smtpd_conf *conf = smtpd_conf(front_proc(client->role->front));
	const struct smtp *smtp = &client->smtp;

	return smtp->kind != SMTP_LMTP && smtp->account == NULL && !client->awaits_proxy && !smtpd_lists(&conf->allow_from, smtp->client);
}

/* It is not the client that keeps us waiting. */
static bool
waits_for_us(const struct smtp_client *client)
{
	return client->greeter != NULL || client->growing || (client->smtp.awaited != SMTP_NOTHING && client->smtp.awaited != SMTP_START_TLS);
}

/* True when nothing has come from it for too long. */
static bool
is_idle(struct smtp_client *client)
{
	uint64_t progress = client->smtp.commands + client->messages + client->received / PROGRESS_BYTES;

	if (waits_for_us(client) || progress != client->crowd_progress)
		client->crowd_looks = 0;
	else
		client->crowd_looks++;
	client->crowd_progress = progress;
	return client->crowd_looks > LOOKS_MAX;
}

static void
hang_up(struct smtp_role *role)
{
	struct smtp_client *client, *next;
	unsigned count = 0;

	for (client = role->clients; client != NULL; client = next) {
		next = client->next;
		if (!is_stranger(client) || !is_idle(client))
			continue;
		count++;
		smtp_hang_up(&client->smtp, "4.3.2", "Too many clients are here for one that says nothing: try again later");
		smtp_client_pump(client);
	}
	if (count != 0)
		log_warning("crowded", log_u64("clients", front_client_count(role->front)), log_u64("limit", front_client_max(role->front)), log_u64("hung_up", count));
}

static void
on_look(evutil_socket_t fd, short what, void *context)
{
	struct smtp_role *role = context;

	(void)fd, (void)what;
	if (!is_crowded(role))
		return;
	hang_up(role);
	smtp_clients_crowd(role);
}

void
smtp_clients_crowd(struct smtp_role *role)
{
	const struct timeval soon = { LOOK_SECONDS, 0 };

	if (!is_crowded(role))
		return;
	if (role->look == NULL)
		role->look = evtimer_new(front_proc(role->front)->base, on_look, role);
	if (role->look == NULL)
		abort();
	if (!event_pending(role->look, EV_TIMEOUT, NULL))
		(void)event_add(role->look, &soon);
}
