/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Sessions whose process has ended and whose client has not: two descriptors and a few bytes in the login role until one of the
 * descriptors has something to say. */
#ifndef FRAME_LOGIN_SLEEP_H
#define FRAME_LOGIN_SLEEP_H

#include "common/msg.h"

struct event_base;
struct login_sleep;

enum login_wake {
	LOGIN_WAKE_NEWS, /* the client, the watch or the time: the session is wanted again */
	LOGIN_WAKE_GONE, /* the client hung up */
};
/* Called once; the owner frees the sleep, then or later. */
typedef void (*login_wake_fn)(void *context, enum login_wake why);

struct login_sleep *login_sleep_new(void);
/* Closes what it holds. NULL is allowed. Returns NULL. */
struct login_sleep *login_sleep_free(struct login_sleep *sleep);

/* A message of the session: LOGIN_SESSION_WATCH or LOGIN_SESSION_SLEEP (frame/login.h). 0 or -EBADMSG. */
int login_sleep_message(struct login_sleep *sleep, struct msg *msg);
/* True when everything has come: the session may end. NULL is allowed. */
bool login_sleep_is_ready(const struct login_sleep *sleep);
/* Watches; the callback runs from the loop. */
void login_sleep_begin(struct login_sleep *sleep, struct event_base *base, login_wake_fn wake, void *context);

/* What the next session gets. Borrowed. */
struct span login_sleep_state(const struct login_sleep *sleep);
struct span login_sleep_input(const struct login_sleep *sleep);
/* The client; the caller's from here on. */
int login_sleep_take_client(struct login_sleep *sleep);

#endif
