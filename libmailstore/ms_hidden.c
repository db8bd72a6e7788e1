/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Names for messages that the disk does not have yet, and what a crash leaves of them. */
#include "libmailstore/ms_hidden.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/ms_append.h"
#include "libmailstore/ms_internal.h"

#define SUM SPAN(",H=")
#define DIGITS 8

static uint32_t
sum_of(struct span bytes)
{
	return (uint32_t)crc32_z(0, (const uint8_t *)bytes.ptr, bytes.len);
}

int
ms_hidden_name(struct span name, struct span bytes, struct buf *out)
{
	(void)buf_char(out, '.');
	(void)buf_span(out, name);
	(void)buf_span(out, SUM);
	(void)buf_fmt(out, "%08x", sum_of(bytes));
	return out->overflow || out->len > MS_NAME_MAX ? -EMSGSIZE : 0;
}

bool
ms_hidden_parse(struct span hidden, struct span *ret_name, uint32_t *ret_sum)
{
	size_t behind = SUM.len + DIGITS;
	struct span digits;
	uint32_t sum = 0;

	if (hidden.len < 2 + behind || hidden.len > MS_NAME_MAX || hidden.ptr[0] != '.')
		return false;
	*ret_name = span_make(hidden.ptr + 1, hidden.len - 1 - behind);
	digits = span_skip(hidden, hidden.len - behind);
	if (!span_starts(digits, SUM))
		return false;
	digits = span_skip(digits, SUM.len);
	for (size_t i = 0; i < DIGITS; i++) {
		ptrdiff_t digit = span_chr(SPAN("0123456789abcdef"), digits.ptr[i]);

		if (digit < 0)
			return false;
		sum = sum << 4 | (uint32_t)digit;
	}
	*ret_sum = sum;
	return true;
}

bool
ms_hidden_is(const char *name)
{
	struct span own;
	uint32_t sum;

	return ms_hidden_parse(span_of(name), &own, &sum);
}

/* 1: it is what its name says, and on stable storage; 0: it is not; -errno. */
static int
is_whole(int folder_fd, const char *path, const struct ms_name *name, uint32_t sum)
{
	_cleanup_(closep) int fd = openat(folder_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	_cleanup_(freep) char *bytes = NULL;
	struct stat st;
	ssize_t got;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ELOOP; /* as of a link */
	if ((uint64_t)st.st_size != name->bytes || st.st_size >= MS_APPEND_CHUNK)
		return 0;
	bytes = xmalloc((size_t)st.st_size + 1);
	got = pread(fd, bytes, (size_t)st.st_size, 0);
	if (got < 0)
		return -errno;
	if (got != st.st_size || sum_of(span_make(bytes, (size_t)got)) != sum)
		return 0;
	/* Whoever finds it in the store takes it for stored: a process that was killed had not waited for the disk. */
	return fsync(fd) < 0 ? -errno : 1;
}

static int
settle(int folder_fd, struct ms_listing *listing, const char *hidden, struct span text, uint32_t sum, bool *ret_renamed)
{
	_cleanup_(freep) char *from = xasprintf("new/%s", hidden), *to = xasprintf("new/%.*s", (int)text.len, text.ptr);
	struct ms_name name;
	int r;

	if (!ms_name_parse(text, &name))
		return 0;
	r = is_whole(folder_fd, from, &name, sum);
	if (r < 0)
		return r == -EIO || r == -EACCES || r == -ENOENT || r == -ELOOP ? 0 : r;
	/* A file system that does not rename at once may have left the former name too. */
	if (r == 0 || ms_listing_find_exactly(listing, name.unique, name.uid) != NULL)
		return unlinkat(folder_fd, from, 0) < 0 && errno != ENOENT ? -errno : 0;
	if (renameat(folder_fd, from, folder_fd, to) < 0)
		return -errno;
	*ret_renamed = true;
	return 0;
}

int
ms_hidden_settle(int folder_fd, struct ms_listing *listing, bool *ret_renamed)
{
	const struct dirent *entry;
	DIR *dir;
	int r = ms_dir_open(folder_fd, "new", &dir);

	if (r != 0)
		return r == -ENOENT ? 0 : r;
	while (r == 0 && (r = ms_dir_next(dir, &entry)) == 0 && entry != NULL) {
		struct span text;
		uint32_t sum;

		if (ms_hidden_parse(span_of(entry->d_name), &text, &sum))
			r = settle(folder_fd, listing, entry->d_name, text, sum, ret_renamed);
	}
	(void)closedir(dir);
	return r;
}
