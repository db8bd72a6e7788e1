/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Inside the work that brings the text index up to date: what gathering (ms_text_work.c) leaves to writing (ms_text_write.c). */
#ifndef LIBMAILSTORE_MS_TEXT_WORK_H
#define LIBMAILSTORE_MS_TEXT_WORK_H

#include "libmailstore/ms_grams.h"
#include "libmailstore/ms_postings.h"
#include "libmailstore/ms_set.h"
#include "libmailstore/ms_text_index.h"

/* Changes followed in a step; messages and postings gathered before they are written. */
#define MS_TEXT_CHANGES 64
#define MS_TEXT_MESSAGES_MAX MS_POSTINGS_EACH /* a block that is written at once fills its pages */
#define MS_TEXT_ENTRIES_MAX (9u << 20)
/* Messages that cannot be read, noted at once. */
#define MS_TEXT_UNREAD_MAX 256
/* Records in a transaction, whose pages must fit the lock tables. */
#define MS_TEXT_RECORDS_TXN 500

struct ms_text_change {
	uint64_t modseq, email;
	uint32_t mailbox, uid;
	uint32_t place; /* uid, also when that is 0 because the message is known */
};

struct ms_text_work {
	bool begun, writing;
	unsigned generation;     /* of the index it is for */
	uint64_t from, upto, documents, cleared; /* the state when it began, and where it will be */
	struct ms_pair at;       /* of ms_set_changes: the first not followed */
	uint64_t emails[MS_TEXT_MESSAGES_MAX];
	size_t count;
	struct ms_pair unread[MS_TEXT_UNREAD_MAX]; /* email, modseq */
	size_t unread_count;
	uint32_t *entries;       /* gram << 12 | document's place in its block; in the order of grams while they are written */
	size_t entry_count, written;
	uint8_t seen[MS_GRAMS / 8];
	size_t first_entry;      /* of the message at hand */
	uint32_t place;
	struct ms_grams grams;
	struct ms_text_change changes[MS_TEXT_CHANGES];
	size_t change_count;
	bool looked_again;       /* at those that could not be read, once all changes have been followed */
	uint64_t again;          /* email id: the first of them not looked at */
	uint32_t shut;           /* the mailbox whose folder could not be opened last, or 0 */
};

/* Whether that email is among those gathered. */
bool ms_text_is_gathered(const struct ms_text_work *work, uint64_t email);
/* Puts the entries into the order in which they are written: to be called once all are gathered. */
void ms_text_sort_entries(struct ms_text_work *work);
/* Writes some of them, and at last how far the index has come. *ret_over: the work is done, or not needed any more. 0, MS_E_*, -errno. */
int ms_text_write_step(struct ms_store *store, struct ms_text_work *work, bool *ret_over);

#endif
