/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The files of a Maildir folder. */
#include "libmailstore/ms_listing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/xalloc.h"

static int
compare_spans(struct span a, struct span b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = memcmp(a.ptr, b.ptr, len);

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int
compare_files(const void *a, const void *b)
{
	const struct ms_file *x = a, *y = b;
	int order = compare_spans(x->parsed.unique, y->parsed.unique);

	return order != 0 ? order : (x->parsed.uid > y->parsed.uid) - (x->parsed.uid < y->parsed.uid);
}

static int
add(struct ms_listing *listing, const char *name, bool in_cur)
{
	struct ms_file file = { .in_cur = in_cur };

	if (!ms_name_parse(span_of(name), &file.parsed))
		return 0;
	if (listing->count == MS_FILES_MAX)
		return -EOVERFLOW;
	if (listing->count == listing->room) {
		listing->room = listing->room != 0 ? listing->room * 2 : 64;
		listing->files = xreallocarray(listing->files, listing->room, sizeof(*listing->files));
	}
	file.name = xstrdup(name);
	(void)ms_name_parse(span_of(file.name), &file.parsed); /* once more: the spans point into the copy */
	listing->files[listing->count++] = file;
	return 0;
}

static int
read_folder(int folder_fd, const char *part, bool in_cur, struct ms_listing *listing)
{
	int fd = openat(folder_fd, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r = 0;
	const struct dirent *entry;
	DIR *dir;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	dir = fdopendir(fd);
	if (dir == NULL) {
		r = -errno;
		(void)close(fd);
		return r;
	}
	while (r == 0) {
		errno = 0;
		entry = readdir(dir);
		if (entry == NULL) {
			r = -errno;
			break;
		}
		if (entry->d_type == DT_REG || entry->d_type == DT_UNKNOWN)
			r = add(listing, entry->d_name, in_cur);
	}
	(void)closedir(dir);
	return r;
}

int
ms_listing_read(int folder_fd, struct ms_listing *ret)
{
	int r;

	*ret = (struct ms_listing){ .files = NULL };
	/* new/ first: a message that moves to cur/ meanwhile is then seen twice rather than not at all. */
	r = read_folder(folder_fd, "new", false, ret);
	if (r == 0)
		r = read_folder(folder_fd, "cur", true, ret);
	if (ret->count != 0)
		qsort(ret->files, ret->count, sizeof(*ret->files), compare_files);
	/* Seen twice: the later place, cur/, holds. */
	for (size_t i = 0; i + 1 < ret->count; i++) {
		struct ms_file *a = &ret->files[i], *b = &ret->files[i + 1];

		if (compare_files(a, b) == 0 && a->in_cur != b->in_cur)
			(a->in_cur ? b : a)->taken = true;
	}
	return r;
}

void
ms_listing_clear(struct ms_listing *listing)
{
	for (size_t i = 0; i < listing->count; i++)
		free(listing->files[i].name);
	free(listing->files);
	*listing = (struct ms_listing){ .files = NULL };
}

static size_t
find_unique(const struct ms_listing *listing, struct span unique)
{
	size_t low = 0, high = listing->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_spans(listing->files[middle].parsed.unique, unique) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct ms_file *
ms_listing_find_exactly(struct ms_listing *listing, struct span unique, uint32_t uid)
{
	for (size_t i = find_unique(listing, unique); i < listing->count && span_eq(listing->files[i].parsed.unique, unique); i++)
		if (!listing->files[i].taken && listing->files[i].parsed.uid == uid)
			return &listing->files[i];
	return NULL;
}

struct ms_file *
ms_listing_find(struct ms_listing *listing, struct span unique, uint32_t uid)
{
	struct ms_file *exact = ms_listing_find_exactly(listing, unique, uid);

	if (exact != NULL)
		return exact;
	for (size_t i = find_unique(listing, unique); i < listing->count && span_eq(listing->files[i].parsed.unique, unique); i++)
		if (!listing->files[i].taken)
			return &listing->files[i];
	return NULL;
}
