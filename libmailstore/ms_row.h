/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Records of T_MESSAGE as bytes: each tells of the messages of some UIDs in a row, most of it by how it differs from the message
 * before. Pure. */
#ifndef LIBMAILSTORE_MS_ROW_H
#define LIBMAILSTORE_MS_ROW_H

#include "libmailstore/ms_record.h"

#define MS_ROW_EACH 16u

/* A message as it stands there. */
struct ms_entry {
	struct ms_message message;
	uint64_t came, bytes;
	bool in_cur;
	bool unique; /* of the name only the unique part stands here: the rest follows from all else */
	bool lost;   /* nothing is known but the UID: what was, is damaged */
	uint8_t name_len;
	char name[MS_NAME_MAX];
};
struct ms_row {
	struct ms_entry list[MS_ROW_EACH];
	unsigned count;
};

void ms_entry_set(const struct ms_message_record *record, uint32_t mailbox, struct ms_entry *ret);
/* 0, or MS_E_CORRUPT. */
int ms_entry_get(const struct ms_entry *entry, uint32_t mailbox, struct ms_message_record *ret);

/* The messages from UID MS_ROW_EACH * n on. Appends. */
void ms_row_put(const struct ms_row *row, uint32_t n, struct buf *out);
/* 0, or MS_E_CORRUPT. */
int ms_row_get(struct span bytes, uint32_t n, struct ms_row *ret);

#endif
