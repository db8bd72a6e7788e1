/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Records of the index as bytes: versioned, checksummed, never believed. Pure. */
#ifndef LIBMAILSTORE_MS_RECORD_H
#define LIBMAILSTORE_MS_RECORD_H

#include "common/buf.h"
#include "libmailstore/mailstore.h"
#include "libmailstore/ms_fields.h"
#include "libmailstore/ms_folder.h"
#include "libmailstore/ms_keywords.h"
#include "libmailstore/ms_name.h"

#define MS_MAILBOX_NAME_MAX 1024
#define MS_RECORD_MAX (MS_FOLDER_TEXT_MAX + MS_MAILBOX_NAME_MAX + 256)

struct ms_time {
	int64_t seconds;
	uint32_t nanoseconds;
};
/* Field of a record: appended; taken. */
void ms_put_time(struct buf *out, const struct ms_time *time);
struct ms_time ms_get_time(struct ms_reader *reader);

/* A mailbox: what its folder's file says, and what is counted. */
struct ms_mailbox_record {
	char *name; /* UTF-8, '/' */
	struct ms_folder folder;
	uint32_t uidnext;
	uint32_t messages, unseen, deleted;
	uint64_t modseq, size, deleted_size;
	uint64_t created, named; /* modification sequences: as in struct ms_mailbox_info */
	uint64_t pending; /* the size of its file of flags that names do not tell yet; 0: names tell all */
	struct ms_time new_time, cur_time; /* of the folders when they were last read; 0: read them again */
};
void ms_mailbox_record_clear(struct ms_mailbox_record *record);

struct ms_message_record {
	struct ms_message message;
	uint64_t noted; /* its modification sequence as the record has it: T_CHANGE has it under that */
	uint64_t came;  /* the modification sequence with which it came */
	uint64_t bytes;
	bool in_cur;
	char name[MS_NAME_MAX + 1];
};

/* Appends the bytes. */
void ms_mailbox_record_put(const struct ms_mailbox_record *record, struct buf *out);
/* 0, or MS_E_CORRUPT. */
int ms_mailbox_record_get(struct span bytes, struct ms_mailbox_record *ret);

/* Which UIDs a mailbox has: one record tells of so many. */
#define MS_UIDS_EACH 2048u
#define MS_UIDS_BYTES (MS_UIDS_EACH / 8)
void ms_uids_record_put(const uint8_t map[MS_UIDS_BYTES], struct buf *out);
/* 0, or MS_E_CORRUPT. */
int ms_uids_record_get(struct span bytes, uint8_t ret[MS_UIDS_BYTES]);

#endif
