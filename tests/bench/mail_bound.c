/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The least that an SMTP server can do: it answers, shakes hands when it is asked to, and throws the message away unread. What mail_load
 * reaches with it, with the same TLS library on the same processors, no server exceeds that keeps mail.
 *   mail_bound -c PROCESSES CERTIFICATE KEY PORT
 * Each process serves one connection at a time, which costs least. */
#include <err.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/listen_at.h"

struct peer {
	int fd;
	SSL *tls;
	bool in_text;
	size_t len;
	char input[65536];
};

static ssize_t
receive(struct peer *peer)
{
	char *room = peer->input + peer->len;
	size_t size = sizeof(peer->input) - peer->len;

	return peer->tls != NULL ? SSL_read(peer->tls, room, (int)size) : read(peer->fd, room, size);
}

static bool
say(const struct peer *peer, const char *line)
{
	size_t len = strlen(line);

	return (peer->tls != NULL ? SSL_write(peer->tls, line, (int)len) : write(peer->fd, line, len)) == (ssize_t)len;
}

static bool
shake_hands(struct peer *peer, SSL_CTX *context)
{
	if (!say(peer, "220 2.0.0 Go on\r\n"))
		return false;
	peer->tls = SSL_new(context);
	return peer->tls != NULL && SSL_set_fd(peer->tls, peer->fd) == 1 && SSL_accept(peer->tls) == 1;
}

static bool
ends_with(const struct peer *peer, const char *end)
{
	size_t len = strlen(end);

	return peer->len >= len && memcmp(peer->input + peer->len - len, end, len) == 0;
}

/* False: the connection is over. What came is a command, or so much of the text, whose end the client waits at. */
static bool
answer(struct peer *peer, SSL_CTX *context)
{
	bool whole = ends_with(peer, peer->in_text ? "\r\n.\r\n" : "\r\n"), good = true;

	if (!whole) {
		/* As much of it as the end may have to do with. */
		if (peer->len > sizeof(peer->input) / 2) {
			memmove(peer->input, peer->input + peer->len - 4, 4);
			peer->len = 4;
		}
		return true;
	}
	if (peer->in_text) {
		peer->in_text = false;
		good = say(peer, "250 2.0.0 Ok\r\n");
	} else if (strncasecmp(peer->input, "STARTTLS", 8) == 0) {
		good = shake_hands(peer, context);
	} else if (strncasecmp(peer->input, "DATA", 4) == 0) {
		peer->in_text = true;
		good = say(peer, "354 Go on\r\n");
	} else if (strncasecmp(peer->input, "QUIT", 4) == 0) {
		(void)say(peer, "221 2.0.0 Bye\r\n");
		good = false;
	} else {
		good = say(peer, "250 2.0.0 Ok\r\n");
	}
	peer->len = 0;
	return good;
}

static void
serve(int fd, SSL_CTX *context)
{
	static struct peer peer;
	ssize_t n;

	peer.fd = fd;
	peer.tls = NULL;
	peer.in_text = false;
	peer.len = 0;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	if (say(&peer, "220 mail-bound ESMTP\r\n"))
		while ((n = receive(&peer)) > 0) {
			peer.len += (size_t)n;
			if (!answer(&peer, context))
				break;
		}
	/* A session that is not closed is not resumed. */
	if (peer.tls != NULL)
		SSL_set_shutdown(peer.tls, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(peer.tls);
	(void)close(fd);
}

static SSL_CTX *
make_context(const char *certificate, const char *key)
{
	static const unsigned char name[] = "mail_bound";
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	if (context == NULL || SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
	    SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1 || SSL_CTX_set_session_id_context(context, name, sizeof(name) - 1) != 1)
		errx(1, "%s, %s: no TLS", certificate, key);
	(void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	return context;
}

int
main(int argc, char **argv)
{
	unsigned long processes = 1;
	SSL_CTX *context;
	int fd, c;

	while ((c = getopt(argc, argv, "c:")) == 'c')
		processes = strtoul(optarg, NULL, 10);
	if (c != -1 || optind != argc - 3 || processes == 0)
		errx(64, "usage: mail_bound [-c PROCESSES] CERTIFICATE KEY PORT");
	context = make_context(argv[optind], argv[optind + 1]);
	fd = listen_at(argv[optind + 2]);
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		err(1, "start");
	for (unsigned long i = 1; i < processes; i++) {
		pid_t pid = fork();

		if (pid < 0)
			err(1, "fork");
		if (pid == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			break;
		}
	}
	for (;;) {
		int peer = accept(fd, NULL, NULL);

		if (peer < 0)
			err(1, "accept");
		serve(peer, context);
	}
}
