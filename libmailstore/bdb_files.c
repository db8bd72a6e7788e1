/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What Berkeley DB does with files: it calls these instead of the system. */
#include "libmailstore/bdb_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"

#define FILES_MAX 1024

unsigned bdb_sync_failures, bdb_bad_pages;
bool bdb_leaving, bdb_recovering;

/* The last sync of a commit waits, so that it can be one of several under way together (bdb_commit_with of bdb.c). */
static struct {
	bool on;
	int fd; /* or -1 */
} late_sync = { .fd = -1 };

static int
sync_now(int fd)
{
	int r = fdatasync(fd);

	if (r < 0)
		bdb_sync_failures++;
	return r;
}

void
bdb_sync_leave(void)
{
	late_sync.on = true;
}

int
bdb_sync_take(void)
{
	int fd = late_sync.fd;

	late_sync.on = false;
	late_sync.fd = -1;
	return fd;
}

int
bdb_sync_file(int fd)
{
	int r = 0;

	if (bdb_leaving)
		return 0;
	if (!late_sync.on)
		return sync_now(fd);
	if (late_sync.fd >= 0 && late_sync.fd != fd)
		r = sync_now(late_sync.fd);
	late_sync.fd = fd;
	return r;
}

int
bdb_close_file(int fd)
{
	int r = 0, closed;

	if (late_sync.fd == fd) {
		r = sync_now(fd);
		late_sync.fd = -1;
	}
	closed = close(fd);
	return r < 0 ? r : closed;
}

ssize_t
bdb_write_file(int fd, const void *bytes, size_t len)
{
	return bdb_leaving ? (ssize_t)len : write(fd, bytes, len);
}

ssize_t
bdb_write_page(int fd, const void *bytes, size_t len, off_t at)
{
	return bdb_leaving ? (ssize_t)len : pwrite(fd, bytes, len, at);
}

int
bdb_remove_file(const char *path)
{
	return bdb_leaving ? 0 : unlink(path);
}

/* A file that is made, but not its name, would be gone when the power fails: then a log has an end before its end. */
static int
sync_folder_of(const char *path)
{
	_cleanup_(freep) char *folder = xstrdup(path);
	_cleanup_(closep) int fd = -1;

	if (strrchr(folder, '/') == NULL)
		return 0;
	*strrchr(folder, '/') = '\0';
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -1 : bdb_leaving ? 0 : sync_now(fd);
}

static const char *
name_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

/* --- pages --- */

/* Pages that were not what had been written. The library checks its checksums, but not those of a page that begins with zeros: it takes
 * it for one that was never written, and then follows what stands in it, or looks for its root for ever: such a page is made one whose
 * checksum is wrong. */

/* Which descriptors are of files of pages. */
static bool has_pages[FILES_MAX];

/* Of every page: where the log was when it was written, its number, those beside it, counts, its type. Numbers are of this machine's
 * order, or swapped. */
#define PAGE_HEADER 26

static bool
is_good_page(const uint8_t *page, size_t len, off_t at)
{
	uint32_t number = (uint32_t)((uint64_t)at / len), says;
	size_t zeros = 0;

	memcpy(&says, page + 8, sizeof(says));
	while (zeros < len && page[zeros] == 0)
		zeros++;
	/* Recovery meets pages that were given out, and never written. Anybody else does not. */
	if (zeros >= PAGE_HEADER)
		return bdb_recovering && zeros == len;
	return says == number || says == __builtin_bswap32(number);
}

ssize_t
bdb_read_page(int fd, void *bytes, size_t len, off_t at)
{
	ssize_t got = pread(fd, bytes, len, at);

	if (got < 0 || len < PAGE_MIN || at % (off_t)len != 0 || fd >= FILES_MAX || !has_pages[fd])
		return got;
	/* Nor does anybody else look for a page beyond the end, but for the first of a new file. */
	if (got == (ssize_t)len ? is_good_page(bytes, len, at) : bdb_recovering || at == 0)
		return got;
	/* An error would be tried again by another call, or taken for a table that is gone: so it gets a page whose checksum is wrong. */
	bdb_bad_pages++;
	memset(bytes, 0xff, len);
	return (ssize_t)len;
}

/* --- opening and renaming --- */

static int
open_noted(const char *path, int flags, int mode)
{
	int fd = open(path, flags | O_CLOEXEC, mode);

	if (fd >= 0 && fd < FILES_MAX)
		has_pages[fd] = strncmp(name_of(path), "log.", 4) != 0;
	return fd;
}

int
bdb_open_file(const char *path, int flags, ...)
{
	va_list args;
	int fd, mode;

	va_start(args, flags);
	mode = va_arg(args, int);
	va_end(args);
	if (bdb_leaving)
		flags &= ~(O_CREAT | O_TRUNC);
	if ((flags & O_EXCL) == 0) {
		fd = open_noted(path, flags & ~O_CREAT, 0);
		if (fd >= 0 || errno != ENOENT || (flags & O_CREAT) == 0)
			return fd;
	}
	fd = open_noted(path, flags, mode);
	if (fd >= 0 && sync_folder_of(path) < 0) {
		int error = errno;

		(void)close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

int
bdb_rename_file(const char *from, const char *to)
{
	int r = bdb_leaving ? 0 : rename(from, to);

	return r == 0 ? sync_folder_of(to) : r;
}
