/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Sleeping sessions. The state is the session's own and is not looked at: it goes back to a process of the same account, for it
 * is asked for by the same grant. */
#include "frame/login_sleep.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/xalloc.h"
#include "frame/login.h"

struct login_sleep {
	int client, watch; /* -1: none */
	uint32_t seconds;  /* at most */
	struct buf state, input;
	struct event *client_event, *watch_event;
	login_wake_fn wake;
	void *context;
};

struct login_sleep *
login_sleep_new(void)
{
	struct login_sleep *sleep = xcalloc(1, sizeof(*sleep));

	sleep->client = sleep->watch = -1;
	buf_init(&sleep->state, MSG_BODY_MAX);
	buf_init(&sleep->input, MSG_BODY_MAX);
	return sleep;
}

struct login_sleep *
login_sleep_free(struct login_sleep *sleep)
{
	if (sleep == NULL)
		return NULL;
	if (sleep->client_event != NULL)
		event_free(sleep->client_event);
	if (sleep->watch_event != NULL)
		event_free(sleep->watch_event);
	if (sleep->client >= 0)
		(void)close(sleep->client);
	if (sleep->watch >= 0)
		(void)close(sleep->watch);
	buf_free(&sleep->state);
	buf_wipe(&sleep->input);
	free(sleep);
	return NULL;
}

static int
take_sleep(struct login_sleep *sleep, struct msg *msg)
{
	struct msg_reader body = msg_read(msg);
	struct span state, input;

	sleep->seconds = msg_get_u32(&body);
	state = msg_get_span(&body);
	input = msg_get_span(&body);
	if (!msg_done(&body) || state.len == 0 || sleep->client >= 0)
		return -EBADMSG;
	(void)buf_span(&sleep->state, state); /* both are shorter than a message */
	(void)buf_span(&sleep->input, input);
	sleep->client = msg_take_fd(msg);
	return 0;
}

int
login_sleep_message(struct login_sleep *sleep, struct msg *msg)
{
	if (msg->type == LOGIN_SESSION_SLEEP)
		return take_sleep(sleep, msg);
	if (msg->type != LOGIN_SESSION_WATCH || sleep->watch >= 0 || sleep->client >= 0)
		return -EBADMSG;
	sleep->watch = msg_take_fd(msg);
	return 0;
}

bool
login_sleep_is_ready(const struct login_sleep *sleep)
{
	return sleep != NULL && sleep->client >= 0;
}

static void
stop(struct login_sleep *sleep)
{
	(void)event_del(sleep->client_event);
	if (sleep->watch_event != NULL)
		(void)event_del(sleep->watch_event);
}

/* A client that has gone needs no process to be told so. */
static void
on_client(evutil_socket_t fd, short what, void *context)
{
	struct login_sleep *sleep = context;
	char byte;
	ssize_t got = (what & EV_READ) != 0 ? recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) : 1;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	stop(sleep);
	sleep->wake(sleep->context, got > 0 ? LOGIN_WAKE_NEWS : LOGIN_WAKE_GONE);
}

static void
on_watch(evutil_socket_t fd, short what, void *context)
{
	struct login_sleep *sleep = context;

	(void)fd;
	(void)what;
	stop(sleep);
	sleep->wake(sleep->context, LOGIN_WAKE_NEWS);
}

void
login_sleep_begin(struct login_sleep *sleep, struct event_base *base, login_wake_fn wake, void *context)
{
	struct timeval limit = { sleep->seconds, 0 };

	sleep->wake = wake;
	sleep->context = context;
	sleep->client_event = event_new(base, sleep->client, EV_READ | EV_PERSIST, on_client, sleep);
	if (sleep->client_event == NULL)
		abort();
	(void)event_add(sleep->client_event, &limit);
	if (sleep->watch < 0)
		return;
	sleep->watch_event = event_new(base, sleep->watch, EV_READ, on_watch, sleep);
	if (sleep->watch_event == NULL)
		abort();
	(void)event_add(sleep->watch_event, NULL);
}

struct span
login_sleep_state(const struct login_sleep *sleep)
{
	return buf_get(&sleep->state);
}

struct span
login_sleep_input(const struct login_sleep *sleep)
{
	return buf_get(&sleep->input);
}

int
login_sleep_take_client(struct login_sleep *sleep)
{
	int client = sleep->client;

	if (sleep->client_event != NULL)
		event_free(sleep->client_event);
	sleep->client_event = NULL;
	sleep->client = -1;
	return client;
}
