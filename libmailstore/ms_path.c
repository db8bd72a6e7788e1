/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Mailbox names and the folders they stand for (Maildir++: ".Name.Sub" below the INBOX, in modified UTF-7). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/utf7.h"
#include "common/xalloc.h"
#include "libmailstore/ms_internal.h"
#include "libmailstore/ms_listing.h"

#define LEVELS_MAX 32
/* Who makes or removes a folder of several parts takes no longer. */
#define FRESH_SECONDS 10
#define TREE_DEPTH_MAX 8
#define READ_BYTES 4096

static bool
level_is_valid(struct span level)
{
	/* '.' divides levels on disk; '/' does in names; '%' and '*' would be patterns to IMAP clients. */
	if (level.len == 0 || !span_is_utf8(level))
		return false;
	for (size_t i = 0; i < level.len; i++) {
		unsigned char c = (unsigned char)level.ptr[i];

		if (c < ' ' || c == 0x7f || span_chr(SPAN("./%*"), (char)c) >= 0)
			return false;
	}
	return true;
}

int
ms_mailbox_name_check(const char *name, struct buf *out)
{
	struct span rest = span_of(name), level;
	size_t levels = 0, from = out->len;

	if (rest.len == 0 || rest.len > MS_MAILBOX_NAME_MAX / 2 || rest.ptr[rest.len - 1] == '/')
		return MS_E_BADNAME;
	while (span_split(&rest, '/', &level)) {
		if (++levels > LEVELS_MAX || !level_is_valid(level))
			return MS_E_BADNAME;
		if (levels > 1)
			(void)buf_char(out, '/');
		/* INBOX is the one name without case (RFC 3501 section 5.1). */
		(void)buf_span(out, levels == 1 && span_ieq(level, SPAN("INBOX")) ? SPAN("INBOX") : level);
	}
	/* The file system's bound on one name, beside what is put around it. */
	return out->len - from > 200 ? MS_E_BADNAME : 0;
}

int
ms_mailbox_canonical(const char *name, char **ret)
{
	struct buf checked = BUF_INIT(MS_MAILBOX_NAME_MAX);
	int r = ms_mailbox_name_check(name, &checked);

	if (r == 0)
		*ret = buf_take(&checked);
	buf_free(&checked);
	return r;
}

int
ms_mailbox_folder_name(const char *name, struct buf *out)
{
	struct buf checked = BUF_INIT(MS_MAILBOX_NAME_MAX);
	struct span rest, level;
	int r = ms_mailbox_name_check(name, &checked);

	rest = buf_get(&checked);
	if (r == 0 && !span_eq(rest, SPAN("INBOX")))
		while (r == 0 && span_split(&rest, '/', &level)) {
			(void)buf_char(out, '.');
			if (utf7_encode(level, out) != 0)
				r = MS_E_BADNAME;
		}
	if (r == 0 && out->len > MS_NAME_MAX)
		r = MS_E_BADNAME;
	buf_free(&checked);
	return r;
}

int
ms_folder_to_name(struct span folder, struct buf *out)
{
	struct buf checked = BUF_INIT(MS_MAILBOX_NAME_MAX);
	struct span rest = span_skip(folder, 1), level;
	int r = folder.len > 1 && folder.ptr[0] == '.' && folder.ptr[folder.len - 1] != '.' && span_chr(folder, '/') < 0 ? 0 : MS_E_BADNAME;

	while (r == 0 && span_split(&rest, '.', &level)) {
		if (out->len != 0)
			(void)buf_char(out, '/');
		if (level.len == 0 || utf7_decode(level, out) != 0)
			r = MS_E_BADNAME;
	}
	if (r == 0)
		r = ms_mailbox_name_check(buf_cstr(out), &checked);
	/* A folder that would not come out of its own name is another program's affair. */
	if (r == 0 && (!span_eq(buf_get(&checked), buf_get(out)) || span_eq(buf_get(out), SPAN("INBOX"))))
		r = MS_E_BADNAME;
	buf_free(&checked);
	return r;
}

