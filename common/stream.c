/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The owner's side of a connection. Every stream_* call only notes what is wanted and wakes the
 * stream; reading, writing, the handshake and all callbacks happen from the loop
 * (stream_loop.c). */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/util.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/stream_internal.h"
#include "common/xalloc.h"

/* How long stream_finish waits for the peer to take what is pending, and how much it reads and
 * drops after the goodbye. */
#define FINISH_MS 30000
#define LINGER_BYTES 262144

/* --- making and freeing --- */

struct stream *
stream_new(struct event_base *base, int fd, const struct stream_ops *ops, void *context,
    size_t input_max, size_t output_max)
{
	struct stream *stream = xcalloc(1, sizeof(*stream));

	(void)evutil_make_socket_nonblocking(fd);
	stream->fd = fd;
	stream->ops = ops;
	stream->context = context;
	stream->input_max = input_max;
	stream->output_max = output_max;
	stream->read_since = stream->write_since = stream_now();
	stream->readable = event_new(base, fd, EV_READ | EV_PERSIST, stream_on_event, stream);
	stream->writable = event_new(base, fd, EV_WRITE | EV_PERSIST, stream_on_event, stream);
	stream->wake = event_new(base, -1, 0, stream_on_wake, stream);
	if (stream->readable == NULL || stream->writable == NULL || stream->wake == NULL)
		abort();
	stream_wake(stream);
	return stream;
}

static void
free_but_fd(struct stream *stream)
{
	if (stream->freed != NULL)
		*stream->freed = true;
	event_free(stream->readable);
	event_free(stream->writable);
	event_free(stream->wake);
	SSL_free(stream->ssl);
	stream_queue_free(&stream->in);
	stream_queue_free(&stream->out);
	free(stream);
}

struct stream *
stream_free(struct stream *stream)
{
	int fd;

	if (stream == NULL)
		return NULL;
	fd = stream->fd;
	free_but_fd(stream);
	(void)close(fd);
	return NULL;
}

void
stream_finish(struct stream *stream)
{
	stream->finishing = true;
	stream->ops = NULL;
	stream->context = NULL;
	stream->linger_left = LINGER_BYTES;
	stream->close_at = stream_now() + FINISH_MS;
	stream_queue_free(&stream->in);
	stream_wake(stream);
}

void
stream_finish_then(struct stream *stream, void (*done)(void *context), void *context)
{
	stream_finish(stream);
	stream->finished = done;
	stream->context = context;
}

void
stream_set_owner(struct stream *stream, const struct stream_ops *ops, void *context)
{
	stream->ops = ops;
	stream->context = context;
	if (stream->in.len != 0)
		stream->tell_input = true;
	stream_wake(stream);
}

void *
stream_context(const struct stream *stream)
{
	return stream->context;
}

/* --- TLS --- */

/* OpenSSL reads what has come already before it reads from the socket. */
static void
put_before(struct stream *stream)
{
	BIO *bio = BIO_new(BIO_f_buffer()), *socket = BIO_new_socket(stream->fd, BIO_NOCLOSE);

	if (bio == NULL || socket == NULL || stream->in.len > INT32_MAX ||
	    BIO_set_buffer_read_data(bio, stream->in.data + stream->in.start, (int)stream->in.len) != 1)
		abort();
	SSL_set0_rbio(stream->ssl, BIO_push(bio, socket));
	stream_queue_free(&stream->in);
}

static int
start_tls(struct stream *stream, SSL_CTX *context, bool begun)
{
	if (stream->in.len != 0 && !begun) {
		stream_queue_free(&stream->in);
		return -EPROTO;
	}
	ERR_clear_error();
	stream->ssl = SSL_new(context);
	if (stream->ssl == NULL || SSL_set_fd(stream->ssl, stream->fd) != 1)
		abort(); /* only for want of memory */
	if (stream->in.len != 0)
		put_before(stream);
	SSL_set_mode(stream->ssl,
	    SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
		SSL_MODE_RELEASE_BUFFERS);
	SSL_set_options(stream->ssl, SSL_OP_NO_RENEGOTIATION);
	/* A record's head and body with one call. */
	SSL_set_read_ahead(stream->ssl, 1);
	stream->tls = TLS_HANDSHAKE;
	stream->plain_left = stream->out.len;
	stream->read_since = stream_now();
	stream_wake(stream);
	return 0;
}

int
stream_start_tls_server(struct stream *stream, struct ssl_ctx_st *context)
{
	int r = start_tls(stream, context, false);

	if (r == 0)
		SSL_set_accept_state(stream->ssl);
	return r;
}

