/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The files of a Maildir folder: looked for. */
#include "libmailstore/ms_listing.h"

#include <stdlib.h>

#include "libmailstore/ms_internal.h"

static int
compare_spans(struct span a, struct span b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = memcmp(a.ptr, b.ptr, len);

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

int
ms_file_compare(const void *a, const void *b)
{
	const struct ms_file *x = a, *y = b;
	int order = compare_spans(x->parsed.unique, y->parsed.unique);

	return order != 0 ? order : (x->parsed.uid > y->parsed.uid) - (x->parsed.uid < y->parsed.uid);
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

int
ms_listing_by_arrival(const void *a, const void *b)
{
	const struct ms_file *x = *(struct ms_file *const *)a, *y = *(struct ms_file *const *)b;

	if (x->parsed.uid != y->parsed.uid)
		return x->parsed.uid == 0 ? 1 : y->parsed.uid == 0 ? -1 : x->parsed.uid < y->parsed.uid ? -1 : 1;
	return strcmp(x->name, y->name); /* names begin with their time */
}

void
ms_listing_leave_doubtful(struct ms_listing *listing)
{
	for (size_t i = 0; i + 1 < listing->count; i++)
		if (span_eq(listing->files[i].parsed.unique, listing->files[i + 1].parsed.unique))
			listing->files[i].taken = listing->files[i + 1].taken = true;
}

int
ms_listing_adopt_keywords(const struct ms_listing *listing, int folder_fd, struct ms_folder *folder)
{
	struct ms_folder file;
	bool exceeds = false;
	int r;

	for (size_t i = 0; i < listing->count && !exceeds; i++)
		exceeds = ms_keywords_name_exceeds(&listing->files[i].parsed, folder->keyword_count);
	if (!exceeds)
		return 0;
	r = ms_folder_read(folder_fd, &file);
	if (r != 0)
		return r > 0 ? 0 : r;
	if (file.keyword_count > folder->keyword_count) {
		file.uid_limit = folder->uid_limit > file.uid_limit ? folder->uid_limit : file.uid_limit;
		ms_folder_clear(folder);
		*folder = file;
	} else {
		ms_folder_clear(&file);
	}
	return 0;
}
