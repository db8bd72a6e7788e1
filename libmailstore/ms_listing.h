/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The files of a Maildir folder, as one reading of new/ and cur/ saw them. */
#ifndef LIBMAILSTORE_MS_LISTING_H
#define LIBMAILSTORE_MS_LISTING_H

#include <errno.h>
#include <sys/stat.h>

#include "libmailstore/ms_name.h"

/* More files in one folder are not taken in. */
#define MS_FILES_MAX 20000000

struct ms_file {
	char *name;
	bool in_cur, taken;
	bool gone;             /* while reading: an event said so */
	uint32_t order;        /* while reading: of the event; 0: from the folder itself */
	struct ms_name parsed; /* unique is borrowed from name */
};

struct ms_listing {
	struct ms_file *files; /* by unique, then UID */
	size_t count, room;
	uint16_t folder; /* as it was read */
	bool sure; /* all that was there at one moment, and nothing else */
};

/* folder: of ms_name_folder, UIDs in names count when they are of this one, or of none; 0: whosever they are.
 * 0 or -errno (-EOVERFLOW: more than MS_FILES_MAX); *ret is the caller's in any case. A file that is renamed meanwhile may be seen twice
 * or not at all, so it is never sure. */
int ms_listing_read(int folder_fd, uint16_t folder, struct ms_listing *ret);
/* The same with the events of an inotify descriptor that watches new/ and cur/ (MS_TOUCH_EVENTS) since before the call: what they tell
 * of a name holds, not what the reading saw of it. Sure, unless events were lost, or a file was just on its way from one name to
 * another (or out of the folder: read again to know). Events of other watches are thrown away. */
int ms_listing_read_watched(int folder_fd, int inotify_fd, const int watch[2], uint16_t folder, struct ms_listing *ret);
/* Gives a listed file its UID and sizes in its name, so that they outlive the index; ret is how it is called then. renamed[0]: set when that
 * was in new/, [1]: in cur/. MS_E_NOTFOUND when it is not there any more, -errno. */
int ms_file_name(int folder_fd, const struct ms_file *file, const struct ms_name *name, char ret[MS_NAME_MAX + 1], bool renamed[2]);
void ms_listing_clear(struct ms_listing *listing);
/* The order of a listing, for qsort(3). */
int ms_file_compare(const void *a, const void *b);
/* What may not be read, or is no file, is no message; the others are. */
#define MS_NO_MESSAGE (-ELOOP)
/* Opens it for reading, with what fstat(2) says of it: a descriptor, MS_NO_MESSAGE, MS_E_NOTFOUND (gone, or just made and not written
 * yet), -errno. */
int ms_file_open(int folder_fd, const struct ms_file *file, struct stat *ret_st);

/* The file of that message not yet taken with its UID in the name. NULL when there is none. */
struct ms_file *ms_listing_find_exactly(struct ms_listing *listing, struct span unique, uint32_t uid);
/* The file of that message not yet taken: the one with its UID in the name, else any of the same unique part. NULL when there is
 * none. */
struct ms_file *ms_listing_find(struct ms_listing *listing, struct span unique, uint32_t uid);

#endif
