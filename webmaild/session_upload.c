/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Uploaded blobs: files in the account's folder that wait to become part of a message. They are bounded in number and bytes, and
 * go when they are stale (RFC 8620 6.1: at least an hour; here a day). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "webmaild/jmap_json.h"
#include "webmaild/session.h"

#define FOLDER "uploads"
#define STALE_SECONDS 86400
#define FILES_MAX 1000
#define BYTES_FACTOR 20 /* of upload_size_max: what all waiting files may be together */
#define NAME_LEN 33     /* 'U' and 32 hexadecimal digits */

struct uploads {
	int folder;
	int64_t size_max;
};

struct upload {
	struct uploads *uploads;
	int fd;
	uint64_t size;
	char name[NAME_LEN + 1]; /* begins with '.' until it is committed */
};

struct uploads *
uploads_open(const char *account_dir, int64_t size_max, int *ret_error)
{
	char *path = xasprintf("%s/" FOLDER, account_dir);
	struct uploads *uploads;
	int fd;

	*ret_error = mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
	fd = *ret_error == 0 ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW) : -1;
	if (*ret_error == 0 && fd < 0)
		*ret_error = -errno;
	free(path);
	if (fd < 0)
		return NULL;
	uploads = xcalloc(1, sizeof(*uploads));
	uploads->folder = fd;
	uploads->size_max = size_max;
	return uploads;
}

/* Removes what is stale; counts the rest. */
static int
sweep(const struct uploads *uploads, size_t *ret_files, uint64_t *ret_bytes)
{
	int fd = openat(uploads->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	time_t now = time(NULL);

	*ret_files = 0;
	*ret_bytes = 0;
	if (dir == NULL) {
		int r = -errno;

		if (fd >= 0)
			(void)close(fd);
		return r;
	}
	while ((entry = readdir(dir)) != NULL) {
		struct stat st;

		if (fstatat(uploads->folder, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			continue;
		if (st.st_mtime < now - STALE_SECONDS && unlinkat(uploads->folder, entry->d_name, 0) == 0)
			continue;
		++*ret_files;
		*ret_bytes += (uint64_t)st.st_size;
	}
	(void)closedir(dir);
	return 0;
}

struct upload *
upload_begin(struct uploads *uploads, int *ret_error)
{
	struct upload *upload;
	uint8_t random[16];
	uint64_t bytes;
	size_t files;

	*ret_error = sweep(uploads, &files, &bytes);
	if (*ret_error == 0 && (files >= FILES_MAX || bytes >= (uint64_t)uploads->size_max * BYTES_FACTOR))
		*ret_error = -ENOSPC;
	if (*ret_error == 0 && getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		*ret_error = -EIO;
	if (*ret_error != 0)
		return NULL;
	upload = xcalloc(1, sizeof(*upload));
	upload->uploads = uploads;
	upload->name[0] = '.';
	for (size_t i = 0; i < sizeof(random); i++)
		(void)snprintf(upload->name + 1 + 2 * i, 3, "%02x", random[i]);
	upload->fd = openat(uploads->folder, upload->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (upload->fd < 0) {
		*ret_error = -errno;
		free(upload);
		return NULL;
	}
	return upload;
}

int
upload_write(struct upload *upload, struct span bytes)
{
	if (bytes.len > (uint64_t)upload->uploads->size_max - upload->size)
		return -EMSGSIZE;
	while (bytes.len > 0) {
		ssize_t put = write(upload->fd, bytes.ptr, bytes.len);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put < 0 ? -errno : -EIO;
		upload->size += (uint64_t)put;
		bytes = span_skip(bytes, (size_t)put);
	}
	return 0;
}

uint64_t
upload_size(const struct upload *upload)
{
	return upload->size;
}

static void
upload_free(struct upload *upload)
{
	if (upload->fd >= 0)
		(void)close(upload->fd);
	free(upload);
}

void
upload_abandon(struct upload *upload)
{
	if (upload == NULL)
		return;
	(void)unlinkat(upload->uploads->folder, upload->name, 0); /* what stays behind goes when it is stale */
	upload_free(upload);
}

int
upload_commit(struct upload *upload, char *ret_id, uint64_t *ret_size)
{
	char name[NAME_LEN + 1];
	int fd = upload->fd, r;

	memcpy(name, upload->name, sizeof(name));
	name[0] = 'U';
	upload->fd = -1;
	/* No sync: a blob that a crash takes away is uploaded again; the message made from it is synced by the store. */
	r = close(fd) < 0 || renameat(upload->uploads->folder, upload->name, upload->uploads->folder, name) < 0 ? -errno : 0;
	if (r < 0) {
		upload_abandon(upload);
		return r;
	}
	memcpy(ret_id, name, sizeof(name));
	*ret_size = upload->size;
	upload_free(upload);
	return 0;
}

int
uploads_read(struct uploads *uploads, struct span id, struct buf *out)
{
	char name[NAME_LEN + 1];
	struct stat st;
	int fd, r = 0;
	char *room;

	if (id.len != NAME_LEN || id.ptr[0] != 'U' || !jmap_is_id(id))
		return 1;
	memcpy(name, id.ptr, NAME_LEN);
	name[NAME_LEN] = '\0';
	fd = openat(uploads->folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 1 : -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	room = r == 0 ? buf_reserve(out, (size_t)st.st_size) : NULL;
	if (r == 0 && room == NULL)
		r = -EMSGSIZE;
	for (size_t at = 0; r == 0 && at < (size_t)st.st_size;) {
		ssize_t got = read(fd, room + at, (size_t)st.st_size - at);

		if (got <= 0)
			r = got < 0 ? -errno : -EIO;
		else
			at += (size_t)got;
	}
	if (r == 0)
		buf_added(out, (size_t)st.st_size);
	(void)close(fd);
	return r;
}
