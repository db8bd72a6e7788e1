/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The commands of mailstore(8). Each runs in a process of its own with the account's uid, prints what it did, and returns the status to
 * exit with; it ends by tool_fail when it cannot go on. */
#ifndef CLI_MAILSTORE_H
#define CLI_MAILSTORE_H

#include <stdbool.h>
#include <sys/types.h>

#include "libmailstore/mailstore.h"

struct mailstore_job {
	const char *address;
	const char *folder;  /* of the account */
	uid_t uid;           /* of the account; our own when root does not run this */
	bool force;
	const char *mailbox; /* -b, or INBOX */
	const char *file;    /* -m */
	int file_fd;         /* the same, opened by whoever called; -1 none */
	const char *bytes, *messages; /* -q, -n */
	struct ms_quota quota; /* of the account */
	const char *into;    /* -d */
	int into_fd;         /* the account's folder in it */
};

/* Opens the account's store, or ends with what is wrong. */
struct ms_store *mailstore_open(const struct mailstore_job *job);
/* The same; faults that are mended on the way are told. */
struct ms_store *mailstore_open_telling(const struct mailstore_job *job, ms_fault_fn fault, void *context);

/* Who reads what: what comes from elsewhere may belong to another uid than the account's. */
struct mailstore_sides {
	uid_t account, backup;
};
struct mailstore_sides mailstore_sides_of(const struct mailstore_job *job);
/* As ms_restore wants it; context: struct mailstore_sides. */
void mailstore_take_side(void *context, bool backup);

/* As ms_backup and ms_mbox_export want it: prints and counts what is left out. Then the status is EXIT_FAULTS. */
struct mailstore_left_out {
	const char *address;
	unsigned count;
};
void mailstore_note_left_out(void *context, const char *mailbox, const char *note);
/* More than sysexits has: faults were found. */
#define EXIT_FAULTS 1

int mailstore_check(const struct mailstore_job *job);
int mailstore_repair(const struct mailstore_job *job);
int mailstore_rebuild(const struct mailstore_job *job);
int mailstore_list(const struct mailstore_job *job);
int mailstore_quota(const struct mailstore_job *job);
int mailstore_import(const struct mailstore_job *job);
int mailstore_import_from(const struct mailstore_job *job);
int mailstore_import_mbox(const struct mailstore_job *job);
int mailstore_export_mbox(const struct mailstore_job *job);
int mailstore_backup(const struct mailstore_job *job);
int mailstore_restore(const struct mailstore_job *job);

#endif
