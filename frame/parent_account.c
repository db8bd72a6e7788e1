/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The folder of an account: found or made under accounts_dir without following a link that somebody may have put there. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "frame/parent.h"

#define NAME_BYTES_MAX 255

static bool
is_name(struct span name)
{
	return name.len != 0 && name.len <= NAME_BYTES_MAX && name.ptr[0] != '.' && span_chr(name, '/') < 0 && span_chr(name, '\0') < 0;
}

/* Opens a folder in another, making it first when it is not there. *ret_made tells. */
static int
open_or_make(int at, const char *name, mode_t mode, bool *ret_made)
{
	int fd;

	*ret_made = mkdirat(at, name, mode) == 0;
	if (!*ret_made && errno != EEXIST)
		return -errno;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 ? fd : -errno;
}

int
parent_account_dir(const char *accounts_dir, struct span relative, uid_t uid, bool as_root, char **ret_path)
{
	_cleanup_(freep) char *domain_name = NULL, *user_name = NULL;
	_cleanup_(closep) int top = -1, domain = -1, user = -1;
	struct span rest = relative, part;
	struct stat st;
	bool made;

	if (!span_split(&rest, '/', &part) || !is_name(part) || !is_name(rest))
		return -EINVAL;
	domain_name = span_dup(part);
	user_name = span_dup(rest);
	top = open(accounts_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (top < 0)
		return -errno;
	domain = open_or_make(top, domain_name, 0711, &made);
	if (domain < 0)
		return domain;
	if (made && fchmod(domain, 0711) < 0) /* past the umask: accounts walk through it */
		return -errno;
	user = open_or_make(domain, user_name, 0700, &made);
	if (user < 0)
		return user;
	if (made && as_root && fchown(user, uid, (gid_t)uid) < 0)
		return -errno;
	if (fstat(user, &st) < 0)
		return -errno;
	if (as_root && st.st_uid != uid)
		return -EPERM;
	*ret_path = xasprintf("%s/%s/%s", accounts_dir, domain_name, user_name);
	return 0;
}
