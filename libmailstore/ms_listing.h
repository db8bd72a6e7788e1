/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The files of a Maildir folder, as one reading of new/ and cur/ saw them. */
#ifndef LIBMAILSTORE_MS_LISTING_H
#define LIBMAILSTORE_MS_LISTING_H

#include "libmailstore/ms_name.h"

/* More files in one folder are not taken in. */
#define MS_FILES_MAX 20000000

struct ms_file {
	char *name;
	bool in_cur, taken;
	struct ms_name parsed; /* unique is borrowed from name */
};

struct ms_listing {
	struct ms_file *files; /* by unique, then UID */
	size_t count, room;
};

/* 0 or -errno (-EOVERFLOW: more than MS_FILES_MAX); *ret is the caller's in any case. */
int ms_listing_read(int folder_fd, struct ms_listing *ret);
void ms_listing_clear(struct ms_listing *listing);
/* The file of that message not yet taken with its UID in the name. NULL when there is none. */
struct ms_file *ms_listing_find_exactly(struct ms_listing *listing, struct span unique, uint32_t uid);
/* The file of that message not yet taken: the one with its UID in the name, else any of the same unique part. NULL when there is
 * none. */
struct ms_file *ms_listing_find(struct ms_listing *listing, struct span unique, uint32_t uid);

#endif
