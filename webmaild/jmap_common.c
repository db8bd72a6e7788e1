/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What the mail methods share: answers of /get and /changes, filters, errors of the store, counts. */
#include <errno.h>
#include <stdlib.h>

#include "common/xalloc.h"
#include "webmaild/jmap_methods.h"

#define FILTER_DEPTH_MAX 16
#define CHANGES_MAX 10000
#define STATE_MAX 64

void
jmap_get_respond(struct jmap_call *call, uint64_t state, json_t *list, json_t *not_found)
{
	jmap_respond(call, json_pack("{s:O, s:s, s:o, s:o}", "accountId", json_object_get(call->args, "accountId"), "state",
	    jmap_state_text(state).text, "list", list, "notFound", not_found));
}

/* --- /changes --- */

static bool
parse_since(struct jmap *jmap, struct span text, struct jmap_changes *changes)
{
	struct span state;

	(void)span_split(&text, '.', &state);
	if (text.len != 0 && text.len != JMAP_ID_LEN)
		return false;
	if (text.len != 0)
		memcpy(changes->told, text.ptr, text.len);
	return jmap_state_parse(jmap, state, &changes->since);
}

bool
jmap_changes_begin(struct jmap_call *call, struct jmap_changes *ret_changes, uint64_t state)
{
	struct span since;

	*ret_changes = (struct jmap_changes){ 0 };
	if (!jmap_arg_string(call, "sinceState", &since) || !jmap_arg_unsigned(call, "maxChanges", CHANGES_MAX, &ret_changes->max))
		return false;
	if (since.ptr == NULL || ret_changes->max == 0) {
		jmap_error(call, "invalidArguments", "sinceState is needed, and maxChanges must be greater than 0.");
		return false;
	}
	if (ret_changes->max > CHANGES_MAX)
		ret_changes->max = CHANGES_MAX;
	/* The state of this type, even from before this process began: nothing has changed since. */
	if (span_eq(since, span_of(jmap_state_text(state).text))) {
		ret_changes->since = UINT64_MAX;
		return true;
	}
	if (!parse_since(call->jmap, since, ret_changes)) {
		jmap_error(call, "cannotCalculateChanges", NULL);
		return false;
	}
	return true;
}

void
jmap_changes_add(struct jmap_changes *changes, const char *id, uint64_t created, uint64_t changed, bool destroyed)
{
	bool told = strcmp(id, changes->told) <= 0, is_new = created > changes->since && !(told && created == changes->since + 1);
	struct jmap_change *change;

	if (changed <= changes->since || (!is_new && told && changed == changes->since + 1))
		return;
	if (destroyed && is_new)
		return; /* came and went: nobody needs to know (RFC 8620 5.2) */
	if (changes->count == changes->room) {
		changes->room = changes->room != 0 ? changes->room * 2 : 64;
		changes->list = xreallocarray(changes->list, changes->room, sizeof(*changes->list));
	}
	change = &changes->list[changes->count++];
	memcpy(change->id, id, sizeof(change->id));
	/* Before anybody hears of a later state he has heard of what is new in this one. */
	change->state = is_new ? created : changed;
	change->kind = destroyed ? JMAP_DESTROYED : is_new ? JMAP_CREATED : JMAP_UPDATED;
}

static int
compare_changes(const void *a, const void *b)
{
	const struct jmap_change *x = a, *y = b;

	if (x->state != y->state)
		return x->state < y->state ? -1 : 1;
	return strcmp(x->id, y->id);
}

/* How many of the changes, oldest first, fit, and the state after them: whole states where that is possible. */
static size_t
cut_changes(const struct jmap_changes *changes, uint64_t state, struct buf *out)
{
	size_t count = (size_t)changes->max;
	const struct jmap_change *last;

	if (changes->count <= changes->max) {
		(void)buf_fmt(out, "%s", jmap_state_text(state).text);
		return changes->count;
	}
	while (count > 0 && changes->list[count - 1].state == changes->list[count].state)
		count--;
	if (count != 0) {
		(void)buf_fmt(out, "%s", jmap_state_text(changes->list[count - 1].state).text);
		return count;
	}
	last = &changes->list[changes->max - 1];
	(void)buf_fmt(out, "%s.%s", jmap_state_text(last->state - 1).text, last->id);
	return (size_t)changes->max;
}

