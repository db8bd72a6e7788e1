/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What was handed to the spool: kept in the account's folder, newest last, the oldest forgotten. */
#ifndef WEBMAILD_JMAP_SUBMISSION_H
#define WEBMAILD_JMAP_SUBMISSION_H

#include "webmaild/jmap_methods.h"

/* RFC 8621 1.3.2: maxDelayedSend. */
#define JMAP_DELAY_MAX 2678400
#define JMAP_RECIPIENTS_MAX 1000

/* {"state": n, "list": [{EmailSubmission without undoStatus, "drop": name, "canceled": bool, "created": n, "changed": n}]}. A new
 * reference. */
json_t *jmap_submissions_load(const struct jmap *jmap);
/* 0 or -errno. */
int jmap_submissions_save(const struct jmap *jmap, const json_t *file);
struct jmap_state jmap_submissions_state(const json_t *file);
/* The entry of this id, or NULL. Borrowed. */
json_t *jmap_submissions_find(const json_t *file, struct span id);
/* "pending", "final" or "canceled" (RFC 8621 7). */
const char *jmap_submission_undo(const json_t *entry);

#endif
