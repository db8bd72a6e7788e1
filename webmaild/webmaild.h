/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* webmaild as a whole: its configuration, its messages, and what its roles agree on. */
#ifndef WEBMAILD_WEBMAILD_H
#define WEBMAILD_WEBMAILD_H

#include "frame/frame_msg.h"
#include "frame/role.h"

struct webmaild_conf {
	struct fourpost_conf common;
#define OPT(name, type, min, max, preset, text) CONF_C_##type name;
#include "webmaild/webmaild_opts.def"
#undef OPT
};

enum webmaild_msg {
	WEBMAILD_MSG_BEFORE = FRAME_MSG_OWN - 1,
#define MSG(name, from, to, min, max, fd) MSG_##name,
#include "webmaild/webmaild_msg.def"
#undef MSG
};

/* render: the companion of each session. */
#define ROLE_RENDER ROLE_OWN

/* What a REQUEST asks the session for; the route was chosen by the front. */
enum request_kind {
	REQUEST_API,         /* POST /jmap/api */
	REQUEST_SESSION,     /* GET /jmap/session */
	REQUEST_UPLOAD,      /* POST /jmap/upload/{accountId}/ */
	REQUEST_DOWNLOAD,    /* GET /jmap/download/{accountId}/{blobId}/{name} */
	REQUEST_EVENTSOURCE, /* GET /jmap/eventsource */
	REQUEST_RENDER,      /* GET /render/{emailId} */
	REQUEST_RENDER_INFO, /* GET /render/{emailId}/info */
	REQUEST_KINDS,
};

/* The head of the session's answer, as msg_put_* writes it: u16 status, u64 length of the body or ANSWER_LENGTH_UNKNOWN, span content
 * type, span file name for Content-Disposition (empty: none; UTF-8), u8 inline. The front chooses every other field itself. */
#define ANSWER_HEAD_MAX 2048
#define ANSWER_LENGTH_UNKNOWN UINT64_MAX

/* JSON the API takes in one request (RFC 8620 2: maxSizeRequest). */
#define JMAP_REQUEST_MAX (10 << 20)
#define JMAP_CONCURRENT_REQUESTS 8
#define JMAP_CONCURRENT_UPLOADS 4

extern const struct daemon webmaild;

int proc_http(struct proc *proc);
int proc_session(struct proc *proc);
int proc_render(struct proc *proc);

#endif
