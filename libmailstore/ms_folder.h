/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The small file of a Maildir folder, "fourpost-folder": what neither names nor bytes of messages tell. The text is pure;
 * reading and replacing the file is not. */
#ifndef LIBMAILSTORE_MS_FOLDER_H
#define LIBMAILSTORE_MS_FOLDER_H

#include <stdint.h>

#include "common/buf.h"
#include "libmailstore/mailstore.h"

#define MS_FOLDER_FILE "fourpost-folder"
#define MS_KEYWORDS_MAX 2048
#define MS_KEYWORD_LEN_MAX 128
#define MS_FOLDER_TEXT_MAX (MS_KEYWORDS_MAX * (MS_KEYWORD_LEN_MAX + 32) + 512)

struct ms_folder {
	uint64_t id;
	uint32_t uidvalidity;
	uint32_t uid_limit; /* no UID at or above it has ever been given: it runs ahead of the next UID */
	enum ms_use use;
	struct ms_quota quota;
	char **keywords;
	unsigned keyword_count;
};

void ms_folder_clear(struct ms_folder *folder);
/* Adds a keyword behind the others. 0, or MS_E_LIMIT. */
int ms_folder_add_keyword(struct ms_folder *folder, struct span keyword);
/* 0, or MS_E_CORRUPT. Unknown lines are left out. */
int ms_folder_parse(struct span text, struct ms_folder *ret);
void ms_folder_format(const struct ms_folder *folder, struct buf *out);
/* A keyword an IMAP client may set (RFC 3501 flag-keyword), short enough. */
bool ms_keyword_is_valid(struct span keyword);

/* The file in that folder. 0, MS_E_NOTFOUND, MS_E_CORRUPT, -errno. */
int ms_folder_read(int dir_fd, struct ms_folder *ret);
/* Writes a new file, syncs it, puts it in place, syncs the folder. 0, or -errno with the old file untouched. */
int ms_folder_write(int dir_fd, const struct ms_folder *folder);

#endif
