/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The socket and its time limit around the machine of milter_state.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/stream.h"
#include "common/xalloc.h"
#include "frame/frame_msg.h"
#include "smtpd/filter.h"
#include "smtpd/smtpd_conf.h"

#define INPUT_MAX (MILTER_LARGE_MAX + MILTER_PACKET_MAX)
#define OUTPUT_MAX (4u << 20)

struct filter_conn {
	struct asked asked_parent; /* while the parent connects; id 0: it does not */
	struct filter_job *job;
	char *address;
	struct milter milter;
	struct stream *stream; /* NULL: not connected */
	int fd;                /* while it connects */
	struct event *connecting, *timer;
	bool asked;            /* a request is under way */
	bool wants_body;       /* the next piece is due once all before it is sent */
	bool broken;           /* nothing can be asked any more */
};

static const struct smtpd_conf *
conf_of(const struct filter_conn *conn)
{
	return smtpd_conf(filter_job_role(conn->job)->proc);
}

static void
answer(struct filter_conn *conn, enum milter_verdict verdict, const char *reply)
{
	conn->asked = false;
	(void)event_del(conn->timer);
	/* The connection may be freed from within. */
	filter_job_answered(conn->job, verdict, reply);
}

/* The milter is of no use for this message: the configuration says what that means. */
static void
fail(struct filter_conn *conn, const char *why)
{
	bool accept = strcmp(conf_of(conn)->milter_default, "accept") == 0;

	if (!conn->broken)
		log_error("milter-failed", log_str("milter", conn->address), log_str("error", why),
		    log_str("message", accept ? "accepted without it" : "put off"));
	conn->broken = true;
	conn->stream = stream_free(conn->stream);
	if (!conn->asked)
		return;
	filter_job_undo(conn->job);
	if (accept)
		answer(conn, MILTER_PASS, "");
	else
		answer(conn, MILTER_REFUSE, "451 4.7.1 The message cannot be checked now: try again later");
}

static void
set_timer(struct filter_conn *conn)
{
	const struct timeval patience = { conf_of(conn)->milter_timeout, 0 };

	(void)event_add(conn->timer, &patience);
}

/* --- going on --- */

static void
tell_of_cut(struct filter_conn *conn)
{
	struct milter *milter = &conn->milter;

	if (milter->cut.len == 0)
		return;
	log_warning("milter-field-cut", log_str("milter", conn->address), log_span("id", milter->queue_id), log_span("field", milter->cut),
	    log_u64("octets", milter->cut_len), log_str("hint", "the milter takes no more than the first 64 KB of it; the message keeps all"));
	milter->cut = SPAN_NULL;
}

/* What is to be sent goes out. False when there was too much of it. */
static bool
flush(struct filter_conn *conn)
{
	struct buf *out = &conn->milter.out;
	bool fits = !out->overflow && (out->len == 0 || stream_write(conn->stream, buf_get(out)) != -EMSGSIZE);

	buf_clear(out);
	return fits;
}

static enum milter_result
next_piece(struct filter_conn *conn)
{
	struct span piece;

	conn->wants_body = false;
	return filter_job_piece(conn->job, &piece) < 0 ? MILTER_BROKEN : milter_body(&conn->milter, piece);
}

/* The next packet, if there is one. False when there is none yet. */
static bool
take_packet(struct filter_conn *conn, enum milter_result *ret_result)
{
	size_t taken;

	*ret_result = milter_input(&conn->milter, stream_input(conn->stream), &taken);
	if (*ret_result == MILTER_CHANGE && filter_job_change(conn->job, &conn->milter.packet) < 0)
		*ret_result = MILTER_BROKEN;
	stream_consume(conn->stream, taken);
	if (taken != 0)
		set_timer(conn);
	return taken != 0 || *ret_result != MILTER_MORE;
}

/* Goes on as far as it can. The connection may be gone afterwards. */
static void
pump(struct filter_conn *conn, enum milter_result result)
{
	if (conn->stream == NULL)
		return; /* what is to be said waits for the connection */
	for (;;) {
		tell_of_cut(conn);
		if (!flush(conn))
			result = MILTER_BROKEN;
		switch (result) {
		case MILTER_DONE:
			answer(conn, conn->milter.verdict, conn->milter.reply);
			return;
		case MILTER_BROKEN:
			fail(conn, "it says what makes no sense, or leaves");
			return;
		case MILTER_WANTS_BODY:
			if (stream_pending(conn->stream) != 0) {
				conn->wants_body = true;
				return;
			}
			result = next_piece(conn);
			break;
		default:
			if (!take_packet(conn, &result))
				return;
		}
	}
}

static void
on_readable(struct stream *stream, void *context)
{
	struct filter_conn *conn = context;

	(void)stream;
	if (conn->asked && !conn->wants_body)
		pump(conn, MILTER_MORE);
}

static void
on_drained(struct stream *stream, void *context)
{
	struct filter_conn *conn = context;

	(void)stream;
	if (!conn->wants_body)
		return;
	set_timer(conn);
	pump(conn, next_piece(conn));
}

static void
on_ended(struct stream *stream, void *context, enum stream_end end)
{
	struct filter_conn *conn = context;

	(void)stream, (void)end;
	/* One that wants to hear no more may leave. */
	if (conn->milter.accepted)
		conn->stream = stream_free(conn->stream);
	else
		fail(conn, "it closed the connection");
}

static const struct stream_ops ops = { .readable = on_readable, .drained = on_drained, .ended = on_ended };

/* --- connecting --- */