int
ms_folder_open(const struct ms_store *store, const char *mailbox_name, int *ret_fd)
{
	struct buf folder = BUF_INIT(MS_MAILBOX_NAME_MAX);
	int r = strcmp(mailbox_name, "INBOX") == 0 ? 0 : ms_mailbox_folder_name(mailbox_name, &folder), fd;

	if (r == 0) {
		fd = openat(store->maildir_fd, folder.len != 0 ? buf_cstr(&folder) : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			r = errno == ENOENT || errno == ENOTDIR ? MS_E_NOTFOUND : -errno;
		else
			*ret_fd = fd;
	}
	buf_free(&folder);
	return r;
}

int
ms_read_file(int at, const char *name, struct buf *out)
{
	_cleanup_(closep) int fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ssize_t got = 1;

	if (fd < 0)
		return errno == ENOENT ? MS_E_NOTFOUND : -errno;
	while (got > 0) {
		char *room = buf_reserve(out, READ_BYTES);

		if (room == NULL)
			return MS_E_LIMIT;
		got = read(fd, room, READ_BYTES);
		if (got < 0)
			return -errno;
		buf_added(out, (size_t)got);
	}
	return 0;
}

/* --- folders --- */

int
ms_dir_open(int at, const char *name, DIR **ret)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r;

	*ret = fd >= 0 ? fdopendir(fd) : NULL;
	if (*ret != NULL)
		return 0;
	r = -errno;
	if (fd >= 0)
		(void)close(fd);
	return r;
}

int
ms_dir_next(DIR *dir, const struct dirent **ret)
{
	do {
		errno = 0;
		*ret = readdir(dir);
	} while (*ret != NULL && (strcmp((*ret)->d_name, ".") == 0 || strcmp((*ret)->d_name, "..") == 0));
	return *ret == NULL ? -errno : 0;
}

/* --- removing --- */

static int
remove_entries(int at, const char *name, unsigned depth)
{
	const struct dirent *entry;
	DIR *dir;
	int r = ms_dir_open(at, name, &dir);

	if (r != 0)
		return r;
	while ((r = ms_dir_next(dir, &entry)) == 0 && entry != NULL) {
		if (unlinkat(dirfd(dir), entry->d_name, 0) == 0 || errno == ENOENT)
			continue;
		if ((errno != EISDIR && errno != EPERM) || depth == TREE_DEPTH_MAX) {
			r = -errno;
			break;
		}
		r = remove_entries(dirfd(dir), entry->d_name, depth + 1);
		if (r == 0 && unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR) < 0)
			r = -errno;
		if (r != 0)
			break;
	}
	(void)closedir(dir);
	return r;
}

int
ms_remove_tree(int at, const char *name)
{
	int r = remove_entries(at, name, 0);

	if (r == -ENOENT)
		return 0;
	if (r == 0 && unlinkat(at, name, AT_REMOVEDIR) < 0)
		r = -errno;
	return r;
}

int
ms_remove_entries(int folder_fd)
{
	return remove_entries(folder_fd, ".", 0);
}

/* --- times and names of files --- */

static struct ms_time
folder_time(int at, const char *name)
{
	struct stat st;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return (struct ms_time){ 0, 0 };
	return (struct ms_time){ st.st_mtim.tv_sec, (uint32_t)st.st_mtim.tv_nsec };
}

void
ms_folder_times(int folder_fd, struct ms_time *ret_new, struct ms_time *ret_cur)
{
	*ret_new = folder_time(folder_fd, "new");
	*ret_cur = folder_time(folder_fd, "cur");
}

struct ms_time
ms_settled(const struct ms_time *time, const struct timespec *now)
{
	int64_t age = (now->tv_sec - time->seconds) * INT64_C(1000000000) + now->tv_nsec - (int64_t)time->nanoseconds;

	return age > MS_FRESH_NANOSECONDS ? *time : (struct ms_time){ 0, 0 };
}

int
ms_file_name(int folder_fd, const struct ms_file *file, const struct ms_name *name, char ret[MS_NAME_MAX + 1], bool renamed[2])
{
	const char *part = file->in_cur ? "cur" : "new";
	struct buf text = BUF_INIT(MS_NAME_MAX);
	int r = ms_name_format(name, file->in_cur || name->flags != 0 || name->letters != 0, &text);

	/* A name that would grow too long stays: it is found by its unique part while the index lives. */
	(void)snprintf(ret, MS_NAME_MAX + 1, "%s", r == 0 ? buf_cstr(&text) : file->name);
	buf_free(&text);
	if (strcmp(ret, file->name) != 0) {
		_cleanup_(freep) char *from = xasprintf("%s/%s", part, file->name);
		_cleanup_(freep) char *to = xasprintf("%s/%s", part, ret);

		if (renameat(folder_fd, from, folder_fd, to) < 0)
			return errno == ENOENT ? MS_E_NOTFOUND : -errno;
		renamed[file->in_cur] = true;
	}
	return 0;
}

