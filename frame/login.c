/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The login role. A connection goes through these phases, each held by one owner of its stream:
 * talking (we read lines) -> asking (paused: auth, then a worker) -> handed over (the session, or
 * the splice to it). Handed over, it is still here, because it counts, until the session's channel
 * and the splice are both gone. */
#include "frame/login.h"

#include <errno.h>
#include <event2/event.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"
#include "common/stream.h"
#include "common/xalloc.h"
#include "frame/address_table.h"
#include "frame/front.h"
#include "frame/login_sleep.h"
#include "frame/sasl_parse.h"

#define OUTPUT_MAX 65536
/* The whole time before login, counted in the protocol's timeout. */
#define TOTAL_TIMES_TIMEOUT 5
/* Unread input that goes to the session in a message. */
#define BEGIN_INPUT_MAX (MSG_BODY_MAX / 2)

struct login {
	struct front *front; /* first: FRONT_HANDLERS finds it through proc->state */
	struct proc *proc;
	const struct login_protocol *protocol;
	struct address_table *sessions; /* by account_key() */
	unsigned sessions_of_account_max; /* 0: any number */
};

struct connection {
	struct login *login;
	struct front_client *client;
	struct stream *stream; /* NULL once handed over */
	struct event *deadline;
	void *state;
	struct login_credentials credentials;
	uint32_t request; /* under way with auth, or 0 */
	uint64_t grant;
	uint64_t account_key; /* counted among the sessions, or 0 */
	struct msg_channel *worker;
	uint32_t worker_request; /* that it was asked for by */
	struct login_sleep *sleep; /* what is left of a session, or NULL */
	unsigned failures;
	bool relaying, waits_for_drain, secure;
};

/* One of 2^64, and nobody can make two names that share one. */
static uint64_t
account_key(struct span account)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	uint64_t key;

	if (EVP_Digest(account.ptr, account.len, digest, NULL, EVP_sha256(), NULL) != 1)
		abort(); /* only for want of memory */
	memcpy(&key, digest, sizeof(key));
	return key != 0 ? key : 1;
}

static bool
is_crowded(const struct login *login, uint64_t key)
{
	return login->sessions_of_account_max != 0 &&
	    address_table_count(login->sessions, key) >= login->sessions_of_account_max;
}

/* Nothing is wanted of the session any more: it may finish what it does, and is killed when it hangs. */
static void
leave_worker(const struct connection *connection)
{
	if (connection->worker != NULL)
		auth_leave_worker(front_auth(connection->login->front), connection->worker_request);
}

static void
connection_free(struct connection *connection)
{
	struct auth_client *auth = front_auth(connection->login->front);

	if (connection->request != 0)
		auth_cancel(auth, connection->request);
	auth_drop_grant(auth, connection->grant);
	if (connection->account_key != 0)
		address_table_remove(connection->login->sessions, connection->account_key);
	if (connection->deadline != NULL)
		event_free(connection->deadline);
	leave_worker(connection);
	(void)msg_channel_free(connection->worker);
	(void)login_sleep_free(connection->sleep);
	buf_wipe(&connection->credentials.user);
	buf_wipe(&connection->credentials.password);
	free(connection->state);
	front_leave(connection->client);
	free(connection);
}

/* Ends a connection that has not been handed over: what is pending is still sent. */
static void
hang_up(struct connection *connection, const char *last_words)
{
	if (last_words != NULL)
		(void)stream_write(connection->stream, span_of(last_words));
	stream_finish(connection->stream);
	connection->stream = NULL;
	connection_free(connection);
}

/* --- after login --- */

static int
on_session_message(struct msg_channel *channel, struct msg *msg, void *context)
{
	struct connection *connection = context;
	int r;

	(void)channel;
	if (connection->sleep == NULL)
		connection->sleep = login_sleep_new();
	r = login_sleep_message(connection->sleep, msg);
	if (r == 0 && login_sleep_is_ready(connection->sleep))
		leave_worker(connection);
	return r;
}

static void on_session_closed(struct msg_channel *channel, int error, void *context);
static int send_begin(struct connection *connection, struct span handover, struct span input, int fd);

/* To a client whose session slept: through what the session has had of it. */
static void
say_unavailable(const struct connection *connection)
{
	struct span words = span_of(connection->login->protocol->unavailable);
	int client = login_sleep_take_client(connection->sleep);

	(void)send(client, words.ptr, words.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)close(client);
}

