/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* An SMTP or LMTP client that hands in many messages over several connections at once and costs little. Where smtp-source knows one
 * recipient, this knows many, and AUTH. It waits for each answer before it goes on, as smtp-source does.
 *   mail_load [-l] [-r] [-T | -S] [-A BASE64] -c CONNECTIONS -n MESSAGES { -s SIZE | -m FILE } [-f SENDER] -t RECIPIENT [-k COUNT] PORT
 * -l LMTP; -r several messages on a connection; -T STARTTLS, with TLS 1.3 and a handshake in full for each connection; -S the same, but
 * that each connection resumes the session of the one before, as an MTA does that has mail for the same host again; -A AUTH PLAIN with that; -m this message, as it is to be sent. # in RECIPIENT becomes the message's number, and % 1 to COUNT, in turns.
 * Prints the seconds until the last answer. Ends with 1 when anything is refused. */
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"

enum step { GREETING, HELLO, STARTTLS, HANDSHAKE, HELLO_AGAIN, AUTH, MAIL, RCPT, DATA, MESSAGE, QUIT };

struct client {
	int fd;
	SSL *tls;
	SSL_SESSION *session; /* of the last connection, where sessions are resumed */
	enum step step;
	unsigned long message;
	size_t len; /* of input */
	char input[4096];
};

static struct {
	bool lmtp, reuse;
	const char *auth, *sender, *recipient;
	unsigned long clients, messages, recipients, started, finished;
	struct sockaddr_in address;
	SSL_CTX *tls;
	char *filling;
	size_t filling_len;
	bool ready; /* the filling is the message */
	int epoll;
} load = { .sender = "sender@example.test", .recipients = 1 };

static double
now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
send_all(const struct client *client, const char *bytes, size_t len)
{
	while (len > 0) {
		int part = len < 1 << 20 ? (int)len : 1 << 20;
		ssize_t n = client->tls != NULL ? SSL_write(client->tls, bytes, part) : write(client->fd, bytes, (size_t)part);

		if (n <= 0)
			err(1, "write");
		bytes += n;
		len -= (size_t)n;
	}
}

__attribute__((format(printf, 2, 3))) static void
send_line(const struct client *client, const char *format, ...)
{
	char line[1024];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line, sizeof(line) - 2, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(line) - 2)
		errx(1, "a line is too long");
	memcpy(line + n, "\r\n", 2);
	send_all(client, line, (size_t)n + 2);
}

static void
begin(struct client *client)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = client };

	client->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (client->fd < 0 || setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)) < 0 ||
	    connect(client->fd, (struct sockaddr *)&load.address, sizeof(load.address)) < 0 ||
	    epoll_ctl(load.epoll, EPOLL_CTL_ADD, client->fd, &event) < 0)
		err(1, "connect");
	client->step = GREETING;
	client->len = 0;
}

static void
finish(struct client *client)
{
	/* Else OpenSSL takes it for broken off, and resumes no session of it. */
	if (client->tls != NULL)
		SSL_set_shutdown(client->tls, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(client->tls);
	client->tls = NULL;
	(void)close(client->fd);
	client->fd = -1;
}

static void
set_blocking(int fd, bool blocking)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK) < 0)
		err(1, "fcntl");
}

/* Others go on while the server thinks; true when it is done. */
static bool
shook_hands(struct client *client)
{
	int r = SSL_connect(client->tls);

	if (r != 1 && SSL_get_error(client->tls, r) != SSL_ERROR_WANT_READ)
		errx(1, "no TLS");
	if (r == 1 && client->session != NULL && !SSL_session_reused(client->tls))
		errx(1, "a session was not resumed");
	if (r == 1)
		set_blocking(client->fd, true);
	return r == 1;
}

static bool
begin_tls(struct client *client)
{
	client->tls = SSL_new(load.tls);
	if (client->tls == NULL || SSL_set_fd(client->tls, client->fd) != 1 || SSL_set_app_data(client->tls, client) != 1 ||
	    (client->session != NULL && SSL_set_session(client->tls, client->session) != 1))
		errx(1, "no TLS");
	set_blocking(client->fd, false);
	return shook_hands(client);
}

