/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The file of keys: private keys never stand in one that others may read, and a crash leaves the old or the new. */
#include "cli/mailkey_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/tool.h"
#include "common/cleanup.h"
#include "common/io.h"
#include "common/xalloc.h"
#include "frame/read_file.h"

static _Noreturn void
fail(const char *path)
{
	tool_fail(EX_IOERR, "%s: %s", path, strerror(errno));
}

static void
read_rows(struct key_file *file)
{
	struct span rest = buf_get(&file->text);
	struct dkim_key_row row;
	const char *fault;
	unsigned line = 0;
	int r;

	while ((r = dkim_keys_next(&rest, &line, &row, &fault)) > 0) {
		if (key_file_find(file, row.domain, row.selector) != NULL)
			tool_fail(EX_CONFIG, "%s:%u: the domain has that selector already", file->path, row.line);
		(void)key_file_add(file, &row);
	}
	if (r < 0)
		tool_fail(EX_CONFIG, "%s:%u: %s", file->path, line, fault);
}

void
key_file_read(const char *path, bool to_change, struct key_file *ret_file)
{
	_cleanup_(freep) char *copy = xstrdup(path);
	int r;

	*ret_file = (struct key_file){ .path = path, .folder = -1, .text = BUF_INIT(DKIM_KEYS_FILE_MAX) };
	if (to_change) {
		ret_file->folder = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (ret_file->folder < 0 || flock(ret_file->folder, LOCK_EX) < 0)
			fail(path);
	}
	r = read_file(path, &ret_file->text);
	if (r < 0 && r != -ENOENT) {
		errno = -r;
		fail(path);
	}
	read_rows(ret_file);
}

struct dkim_key_row *
key_file_find(const struct key_file *file, struct span domain, struct span selector)
{
	for (size_t i = 0; i < file->count; i++)
		if (span_ieq(file->rows[i].domain, domain) && span_ieq(file->rows[i].selector, selector))
			return &file->rows[i];
	return NULL;
}

struct dkim_key_row *
key_file_add(struct key_file *file, const struct dkim_key_row *row)
{
	if (file->count >= DKIM_KEYS_MAX)
		tool_fail(EX_DATAERR, "%s: there are %d keys already: remove those that are retired", file->path, DKIM_KEYS_MAX);
	file->rows = xreallocarray(file->rows, file->count + 1, sizeof(*file->rows));
	file->rows[file->count] = *row;
	return &file->rows[file->count++];
}

void
key_file_remove(struct key_file *file, struct dkim_key_row *row)
{
	size_t behind = (size_t)(file->rows + file->count - row) - 1;

	memmove(row, row + 1, behind * sizeof(*row));
	file->count--;
}

/* The new file has the owner and mode of the old. */
static void
keep_owner(int fd, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		if (errno != ENOENT)
			fail(path);
		return;
	}
	if ((geteuid() == 0 && fchown(fd, st.st_uid, st.st_gid) < 0) || fchmod(fd, st.st_mode & 0640) < 0)
		fail(path);
}

void
key_file_write(const struct key_file *file)
{
	_cleanup_(freep) char *new_path = xasprintf("%s.new", file->path);
	_cleanup_(closep) int fd = -1;
	struct buf text = BUF_INIT(DKIM_KEYS_FILE_MAX);

	(void)buf_str(&text, "# The keys that mail is signed with: see mailkey(8), which writes this file.\n");
	for (size_t i = 0; i < file->count; i++)
		(void)dkim_keys_put(&file->rows[i], &text);
	if (text.overflow)
		tool_fail(EX_DATAERR, "%s: it would become too long", file->path);
	(void)unlink(new_path);
	fd = open(new_path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		fail(new_path);
	keep_owner(fd, file->path);
	if (io_write_all(fd, buf_get(&text)) < 0 || fsync(fd) < 0 || rename(new_path, file->path) < 0 || fsync(file->folder) < 0)
		fail(file->path);
	buf_wipe(&text);
}

void
key_file_free(struct key_file *file)
{
	buf_wipe(&file->text);
	free(file->rows);
	if (file->folder >= 0)
		(void)close(file->folder);
}

struct dkim_private *
key_file_load(const struct key_file *file, const struct dkim_key_row *row)
{
	struct buf error = BUF_INIT(256);
	struct dkim_private *key = dkim_private_load(row->pem, &error);

	if (key == NULL)
		tool_fail(EX_CONFIG, "%s:%u: %s", file->path, row->line, buf_cstr(&error));
	buf_free(&error);
	return key;
}