/* The session goes on in a new process, by the same grant. */
static void
on_wake_worker(void *context, struct msg_channel *worker)
{
	struct connection *connection = context;
	struct login_sleep *sleep = connection->sleep;

	connection->worker_request = connection->request;
	connection->request = 0;
	connection->worker = worker;
	if (worker == NULL)
		say_unavailable(connection);
	if (worker == NULL || send_begin(connection, login_sleep_state(sleep), login_sleep_input(sleep),
	    login_sleep_take_client(sleep)) < 0) {
		log_warning("session-not-woken", log_str("client", connection->client->address));
		connection->sleep = login_sleep_free(sleep);
		connection->worker = msg_channel_free(worker);
		if (!connection->relaying)
			connection_free(connection);
		return;
	}
	connection->sleep = login_sleep_free(sleep);
	msg_channel_start(worker, connection->login->proc->base, on_session_message, on_session_closed, connection);
}

static void
on_wake(void *context, enum login_wake why)
{
	struct connection *connection = context;

	if (why == LOGIN_WAKE_NEWS) {
		connection->request = auth_worker_by_grant(front_auth(connection->login->front), connection->grant,
		    on_wake_worker, connection);
		return;
	}
	/* Without our end the relay ends, too. */
	connection->sleep = login_sleep_free(connection->sleep);
	if (!connection->relaying)
		connection_free(connection);
}

static void
on_session_closed(struct msg_channel *channel, int error, void *context)
{
	struct connection *connection = context;

	if (error != 0)
		log_warning("session-misbehaved", log_errno("error", error),
		    log_str("client", connection->client->address));
	connection->worker = msg_channel_free(channel);
	if (error == 0 && login_sleep_is_ready(connection->sleep)) {
		login_sleep_begin(connection->sleep, connection->login->proc->base, on_wake, connection);
		return;
	}
	connection->sleep = login_sleep_free(connection->sleep);
	if (!connection->relaying)
		connection_free(connection);
}

static void
on_relay_done(void *context)
{
	struct connection *connection = context;

	/* The session reads the end of its input, finishes what it does, and then closes its
	 * channel. */
	connection->relaying = false;
	if (connection->worker == NULL)
		connection_free(connection);
	else
		leave_worker(connection);
}

static int
send_begin(struct connection *connection, struct span handover, struct span input, int fd)
{
	struct msg_writer body;

	msg_writer_init(&body);
	msg_put_u8(&body, connection->secure);
	msg_put_span(&body, span_of(connection->client->address));
	msg_put_span(&body, handover);
	msg_put_span(&body, input);
	return msg_send(connection->worker, LOGIN_SESSION_BEGIN, 0, &body, fd);
}

static struct span
handover_of(const struct connection *connection)
{
	const struct login_protocol *protocol = connection->login->protocol;

	return protocol->handover != NULL ? protocol->handover(connection->state) : SPAN_NULL;
}

static int
hand_over_relayed(struct connection *connection)
{
	struct login *login = connection->login;
	struct stream *other;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	r = send_begin(connection, handover_of(connection), SPAN_NULL, pair[0]);
	if (r < 0) {
		(void)close(pair[1]);
		return r;
	}
	other = stream_new(login->proc->base, pair[1], NULL, NULL, OUTPUT_MAX, OUTPUT_MAX);
	/* The session watches over silence. When it has gone, its last words wait for the client here alone. */
	stream_set_timeouts(connection->stream, 0, login->protocol->stall);
	connection->relaying = true;
	stream_splice(connection->stream, other, on_relay_done, connection);
	connection->stream = NULL;
	return 0;
}

/* -EBUSY: the stream has yet to send; drained() comes back here. */
static int
hand_over_socket(struct connection *connection)
{
	char *input;
	size_t len;
	int fd = stream_release(connection->stream, &input, &len), r;

	if (fd < 0)
		return fd;
	connection->stream = NULL;
	r = send_begin(connection, handover_of(connection), span_make(input, len), fd);
	explicit_bzero(input, len);
	free(input);
	return r;
}

static void
hand_over(struct connection *connection)
{
	bool relayed = (connection->secure = stream_is_secure(connection->stream)) ||
	    stream_input(connection->stream).len > BEGIN_INPUT_MAX;
	int r = relayed ? hand_over_relayed(connection) : hand_over_socket(connection);

	connection->waits_for_drain = r == -EBUSY;
	if (r == 0) {
		event_free(connection->deadline);
		connection->deadline = NULL;
		msg_channel_start(connection->worker, connection->login->proc->base,
		    on_session_message, on_session_closed, connection);
	} else if (r != -EBUSY) {
		log_error("hand-over-failed", log_errno("error", r),
		    log_str("client", connection->client->address));
		if (connection->stream != NULL)
			hang_up(connection, connection->login->protocol->unavailable);
		else
			connection_free(connection);
	}
}

static void
on_worker(void *context, struct msg_channel *worker)
{
	struct connection *connection = context;

	connection->worker_request = connection->request;
	connection->request = 0;
	connection->worker = worker;
	if (worker == NULL) {
		log_warning("no-session", log_span("user", buf_get(&connection->credentials.user)),
		    log_str("client", connection->client->address));
		hang_up(connection, connection->login->protocol->unavailable);
		return;
	}
	hand_over(connection);
}