int
ms_replace_file(int folder_fd, const char *name, const struct buf *text)
{
	_cleanup_(freep) char *temporary = xasprintf("%s.new", name);
	_cleanup_(closep) int fd = openat(folder_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	errno = EIO; /* for a short write */
	if (write(fd, buf_cstr(text), text->len) != (ssize_t)text->len || fsync(fd) < 0 ||
	    renameat(folder_fd, temporary, folder_fd, name) < 0 || fsync(folder_fd) < 0)
		return -errno;
	return 0;
}

bool
ms_folder_make_part(int folder_fd, const char *part)
{
	return mkdirat(folder_fd, part, 0700) == 0 && fsync(folder_fd) == 0;
}

bool
ms_folder_complete(int folder_fd)
{
	static const char *const parts[] = { "tmp", "new", "cur" };
	bool made = false;
	struct stat st;
	int64_t age;

	if (fstat(folder_fd, &st) < 0)
		return false;
	age = (int64_t)time(NULL) - st.st_mtim.tv_sec;
	if (age < FRESH_SECONDS && age > -FRESH_SECONDS)
		return false;
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		made |= ms_folder_make_part(folder_fd, parts[i]);
	return made;
}

static bool
is_refusal(int error)
{
	return error == EACCES || error == EPERM || error == ENOTDIR || error == ELOOP;
}

static bool
refuses(int at, const char *name, int flags)
{
	_cleanup_(closep) int fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | flags);

	return (fd < 0 || (flags != 0 && faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) < 0)) && is_refusal(errno);
}

bool
ms_folder_is_shut(const struct ms_store *store, const char *name, int result)
{
	_cleanup_(closep) int fd = -1;
	int r;

	if (result >= 0 || !is_refusal(-result) || strcmp(name, "INBOX") == 0)
		return false;
	r = ms_folder_open(store, name, &fd);
	if (r != 0)
		return r < 0 && is_refusal(-r);
	return refuses(fd, ".", O_DIRECTORY) || refuses(fd, "new", O_DIRECTORY) || refuses(fd, "cur", O_DIRECTORY) || refuses(fd, MS_FOLDER_FILE, 0) ||
	    refuses(fd, MS_PENDING_FILE, 0);
}

int
ms_folder_part_open(int folder_fd, bool cur)
{
	int fd = openat(folder_fd, cur ? "cur" : "new", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int
ms_folder_fsync(int folder_fd, bool cur)
{
	_cleanup_(closep) int fd = ms_folder_part_open(folder_fd, cur);

	if (fd < 0)
		return fd;
	return fsync(fd) < 0 ? -errno : 0;
}

int
ms_folder_fsync_with(struct ms_txn *txn, int folder_fd, bool cur)
{
	int fd;

	if (txn->synced_with_count == BDB_COMMIT_FILES)
		return ms_folder_fsync(folder_fd, cur);
	fd = ms_folder_part_open(folder_fd, cur);
	if (fd < 0)
		return fd;
	txn->synced_with[txn->synced_with_count++] = fd;
	return 0;
}

/* The host's name as maildir(5) has it: '/', ':' and ',' are none of it, nor is anything else that a file's name had better not have. */
static const char *
host(struct ms_store *store)
{
	char name[256] = "localhost"; /* too long a name is cut, and not ended */

	if (store->host[0] != '\0')
		return store->host;
	(void)gethostname(name, MS_HOST_LEN);
	name[MS_HOST_LEN] = '\0';
	for (char *c = name; *c != '\0'; c++)
		if (!ascii_is_alnum(*c) && *c != '-' && *c != '.')
			*c = '_';
	(void)snprintf(store->host, sizeof(store->host), "%.*s", MS_HOST_LEN, name);
	return store->host;
}

void
ms_unique(struct ms_store *store, struct buf *out)
{
	struct timespec now;

	/* time.MmicrosecondsPpidQcount.host */
	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)buf_fmt(out, "%lld.M%06ldP%ldQ%llu.%s", (long long)now.tv_sec, now.tv_nsec / 1000, (long)getpid(), (unsigned long long)++store->unique,
	    host(store));
}
