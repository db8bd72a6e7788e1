/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What folders are called here that could not keep their names, so that those who name them, as subscriptions do, find them. It stands
 * in a file of the Maildir until all has moved in: names are changed one by one, and nothing else tells what they were. */
#ifndef LIBMAILSTORE_MS_IMPORT_NAMES_H
#define LIBMAILSTORE_MS_IMPORT_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/span.h"
#include "libmailstore/mailstore.h"

/* A folder's entries, but "." and "..": those whose names have no dot behind the first byte before the others, so that these get other names, not
 * they; then by name, so that another attempt gives the same. */
struct ms_entry_names {
	char **list;
	size_t count;
};
void ms_entry_names_clear(struct ms_entry_names *entries);
/* at/name. 0, MS_E_LIMIT, -errno; on error they are empty. */
int ms_entry_names_read(int at, const char *name, struct ms_entry_names *ret);

struct ms_import_pair {
	char *theirs; /* a folder's name in a Maildir++, or '/' and its path in a tree of folders (LAYOUT=fs) */
	char *ours;   /* its name in the Maildir */
};

struct ms_import_names {
	struct ms_import_pair *list;
	size_t count, room; /* by theirs */
	bool tree;          /* has paths */
};
void ms_import_names_clear(struct ms_import_names *names);
/* Copies both. What was said of `theirs` before is forgotten. */
void ms_import_names_set(struct ms_import_names *names, const char *theirs, const char *ours);
/* Adds what stands in the Maildir's file. 0, also when there is none; MS_E_LIMIT, -errno. */
int ms_import_names_read(int maildir_fd, struct ms_import_names *names);
/* Writes all of them, durably. 0, MS_E_LIMIT, -errno. */
int ms_import_names_write(int maildir_fd, const struct ms_import_names *names);
/* 0, also when there is no file; -errno. */
int ms_import_names_remove(int maildir_fd);

/* The mailbox that has become of theirs: path as ms_import_subscriptions_parse gives it. Appends its name to out, which is empty. 0, or
 * MS_E_BADNAME: no folder of that name was there, and no mailbox can have it. */
int ms_import_names_translate(const struct ms_import_names *names, struct span path, struct buf *out);
/* Tells of each folder that has another name now to whoever sees it. */
void ms_import_names_tell(const struct ms_import_names *names, ms_note_fn note, void *context);

#endif