static void
send_recipient(const struct client *client)
{
	struct buf address = BUF_INIT(512);

	for (const char *at = load.recipient; *at != '\0'; at++)
		if (*at == '%')
			(void)buf_u64(&address, client->message % load.recipients + 1);
		else if (*at == '#')
			(void)buf_u64(&address, client->message);
		else
			(void)buf_char(&address, *at);
	send_line(client, "RCPT TO:<%s>", buf_cstr(&address));
	buf_free(&address);
}

/* The head, then so much of the filling that the size is what was asked for. */
static void
send_message(const struct client *client)
{
	char head[512];
	size_t len;
	int n;

	if (load.ready) {
		send_all(client, load.filling, load.filling_len);
		send_all(client, ".\r\n", 3);
		return;
	}
	n = snprintf(head, sizeof(head), "From: <%s>\r\nTo: <%s>\r\nSubject: message %lu\r\nDate: Fri, 01 Mar 2024 10:00:00 +0000\r\n"
	    "Message-ID: <%lu.%ld@bench.example.test>\r\n\r\n", load.sender, load.recipient, client->message, client->message, (long)getpid());
	if (n < 0 || (size_t)n >= sizeof(head))
		errx(1, "a head is too long");
	len = load.filling_len > (size_t)n ? load.filling_len - (size_t)n : 0;
	if (len > 0 && load.filling[len - 1] == '\r')
		len--;
	send_all(client, head, (size_t)n);
	send_all(client, load.filling, len);
	send_all(client, "\r\n.\r\n", 5);
}

static bool
next_message(struct client *client)
{
	if (load.started == load.messages)
		return false;
	client->message = load.started++;
	send_line(client, "MAIL FROM:<%s>", load.sender);
	return true;
}

/* A whole answer to the last step has come: take the next one. */
static void
advance(struct client *client)
{
	switch (client->step) {
	case GREETING:
		send_line(client, "%s bench.example.test", load.lmtp ? "LHLO" : "EHLO");
		client->step = HELLO;
		return;
	case HELLO:
		if (load.tls != NULL) {
			send_line(client, "STARTTLS");
			client->step = STARTTLS;
			return;
		}
		__attribute__((fallthrough));
	case HELLO_AGAIN:
		if (load.auth != NULL) {
			send_line(client, "AUTH PLAIN %s", load.auth);
			client->step = AUTH;
			return;
		}
		break;
	case STARTTLS:
		client->step = HANDSHAKE;
		if (!begin_tls(client))
			return;
		__attribute__((fallthrough));
	case HANDSHAKE:
		send_line(client, "EHLO bench.example.test");
		client->step = HELLO_AGAIN;
		return;
	case AUTH:
		break;
	case MAIL:
		send_recipient(client);
		client->step = RCPT;
		return;
	case RCPT:
		send_line(client, "DATA");
		client->step = DATA;
		return;
	case DATA:
		send_message(client);
		client->step = MESSAGE;
		return;
	case MESSAGE:
		load.finished++;
		if (load.reuse)
			break;
		client->step = QUIT;
		send_line(client, "QUIT");
		return;
	case QUIT:
		finish(client);
		if (load.started < load.messages)
			begin(client);
		return;
	}
	client->step = MAIL;
	if (!next_message(client)) {
		client->step = QUIT;
		send_line(client, "QUIT");
	}
}

/* Takes what came; true when a last line of an answer was among it. */
static bool
answered(struct client *client)
{
	char *line, *end, *room = client->input + client->len;
	size_t size = sizeof(client->input) - client->len;
	bool whole = false;
	ssize_t n;

	if (client->step == HANDSHAKE)
		return shook_hands(client);
	n = client->tls != NULL ? SSL_read(client->tls, room, (int)size) : read(client->fd, room, size);
	/* What came was of TLS itself, such as a ticket. */
	if (n <= 0 && client->tls != NULL && SSL_get_error(client->tls, (int)n) == SSL_ERROR_WANT_READ)
		return false;
	if (n <= 0)
		errx(1, "the server hung up after %lu messages", load.finished);
	client->len += (size_t)n;
	for (line = client->input; (end = memchr(line, '\n', client->len)) != NULL; line = end + 1) {
		size_t len = (size_t)(end - line) + 1;

		if (len > 4 && line[3] == ' ') {
			whole = true;
			if (line[0] != '2' && line[0] != '3')
				errx(1, "refused: %.*s", (int)len, line);
		}
		client->len -= len;
	}
	memmove(client->input, line, client->len);
	return whole;
}

