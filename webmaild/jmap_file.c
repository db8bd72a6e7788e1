/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Small JSON files, replaced by rename. */
#include "webmaild/jmap_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "webmaild/jmap_json.h"

#define FILE_MAX (4u << 20)

static int
read_file(int fd, struct buf *out)
{
	struct stat st;
	char *room;
	size_t at = 0;

	if (fstat(fd, &st) < 0)
		return -errno;
	room = st.st_size >= 0 && S_ISREG(st.st_mode) ? buf_reserve(out, (size_t)st.st_size) : NULL;
	if (room == NULL)
		return -EFBIG;
	while (at < (size_t)st.st_size) {
		ssize_t got = read(fd, room + at, (size_t)st.st_size - at);

		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		at += (size_t)got;
	}
	buf_added(out, at);
	return 0;
}

json_t *
jmap_file_load(const char *account_dir, const char *name)
{
	_cleanup_(freep) char *path = xasprintf("%s/%s", account_dir, name);
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct buf text = BUF_INIT(FILE_MAX);
	json_t *object = NULL;

	if (fd >= 0 && read_file(fd, &text) == 0)
		object = jmap_parse(buf_get(&text));
	buf_free(&text);
	if (json_is_object(object))
		return object;
	json_decref(object);
	return json_object();
}

static int
write_file(int fd, struct span text)
{
	while (text.len > 0) {
		ssize_t put = write(fd, text.ptr, text.len);

		if (put <= 0)
			return put < 0 ? -errno : -EIO;
		text = span_skip(text, (size_t)put);
	}
	return fsync(fd) == 0 ? 0 : -errno;
}

int
jmap_file_save(const char *account_dir, const char *name, const json_t *object)
{
	_cleanup_(freep) char *path = xasprintf("%s/%s", account_dir, name);
	_cleanup_(freep) char *temporary = xasprintf("%s/.%s.new", account_dir, name);
	_cleanup_(freep) char *text = json_dumps(object, JSON_COMPACT);
	_cleanup_(closep) int fd = -1;
	int r;

	if (strlen(text) > FILE_MAX)
		return -EFBIG;
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	r = write_file(fd, span_of(text));
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0)
		(void)unlink(temporary);
	return r;
}