void
stream_begin_tls_server(struct stream *stream, struct ssl_ctx_st *context)
{
	(void)start_tls(stream, context, true);
	SSL_set_accept_state(stream->ssl);
}

int
stream_start_tls_client(struct stream *stream, struct ssl_ctx_st *context, const char *host)
{
	unsigned char address[sizeof(struct in6_addr)];
	int r = start_tls(stream, context, false);

	if (r < 0)
		return r;
	SSL_set_connect_state(stream->ssl);
	if (host == NULL || host[0] == '\0')
		return 0;
	if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1) {
		/* An address is verified, but never sent as a server name (RFC 6066 section 3). */
		if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(stream->ssl), host) != 1)
			abort();
		return 0;
	}
	/* SSL_set_tlsext_host_name, whose macro casts const away. The name is copied. */
	if (SSL_ctrl(stream->ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
		(void *)(uintptr_t)host) != 1 ||
	    SSL_set1_host(stream->ssl, host) != 1)
		return -EINVAL;
	return 0;
}

struct ssl_st *
stream_tls_settings(const struct stream *stream)
{
	return stream->ssl;
}

struct ssl_st *
stream_ssl(const struct stream *stream)
{
	return stream->tls == TLS_ON ? stream->ssl : NULL;
}

bool
stream_is_secure(const struct stream *stream)
{
	return stream->tls == TLS_ON;
}

const char *
stream_tls_error(const struct stream *stream)
{
	return stream->tls_error != NULL ? stream->tls_error : "";
}

/* --- the owner's side --- */

struct span
stream_input(struct stream *stream)
{
	return stream->in.len != 0 ? span_make(stream->in.data + stream->in.start, stream->in.len) :
				     SPAN_NULL;
}

void
stream_preload(struct stream *stream, struct span bytes)
{
	struct stream_queue later = stream->in;

	stream->in = (struct stream_queue){ NULL, 0, 0, 0 };
	stream_queue_add(&stream->in, bytes.ptr, bytes.len);
	if (later.len != 0)
		stream_queue_add(&stream->in, later.data + later.start, later.len);
	stream_queue_free(&later);
	if (stream->in.len != 0)
		stream->tell_input = true;
	stream_wake(stream);
}

void
stream_consume(struct stream *stream, size_t len)
{
	bool was_full = stream->in.len >= stream->input_max;

	stream_queue_drop(&stream->in, len);
	if (was_full)
		stream_wake(stream);
}

int
stream_write(struct stream *stream, struct span bytes)
{
	if (stream->broken || stream->finishing || stream->shut_wanted)
		return -EPIPE;
	if (stream->out.len > stream->output_max ||
	    bytes.len > stream->output_max - stream->out.len)
		return -EMSGSIZE;
	if (bytes.len == 0)
		return 0;
	if (stream->out.len == 0)
		stream->write_since = stream_now();
	stream_queue_add(&stream->out, bytes.ptr, bytes.len);
	stream->tell_drained = true;
	stream_wake(stream);
	return 0;
}

size_t
stream_pending(const struct stream *stream)
{
	return stream->out.len;
}

size_t
stream_room(const struct stream *stream)
{
	return stream->out.len < stream->output_max ? stream->output_max - stream->out.len : 0;
}

void
stream_shutdown_write(struct stream *stream)
{
	stream->shut_wanted = true;
	stream_wake(stream);
}

void
stream_set_timeouts(struct stream *stream, unsigned read_seconds, unsigned write_seconds)
{
	stream->read_seconds = read_seconds;
	stream->write_seconds = write_seconds;
	stream->read_since = stream_now();
	stream_wake(stream);
}

void
stream_pause(struct stream *stream)
{
	stream->paused = true;
	stream_wake(stream);
}

void
stream_resume(struct stream *stream)
{
	if (!stream->paused)
		return;
	stream->paused = false;
	stream->read_since = stream_now();
	if (stream->in.len != 0)
		stream->tell_input = true;
	stream_wake(stream);
}

int
stream_release(struct stream *stream, char **ret_input, size_t *ret_len)
{
	int fd = stream->fd;

	if (stream->ssl != NULL || stream->out.len != 0)
		return -EBUSY;
	*ret_len = stream->in.len;
	*ret_input =
	    xmemdup(stream->in.len != 0 ? stream->in.data + stream->in.start : "", stream->in.len);
	free_but_fd(stream);
	return fd;
}

int
stream_error(const struct stream *stream)
{
	return stream->error;
}
