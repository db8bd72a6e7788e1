/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The tables of the daemon: roles, listeners, options, messages. */
#include "pop3d/pop3d.h"

#include "frame/login.h"

_Static_assert((int)MSG_SESSION_BEGIN == (int)LOGIN_SESSION_BEGIN,
    "the login engine sends it by this number");

enum listener_kind { LISTENER_POP3, LISTENER_POP3S };

static const struct role roles[] = {
	{ .id = ROLE_FRONT,
	    .name = "login",
	    .run = proc_login,
	    .peers = ROLE_BIT(ROLE_KEY) | ROLE_BIT(ROLE_AUTH) },
	{ .id = ROLE_KEY, .name = "key", .run = proc_key },
	{ .id = ROLE_AUTH, .name = "auth", .run = proc_auth },
	{ .id = ROLE_WORKER,
	    .name = "session",
	    .run = proc_session,
	    .spawned_by = ROLE_BIT(ROLE_FRONT) },
};

static const struct role_listener listeners[] = {
	{ offsetof(struct pop3d_conf, listen_pop3), LISTENER_POP3, "pop3", false, false },
	{ offsetof(struct pop3d_conf, listen_pop3s), LISTENER_POP3S, "pop3s", true, false },
};

static const struct msg_row messages[] = {
#define MSG(name_, from_, to_, min_, max_, fd_)                                                    \
	{ MSG_##name_, #name_, from_, to_, min_, max_, fd_ },
#include "pop3d/pop3d_msg.def"
#undef MSG
};

static const struct conf_option options[] = {
#define OPT(...) CONF_ROW(struct pop3d_conf, __VA_ARGS__)
#include "pop3d/pop3d_opts.def"
#undef OPT
};

static const struct conf_table conf_table = { options, sizeof(options) / sizeof(options[0]), 0 };

const struct daemon pop3d = {
	.name = "pop3d",
	.number = 2,
	.roles = roles,
	.role_count = sizeof(roles) / sizeof(roles[0]),
	.listeners = listeners,
	.listener_count = sizeof(listeners) / sizeof(listeners[0]),
	.messages = messages,
	.message_count = sizeof(messages) / sizeof(messages[0]),
	.conf_table = &conf_table,
	.conf_size = sizeof(struct pop3d_conf),
};
