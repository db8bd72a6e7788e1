/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Binding the daemon's sockets, the one thing that needs privileged ports. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log.h"
#include "frame/parent.h"

#define BACKLOG 1024

static int
bind_one(const struct addrinfo *address)
{
	int yes = 1, fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	/* "[::]:25" beside "0.0.0.0:25" are two sockets, each with its own family. */
	if (address->ai_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes));
	if (bind(fd, address->ai_addr, address->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
		int r = -errno;

		(void)close(fd);
		return r;
	}
	return fd;
}

/* A socket that nobody listens on any more was left by a process that ended: it is replaced. Anything
 * else there stays. */
static void
remove_stale(const struct sockaddr_un *address)
{
	struct stat st;
	int fd;

	if (lstat(address->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 && errno == ECONNREFUSED)
		(void)unlink(address->sun_path);
	(void)close(fd);
}

/* Who may connect is said by the folders above it. */
static int
bind_path(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;

	if (fd < 0)
		return -errno;
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	remove_stale(&address);
	r = bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || chmod(path, 0666) < 0 || listen(fd, BACKLOG) < 0 ?
	    -errno : fd;
	if (r < 0)
		(void)close(fd);
	return r;
}

bool
parent_is_path(const char *text)
{
	return text[0] == '/' && strlen(text) < sizeof((struct sockaddr_un){ 0 }.sun_path);
}

struct addrinfo *
parent_address(const char *text)
{
	static const struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
	char host[256], port[8];
	struct addrinfo *found = NULL;
	struct span name;
	uint16_t number;

	if (conf_split_address(span_of(text), &name, &number) < 0 || name.len >= sizeof(host))
		return NULL;
	if (name.len != 0)
		memcpy(host, name.ptr, name.len);
	host[name.len] = '\0';
	(void)snprintf(port, sizeof(port), "%u", number);
	return getaddrinfo(name.len != 0 ? host : NULL, port, &hints, &found) == 0 ? found : NULL;
}

static int
listen_on(const char *text, const char *option)
{
	struct addrinfo *found;
	int fd;

	if (parent_is_path(text)) {
		fd = bind_path(text);
		if (fd < 0)
			log_error("bind-failed", log_str("option", option), log_str("path", text), log_errno("error", fd));
		return fd;
	}
	found = parent_address(text);
	if (found == NULL)
		return -EINVAL; /* the configuration's check has told */
	fd = bind_one(found);
	/* A host without IPv6 still serves IPv4 with the packaged configuration. */
	if (fd == -EAFNOSUPPORT && found->ai_family == AF_INET6)
		log_warning("no-ipv6", log_str("option", option), log_str("address", text));
	else if (fd < 0)
		log_error("bind-failed", log_str("option", option), log_str("address", text), log_errno("error", fd));
	freeaddrinfo(found);
	return fd;
}

int
parent_listen(const struct daemon *daemon, const void *conf, struct proc_listener listeners[PROC_LISTENERS_MAX])
{
	int count = 0;

	for (size_t i = 0; i < daemon->listener_count; i++) {
		const struct role_listener *kind = &daemon->listeners[i];
		const struct conf_list *addresses = (const struct conf_list *)(const void *)((const char *)conf + kind->offset);

		for (size_t k = 0; k < addresses->count; k++) {
			struct proc_listener *listener = &listeners[count];
			int fd;

			if (count == PROC_LISTENERS_MAX) {
				log_error("too-many-listeners", log_u64("max", PROC_LISTENERS_MAX));
				return -1;
			}
			fd = listen_on(addresses->item[k], kind->name);
			if (fd == -EAFNOSUPPORT)
				continue;
			if (fd < 0)
				return -1;
			listener->fd = fd;
			listener->kind = kind->kind;
			listener->tls = kind->tls;
			(void)snprintf(listener->name, sizeof(listener->name), "%s %s", kind->name, addresses->item[k]);
			count++;
		}
	}
	return count;
}
