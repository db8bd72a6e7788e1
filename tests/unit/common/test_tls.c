/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* TLS between two streams of one loop, the server's signatures made by a tls_key as the key role
 * makes them. */
#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/stream.h"
#include "common/tls.h"
#include "tests/unit/common/tls_pair.h"

struct end {
	struct stream *stream;
	struct buf input;
	unsigned secured, ended;
	enum stream_end end;
};

static struct event_base *base;
static struct end server, client;
static unsigned signatures;
static bool refuse_to_sign;

static void
on_readable(struct stream *stream, void *context)
{
	struct end *end = context;

	(void)buf_span(&end->input, stream_input(stream));
	stream_consume(stream, stream_input(stream).len);
}

static void
on_secured(struct stream *stream, void *context)
{
	(void)stream;
	((struct end *)context)->secured++;
}

static void
on_ended(struct stream *stream, void *context, enum stream_end how)
{
	struct end *end = context;

	(void)stream;
	end->ended++;
	end->end = how;
}

static const struct stream_ops ops = { on_readable, NULL, on_secured, on_ended };

static int
sign(void *context, enum tls_sign_kind kind, struct span input, struct buf *out)
{
	signatures++;
	return refuse_to_sign ? -EPIPE : tls_key_sign(context, kind, input, out);
}

static void
spin(unsigned ms)
{
	struct timeval wait = { 0, (suseconds_t)ms * 1000 };

	(void)event_base_loopexit(base, &wait);
	(void)event_base_dispatch(base);
}

/* Until so much has come, or nothing more is to be hoped for. */
static void
await(const struct end *end, size_t len)
{
	for (unsigned i = 0; i < 200 && end->input.len < len; i++)
		spin(100);
}

static void
setup(void)
{
	int fds[2];

	base = event_base_new();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	server = (struct end){ .input = BUF_INIT(1 << 24) };
	client = (struct end){ .input = BUF_INIT(1 << 24) };
	server.stream = stream_new(base, fds[0], &ops, &server, 65536, 1 << 24);
	client.stream = stream_new(base, fds[1], &ops, &client, 65536, 1 << 24);
	signatures = 0;
	refuse_to_sign = false;
}

static void
teardown(void)
{
	server.stream = stream_free(server.stream);
	client.stream = stream_free(client.stream);
	buf_free(&server.input);
	buf_free(&client.input);
	event_base_free(base);
}

/* Shakes hands; checks that a megabyte passes both ways. */
static void
exchange(const char *kind, int version)
{
	struct buf error = BUF_INIT(1000);
	char *certificate, *key_pem;
	struct tls_key *key;
	SSL_CTX *server_context, *client_context;
	char *much = calloc(1, 1 << 20);

	make_pair(kind, &certificate, &key_pem);
	key = tls_key_load(span_of(key_pem), &error);
	server_context = tls_server_new(span_of(certificate), sign, key, "h2,http/1.1", &error);
	client_context = tls_client_new();
	ck_assert_str_eq(buf_cstr(&error), "");
	(void)SSL_CTX_set_max_proto_version(client_context, version);
	(void)SSL_CTX_set_alpn_protos(client_context, (const unsigned char *)"\x08http/1.1", 9);
	/* Plaintext before the handshake, as STARTTLS has it. */
	ck_assert_int_eq(stream_write(server.stream, SPAN("220 go\r\n")), 0);
	ck_assert_int_eq(stream_start_tls_server(server.stream, server_context), 0);
	await(&client, 8);
	ck_assert_str_eq(buf_cstr(&client.input), "220 go\r\n");
	buf_clear(&client.input);
	ck_assert_int_eq(stream_start_tls_client(client.stream, client_context, "mail.example"), 0);
	ck_assert(!stream_is_secure(server.stream));
	/* Written before the handshake is done: sent after it. */
	ck_assert_int_eq(stream_write(client.stream, SPAN("early")), 0);
	ck_assert_int_eq(stream_write(server.stream, SPAN("early")), 0);
	await(&client, 5);
	await(&server, 5);
	ck_assert_str_eq(buf_cstr(&client.input), "early");
	ck_assert_str_eq(buf_cstr(&server.input), "early");
	buf_clear(&client.input);
	buf_clear(&server.input);
	ck_assert_uint_eq(server.secured, 1);
	ck_assert_uint_eq(client.secured, 1);
	ck_assert(stream_is_secure(server.stream));
	ck_assert_int_eq(SSL_version(stream_ssl(client.stream)), version);
	ck_assert_uint_eq(signatures, 1);
	ck_assert_str_eq(SSL_get_servername(stream_ssl(server.stream), TLSEXT_NAMETYPE_host_name),
	    "mail.example");
	ck_assert_int_eq(stream_write(server.stream, span_make(much, 1 << 20)), 0);
	ck_assert_int_eq(stream_write(client.stream, span_make(much, 1 << 20)), 0);
	await(&server, 1 << 20);
	await(&client, 1 << 20);
	ck_assert_uint_eq(server.input.len, 1 << 20);
	ck_assert_uint_eq(client.input.len, 1 << 20);
	/* The end is told as an end, and what was pending arrives before it. */
	ck_assert_int_eq(stream_write(server.stream, SPAN("bye")), 0);
	stream_finish(server.stream);
	server.stream = NULL;
	await(&client, (1 << 20) + 3);
	spin(100);
	ck_assert_uint_eq(client.input.len, (1 << 20) + 3);
	ck_assert_uint_eq(client.ended, 1);
	ck_assert_int_eq(client.end, STREAM_EOF);
	client.stream = stream_free(client.stream);
	spin(20);
	free(much);
	tls_context_free(server_context);
	tls_context_free(client_context);
	key = tls_key_free(key);
	free(certificate);
	free(key_pem);
	buf_free(&error);
}

