/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Connecting to Unix sockets of other programs for a role that sees no file: to those that its configuration names, and with that
 * role's own rights, so that neither the role nor the owner of the socket's folder gets anywhere by the parent's. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log.h"
#include "frame/parent.h"

#define GROUPS_MAX 64

/* A named user's groups, or none but its own: by them the host lets it in. */
static int
take_groups(uid_t uid, gid_t gid)
{
	const struct passwd *user = getpwuid(uid);
	gid_t groups[GROUPS_MAX] = { gid };
	int count = GROUPS_MAX;

	if (user == NULL || getgrouplist(user->pw_name, gid, groups, &count) < 0)
		count = 1;
	return setgroups((size_t)count, groups) < 0 ? -errno : 0;
}

static int
connect_path(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;

	if (fd < 0)
		return -errno;
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	r = connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : fd;
	if (r < 0)
		(void)close(fd);
	return r;
}

/* As that uid, with its groups. This process is of one thread, and nothing else happens meanwhile. */
static int
connect_as(uid_t uid, gid_t gid, const char *path)
{
	gid_t before[GROUPS_MAX];
	int count = getgroups(GROUPS_MAX, before), r = count < 0 ? -errno : take_groups(uid, gid);

	if (r == 0)
		r = setegid(gid) < 0 || seteuid(uid) < 0 ? -errno : connect_path(path);
	if (seteuid(0) < 0 || setegid(0) < 0 || (count >= 0 && setgroups((size_t)count, before) < 0)) {
		log_error("rights-not-restored", log_errno("error", errno));
		abort();
	}
	return r;
}

int
parent_connect(const struct daemon *daemon, const void *conf, const struct role *role, bool as_root, size_t which)
{
	const struct conf_list *list = NULL;
	const char *path;
	uid_t uid;
	gid_t gid;

	for (size_t i = 0; i < daemon->connection_count; i++)
		if (daemon->connections[i].role == role->id)
			list = (const struct conf_list *)(const void *)((const char *)conf + daemon->connections[i].offset);
	if (list == NULL)
		return -EBADMSG;
	/* The role may have read another configuration than this process has now. */
	if (which >= list->count)
		return -ENOENT;
	path = conf_unix_path(list->item[which]);
	if (path == NULL)
		return -ENOENT;
	if (!as_root)
		return connect_path(path);
	if (role_ids(conf, daemon, role, &uid, &gid) < 0)
		return -EPERM;
	return connect_as(uid, gid, path);
}
