/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The tables of the daemon: roles, listeners, options, messages. */
#include "frame/login.h"
#include "imapd/imapd.h"

_Static_assert((int)MSG_SESSION_BEGIN == (int)LOGIN_SESSION_BEGIN && (int)MSG_SESSION_WATCH == (int)LOGIN_SESSION_WATCH &&
    (int)MSG_SESSION_SLEEP == (int)LOGIN_SESSION_SLEEP, "the login engine knows them by these numbers");

enum listener_kind { LISTENER_IMAP, LISTENER_IMAPS };

static const struct role roles[] = {
	{ .id = ROLE_FRONT, .name = "login", .run = proc_login, .peers = ROLE_BIT(ROLE_KEY) | ROLE_BIT(ROLE_AUTH) },
	{ .id = ROLE_KEY, .name = "key", .run = proc_key },
	{ .id = ROLE_AUTH, .name = "auth", .run = proc_auth },
	{ .id = ROLE_WORKER, .name = "session", .run = proc_session, .spawned_by = ROLE_BIT(ROLE_FRONT) },
};

static const struct role_listener listeners[] = {
	{ offsetof(struct imapd_conf, listen_imap), LISTENER_IMAP, "imap", false, false },
	{ offsetof(struct imapd_conf, listen_imaps), LISTENER_IMAPS, "imaps", true, false },
};

static const struct msg_row messages[] = {
#define MSG(name_, from_, to_, min_, max_, fd_) { MSG_##name_, #name_, from_, to_, min_, max_, fd_ },
#include "imapd/imapd_msg.def"
#undef MSG
};

static const struct conf_option options[] = {
#define OPT(...) CONF_ROW(struct imapd_conf, __VA_ARGS__)
#include "imapd/imapd_opts.def"
#undef OPT
};

static const struct conf_table conf_table = { options, sizeof(options) / sizeof(options[0]), 0 };

const struct daemon imapd = {
	.name = "imapd",
	.number = 3,
	.roles = roles,
	.role_count = sizeof(roles) / sizeof(roles[0]),
	.listeners = listeners,
	.listener_count = sizeof(listeners) / sizeof(listeners[0]),
	.messages = messages,
	.message_count = sizeof(messages) / sizeof(messages[0]),
	.conf_table = &conf_table,
	.conf_size = sizeof(struct imapd_conf),
};