START_TEST(handshakes)
{
	static const struct {
		const char *kind;
		int version;
	} cases[] = { { "RSA", TLS1_3_VERSION }, { "RSA", TLS1_2_VERSION },
		{ "EC", TLS1_3_VERSION }, { "EC", TLS1_2_VERSION } };

	exchange(cases[_i].kind, cases[_i].version);
}
END_TEST

START_TEST(refuses_plaintext_behind_starttls)
{
	struct buf error = BUF_INIT(1000);
	char *certificate, *key_pem;
	SSL_CTX *context;
	struct tls_key *key;
	int fds[2];
	struct stream *stream;

	make_pair("EC", &certificate, &key_pem);
	key = tls_key_load(span_of(key_pem), &error);
	context = tls_server_new(span_of(certificate), sign, key, NULL, &error);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	stream = stream_new(base, fds[0], &ops, &server, 100, 100);
	stream_pause(stream);
	stream_preload(stream, SPAN("RSET\r\n"));
	ck_assert_int_eq(stream_start_tls_server(stream, context), -EPROTO);
	ck_assert_uint_eq(stream_input(stream).len, 0);
	(void)stream_free(stream);
	(void)close(fds[1]);
	tls_context_free(context);
	(void)tls_key_free(key);
	free(certificate);
	free(key_pem);
	buf_free(&error);
}
END_TEST

/* What stands before a handshake, such as the header of a proxy, may come together with its beginning. */
START_TEST(handshakes_behind_something)
{
	static const char line[] = "PROXY UNKNOWN\r\n";
	struct buf error = BUF_INIT(1000), text = BUF_INIT(1 << 20);
	char *certificate, *key, hello[4096];
	struct tls_key *tls_key;
	struct ssl_ctx_st *server_tls, *client_tls;
	ssize_t got = 0;
	size_t cut;
	int fds[2];

	make_pair("EC", &certificate, &key);
	tls_key = tls_key_load(span_of(key), &error);
	server_tls = tls_server_new(span_of(certificate), sign, tls_key, NULL, &error);
	client_tls = tls_client_new();
	/* The client is behind a socket of its own, so that what it says can be held up. */
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	client.stream = stream_free(client.stream);
	client.stream = stream_new(base, fds[0], &ops, &client, 65536, 1 << 24);
	ck_assert_int_eq(stream_start_tls_client(client.stream, client_tls, "mail.example"), 0);
	for (unsigned i = 0; i < 100 && got <= 0; i++) {
		spin(20);
		got = recv(fds[1], hello, sizeof(hello), MSG_DONTWAIT);
	}
	ck_assert_int_gt(got, 10);
	cut = _i == 0 ? 0 : _i == 1 ? 5 : (size_t)got;
	server.stream = stream_free(server.stream);
	server.stream = stream_new(base, fds[1], &ops, &server, 65536, 1 << 24);
	stream_preload(server.stream, span_make(hello, cut));
	stream_preload(server.stream, span_of(line));
	ck_assert(span_starts(stream_input(server.stream), span_of(line)));
	stream_consume(server.stream, sizeof(line) - 1);
	stream_begin_tls_server(server.stream, server_tls);
	/* The rest comes later. */
	if (cut != (size_t)got)
		ck_assert_int_eq(send(fds[0], hello + cut, (size_t)got - cut, 0), got - (ssize_t)cut);
	for (unsigned i = 0; i < 100 && (server.secured == 0 || client.secured == 0); i++)
		spin(20);
	ck_assert_uint_eq(server.secured, 1);
	ck_assert_uint_eq(client.secured, 1);
	while (text.len < 300000)
		(void)buf_str(&text, "0123456789");
	ck_assert_int_eq(stream_write(client.stream, buf_get(&text)), 0);
	ck_assert_int_eq(stream_write(server.stream, buf_get(&text)), 0);
	await(&server, text.len);
	await(&client, text.len);
	ck_assert(span_eq(buf_get(&server.input), buf_get(&text)) && span_eq(buf_get(&client.input), buf_get(&text)));
	buf_free(&text);
	buf_free(&error);
	tls_context_free(server_tls);
	tls_context_free(client_tls);
	(void)tls_key_free(tls_key);
	free(certificate);
	free(key);
}
END_TEST

