/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* An IMAP client that costs little: sends the commands it reads from stdin, one at a time, and tells how long each took.
 *   imap_load PORT     the server is on 127.0.0.1; a command is a line without its tag
 * Prints for each: seconds, bytes of the answer, its lines "* n FETCH" or other untagged ones, and the tagged line. Ends with 1 when
 * the server hangs up. */
#include <arpa/inet.h>
#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define TAG "bnch17"
#define BUFFER_SIZE ((size_t)256 << 10)

/* Bytes of the answer as they come; a line that is cut by the end of the buffer is moved to its start. */
struct reader {
	int fd;
	char *data;
	size_t start, end;
	unsigned long long bytes;
};

static double
now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The next line without its end; NULL when the server hung up. A line longer than the buffer is given in pieces. */
static char *
next_line(struct reader *reader, size_t *ret_len)
{
	size_t searched = 0;
	ssize_t n;

	for (;;) {
		char *line = reader->data + reader->start, *end;

		end = memchr(line + searched, '\n', reader->end - reader->start - searched);
		if (end != NULL || reader->end - reader->start == BUFFER_SIZE) {
			*ret_len = end != NULL ? (size_t)(end - line) + 1 : BUFFER_SIZE;
			reader->start += *ret_len;
			return line;
		}
		searched = reader->end - reader->start;
		memmove(reader->data, line, searched);
		reader->start = 0;
		reader->end = searched;
		n = read(reader->fd, reader->data + searched, BUFFER_SIZE - searched);
		if (n <= 0)
			return NULL;
		reader->end += (size_t)n;
		reader->bytes += (unsigned long long)n;
	}
}

static bool
begins(const char *line, size_t len, const char *with)
{
	size_t n = strlen(with);

	return len >= n && memcmp(line, with, n) == 0;
}

static void
send_line(int fd, char *text, size_t len)
{
	char tag[] = TAG " ", end[] = "\r\n";
	struct iovec line[] = {
		{ .iov_base = tag, .iov_len = sizeof(tag) - 1 },
		{ .iov_base = text, .iov_len = len },
		{ .iov_base = end, .iov_len = sizeof(end) - 1 },
	};

	if (writev(fd, line, 3) != (ssize_t)(sizeof(tag) + len + sizeof(end) - 2))
		err(1, "write");
}

int
main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct reader reader = { .data = malloc(BUFFER_SIZE) };
	char command[4096], *line;
	size_t len;

	if (argc != 2 || reader.data == NULL)
		errx(64, "usage: imap_load PORT <COMMANDS");
	address.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
	reader.fd = socket(AF_INET, SOCK_STREAM, 0);
	if (reader.fd < 0 || connect(reader.fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		err(1, "port %s", argv[1]);
	if (next_line(&reader, &len) == NULL)
		errx(1, "no greeting");
	while (fgets(command, sizeof(command), stdin) != NULL) {
		unsigned long long before = reader.bytes, fetched = 0, untagged = 0;
		double begin = now();

		send_line(reader.fd, command, strcspn(command, "\n"));
		while ((line = next_line(&reader, &len)) != NULL && !begins(line, len, TAG " ")) {
			if (!begins(line, len, "* "))
				continue;
			untagged++;
			if (memmem(line, len < 32 ? len : 32, " FETCH ", 7) != NULL)
				fetched++;
		}
		if (line == NULL)
			errx(1, "the server hung up");
		(void)printf("%.6f\t%llu\t%llu\t%llu\t%.*s\n", now() - begin, reader.bytes - before, fetched, untagged - fetched,
		    (int)strcspn(line, "\r\n"), line);
		(void)fflush(stdout);
	}
	return 0;
}
