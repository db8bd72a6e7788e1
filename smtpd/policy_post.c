/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A report on TLS that a domain wants by HTTPS (RFC 8460 section 5.4): the report role, which reaches no network, hands it over. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "smtpd/https_uri_parse.h"
#include "smtpd/policy.h"
#include "smtpd/smtpd_msg.h"

#define POST_SECONDS 120
#define HEAD_MAX 4096
/* What the host says of it is of no interest. */
#define REPLY_MAX 65536

struct post {
	struct policy_role *role;
	uint32_t id;
};

static void
answer(struct policy_role *role, uint32_t id, enum report_post_result result, const char *why)
{
	struct msg_writer body;

	msg_writer_init(&body);
	msg_put_u8(&body, (uint8_t)result);
	msg_put_span(&body, span_of(why));
	(void)proc_send(role->proc, ROLE_REPORT, MSG_REPORT_POSTED, id, &body, -1); /* one that is gone asks again */
}

/* RFC 9110 section 15.5, RFC 6585 section 4: what is the request's fault stays so, but for a host that cannot now. */
static enum report_post_result
result_of(unsigned status)
{
	if (status / 100 == 2)
		return REPORT_POSTED_IT;
	return status / 100 == 4 && status != 408 && status != 429 ? REPORT_NEVER : REPORT_NOT_NOW;
}

static void
on_reply(void *context, enum https_result result, const struct https_reply *reply, const char *why)
{
	struct post *post = context;
	char said[64];

	(void)snprintf(said, sizeof(said), "the host answers %u", reply->status);
	post->role->posts--;
	answer(post->role, post->id, result == HTTPS_REPLIED ? result_of(reply->status) : REPORT_NOT_NOW, result == HTTPS_REPLIED ? said : why);
	free(post);
}

/* The report behind the head. 0 or -errno. */
static int
put_report(int fd, off_t size, struct buf *request)
{
	char *room;
	ssize_t got;

	if (size < 0 || size > REPORT_PACKED_MAX)
		return -EMSGSIZE;
	room = buf_reserve(request, (size_t)size);
	if (room == NULL)
		return -EMSGSIZE;
	got = pread(fd, room, (size_t)size, 0);
	if (got != size)
		return got < 0 ? -errno : -EIO;
	buf_added(request, (size_t)got);
	return 0;
}

int
policy_report(struct policy_role *role, struct msg *msg)
{
	struct msg_reader body = msg_read(msg);
	struct span host = msg_get_span(&body);
	uint16_t port = msg_get_u16(&body);
	struct span path = msg_get_span(&body);
	struct buf request = BUF_INIT(HEAD_MAX + REPORT_PACKED_MAX);
	off_t size = lseek(msg->fd, 0, SEEK_END);
	struct post *post;
	char *name;
	int r;

	if (!msg_done(&body) || !https_is_host(host) || port == 0 || !https_is_path(path))
		return -EBADMSG;
	if (role->posts == REPORT_POSTS_MAX) { /* some are a former report role's */
		answer(role, msg->id, REPORT_BUSY, "too many are being sent");
		return 0;
	}
	(void)buf_fmt(&request, "POST %.*s HTTP/1.1\r\nHost: %.*s", (int)path.len, path.ptr, (int)host.len, host.ptr);
	if (port != HTTPS_PORT) /* RFC 9110 section 7.2 */
		(void)buf_fmt(&request, ":%u", port);
	(void)buf_fmt(&request, "\r\nUser-Agent: Fourpost\r\nContent-Type: application/tlsrpt+gzip\r\nContent-Length: %lld\r\nConnection: close\r\n\r\n",
	    (long long)size);
	r = put_report(msg->fd, size, &request);
	if (r < 0) {
		answer(role, msg->id, REPORT_BUSY, "the report cannot be read");
		buf_free(&request);
		return 0;
	}
	post = xcalloc(1, sizeof(*post));
	*post = (struct post){ .role = role, .id = msg->id };
	role->posts++;
	name = span_dup(host);
	https_call(&role->https, name, port, buf_get(&request), REPLY_MAX, POST_SECONDS, on_reply, post);
	free(name);
	buf_free(&request);
	return 0;
}
