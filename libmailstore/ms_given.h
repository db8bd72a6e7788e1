/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Which UIDs an account's mailboxes have given, by the limits in the files of their folders: in the Maildir, and in those that were set
 * aside. No client knows two messages by one UID while UIDVALIDITY stays (RFC 3501 section 2.3.1.1), whatever comes back from a backup. */
#ifndef LIBMAILSTORE_MS_GIVEN_H
#define LIBMAILSTORE_MS_GIVEN_H

#include <stdbool.h>
#include <stddef.h>

#include "libmailstore/ms_folder.h"

struct ms_given {
	struct ms_given_limit {
		char *path; /* in its Maildir: "." for INBOX */
		uint64_t id;
		uint32_t uidvalidity, limit;
		bool now;
	} *list;
	size_t count, room;
};

/* Adds the folders of a Maildir. now: it is the account's. Those that cannot be read are not known. */
void ms_given_add(struct ms_given *given, int maildir_fd, bool now);
void ms_given_clear(struct ms_given *given);
/* Raises the limit of a folder that comes into the account's Maildir at that path above all UIDs that it has given, or may have. certain: no
 * others than these, and those that are known. */
void ms_given_raise(const struct ms_given *given, const char *path, bool certain, struct ms_folder *folder);

#endif
