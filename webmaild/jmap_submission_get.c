/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* EmailSubmission/get, /changes, /query (RFC 8621 section 7). */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "common/xalloc.h"
#include "webmaild/jmap_file.h"
#include "webmaild/jmap_submission.h"

#define FILE_NAME "submissions.json"
#define KEPT_MAX 500

json_t *
jmap_submissions_load(const struct jmap *jmap)
{
	json_t *file = jmap_file_load(jmap->session->proc->account_dir, FILE_NAME);

	if (!json_is_array(json_object_get(file, "list")))
		(void)json_object_set_new(file, "list", json_array());
	return file;
}

int
jmap_submissions_save(const struct jmap *jmap, const json_t *file)
{
	json_t *list = json_object_get(file, "list");
	int r;

	while (json_array_size(list) > KEPT_MAX)
		(void)json_array_remove(list, 0);
	/* Those with a thousand recipients are large: fewer of them are kept. */
	while ((r = jmap_file_save(jmap->session->proc->account_dir, FILE_NAME, file)) == -EFBIG && json_array_size(list) > 0)
		for (size_t older = (json_array_size(list) + 1) / 2; older > 0; older--)
			(void)json_array_remove(list, 0);
	return r;
}

struct jmap_state
jmap_submissions_state(const json_t *file)
{
	return jmap_state_text((uint64_t)json_integer_value(json_object_get(file, "state")));
}

json_t *
jmap_submissions_find(const json_t *file, struct span id)
{
	const json_t *list = json_object_get(file, "list");

	for (size_t i = 0; id.len > 0 && i < json_array_size(list); i++)
		if (span_eq(jmap_span(json_object_get(json_array_get(list, i), "id")), id))
			return json_array_get(list, i);
	return NULL;
}

static int64_t
send_at(const json_t *entry)
{
	int64_t seconds = 0;

	(void)jmap_parse_date(jmap_span(json_object_get(entry, "sendAt")), &seconds); /* ours */
	return seconds;
}

const char *
jmap_submission_undo(const json_t *entry)
{
	if (json_is_true(json_object_get(entry, "canceled")))
		return "canceled";
	return send_at(entry) > time(NULL) ? "pending" : "final";
}

/* --- EmailSubmission/get --- */

static const char *const properties[] = {
	"id", "identityId", "emailId", "threadId", "envelope", "sendAt", "undoStatus", "deliveryStatus", "dsnBlobIds", "mdnBlobIds", NULL,
};

static json_t *
submission_object(const json_t *entry, const struct jmap_get_args *args)
{
	json_t *object = json_object();

	for (size_t i = 0; properties[i] != NULL; i++)
		if (json_object_get(entry, properties[i]) != NULL)
			(void)json_object_set(object, properties[i], json_object_get(entry, properties[i]));
	(void)json_object_set_new(object, "undoStatus", json_string(jmap_submission_undo(entry)));
	(void)json_object_set_new(object, "deliveryStatus", json_null());
	(void)json_object_set_new(object, "dsnBlobIds", json_array());
	(void)json_object_set_new(object, "mdnBlobIds", json_array());
	jmap_keep_wanted(args, object);
	return object;
}

void
jmap_submission_get(struct jmap_call *call)
{
	struct jmap_get_args args;
	json_t *file, *all, *list, *not_found;

	if (!jmap_get_begin(call, &args, properties, NULL))
		return;
	file = jmap_submissions_load(call->jmap);
	all = json_object_get(file, "list");
	list = json_array();
	not_found = json_array();
	for (size_t i = 0; args.ids == NULL && i < json_array_size(all); i++)
		(void)json_array_append_new(list, submission_object(json_array_get(all, i), &args));
	for (size_t i = 0; i < json_array_size(args.ids); i++) {
		const json_t *entry = jmap_submissions_find(file, jmap_real_id(call, jmap_span(json_array_get(args.ids, i))));

		if (entry != NULL)
			(void)json_array_append_new(list, submission_object(entry, &args));
		else
			(void)json_array_append(not_found, json_array_get(args.ids, i));
	}
	jmap_respond(call, json_pack("{s:O, s:s, s:o, s:o}", "accountId", json_object_get(call->args, "accountId"), "state",
	    jmap_submissions_state(file).text, "list", list, "notFound", not_found));
	json_decref(file);
}

/* --- EmailSubmission/changes --- */

void
jmap_submission_changes(struct jmap_call *call)
{
	json_t *file = jmap_submissions_load(call->jmap), *all = json_object_get(file, "list");
	struct jmap_state state = jmap_submissions_state(file);
	json_t *created = json_array(), *updated = json_array();
	struct span since;
	uint64_t number = 0;

	if (jmap_arg_string(call, "sinceState", &since)) {
		if (!span_starts(since, SPAN("s")) || span_to_u64(span_skip(since, 1), INT64_MAX, &number) != 0) {
			jmap_error(call, "cannotCalculateChanges", NULL);
		} else {
			for (size_t i = 0; i < json_array_size(all); i++) {
				const json_t *entry = json_array_get(all, i);

				if ((uint64_t)json_integer_value(json_object_get(entry, "changed")) <= number)
					continue;
				(void)json_array_append((uint64_t)json_integer_value(json_object_get(entry, "created")) > number ? created : updated,
				    json_object_get(entry, "id"));
			}
			jmap_respond(call, json_pack("{s:O, s:O, s:s, s:b, s:O, s:O, s:[]}", "accountId", json_object_get(call->args, "accountId"),
			    "oldState", json_object_get(call->args, "sinceState"), "newState", state.text, "hasMoreChanges", 0, "created", created,
			    "updated", updated, "destroyed"));
		}
	}
	json_decref(created);
	json_decref(updated);
	json_decref(file);
}