/* A ticket has come. */
static int
keep_session(SSL *tls, SSL_SESSION *session)
{
	struct client *client = SSL_get_app_data(tls);

	SSL_SESSION_free(client->session);
	client->session = session;
	return 1;
}

static SSL_CTX *
client_tls(bool resume)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());

	if (tls == NULL || SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) != 1)
		errx(1, "no TLS");
	/* A ticket that comes alone must not have us wait for an answer. */
	(void)SSL_CTX_clear_mode(tls, SSL_MODE_AUTO_RETRY);
	if (resume) {
		(void)SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
		SSL_CTX_sess_set_new_cb(tls, keep_session);
	}
	return tls;
}

static void
read_message(const char *path)
{
	FILE *file = fopen(path, "rb");
	long size;

	if (file == NULL || fseek(file, 0, SEEK_END) < 0 || (size = ftell(file)) < 0)
		err(1, "%s", path);
	rewind(file);
	load.filling_len = (size_t)size;
	load.filling = malloc(load.filling_len + 1);
	if (load.filling == NULL || fread(load.filling, 1, load.filling_len, file) != load.filling_len)
		err(1, "%s", path);
	(void)fclose(file);
	load.ready = true;
}

static void
make_filling(void)
{
	load.filling = malloc(load.filling_len + 1);
	if (load.filling == NULL)
		err(1, "memory");
	for (size_t i = 0; i < load.filling_len; i++)
		load.filling[i] = i % 72 == 70 ? '\r' : i % 72 == 71 ? '\n' : (char)('a' + i * 7 % 26);
}

static void
options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "lrTSA:c:n:s:m:f:t:k:")) != -1)
		switch (c) {
		case 'l': load.lmtp = true; break;
		case 'r': load.reuse = true; break;
		case 'T': load.tls = client_tls(false); break;
		case 'S': load.tls = client_tls(true); break;
		case 'A': load.auth = optarg; break;
		case 'c': load.clients = strtoul(optarg, NULL, 10); break;
		case 'n': load.messages = strtoul(optarg, NULL, 10); break;
		case 's': load.filling_len = strtoul(optarg, NULL, 10); break;
		case 'm': read_message(optarg); break;
		case 'f': load.sender = optarg; break;
		case 't': load.recipient = optarg; break;
		case 'k': load.recipients = strtoul(optarg, NULL, 10); break;
		default: exit(64);
		}
	if (load.filling == NULL)
		make_filling();
	if (optind != argc - 1 || load.recipient == NULL || load.clients == 0 || load.recipients == 0)
		errx(64, "usage: mail_load [-lrTS] [-A BASE64] -c CONNECTIONS -n MESSAGES { -s SIZE | -m FILE } [-f SENDER] -t RECIPIENT [-k COUNT] PORT");
	load.address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)strtoul(argv[optind], NULL, 10)) };
}

int
main(int argc, char **argv)
{
	struct epoll_event events[64];
	struct client *clients;
	double start;
	size_t i;

	options(argc, argv);
	clients = calloc(load.clients, sizeof(*clients));
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (clients == NULL || load.epoll < 0)
		err(1, "start");
	start = now();
	for (i = 0; i < load.clients && i < load.messages; i++)
		begin(&clients[i]);
	while (load.finished < load.messages) {
		int n = epoll_wait(load.epoll, events, 64, -1), e;

		for (e = 0; e < n; e++)
			if (answered(events[e].data.ptr))
				advance(events[e].data.ptr);
	}
	(void)printf("%.6f\n", now() - start);
	return 0;
}
