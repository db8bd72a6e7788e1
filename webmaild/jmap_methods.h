/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The methods of JMAP Mail, one file for each kind, and the helpers they share. */
#ifndef WEBMAILD_JMAP_METHODS_H
#define WEBMAILD_JMAP_METHODS_H

#include "webmaild/jmap.h"
#include "webmaild/jmap_store.h"

void jmap_mailbox_get(struct jmap_call *call);
void jmap_mailbox_changes(struct jmap_call *call);
void jmap_mailbox_query(struct jmap_call *call);
void jmap_mailbox_set(struct jmap_call *call);
void jmap_thread_get(struct jmap_call *call);
void jmap_thread_changes(struct jmap_call *call);
void jmap_email_get(struct jmap_call *call);
void jmap_email_changes(struct jmap_call *call);
void jmap_email_query(struct jmap_call *call);
void jmap_email_set(struct jmap_call *call);
void jmap_email_import(struct jmap_call *call);
void jmap_email_parse(struct jmap_call *call);
void jmap_snippet_get(struct jmap_call *call);
void jmap_identity_get(struct jmap_call *call);
void jmap_identity_changes(struct jmap_call *call);
void jmap_identity_set(struct jmap_call *call);
void jmap_submission_get(struct jmap_call *call);
void jmap_submission_changes(struct jmap_call *call);
void jmap_submission_query(struct jmap_call *call);
void jmap_submission_set(struct jmap_call *call);
/* Any /queryChanges: they are not calculated. */
void jmap_no_query_changes(struct jmap_call *call);

/* The answer of a /get: the list and what was not found; takes both over. */
void jmap_get_respond(struct jmap_call *call, uint64_t state, json_t *list, json_t *not_found);

/* A /changes gathered id by id, then cut to maxChanges. Many changes may have one state: within it they are told by id, and the state
 * that a client has in between is "sSTATE.ID": all up to STATE, and of the next one those up to ID. */
struct jmap_changes {
	struct jmap_change {
		char id[JMAP_ID_LEN + 1];
		uint64_t state;
		enum { JMAP_CREATED, JMAP_UPDATED, JMAP_DESTROYED } kind;
	} *list;
	size_t count, room;
	uint64_t since, max;
	char told[JMAP_ID_LEN + 1]; /* of state since + 1: up to this id; "": nothing */
};
/* Reads sinceState and maxChanges; state is the type's. Answers cannotCalculateChanges or invalidArguments itself. */
bool jmap_changes_begin(struct jmap_call *call, struct jmap_changes *ret_changes, uint64_t state);
void jmap_changes_add(struct jmap_changes *changes, const char *id, uint64_t created, uint64_t changed, bool destroyed);
/* Answers and frees. `extra` (may be NULL) is merged into the answer and taken over. */
void jmap_changes_respond(struct jmap_call *call, struct jmap_changes *changes, uint64_t state, json_t *extra);

/* Filters (RFC 8620 5.5): operators around conditions. */
enum jmap_filter_verdict {
	JMAP_FILTER_GOOD,
	JMAP_FILTER_INVALID,     /* something is of a wrong type */
	JMAP_FILTER_UNSUPPORTED, /* a condition that we do not have */
};
typedef enum jmap_filter_verdict (*jmap_condition_check)(const json_t *condition);
typedef bool (*jmap_condition_match)(void *context, const json_t *condition, const void *item);
/* The shape: operators known, every condition accepted. null is fine. False: the call is answered. */
bool jmap_filter_check(struct jmap_call *call, const json_t *filter, jmap_condition_check check);
bool jmap_filter_match(const json_t *filter, jmap_condition_match match, void *context, const void *item);

/* A SetError for what the store or spool answered. */
json_t *jmap_store_set_error(int result);

/* Brings the mailboxes' counts up to date. */
void jmap_count(struct jmap *jmap);

#endif