void
jmap_changes_respond(struct jmap_call *call, struct jmap_changes *changes, uint64_t state, json_t *extra)
{
	json_t *lists[3] = { json_array(), json_array(), json_array() };
	struct buf after = BUF_INIT(STATE_MAX);
	json_t *answer;
	size_t count;

	if (changes->count > 0)
		qsort(changes->list, changes->count, sizeof(*changes->list), compare_changes);
	count = cut_changes(changes, state, &after);
	for (size_t i = 0; i < count; i++)
		(void)json_array_append_new(lists[changes->list[i].kind], json_string(changes->list[i].id));
	answer = json_pack("{s:O, s:O, s:s, s:b, s:o, s:o, s:o}", "accountId", json_object_get(call->args, "accountId"), "oldState",
	    json_object_get(call->args, "sinceState"), "newState", buf_cstr(&after),
	    "hasMoreChanges", count < changes->count,
	    "created", lists[JMAP_CREATED], "updated", lists[JMAP_UPDATED], "destroyed", lists[JMAP_DESTROYED]);
	if (extra != NULL)
		(void)json_object_update(answer, extra);
	json_decref(extra);
	buf_free(&after);
	free(changes->list);
	jmap_respond(call, answer);
}

void
jmap_no_query_changes(struct jmap_call *call)
{
	jmap_error(call, "cannotCalculateChanges", NULL);
}

/* --- filters --- */

static enum jmap_filter_verdict
check_filter(const json_t *filter, jmap_condition_check check, unsigned depth)
{
	const json_t *conditions = json_object_get(filter, "conditions");
	struct span operator= jmap_span(json_object_get(filter, "operator"));
	enum jmap_filter_verdict verdict = JMAP_FILTER_GOOD;

	if (!json_is_object(filter))
		return JMAP_FILTER_INVALID;
	if (depth > FILTER_DEPTH_MAX)
		return JMAP_FILTER_UNSUPPORTED;
	if (json_object_get(filter, "operator") == NULL)
		return check(filter);
	if (!span_eq(operator, SPAN("AND")) && !span_eq(operator, SPAN("OR")) && !span_eq(operator, SPAN("NOT")))
		return JMAP_FILTER_INVALID;
	if (!json_is_array(conditions))
		return JMAP_FILTER_INVALID;
	for (size_t i = 0; i < json_array_size(conditions) && verdict == JMAP_FILTER_GOOD; i++)
		verdict = check_filter(json_array_get(conditions, i), check, depth + 1);
	return verdict;
}

bool
jmap_filter_check(struct jmap_call *call, const json_t *filter, jmap_condition_check check)
{
	enum jmap_filter_verdict verdict = filter == NULL || json_is_null(filter) ? JMAP_FILTER_GOOD : check_filter(filter, check, 0);

	if (verdict == JMAP_FILTER_INVALID)
		jmap_error(call, "invalidArguments", "The filter is not of the right form.");
	else if (verdict == JMAP_FILTER_UNSUPPORTED)
		jmap_error(call, "unsupportedFilter", NULL);
	return verdict == JMAP_FILTER_GOOD;
}

bool
jmap_filter_match(const json_t *filter, jmap_condition_match match, void *context, const void *item)
{
	const json_t *conditions = json_object_get(filter, "conditions");
	struct span operator= jmap_span(json_object_get(filter, "operator"));
	bool any = span_eq(operator, SPAN("OR")), none = span_eq(operator, SPAN("NOT"));

	if (filter == NULL || json_is_null(filter))
		return true;
	if (operator.len == 0)
		return match(context, filter, item);
	for (size_t i = 0; i < json_array_size(conditions); i++) {
		bool matches = jmap_filter_match(json_array_get(conditions, i), match, context, item);

		if (matches && any)
			return true;
		if (matches && none)
			return false;
		if (!matches && !any && !none)
			return false;
	}
	return !any;
}

