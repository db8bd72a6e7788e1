/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
#include "frame/parent_files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "frame/frame_msg.h"

/* Above what any role reads of one. */
#define COPY_MAX (64u << 20)

int
parent_memory(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	return fd < 0 ? -errno : fd;
}

int
parent_seal(int fd)
{
	return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0 ? -errno : 0;
}

/* By the kernel alone, which does it for files. Who names a device means /dev/null: what has nothing in it. */
static int
copy(int from, int to, struct stat *ret_st)
{
	size_t room = COPY_MAX;

	if (fstat(from, ret_st) < 0)
		return -errno;
	if (S_ISCHR(ret_st->st_mode))
		return 0;
	while (room != 0) {
		ssize_t sent = sendfile(to, from, NULL, room);

		if (sent < 0)
			return -errno;
		if (sent == 0)
			return 0;
		room -= (size_t)sent;
	}
	return -EFBIG;
}

static int
copy_path(const char *path, struct stat *ret_st)
{
	_cleanup_(closep) int from = open(path, O_RDONLY | O_CLOEXEC);
	int to = from >= 0 ? parent_memory("file") : -errno, r;

	if (to < 0)
		return to;
	r = copy(from, to, ret_st);
	if (r == 0)
		r = parent_seal(to);
	if (r < 0)
		(void)close(to);
	return r < 0 ? r : to;
}

static bool
has_role(const struct daemon *daemon, uint8_t id)
{
	for (size_t i = 0; i < daemon->role_count; i++)
		if (daemon->roles[i].id == id)
			return true;
	return false;
}

/* One copy for two roles: they must agree. */
static int
copy_once(const struct parent_files *files, size_t offset, const char *path, struct stat *ret_st)
{
	for (size_t i = 0; i < files->count; i++)
		if (files->file[i].offset == offset) {
			int fd = fcntl(files->file[i].fd, F_DUPFD_CLOEXEC, 0);

			*ret_st = files->file[i].source;
			return fd < 0 ? -errno : fd;
		}
	return copy_path(path, ret_st);
}

static const char *
path_at(const void *conf, size_t offset)
{
	return *(char *const *)(const void *)((const char *)conf + offset);
}

static int
take(const struct role_file *row, const void *conf, struct parent_files *files, struct buf *errors)
{
	const char *path = path_at(conf, row->offset);
	int fd;

	if (path[0] == '\0')
		return 0;
	fd = files->count < PARENT_FILES_MAX ? copy_once(files, row->offset, path, &files->file[files->count].source) : -ENOBUFS;
	if (fd < 0 && row->optional)
		return 0;
	if (fd < 0) {
		(void)buf_fmt(errors, "%s: %s\n", path, strerror(-fd));
		return fd;
	}
	files->file[files->count].fd = fd;
	files->file[files->count].role = row->role;
	files->file[files->count].type = row->type;
	files->file[files->count++].offset = row->offset;
	return 0;
}

int
parent_files_take(const struct daemon *daemon, const void *conf, struct parent_files *ret, struct buf *errors)
{
	static const struct role_file tls[] = {
		{ offsetof(struct fourpost_conf, tls_key), ROLE_KEY, MSG_TLS_FILE, false },
		{ offsetof(struct fourpost_conf, tls_certificate), ROLE_FRONT, MSG_TLS_FILE, false },
	};
	const struct fourpost_conf *common = conf;
	bool has_tls = common->tls_certificate[0] != '\0' && has_role(daemon, ROLE_KEY);
	int result = 0;

	ret->count = 0;
	for (size_t i = 0; has_tls && i < sizeof(tls) / sizeof(*tls); i++) {
		int r = take(&tls[i], conf, ret, errors);

		result = result < 0 ? result : r;
	}
	for (size_t i = 0; i < daemon->file_count; i++) {
		int r = take(&daemon->files[i], conf, ret, errors);

		result = result < 0 ? result : r;
	}
	return result;
}

bool
parent_files_stand(const struct parent_files *files, const void *conf, struct buf *errors)
{
	bool good = true;

	for (size_t i = 0; i < files->count; i++) {
		const struct stat *source = &files->file[i].source;
		const char *path = path_at(conf, files->file[i].offset);
		struct stat st;

		if (stat(path, &st) == 0 && st.st_dev == source->st_dev && st.st_ino == source->st_ino && st.st_size == source->st_size &&
		    st.st_mtim.tv_sec == source->st_mtim.tv_sec && st.st_mtim.tv_nsec == source->st_mtim.tv_nsec)
			continue;
		(void)buf_fmt(errors, "%s was changed while it was read: reload again\n", path);
		good = false;
	}
	return good;
}

void
parent_files_drop(struct parent_files *files)
{
	while (files->count != 0)
		(void)close(files->file[--files->count].fd);
}

int
parent_files_send(const struct parent_files *files, uint8_t role, struct msg_channel *channel)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < files->count; i++)
		if (files->file[i].role == role) {
			int fd = fcntl(files->file[i].fd, F_DUPFD_CLOEXEC, 0);

			r = fd < 0 ? -errno : msg_send(channel, files->file[i].type, 0, NULL, fd);
		}
	return r;
}
