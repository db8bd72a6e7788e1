/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Names of message files: unique,S=bytes,W=size,U=uid.folder,K=keywords:2,flags. Pure. */
#ifndef LIBMAILSTORE_MS_NAME_H
#define LIBMAILSTORE_MS_NAME_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

#define MS_NAME_MAX 255
/* Maildir keeps keywords as the letters a to z. */
#define MS_LETTERS 26

struct ms_name {
	struct span unique;  /* what stands before the first ',' or ':': the identity of the file */
	uint64_t bytes;      /* S=; 0 when absent */
	uint64_t size;       /* W=: with CRLF line ends; 0 when absent */
	uint32_t uid;        /* U=; 0 when absent */
	uint16_t folder;     /* behind its dot, of whose folder it is the UID; 0 when absent */
	uint32_t flags;      /* MS_SEEN ... */
	uint32_t letters;    /* bit n: the letter 'a' + n */
	struct span beyond;  /* K=: of keywords that have no letter; see ms_keywords.h */
};

/* False for what is no message: empty, over-long, beginning with a dot. Fields that make no sense count as absent. unique and
 * beyond are borrowed from name. */
bool ms_name_parse(struct span name, struct ms_name *ret);
/* Appends the name; `info` says whether ":2," and the flags stand behind it (files in new/ have none). 0, or -EMSGSIZE. */
int ms_name_format(const struct ms_name *name, bool info, struct buf *out);
/* Flags and letters as they stand in a name. Appends them; unknown ones are passed over. */
void ms_name_put_flags(uint32_t flags, uint32_t letters, struct buf *out);
void ms_name_get_flags(struct span text, uint32_t *ret_flags, uint32_t *ret_letters);
/* What stands behind the dot for the mailbox with that number: never 0. A file that is moved with its name tells another folder's UID. */
uint16_t ms_name_folder(uint32_t mailbox);
/* A number that stands for a text: never 0. */
uint64_t ms_name_hash(struct span text);
/* A number that stands for the unique part, the same for copies of a message in other folders: never 0. It begins with the seconds that
 * the part begins with. */
uint64_t ms_name_email_id(struct span unique);
/* Of a file that another program has written to, and that comes as another message under that UID: the unique part, with what makes it one
 * of its own, in place of what an earlier change has put there. Copies of what it was keep theirs. */
#define MS_NAME_CHANGED_MAX 120
void ms_name_changed(struct span unique, uint32_t uid, uint16_t folder, char ret[MS_NAME_CHANGED_MAX + 1]);

#endif