/* --- errors --- */

json_t *
jmap_store_set_error(int result)
{
	switch (result) {
	case MS_E_NOTFOUND:
	case MS_E_STALE:
		return jmap_set_error("notFound", NULL);
	case MS_E_EXISTS:
		return jmap_set_error_property("invalidProperties", "There is one of this name already.", "name");
	case MS_E_BADNAME:
		return jmap_set_error_property("invalidProperties", "This name cannot be.", "name");
	case MS_E_QUOTA:
	case -ENOSPC:
	case -EDQUOT:
		return jmap_set_error("overQuota", NULL);
	case MS_E_DENIED:
		return jmap_set_error("forbidden", NULL);
	case MS_E_LIMIT:
		return jmap_set_error("tooManyKeywords", NULL);
	case -EMSGSIZE:
		return jmap_set_error("tooLarge", NULL);
	default:
		return jmap_set_error("serverFail", ms_strerror(result));
	}
}

/* --- counts --- */

static int
compare_threads(const void *a, const void *b)
{
	const struct jmap_email *x = *(struct jmap_email *const *)a, *y = *(struct jmap_email *const *)b;

	return x->thread < y->thread ? -1 : x->thread > y->thread;
}

static bool
is_unread(const struct jmap_email *email)
{
	return (jmap_email_flags(email) & (MS_SEEN | MS_DRAFT)) == 0;
}

static bool
is_only_in(const struct jmap_email *email, const struct jmap_mailbox *mailbox)
{
	for (size_t i = 0; i < email->place_count; i++)
		if (email->places[i].mailbox != mailbox)
			return false;
	return true;
}

static void
count_emails(struct jmap_mailbox *mailbox, struct jmap_email *const *emails, size_t count, const struct jmap_mailbox *trash)
{
	unsigned total = 0, unread = 0, thread_unread = 0;

	for (size_t i = 0; i < count; i++) {
		bool in_mailbox = jmap_email_in(emails[i], mailbox), is_new = is_unread(emails[i]);

		total += in_mailbox;
		unread += in_mailbox && is_new;
		/* RFC 8621 2: what lies in the trash makes no thread unread elsewhere, nor the rest one in the trash. */
		thread_unread += is_new && (mailbox == trash ? in_mailbox : trash == NULL || !is_only_in(emails[i], trash));
	}
	mailbox->total_emails += total;
	mailbox->unread_emails += unread;
	mailbox->total_threads += total > 0;
	mailbox->unread_threads += total > 0 && thread_unread > 0;
}

void
jmap_count(struct jmap *jmap)
{
	struct jmap_mailbox *trash = jmap_find_use(jmap, MS_USE_TRASH);
	struct jmap_email **sorted;
	size_t first = 0;

	if (jmap->counted == jmap->state + 1)
		return;
	jmap->counted = jmap->state + 1;
	for (size_t i = 0; i < jmap->mailbox_count; i++) {
		struct jmap_mailbox *mailbox = jmap->mailboxes[i];

		mailbox->total_emails = mailbox->unread_emails = mailbox->total_threads = mailbox->unread_threads = 0;
	}
	if (jmap->email_count == 0)
		return;
	sorted = xmemdup(jmap->emails, jmap->email_count * sizeof(struct jmap_email *));
	qsort(sorted, jmap->email_count, sizeof(struct jmap_email *), compare_threads);
	for (size_t i = 1; i <= jmap->email_count; i++) {
		if (i < jmap->email_count && sorted[i]->thread == sorted[first]->thread)
			continue;
		for (size_t m = 0; m < jmap->mailbox_count; m++)
			count_emails(jmap->mailboxes[m], sorted + first, i - first, trash);
		first = i;
	}
	free(sorted);
}
