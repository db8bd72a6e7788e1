/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The files of a Maildir folder, as one reading of new/ and cur/ saw them. */
#ifndef LIBMAILSTORE_MS_LISTING_H
#define LIBMAILSTORE_MS_LISTING_H

#include <errno.h>
#include <sys/stat.h>

#include "libmailstore/ms_folder.h"
#include "libmailstore/ms_name.h"
#include "libmailstore/ms_pending.h"

/* More files in one folder are not taken in. */
#define MS_FILES_MAX 20000000

struct ms_file {
	char *name;
	bool in_cur, taken;
	bool changed;          /* its bytes are not those that the index knows it by */
	bool gone;             /* while reading: an event said so */
	uint32_t order;        /* while reading: of the event; 0: from the folder itself */
	struct ms_name parsed; /* unique is borrowed from name */
};

struct ms_listing {
	struct ms_file *files; /* by unique, then UID */
	size_t count, room;
	uint16_t folder; /* as it was read */
	bool hidden; /* new/ has files as in ms_hidden.h */
	bool sure;   /* all that was there at one moment, and nothing else */
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
/* The same, and the listing has it so: MS_E_NOTFOUND too, the file is as it was listed then. */
int ms_file_rename(int folder_fd, struct ms_file *file, const struct ms_name *name, bool renamed[2]);
/* Renames that are given up when something after them fails: a sync that failed may have lost them, and a name that looks right would not be
 * given again. */
struct ms_renames {
	struct ms_rename {
		char *from, *to;
	} *list;
	size_t count, room;
};
/* Takes both, for free(3). */
void ms_renames_note(struct ms_renames *renames, char *from, char *to);
void ms_renames_take_back(struct ms_renames *renames, int folder_fd);
void ms_renames_clear(struct ms_renames *renames);
/* Gives the message's file the flags that its name does not tell yet. record: as the index has it, by its former name, from which those are
 * meant; what the name tells otherwise another program has changed since, and it stays. NULL: nothing is known of a former name.
 * Results as above. */
struct ms_message_record;
int ms_file_follow(int folder_fd, struct ms_file *file, uint32_t uid, const struct ms_message_record *record, const struct ms_pending_list *pending,
    struct ms_renames *renames);
void ms_listing_clear(struct ms_listing *listing);
/* The order of a listing, for qsort(3). */
int ms_file_compare(const void *a, const void *b);
/* What is no file is no message; what may not be read is none as long as that is so. */
#define MS_NO_MESSAGE (-ELOOP)
#define MS_UNREADABLE (-EACCES)
/* Opens it for reading, with what fstat(2) says of it: a descriptor, MS_NO_MESSAGE, MS_UNREADABLE, MS_E_NOTFOUND (gone, or just made and
 * not written yet), -errno. */
int ms_file_open(int folder_fd, const struct ms_file *file, struct stat *ret_st);
/* Whether it is a message, and readable: 0, or as above. */
int ms_file_look(int folder_fd, const struct ms_file *file);

/* For qsort(3) of pointers to files: those with UIDs first, in their order; the others as they came. */
int ms_listing_by_arrival(const void *a, const void *b);
/* Files that share a unique part may be one file, seen under two names: none of them is taken in before that is known. */
void ms_listing_leave_doubtful(struct ms_listing *listing);
/* Of a file that stands there under two names of one message, removes the former one, which was given less (UID, place), and tells of it:
 * the listing must be sure. renamed as above. 0 or -errno. */
int ms_listing_join(struct ms_listing *listing, int folder_fd, bool renamed[2], void (*told)(void *context, const struct ms_file *file), void *context);
/* A name with a keyword that the index does not have: whoever named the file had just put the keyword into the folder's file, and did not
 * come to the index. folder gets what the file has. 0 or -errno. */
int ms_listing_adopt_keywords(const struct ms_listing *listing, int folder_fd, struct ms_folder *folder);

/* The file of that message not yet taken with its UID in the name. NULL when there is none. */
struct ms_file *ms_listing_find_exactly(struct ms_listing *listing, struct span unique, uint32_t uid);
/* The file of that message not yet taken: the one with its UID in the name, else any of the same unique part. NULL when there is
 * none. */
struct ms_file *ms_listing_find(struct ms_listing *listing, struct span unique, uint32_t uid);

#endif
