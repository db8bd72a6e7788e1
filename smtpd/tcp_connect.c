/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
#include "smtpd/tcp_connect.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int
tcp_connect(const struct resolve_address *address, uint16_t port)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	bool is_v6 = address->len == 16;
	const struct sockaddr *to = is_v6 ? (const struct sockaddr *)&v6 : (const struct sockaddr *)&v4;
	int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	const int on = 1;
	int r;

	if (fd < 0)
		return -errno;
	/* What is written is whole: waiting for more would only add the other side's delayed acknowledgement, 40 ms for each message. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	memcpy(&v6.sin6_addr, address->bytes, is_v6 ? 16 : 0);
	memcpy(&v4.sin_addr, address->bytes, is_v6 ? 0 : 4);
	r = connect(fd, to, is_v6 ? sizeof(v6) : sizeof(v4)) < 0 && errno != EINPROGRESS ? -errno : 0;
	if (r == 0)
		return fd;
	(void)close(fd);
	return r;
}

int
tcp_connected(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 ? errno : error;
}
