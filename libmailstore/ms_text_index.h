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
/* Frees the work at hand; NULL is allowed. */
void ms_text_work_free(struct ms_text_work *work);

#endif
