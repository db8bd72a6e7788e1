/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* An SMTP or LMTP client that hands in many messages over several connections at once and costs little. Where smtp-source knows one
 * recipient, this knows many, and AUTH. It waits for each answer before it goes on, as smtp-source does.
 *   mail_load [-l] [-r] [-A BASE64] -c CONNECTIONS -n MESSAGES -s SIZE [-f SENDER] -t RECIPIENT [-k COUNT] PORT
 * -l LMTP; -r several messages on a connection; -A AUTH PLAIN with that; each % of RECIPIENT becomes 1 to COUNT, in turns.
 * Prints the seconds until the last answer. Ends with 1 when anything is refused. */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum step { GREETING, HELLO, AUTH, MAIL, RCPT, DATA, MESSAGE, QUIT };

struct client {
	int fd;
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
	char *filling;
	size_t filling_len;
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
send_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0)
			err(1, "write");
		bytes += n;
		len -= (size_t)n;
	}
}

__attribute__((format(printf, 2, 3))) static void
send_line(int fd, const char *format, ...)
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
	send_all(fd, line, (size_t)n + 2);
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
send_recipient(const struct client *client)
{
	const char *wild = strchr(load.recipient, '%');

	if (wild == NULL)
		send_line(client->fd, "RCPT TO:<%s>", load.recipient);
	else
		send_line(client->fd, "RCPT TO:<%.*s%lu%s>", (int)(wild - load.recipient), load.recipient,
		    client->message % load.recipients + 1, wild + 1);
}

/* The head, then so much of the filling that the size is what was asked for. */
static void
send_message(const struct client *client)
{
	char head[512];
	size_t len;
	int n;

	n = snprintf(head, sizeof(head), "From: <%s>\r\nTo: <%s>\r\nSubject: message %lu\r\nDate: Fri, 01 Mar 2024 10:00:00 +0000\r\n"
	    "Message-ID: <%lu.%ld@bench.example.test>\r\n\r\n", load.sender, load.recipient, client->message, client->message, (long)getpid());
	if (n < 0 || (size_t)n >= sizeof(head))
		errx(1, "a head is too long");
	len = load.filling_len > (size_t)n ? load.filling_len - (size_t)n : 0;
	if (len > 0 && load.filling[len - 1] == '\r')
		len--;
	send_all(client->fd, head, (size_t)n);
	send_all(client->fd, load.filling, len);
	send_all(client->fd, "\r\n.\r\n", 5);
}

static bool
next_message(struct client *client)
{
	if (load.started == load.messages)
		return false;
	client->message = load.started++;
	send_line(client->fd, "MAIL FROM:<%s>", load.sender);
	return true;
}

/* A whole answer to the last step has come: take the next one. */
static void
advance(struct client *client)
{
	switch (client->step) {
	case GREETING:
		send_line(client->fd, "%s bench.example.test", load.lmtp ? "LHLO" : "EHLO");
		client->step = HELLO;
		return;
	case HELLO:
		if (load.auth != NULL) {
			send_line(client->fd, "AUTH PLAIN %s", load.auth);
			client->step = AUTH;
			return;
		}
		break;
	case AUTH:
		break;
	case MAIL:
		send_recipient(client);
		client->step = RCPT;
		return;
	case RCPT:
		send_line(client->fd, "DATA");
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
		send_line(client->fd, "QUIT");
		return;
	case QUIT:
		(void)close(client->fd);
		client->fd = -1;
		if (load.started < load.messages)
			begin(client);
		return;
	}
	client->step = MAIL;
	if (!next_message(client)) {
		client->step = QUIT;
		send_line(client->fd, "QUIT");
	}
}

/* Takes what came; true when a last line of an answer was among it. */
static bool
answered(struct client *client)
{
	ssize_t n = read(client->fd, client->input + client->len, sizeof(client->input) - client->len);
	bool whole = false;
	char *line, *end;

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

static void
options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "lrA:c:n:s:f:t:k:")) != -1)
		switch (c) {
		case 'l': load.lmtp = true; break;
		case 'r': load.reuse = true; break;
		case 'A': load.auth = optarg; break;
		case 'c': load.clients = strtoul(optarg, NULL, 10); break;
		case 'n': load.messages = strtoul(optarg, NULL, 10); break;
		case 's': load.filling_len = strtoul(optarg, NULL, 10); break;
		case 'f': load.sender = optarg; break;
		case 't': load.recipient = optarg; break;
		case 'k': load.recipients = strtoul(optarg, NULL, 10); break;
		default: exit(64);
		}
	if (optind != argc - 1 || load.recipient == NULL || load.clients == 0 || load.recipients == 0)
		errx(64, "usage: mail_load [-lr] [-A BASE64] -c CONNECTIONS -n MESSAGES -s SIZE [-f SENDER] -t RECIPIENT [-k COUNT] PORT");
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
	load.filling = malloc(load.filling_len + 1);
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (clients == NULL || load.filling == NULL || load.epoll < 0)
		err(1, "start");
	for (i = 0; i < load.filling_len; i++)
		load.filling[i] = i % 72 == 70 ? '\r' : i % 72 == 71 ? '\n' : (char)('a' + i * 7 % 26);
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
