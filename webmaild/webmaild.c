/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* webmaild's tables: its roles, listeners, options and messages. */
#include "webmaild/webmaild.h"

static const struct role roles[] = {
	{ ROLE_FRONT, "http", proc_http, ROLE_BIT(ROLE_KEY) | ROLE_BIT(ROLE_AUTH), 0, 0 },
	{ ROLE_KEY, "key", proc_key, 0, 0, 0 },
	{ ROLE_AUTH, "auth", proc_auth, 0, 0, 0 },
	{ ROLE_WORKER, "session", proc_session, 0, ROLE_BIT(ROLE_FRONT), ROLE_RENDER },
	{ ROLE_RENDER, "render", proc_render, 0, 0, 0 },
};

static const struct role_listener listeners[] = {
	{ offsetof(struct webmaild_conf, listen_https), 1, "https", true, false },
};

static const struct msg_row messages[] = {
#define MSG(name, from, to, min, max, fd) { MSG_##name, #name, (from), (to), (min), (max), (fd) },
#include "webmaild/webmaild_msg.def"
#undef MSG
};

static const struct conf_option options[] = {
#define OPT(...) CONF_ROW(struct webmaild_conf, __VA_ARGS__)
#include "webmaild/webmaild_opts.def"
#undef OPT
};

static const struct conf_table table = { options, sizeof(options) / sizeof(options[0]), 0 };

static void
check(const void *conf, struct buf *errors)
{
	const struct webmaild_conf *own = conf;

	if (own->common.tls_certificate[0] == '\0')
		(void)buf_str(errors, "webmaild speaks HTTPS only: tls_certificate must name a certificate\n");
}

const struct daemon webmaild = {
	.name = "webmaild",
	.number = 4,
	.roles = roles,
	.role_count = sizeof(roles) / sizeof(roles[0]),
	.listeners = listeners,
	.listener_count = sizeof(listeners) / sizeof(listeners[0]),
	.messages = messages,
	.message_count = sizeof(messages) / sizeof(messages[0]),
	.conf_table = &table,
	.conf_size = sizeof(struct webmaild_conf),
	.conf_check = check,
};
