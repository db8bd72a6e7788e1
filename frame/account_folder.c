/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
#include "frame/account_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"

#define NAME_BYTES_MAX 255

static bool
is_name(struct span name)
{
	return name.len != 0 && name.len <= NAME_BYTES_MAX && name.ptr[0] != '.' && span_chr(name, '/') < 0 && span_chr(name, '\0') < 0;
}

/* Opens a folder in another, making it first when it is not there. *ret_made tells. The mode is right from the beginning on, past the umask:
 * who makes it may be killed after any call, and others may make it at the same time. */
static int
open_or_make(int at, const char *name, mode_t mode, bool *ret_made)
{
	mode_t mask = umask(0);
	int fd = mkdirat(at, name, mode), r = -errno;

	(void)umask(mask);
	*ret_made = fd == 0;
	if (fd < 0 && r != -EEXIST)
		return r;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 ? fd : -errno;
}

static bool
is_empty(int folder)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry = NULL;
	size_t count = 0;

	if (dir == NULL) {
		closep(&fd);
		return false;
	}
	while (count <= 2 && (entry = readdir(dir)) != NULL)
		count++;
	(void)closedir(dir);
	return count <= 2; /* itself and the one above */
}

/* The folder is to be that uid's. One that is root's and holds nothing was made for it by somebody who has not come to that yet, or was killed
 * before. */
static int
check_owner(int folder, uid_t uid)
{
	struct stat st;

	if (fstat(folder, &st) < 0)
		return -errno;
	if (st.st_uid == uid)
		return 0;
	if (st.st_uid == 0 && is_empty(folder))
		return fchown(folder, uid, (gid_t)uid) == 0 ? 0 : -errno;
	/* Meanwhile it may have been given away, and taken into use. */
	if (fstat(folder, &st) < 0)
		return -errno;
	return st.st_uid == uid ? 0 : -EPERM;
}

int
account_folder(const char *accounts_dir, struct span relative, uid_t uid, bool as_root, char **ret_path)
{
	_cleanup_(freep) char *domain_name = NULL, *user_name = NULL;
	_cleanup_(closep) int top = -1, domain = -1, user = -1;
	struct span rest = relative, part;
	bool made;
	int r = 0;

	if (!span_split(&rest, '/', &part) || !is_name(part) || !is_name(rest))
		return -EINVAL;
	domain_name = span_dup(part);
	user_name = span_dup(rest);
	top = open(accounts_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (top < 0)
		return -errno;
	domain = open_or_make(top, domain_name, 0711, &made); /* accounts walk through it */
	if (domain < 0)
		return domain;
	user = open_or_make(domain, user_name, 0700, &made);
	if (user < 0)
		return user;
	if (as_root && made)
		r = fchown(user, uid, (gid_t)uid) == 0 ? 0 : -errno;
	else if (as_root)
		r = check_owner(user, uid);
	if (r < 0)
		return r;
	*ret_path = xasprintf("%s/%s/%s", accounts_dir, domain_name, user_name);
	return 0;
}