/* --- EmailSubmission/query --- */

static enum jmap_filter_verdict
check_condition(const json_t *condition)
{
	const char *key;
	json_t *value;
	int64_t seconds;

	json_object_foreach((json_t *)(uintptr_t)condition, key, value) {
		bool ids = strcmp(key, "identityIds") == 0 || strcmp(key, "emailIds") == 0 || strcmp(key, "threadIds") == 0;
		bool date = strcmp(key, "before") == 0 || strcmp(key, "after") == 0;

		if (!ids && !date && strcmp(key, "undoStatus") != 0)
			return JMAP_FILTER_UNSUPPORTED;
		if (ids ? !jmap_is_string_list(value) : date ? !jmap_parse_date(jmap_span(value), &seconds) : !json_is_string(value))
			return JMAP_FILTER_INVALID;
	}
	return JMAP_FILTER_GOOD;
}

static bool
lists(const json_t *list, const json_t *entry, const char *property)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (json_equal(json_array_get(list, i), json_object_get(entry, property)))
			return true;
	return false;
}

static bool
match_condition(void *context, const json_t *condition, const void *item)
{
	const json_t *entry = item, *value;
	int64_t seconds;

	(void)context;
	if ((value = json_object_get(condition, "identityIds")) != NULL && !lists(value, entry, "identityId"))
		return false;
	if ((value = json_object_get(condition, "emailIds")) != NULL && !lists(value, entry, "emailId"))
		return false;
	if ((value = json_object_get(condition, "threadIds")) != NULL && !lists(value, entry, "threadId"))
		return false;
	if ((value = json_object_get(condition, "undoStatus")) != NULL && !span_eq(jmap_span(value), span_of(jmap_submission_undo(entry))))
		return false;
	if ((value = json_object_get(condition, "before")) != NULL && jmap_parse_date(jmap_span(value), &seconds) && send_at(entry) >= seconds)
		return false;
	return (value = json_object_get(condition, "after")) == NULL || !jmap_parse_date(jmap_span(value), &seconds) || send_at(entry) >= seconds;
}

static const char *
sort_text(const json_t *entry, const json_t *sort)
{
	struct span property = jmap_span(json_object_get(sort, "property"));
	const char *name = span_eq(property, SPAN("emailId")) ? "emailId" : span_eq(property, SPAN("threadId")) ? "threadId" : "sendAt";
	const char *text = json_string_value(json_object_get(entry, name));

	return text != NULL ? text : "";
}

static const json_t *sorting; /* qsort(3) has no context */

static int
compare_entries(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;

	for (size_t i = 0; i < json_array_size(sorting); i++) {
		const json_t *sort = json_array_get(sorting, i);
		int r = strcmp(sort_text(x, sort), sort_text(y, sort));

		if (r != 0)
			return json_is_false(json_object_get(sort, "isAscending")) ? -r : r;
	}
	return strcmp(json_string_value(json_object_get(x, "id")), json_string_value(json_object_get(y, "id")));
}

static bool
check_sort(const json_t *sort)
{
	for (size_t i = 0; i < json_array_size(sort); i++) {
		struct span property = jmap_span(json_object_get(json_array_get(sort, i), "property"));

		if (!span_eq(property, SPAN("emailId")) && !span_eq(property, SPAN("threadId")) && !span_eq(property, SPAN("sentAt")))
			return false;
	}
	return sort == NULL || json_is_null(sort) || json_is_array(sort);
}

static void
answer_query(struct jmap_call *call, const struct jmap_query_window *window, const json_t *file, json_t *const *found, size_t count)
{
	ptrdiff_t anchor = -1;
	size_t first, some;
	json_t *ids, *answer;

	for (size_t i = 0; i < count && anchor < 0; i++)
		if (span_eq(jmap_span(json_object_get(found[i], "id")), window->anchor))
			anchor = (ptrdiff_t)i;
	if (!jmap_query_range(window, count, anchor, &first, &some)) {
		jmap_error(call, "anchorNotFound", NULL);
		return;
	}
	ids = json_array();
	for (size_t i = 0; i < some; i++)
		(void)json_array_append(ids, json_object_get(found[first + i], "id"));
	answer = json_pack("{s:O, s:s, s:b, s:I, s:o}", "accountId", json_object_get(call->args, "accountId"), "queryState",
	    jmap_submissions_state(file).text, "canCalculateChanges", 0, "position", (json_int_t)first, "ids", ids);
	if (window->calculate_total)
		(void)json_object_set_new(answer, "total", json_integer((json_int_t)count));
	jmap_respond(call, answer);
}

void
jmap_submission_query(struct jmap_call *call)
{
	const json_t *filter = json_object_get(call->args, "filter"), *sort = json_object_get(call->args, "sort");
	struct jmap_query_window window;
	json_t *file, *all, **found;
	size_t count = 0;

	if (!jmap_query_begin(call, &window))
		return;
	if (!jmap_filter_check(call, filter, check_condition))
		return;
	if (!check_sort(sort)) {
		jmap_error(call, "unsupportedSort", NULL);
		return;
	}
	file = jmap_submissions_load(call->jmap);
	all = json_object_get(file, "list");
	found = xcalloc(json_array_size(all) + 1, sizeof(json_t *));
	for (size_t i = 0; i < json_array_size(all); i++)
		if (jmap_filter_match(filter, match_condition, NULL, json_array_get(all, i)))
			found[count++] = json_array_get(all, i);
	sorting = sort;
	qsort(found, count, sizeof(json_t *), compare_entries);
	answer_query(call, &window, file, found, count);
	free(found);
	json_decref(file);
}
