/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Taking over one folder in place from Dovecot or Courier: UIDs and keywords go into the names of its files, the rest into its
 * fourpost-folder. The index plays no part. */
#ifndef LIBMAILSTORE_MS_IMPORT_FOLDER_H
#define LIBMAILSTORE_MS_IMPORT_FOLDER_H

#include <stdbool.h>
#include <stdint.h>

#include "libmailstore/mailstore.h"
#include "libmailstore/ms_listing.h"

struct ms_import_folder {
	int folder_fd;       /* the caller's */
	const char *name;    /* of the mailbox, for notes and for its special use */
	bool force;
	ms_note_fn note;
	void *context;
	struct ms_import_result *result;
};

/* Whether a folder is a mailbox's: copies may lack what was empty, so any of its parts, its list of UIDs or its file tells. 1, 0, -errno. */
int ms_import_folder_is(int at, const char *path);
/* Makes cur/, new/ and tmp/ where they lack. 0 or -errno. */
int ms_import_folder_complete(int folder_fd);
/* Whether a listed file is what Dovecot's plugins zlib or mail_crypt wrote: not the message that it is to IMAP clients there. 1, 0, -errno. */
int ms_import_is_packed(int folder_fd, const struct ms_file *file);
#define MS_IMPORT_PACKED_NOTE "messages are compressed or encrypted by Dovecot's plugins: have it write them out first, see mailstore(8)"
/* Whether the folder can be taken over, nothing being changed: 0, also when there is nothing to take over (*ret_lists false). *ret_taken: it has
 * been taken over, or at least begun to be.
 * MS_E_DENIED, and a note, when messages are packed. MS_E_EXISTS when its mail has UIDs of ours already, under another UIDVALIDITY. -errno, MS_E_CORRUPT for a list of UIDs that cannot be read. */
int ms_import_folder_look(struct ms_import_folder *import, bool *ret_lists, bool *ret_taken);
/* Does it. Done again, also after it was cut short anywhere, it comes to the same end. */
int ms_import_folder_run(struct ms_import_folder *import);

#endif
