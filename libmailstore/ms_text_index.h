/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The text index: which messages may have a text. It follows the account's changes at its own pace (mailstore.h, ms_index_text); what
 * it does not know yet is a candidate for everything. */
#ifndef LIBMAILSTORE_MS_TEXT_INDEX_H
#define LIBMAILSTORE_MS_TEXT_INDEX_H

#include "libmailstore/ms_internal.h"
#include "libmailstore/ms_search_match.h"

/* The emails that may match, ascending, for free(3). 0; MS_E_NOTFOUND: the index is of no help, all may. */
int ms_text_candidates(struct ms_store *store, const struct ms_match *match, uint64_t **ret, size_t *ret_count);
/* Holds its records against each other, tells MS_FAULT_TEXT, and with mend throws it away: it is made anew with the steps of ms_index_text. */
int ms_text_check(struct ms_store *store, bool mend);
/* A transaction's work (ms_work): it says nothing any more, and is emptied by the next step. */
int ms_text_discard(struct ms_txn *txn, void *context);
/* Notes that the index is being emptied, or, when it is not `begins`, that it has been. 0, or MS_BDB(...). */
int ms_text_note_clearing(struct ms_txn *txn, bool begins);
/* Frees the work at hand; NULL is allowed. */
void ms_text_work_free(struct ms_text_work *work);

#endif
