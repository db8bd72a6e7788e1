/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The files in which Dovecot and Courier keep what a Maildir itself does not tell: UIDs, keywords, subscriptions. Pure: text in,
 * what it says out; spans in results are borrowed from the text. Lines that make no sense are passed over and counted. */
#ifndef LIBMAILSTORE_MS_IMPORT_H
#define LIBMAILSTORE_MS_IMPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/span.h"

/* Dovecot keeps as many in file names as the alphabet has letters. */
#define MS_IMPORT_LETTERS 26
/* More names in one file of Courier's are passed over. */
#define MS_IMPORT_KEYWORDS_MAX 4096

struct ms_import_uid {
	struct span unique; /* of the file's name: what stands before the first ',' or ':' */
	struct span base;   /* what stands before the ':' */
	uint32_t uid;
};

struct ms_import_uids {
	uint32_t uidvalidity;
	uint32_t uidnext;   /* above every UID in the list, whatever the file says */
	struct ms_import_uid *list; /* by unique, then UID */
	size_t count, room;
	size_t skipped;     /* lines */
};
void ms_import_uids_clear(struct ms_import_uids *uids);
/* dovecot-uidlist, version 3 or 1; courierimapuiddb, version 1. 0, or MS_E_CORRUPT when the first line does not tell a UIDVALIDITY. */
int ms_import_uids_parse(struct span text, struct ms_import_uids *ret);
/* The first in the list that has this unique part or a greater one. */
size_t ms_import_uids_find(const struct ms_import_uids *uids, struct span unique);

/* dovecot-keywords: the keyword of each letter, empty where there is none. Returns how many lines were passed over. */
size_t ms_import_letters_parse(struct span text, struct span ret[static MS_IMPORT_LETTERS]);

/* courierimapkeywords/:list. Calls each with a file's name (without ":2,...") and one of its keywords. Returns how many lines and
 * numbers were passed over. */
typedef void (*ms_import_keyword_fn)(void *context, struct span file, struct span keyword);
size_t ms_import_keyword_list_parse(struct span text, ms_import_keyword_fn each, void *context);
/* The name of a file beside ":list" that tells a message's keywords anew, one in each line: "file" or ".N.file", of which a "file"
 * counts before any ".N.file", and among those the highest N. *ret_order grows so. False for other names. */
bool ms_import_keyword_file(struct span name, struct span *ret_file, uint64_t *ret_order);

/* Paths of subscribed mailboxes: levels as their folders' names have them, with '/' between; borrowed for the call. */
typedef void (*ms_import_path_fn)(void *context, struct span path);
/* Dovecot's subscriptions, version 1 or 2; levels divided by '/' or tabs, and by '.' but in a tree of folders (LAYOUT=fs), where names have it. */
void ms_import_subscriptions_parse(struct span text, bool tree, ms_import_path_fn each, void *context);
/* courierimapsubscribed: "INBOX" and "INBOX.Name.Sub". Returns how many are somebody else's. */
size_t ms_import_subscribed_parse(struct span text, ms_import_path_fn each, void *context);

/* Whether an entry of a Maildir is part of it, and no folder in it. */
bool ms_import_is_part(const char *entry);
/* The name that a mailbox of theirs gets: levels divided by any of `separators` become UTF-8 divided by '/'. Levels may be in modified
 * UTF-7 or in UTF-8; '_' stands for what names of ours cannot have, then *ret_exact is false. Appends it. 0, or MS_E_BADNAME (too long for
 * the buffer). */
int ms_import_name(struct span name, const char *separators, struct buf *out, bool *ret_exact);

#endif