/* --- before login --- */

static void read_input(struct connection *connection);

static const char *
result_name(enum auth_result result)
{
	static const char *const names[] = {
		[AUTH_OK] = "ok",
		[AUTH_BAD] = "bad",
		[AUTH_LIMITED] = "limited",
		[AUTH_TEMPFAIL] = "tempfail",
		[AUTH_CROWDED] = "crowded",
	};

	return names[result];
}

static void
on_auth(void *context, enum auth_result result, uint64_t grant, struct span account)
{
	struct connection *connection = context;
	struct login *login = connection->login;
	struct buf out = BUF_INIT(LOGIN_REPLY_MAX);

	connection->request = 0;
	if (result == AUTH_OK && is_crowded(login, account_key(account))) {
		auth_drop_grant(front_auth(login->front), grant);
		result = AUTH_CROWDED;
	}
	if (result == AUTH_OK) {
		log_info("login", log_span("account", account),
		    log_str("client", connection->client->address),
		    log_str("tls", stream_is_secure(connection->stream) ? "yes" : "no"));
		connection->grant = grant;
		connection->account_key = account_key(account);
		(void)address_table_add(login->sessions, connection->account_key);
		connection->request =
		    auth_worker_by_grant(front_auth(login->front), grant, on_worker, connection);
		return;
	}
	log_warning("login-failed", log_span("user", buf_get(&connection->credentials.user)),
	    log_str("client", connection->client->address), log_str("result", result_name(result)));
	buf_wipe(&connection->credentials.user);
	login->protocol->refused(connection->state, (uint8_t)result, &out);
	(void)stream_write(connection->stream, buf_get(&out));
	buf_free(&out);
	if (++connection->failures >= login->protocol->failures_max) {
		hang_up(connection, login->protocol->too_many);
		return;
	}
	stream_resume(connection->stream);
}

static void
authenticate(struct connection *connection)
{
	stream_pause(connection->stream);
	connection->request = auth_verify(front_auth(connection->login->front),
	    buf_get(&connection->credentials.user), buf_get(&connection->credentials.password),
	    span_of(connection->client->address), on_auth, connection);
	buf_wipe(&connection->credentials.password);
}

/* False when the connection has ended. */
static bool
act(struct connection *connection, enum login_action action)
{
	int r;

	switch (action) {
	case LOGIN_MORE:
	case LOGIN_AGAIN:
		return true;
	case LOGIN_START_TLS:
		/* what was said in plain is forgotten (RFC 3207 section 4.2) */
		buf_wipe(&connection->credentials.user);
		r = front_start_tls(connection->client);
		if (r == 0)
			return true;
		/* The client, or somebody between, sent commands in plain behind it: they were not
		 * taken. */
		log_warning("starttls-refused", log_errno("error", r),
		    log_str("client", connection->client->address));
		break;
	case LOGIN_AUTHENTICATE:
		authenticate(connection);
		return true;
	case LOGIN_CLOSE:
		break;
	}
	hang_up(connection, NULL);
	return false;
}

static struct login_facts
facts_of(const struct connection *connection)
{
	const struct login *login = connection->login;

	return (struct login_facts){
		.hostname = login->proc->common->hostname,
		.secure = stream_is_secure(connection->stream),
		.can_start_tls = front_has_tls(login->front),
		.plaintext_login = login->proc->common->plaintext_login,
	};
}

static void
read_input(struct connection *connection)
{
	const struct login_protocol *protocol = connection->login->protocol;
	enum login_action action = LOGIN_AGAIN;

	while (action == LOGIN_AGAIN) {
		struct login_facts facts = facts_of(connection);
		struct buf out = BUF_INIT(LOGIN_REPLY_MAX);
		struct span input = stream_input(connection->stream);
		size_t used = 0;

		/* A client that sends commands and reads no replies waits until it reads. */
		if (stream_room(connection->stream) < LOGIN_REPLY_MAX) {
			stream_pause(connection->stream);
			return;
		}
		action = protocol->input(connection->state, &facts, input, &used, &out,
		    &connection->credentials);
		stream_consume(connection->stream, used);
		/* there is room; when it broke, ended() comes */
		(void)stream_write(connection->stream, buf_get(&out));
		buf_free(&out);
		if (action == LOGIN_MORE && input.len - used >= protocol->line_max) {
			hang_up(connection, protocol->too_long);
			return;
		}
	}
	(void)act(connection, action);
}

static void
on_readable(struct stream *stream, void *context)
{
	(void)stream;
	read_input(context);
}

static void
on_drained(struct stream *stream, void *context)
{
	struct connection *connection = context;

	if (connection->waits_for_drain)
		hand_over(connection);
	else if (connection->request == 0)
		stream_resume(stream);
}