START_TEST(roots)
{
	struct buf error = BUF_INIT(1000), two = BUF_INIT(1 << 20);
	char *certificate, *key;
	SSL_CTX *context;

	ck_assert_ptr_null(tls_client_new_trusting(SPAN_NULL, &error));
	ck_assert_ptr_null(tls_client_new_trusting(SPAN("no certificate\n"), &error));
	ck_assert(span_starts(buf_get(&error), SPAN("there are no root certificates to be read")));
	buf_clear(&error);
	for (unsigned i = 0; i < 2; i++) {
		make_pair("EC", &certificate, &key);
		(void)buf_fmt(&two, "# a comment\n%s\n", certificate);
		free(certificate);
		free(key);
	}
	context = tls_client_new_trusting(buf_get(&two), &error);
	ck_assert_ptr_nonnull(context);
	ck_assert_str_eq(buf_cstr(&error), "");
	ck_assert_int_eq(SSL_CTX_get_verify_mode(context), SSL_VERIFY_PEER);
	ck_assert_int_eq(sk_X509_OBJECT_num(X509_STORE_get0_objects(SSL_CTX_get_cert_store(context))), 2);
	tls_context_free(context);
	buf_free(&two);
	buf_free(&error);
}
END_TEST

START_TEST(fails_cleanly)
{
	struct buf error = BUF_INIT(1000);
	char *certificate, *key_pem;
	SSL_CTX *context, *verifying;
	struct tls_key *key;

	make_pair("EC", &certificate, &key_pem);
	key = tls_key_load(span_of(key_pem), &error);
	context = tls_server_new(span_of(certificate), sign, key, NULL, &error);
	ck_assert_int_eq(stream_start_tls_server(server.stream, context), 0);
	if (_i == 0) { /* the key role is gone */
		refuse_to_sign = true;
		verifying = tls_client_new();
		ck_assert_int_eq(stream_start_tls_client(client.stream, verifying, NULL), 0);
	} else if (_i == 1) { /* a client that verifies does not take a self-signed certificate */
		char *other, *other_key;

		make_pair("EC", &other, &other_key);
		verifying = tls_client_new_trusting(span_of(other), &error);
		ck_assert_ptr_nonnull(verifying);
		free(other);
		free(other_key);
		ck_assert_int_eq(stream_start_tls_client(client.stream, verifying, "mail.example"),
		    0);
	} else { /* no TLS at all */
		verifying = NULL;
		ck_assert_int_eq(stream_write(client.stream,
				     SPAN("EHLO there, this is not TLS\r\n")),
		    0);
	}
	spin(100);
	ck_assert_uint_eq(server.ended, 1);
	ck_assert_int_eq(server.end, STREAM_TLS_FAILED);
	ck_assert_uint_eq(server.secured, 0);
	if (_i == 1)
		ck_assert_int_eq(client.end, STREAM_TLS_FAILED);
	tls_context_free(context);
	tls_context_free(verifying);
	(void)tls_key_free(key);
	free(certificate);
	free(key_pem);
	buf_free(&error);
}
END_TEST

START_TEST(refuses_bad_files)
{
	struct buf error = BUF_INIT(1000), out = BUF_INIT(TLS_SIGNATURE_MAX);
	char *certificate, *key_pem;
	struct tls_key *key;

	ck_assert_ptr_null(tls_server_new(SPAN("nothing"), sign, NULL, NULL, &error));
	ck_assert_int_ge(span_find(buf_get(&error), SPAN("no PEM certificate")), 0);
	buf_clear(&error);
	ck_assert_ptr_null(tls_key_load(SPAN("nothing"), &error));
	ck_assert_int_ge(span_find(buf_get(&error), SPAN("no private key")), 0);
	buf_clear(&error);
	make_pair("ED25519", &certificate, &key_pem);
	ck_assert_ptr_null(tls_server_new(span_of(certificate), sign, NULL, NULL, &error));
	ck_assert_ptr_null(tls_key_load(span_of(key_pem), &error));
	free(certificate);
	free(key_pem);
	make_pair("EC", &certificate, &key_pem);
	key = tls_key_load(span_of(key_pem), &error);
	ck_assert_int_eq(tls_key_sign(key, TLS_SIGN_RSA_RAW, SPAN("x"), &out), -EINVAL);
	ck_assert_int_eq(tls_key_sign(key, TLS_SIGN_ECDSA, SPAN_NULL, &out), -EINVAL);
	ck_assert_int_eq(tls_key_sign(key, TLS_SIGN_ECDSA, SPAN("0123456789abcdef0123456789abcdef"),
			     &out),
	    0);
	ck_assert_uint_gt(out.len, 60);
	(void)tls_key_free(key);
	free(certificate);
	free(key_pem);
	buf_free(&error);
	buf_free(&out);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("tls");
	TCase *tests = tcase_create("tls");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 30);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, handshakes, 0, 4);
	tcase_add_test(tests, refuses_plaintext_behind_starttls);
	tcase_add_loop_test(tests, handshakes_behind_something, 0, 3);
	tcase_add_loop_test(tests, fails_cleanly, 0, 3);
	tcase_add_test(tests, roots);
	tcase_add_test(tests, refuses_bad_files);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