static void
on_connect(evutil_socket_t fd, short what, void *context)
{
	struct filter_conn *conn = context;
	int error = 0;
	socklen_t len = sizeof(error);

	(void)what;
	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = fd < 0 ? -conn->fd : errno;
	if (error != 0) {
		fail(conn, strerrordesc_np(error));
		return;
	}
	event_free(conn->connecting);
	conn->connecting = NULL;
	conn->stream = stream_new(filter_job_role(conn->job)->proc->base, conn->fd, &ops, conn, INPUT_MAX, OUTPUT_MAX);
	conn->fd = -1;
	pump(conn, MILTER_MORE);
}

/* A socket that connects, or -errno. */
static int
connect_socket(const char *address)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	char digits[INET6_ADDRSTRLEN];
	struct span host;
	uint16_t port;
	bool is_v6;
	int fd, r;

	if (conf_split_address(span_of(address), &host, &port) < 0 || host.len >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, host.ptr, host.len);
	digits[host.len] = '\0';
	is_v6 = inet_pton(AF_INET6, digits, &v6.sin6_addr) == 1;
	if (!is_v6 && inet_pton(AF_INET, digits, &v4.sin_addr) != 1)
		return -EINVAL;
	v6.sin6_port = v4.sin_port = htons(port);
	fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	r = connect(fd, is_v6 ? (const struct sockaddr *)&v6 : (const struct sockaddr *)&v4, is_v6 ? sizeof(v6) : sizeof(v4)) < 0 &&
		errno != EINPROGRESS ? -errno : 0;
	if (r == 0)
		return fd;
	(void)close(fd);
	return r;
}

/* Waits for the connection, or tells from the loop that there is none. */
static void
await(struct filter_conn *conn, int fd)
{
	conn->fd = fd;
	conn->connecting = event_new(filter_job_role(conn->job)->proc->base, fd < 0 ? -1 : fd, fd < 0 ? 0 : EV_WRITE, on_connect, conn);
	if (conn->connecting == NULL)
		abort();
	if (fd < 0)
		event_active(conn->connecting, EV_TIMEOUT, 0);
	else
		(void)event_add(conn->connecting, NULL);
}

/* This process sees no file: the parent connects for it. */
static int
ask_parent(struct filter_conn *conn, size_t which)
{
	struct filter_role *role = filter_job_role(conn->job);
	struct msg_writer body;

	msg_writer_init(&body);
	msg_put_u8(&body, (uint8_t)which);
	return msg_send(role->proc->parent, MSG_CONNECT, asked_add(&role->connecting, &conn->asked_parent), &body, -1);
}

int
filter_conn_connected(struct filter_role *role, struct msg *msg)
{
	struct filter_conn *conn = (struct filter_conn *)asked_take(&role->connecting, msg->id);
	struct msg_reader body = msg_read(msg);
	uint32_t error = msg_get_u32(&body);

	if (!msg_done(&body) || error > INT32_MAX || (error == 0) != (msg->fd >= 0))
		return -EBADMSG;
	if (conn == NULL)
		return 0; /* the message is done with */
	conn->asked_parent.id = 0;
	await(conn, error == 0 ? TAKE_FD(msg->fd) : -(int)error);
	return 0;
}

static void
on_timer(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	fail(context, "it does not answer");
}

struct filter_conn *
filter_conn_new(struct filter_job *job, size_t which, const struct milter_client *client)
{
	struct event_base *base = filter_job_role(job)->proc->base;
	struct filter_conn *conn = xcalloc(1, sizeof(*conn));

	conn->job = job;
	conn->address = xstrdup(conf_of(conn)->milters.item[which]);
	conn->fd = -1;
	milter_init(&conn->milter, client);
	conn->timer = evtimer_new(base, on_timer, conn);
	if (conn->timer == NULL)
		abort();
	if (conf_unix_path(conn->address) == NULL)
		await(conn, connect_socket(conn->address));
	else if (ask_parent(conn, which) < 0) /* it has gone, and so goes this process */
		await(conn, -EPIPE);
	return conn;
}

struct filter_conn *
filter_conn_free(struct filter_conn *conn)
{
	if (conn == NULL)
		return NULL;
	if (conn->asked_parent.id != 0)
		(void)asked_take(&filter_job_role(conn->job)->connecting, conn->asked_parent.id);
	if (conn->connecting != NULL)
		event_free(conn->connecting);
	if (conn->fd >= 0)
		(void)close(conn->fd);
	event_free(conn->timer);
	if (conn->stream != NULL) {
		buf_clear(&conn->milter.out);
		milter_quit(&conn->milter);
		(void)flush(conn);
		stream_finish(conn->stream);
	}
	milter_free(&conn->milter);
	free(conn->address);
	free(conn);
	return NULL;
}

/* --- requests --- */

/* Begins one. False when it is answered already. */
static bool
begin(struct filter_conn *conn)
{
	conn->asked = true;
	conn->wants_body = false;
	set_timer(conn);
	if (!conn->broken && !conn->milter.accepted)
		return true;
	if (conn->milter.accepted)
		answer(conn, MILTER_PASS, "");
	else
		fail(conn, "");
	return false;
}

void
filter_conn_mail(struct filter_conn *conn)
{
	if (begin(conn))
		pump(conn, milter_mail(&conn->milter));
}

void
filter_conn_rcpt(struct filter_conn *conn, struct span rcpt)
{
	if (begin(conn))
		pump(conn, milter_rcpt(&conn->milter, rcpt));
}

void
filter_conn_text(struct filter_conn *conn, struct span queue_id, struct span header)
{
	if (begin(conn))
		pump(conn, milter_text(&conn->milter, queue_id, header));
}