static void
greet(struct connection *connection)
{
	struct login_facts facts = facts_of(connection);
	struct buf out = BUF_INIT(LOGIN_REPLY_MAX);

	connection->login->protocol->greet(connection->state, &facts, &out);
	(void)stream_write(connection->stream, buf_get(&out));
	buf_free(&out);
}

static void
on_secured(struct stream *stream, void *context)
{
	struct connection *connection = context;

	(void)stream;
	if (connection->client->listener->tls)
		greet(connection);
}

static void
on_ended(struct stream *stream, void *context, enum stream_end end)
{
	struct connection *connection = context;

	if (end == STREAM_TLS_FAILED)
		log_info("tls-failed", log_str("client", connection->client->address),
		    log_str("reason", stream_tls_error(stream)),
		    log_errno("error", stream_error(stream)));
	hang_up(connection, end == STREAM_TIMEOUT ? connection->login->protocol->timed_out : NULL);
}

static const struct stream_ops ops = { on_readable, on_drained, on_secured, on_ended };

/* A client that keeps sending but never logs in. */
static void
on_deadline(evutil_socket_t fd, short what, void *context)
{
	struct connection *connection = context;

	(void)fd, (void)what;
	hang_up(connection, connection->login->protocol->timed_out);
}

static int
on_accept(struct front_client *client, void *context)
{
	struct login *login = context;
	struct connection *connection = xcalloc(1, sizeof(*connection));
	struct timeval limit = { (time_t)login->protocol->timeout * TOTAL_TIMES_TIMEOUT, 0 };

	connection->login = login;
	connection->client = client;
	connection->stream = client->stream;
	connection->state = xcalloc(1, login->protocol->state_size);
	buf_init(&connection->credentials.user, SASL_USER_MAX);
	buf_init(&connection->credentials.password, SASL_PASSWORD_MAX);
	connection->deadline = event_new(login->proc->base, -1, 0, on_deadline, connection);
	if (connection->deadline == NULL)
		abort();
	(void)event_add(connection->deadline, &limit);
	client->context = connection;
	stream_set_owner(client->stream, &ops, connection);
	if (!client->listener->tls)
		greet(connection);
	return 0;
}

static struct span
refusal(const struct proc_listener *listener, void *context)
{
	const struct login *login = context;

	(void)listener;
	return span_of(login->protocol->too_many);
}

static struct front_limits
front_limits_of(const struct login_protocol *protocol, const struct login_limits *limits)
{
	return (struct front_limits){
		.connections_max = limits->all,
		.connections_per_address_max = limits->of_address,
		.input_max = protocol->line_max,
		.output_max = OUTPUT_MAX,
		.timeout = protocol->timeout,
	};
}

void
login_set_limits(struct proc *proc, const struct login_limits *limits)
{
	struct login *login = proc->state;
	const struct front_limits of_front = front_limits_of(login->protocol, limits);

	front_set_limits(login->front, &of_front);
	login->sessions_of_account_max = limits->of_account;
}

int
login_run(struct proc *proc, const struct login_protocol *protocol,
    const struct login_limits *login_limits)
{
	static const struct proc_handler handlers[] = { FRONT_HANDLERS };
	struct login *login = xcalloc(1, sizeof(*login));
	const struct front_limits limits = front_limits_of(protocol, login_limits);
	struct jail jail = { .root = proc->common->empty_dir,
		.allow = JAIL_ACCEPT | JAIL_SOCKETPAIR };

	login->proc = proc;
	login->protocol = protocol;
	login->sessions = address_table_new(0); /* the keys are as good as random */
	login->sessions_of_account_max = login_limits->of_account;
	proc->state = login;
	proc->handlers = handlers;
	proc->handler_count = sizeof(handlers) / sizeof(*handlers);
	proc->peer_gone = front_peer_gone;
	login->front = front_new(proc, &limits, protocol->alpn, on_accept, refusal, login);
	if (login->front == NULL)
		return EX_CONFIG;
	/* --- jail --- */
	proc_jail(proc, &jail);
	front_start(login->front);
	return proc_loop(proc);
}

/* --- in the session --- */

int
login_session_read(struct msg *msg, struct login_session *ret_session)
{
	struct msg_reader body = msg_read(msg);
	struct span address;

	ret_session->secure = msg_get_u8(&body) != 0;
	address = msg_get_span(&body);
	ret_session->handover = msg_get_span(&body);
	ret_session->input = msg_get_span(&body);
	if (!msg_done(&body) || msg->fd < 0 || address.len >= sizeof(ret_session->client_address))
		return -EBADMSG;
	memcpy(ret_session->client_address, address.ptr, address.len);
	ret_session->client_address[address.len] = '\0';
	ret_session->fd = msg_take_fd(msg);
	return 0;
}
