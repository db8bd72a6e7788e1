/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* An SMTP server that throws mail away, as smtp-sink does, and can say "later" to each Nth recipient when it first comes: which one that
 * is, the number in its address tells.
 *   mail_sink [-l N] PORT
 * At SIGTERM it prints how many messages it took, how many recipients it put off, and how many signatures (DKIM) there were. */
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/listen_at.h"

#define NUMBERS_MAX 1000000

struct peer {
	int fd;
	bool in_text, closing;
	unsigned recipients;
	size_t len, answer_len;
	char input[8192], answer[8192];
};

static struct {
	unsigned long nth, taken, put_off, signatures;
	bool seen[NUMBERS_MAX];
} sink;

static volatile sig_atomic_t stopped;

static void
stop(int number)
{
	(void)number;
	stopped = 1;
}

static void
say(struct peer *peer, const char *line)
{
	int n = snprintf(peer->answer + peer->answer_len, sizeof(peer->answer) - peer->answer_len, "%s\r\n", line);

	if (n < 0 || (size_t)n >= sizeof(peer->answer) - peer->answer_len)
		errx(1, "too many answers at once");
	peer->answer_len += (size_t)n;
}

static bool
comes_too_early(const char *line)
{
	const char *digits = line + strcspn(line, "0123456789");
	unsigned long number = strtoul(digits, NULL, 10);

	if (sink.nth == 0 || *digits == '\0' || number >= NUMBERS_MAX || number % sink.nth != 0 || sink.seen[number])
		return false;
	sink.seen[number] = true;
	sink.put_off++;
	return true;
}

static void
recipient(struct peer *peer, const char *line)
{
	if (comes_too_early(line)) {
		say(peer, "450 4.3.0 Later");
		return;
	}
	peer->recipients++;
	say(peer, "250 2.1.5 Ok");
}

static void
text(struct peer *peer)
{
	peer->in_text = peer->recipients > 0;
	say(peer, peer->in_text ? "354 Go on" : "554 5.5.1 Error: no valid recipients");
}

static void
command(struct peer *peer, const char *line)
{
	if (strncasecmp(line, "EHLO", 4) == 0) {
		say(peer, "250-mail-sink");
		say(peer, "250-PIPELINING");
		say(peer, "250-8BITMIME");
		say(peer, "250 ENHANCEDSTATUSCODES");
	} else if (strncasecmp(line, "RCPT", 4) == 0) {
		recipient(peer, line);
	} else if (strncasecmp(line, "DATA", 4) == 0) {
		text(peer);
	} else if (strncasecmp(line, "QUIT", 4) == 0) {
		say(peer, "221 Bye");
		peer->closing = true;
	} else {
		peer->recipients = 0;
		say(peer, "250 2.0.0 Ok");
	}
}

static void
line_came(struct peer *peer, const char *line)
{
	if (!peer->in_text) {
		command(peer, line);
	} else if (strcmp(line, ".") == 0) {
		peer->in_text = false;
		sink.taken++;
		say(peer, "250 2.0.0 Ok");
	} else if (strncasecmp(line, "DKIM-Signature:", 15) == 0) {
		sink.signatures++;
	}
}

static void
finish(struct peer *peer)
{
	(void)close(peer->fd);
	free(peer);
}

static void
serve(struct peer *peer)
{
	ssize_t n = read(peer->fd, peer->input + peer->len, sizeof(peer->input) - peer->len);
	char *line = peer->input, *end;

	if (n <= 0) {
		finish(peer);
		return;
	}
	peer->len += (size_t)n;
	for (; (end = memchr(line, '\n', peer->len)) != NULL; line = end + 1) {
		peer->len -= (size_t)(end - line) + 1;
		if (end > line && end[-1] == '\r')
			end[-1] = '\0';
		*end = '\0';
		line_came(peer, line);
	}
	if (peer->len == sizeof(peer->input))
		errx(1, "a line is too long");
	memmove(peer->input, line, peer->len);
	if (peer->answer_len > 0 && write(peer->fd, peer->answer, peer->answer_len) < 0)
		peer->closing = true;
	peer->answer_len = 0;
	if (peer->closing)
		finish(peer);
}

static void
welcome(int epoll, int listening)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = peer };

	if (peer == NULL || (peer->fd = accept(listening, NULL, NULL)) < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, peer->fd, &event) < 0)
		err(1, "accept");
	if (write(peer->fd, "220 mail-sink ESMTP\r\n", 21) < 0)
		finish(peer);
}

int
main(int argc, char **argv)
{
	struct epoll_event events[64], listening = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC), fd, c;

	while ((c = getopt(argc, argv, "l:")) == 'l')
		sink.nth = strtoul(optarg, NULL, 10);
	if (c != -1 || optind != argc - 1)
		errx(64, "usage: mail_sink [-l N] PORT");
	fd = listen_at(argv[optind]);
	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &listening) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR ||
	    sigaction(SIGTERM, &(struct sigaction){ .sa_handler = stop }, NULL) < 0)
		err(1, "start");
	while (!stopped) {
		int n = epoll_wait(epoll, events, 64, -1);

		if (n < 0 && errno != EINTR)
			err(1, "epoll_wait");
		for (int e = 0; e < n; e++)
			if (events[e].data.ptr == NULL)
				welcome(epoll, fd);
			else
				serve(events[e].data.ptr);
	}
	(void)printf("%lu %lu %lu\n", sink.taken, sink.put_off, sink.signatures);
	return 0;
}
