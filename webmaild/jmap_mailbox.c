/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Mailbox/get, /changes, /query (RFC 8621 section 2). */
#include <stdlib.h>

#include "common/xalloc.h"
#include "webmaild/jmap_mailbox.h"

static const struct {
	enum ms_use use;
	const char *role;
	unsigned order;
} roles[] = {
	{ MS_USE_INBOX, "inbox", 1 }, { MS_USE_DRAFTS, "drafts", 2 }, { MS_USE_SENT, "sent", 3 }, { MS_USE_ARCHIVE, "archive", 4 },
	{ MS_USE_JUNK, "junk", 5 }, { MS_USE_TRASH, "trash", 6 },
};
#define ORDER_OTHER 10
#define ROLE_COUNT (sizeof(roles) / sizeof(roles[0]))

const char *
jmap_role_of(struct jmap *jmap, const struct jmap_mailbox *mailbox)
{
	for (size_t i = 0; i < ROLE_COUNT; i++)
		if (roles[i].use == mailbox->info.use && jmap_find_use(jmap, roles[i].use) == mailbox)
			return roles[i].role;
	return NULL;
}

enum ms_use
jmap_use_of_role(struct span role)
{
	for (size_t i = 0; i < ROLE_COUNT; i++)
		if (span_eq(span_of(roles[i].role), role))
			return roles[i].use;
	return MS_USE_NONE;
}

static unsigned
order_of(const struct jmap_mailbox *mailbox)
{
	for (size_t i = 0; i < ROLE_COUNT; i++)
		if (roles[i].use == mailbox->info.use)
			return roles[i].order;
	return ORDER_OTHER;
}

struct span
jmap_mailbox_leaf(const struct jmap_mailbox *mailbox)
{
	struct span name = span_of(mailbox->info.name);
	ptrdiff_t slash = span_rchr(name, '/');

	return slash < 0 ? name : span_skip(name, (size_t)slash + 1);
}

struct jmap_mailbox *
jmap_mailbox_parent(struct jmap *jmap, const struct jmap_mailbox *mailbox)
{
	struct span name = span_of(mailbox->info.name);
	ptrdiff_t slash = span_rchr(name, '/');

	if (slash < 0)
		return NULL;
	name.len = (size_t)slash;
	for (size_t i = 0; i < jmap->mailbox_count; i++)
		if (span_eq(span_of(jmap->mailboxes[i]->info.name), name))
			return jmap->mailboxes[i];
	return NULL;
}

/* --- Mailbox/get --- */

static const char *const properties[] = {
	"id", "name", "parentId", "role", "sortOrder", "totalEmails", "unreadEmails", "totalThreads", "unreadThreads", "myRights", "isSubscribed", NULL,
};

static json_t *
rights_of(const struct jmap_mailbox *mailbox)
{
	bool inbox = mailbox->info.use == MS_USE_INBOX;

	return json_pack("{s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:b}", "mayReadItems", 1, "mayAddItems", 1, "mayRemoveItems", 1, "maySetSeen", 1,
	    "maySetKeywords", 1, "mayCreateChild", 1, "mayRename", !inbox, "mayDelete", !inbox, "maySubmit", 1);
}

json_t *
jmap_mailbox_object(struct jmap *jmap, const struct jmap_mailbox *mailbox)
{
	const struct jmap_mailbox *parent = jmap_mailbox_parent(jmap, mailbox);
	struct span name = mailbox->info.use == MS_USE_INBOX ? SPAN("Inbox") : jmap_mailbox_leaf(mailbox);

	return json_pack("{s:s, s:o, s:s?, s:s?, s:i, s:i, s:i, s:i, s:i, s:o, s:b}", "id", mailbox->id, "name", jmap_text(name), "parentId",
	    parent != NULL ? parent->id : NULL, "role", jmap_role_of(jmap, mailbox), "sortOrder", (int)order_of(mailbox), "totalEmails",
	    (int)mailbox->total_emails, "unreadEmails", (int)mailbox->unread_emails, "totalThreads", (int)mailbox->total_threads, "unreadThreads",
	    (int)mailbox->unread_threads, "myRights", rights_of(mailbox), "isSubscribed", mailbox->info.subscribed);
}

void
jmap_mailbox_get(struct jmap_call *call)
{
	struct jmap *jmap = call->jmap;
	struct jmap_get_args args;
	json_t *list, *not_found;

	if (!jmap_get_begin(call, &args, properties, NULL))
		return;
	jmap_count(jmap);
	list = json_array();
	not_found = json_array();
	for (size_t i = 0; i < (args.ids != NULL ? json_array_size(args.ids) : jmap->mailbox_count); i++) {
		const struct jmap_mailbox *mailbox = jmap->mailboxes[args.ids != NULL ? 0 : i];
		json_t *object;

		if (args.ids != NULL) {
			struct span id = jmap_real_id(call, jmap_span(json_array_get(args.ids, i)));

			mailbox = jmap_find_mailbox(jmap, id);
			if (mailbox == NULL) {
				(void)json_array_append(not_found, json_array_get(args.ids, i));
				continue;
			}
		}
		object = jmap_mailbox_object(jmap, mailbox);
		jmap_keep_wanted(&args, object);
		(void)json_array_append_new(list, object);
	}
	jmap_get_respond(call, jmap->mailbox_state, list, not_found);
}

/* --- Mailbox/changes --- */

void
jmap_mailbox_changes(struct jmap_call *call)
{
	struct jmap *jmap = call->jmap;
	struct jmap_changes changes;
	bool only_counts = true;

	if (!jmap_changes_begin(call, &changes, jmap->mailbox_state))
		return;
	for (size_t i = 0; i < jmap->mailbox_count; i++) {
		const struct jmap_mailbox *mailbox = jmap->mailboxes[i];

		only_counts = only_counts && mailbox->renamed <= changes.since;
		jmap_changes_add(&changes, mailbox->id, mailbox->created, mailbox->changed, false);
	}
	for (size_t i = 0; i < jmap->gone_count; i++)
		if (jmap->gone[i].kind == JMAP_GONE_MAILBOX)
			jmap_changes_add(&changes, jmap->gone[i].mailbox, jmap->gone[i].created, jmap->gone[i].state, true);
	jmap_changes_respond(call, &changes, jmap->mailbox_state, json_pack("{s:o}", "updatedProperties",
	    only_counts ? json_pack("[s, s, s, s]", "totalEmails", "unreadEmails", "totalThreads", "unreadThreads") : json_null()));
}

/* --- Mailbox/query --- */

static enum jmap_filter_verdict
check_condition(const json_t *condition)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)condition, key, value) {
		bool good;

		if (strcmp(key, "parentId") == 0 || strcmp(key, "role") == 0)
			good = json_is_string(value) || json_is_null(value);
		else if (strcmp(key, "name") == 0)
			good = json_is_string(value);
		else if (strcmp(key, "hasAnyRole") == 0 || strcmp(key, "isSubscribed") == 0)
			good = json_is_boolean(value);
		else
			return JMAP_FILTER_UNSUPPORTED;
		if (!good)
			return JMAP_FILTER_INVALID;
	}
	return JMAP_FILTER_GOOD;
}

/* null matches the absent. */
static bool
is_same(const json_t *wanted, const char *have)
{
	return json_is_null(wanted) ? have == NULL : have != NULL && span_eq(jmap_span(wanted), span_of(have));
}

static bool
match_condition(void *context, const json_t *condition, const void *item)
{
	const struct jmap_mailbox *mailbox = item, *parent = jmap_mailbox_parent(context, mailbox);
	const char *role = jmap_role_of(context, mailbox), *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)condition, key, value) {
		if (strcmp(key, "parentId") == 0 && !is_same(value, parent != NULL ? parent->id : NULL))
			return false;
		if (strcmp(key, "role") == 0 && !is_same(value, role))
			return false;
		if (strcmp(key, "name") == 0 && span_ifind(jmap_mailbox_leaf(mailbox), jmap_span(value)) < 0)
			return false;
		if (strcmp(key, "hasAnyRole") == 0 && json_is_true(value) != (role != NULL))
			return false;
		if (strcmp(key, "isSubscribed") == 0 && json_is_true(value) != mailbox->info.subscribed)
			return false;
	}
	return true;
}

static bool
check_sort(const json_t *sort)
{
	if (sort == NULL || json_is_null(sort))
		return true;
	for (size_t i = 0; i < json_array_size(sort); i++) {
		struct span property = jmap_span(json_object_get(json_array_get(sort, i), "property"));

		if (!span_eq(property, SPAN("sortOrder")) && !span_eq(property, SPAN("name")) && !span_eq(property, SPAN("parentId")))
			return false;
	}
	return json_is_array(sort);
}

static struct {
	const json_t *sort;
	struct jmap *jmap;
} sorting; /* qsort(3) has no context */

static int
compare_property(struct span property, const struct jmap_mailbox *x, const struct jmap_mailbox *y)
{
	if (span_eq(property, SPAN("sortOrder")))
		return (int)order_of(x) - (int)order_of(y);
	if (span_eq(property, SPAN("parentId"))) {
		const struct jmap_mailbox *a = jmap_mailbox_parent(sorting.jmap, x), *b = jmap_mailbox_parent(sorting.jmap, y);

		return strcmp(a != NULL ? a->id : "", b != NULL ? b->id : "");
	}
	return strcasecmp(x->info.name, y->info.name);
}

static int
compare_mailboxes(const void *a, const void *b)
{
	const struct jmap_mailbox *x = *(struct jmap_mailbox *const *)a, *y = *(struct jmap_mailbox *const *)b;

	for (size_t i = 0; i < json_array_size(sorting.sort); i++) {
		const json_t *row = json_array_get(sorting.sort, i);
		int order = compare_property(jmap_span(json_object_get(row, "property")), x, y);

		if (order != 0)
			return json_is_false(json_object_get(row, "isAscending")) ? -order : order;
	}
	return strcmp(x->id, y->id);
}

/* Puts each mailbox behind its parent, siblings in the order they have (sortAsTree). */
static size_t
put_tree(struct jmap *jmap, const struct jmap_mailbox *parent, struct jmap_mailbox *const *list, size_t count, struct jmap_mailbox **out, size_t at)
{
	for (size_t i = 0; i < count && at < count; i++) {
		if (jmap_mailbox_parent(jmap, list[i]) != parent)
			continue;
		out[at++] = list[i];
		at = put_tree(jmap, list[i], list, count, out, at);
	}
	return at;
}

static bool
matches(struct jmap *jmap, const json_t *filter, const struct jmap_mailbox *mailbox, bool as_tree)
{
	if (!jmap_filter_match(filter, match_condition, jmap, mailbox))
		return false;
	mailbox = as_tree ? jmap_mailbox_parent(jmap, mailbox) : NULL;
	return mailbox == NULL || matches(jmap, filter, mailbox, as_tree);
}

static ptrdiff_t
index_of(struct jmap_mailbox *const *list, size_t count, struct span id)
{
	for (size_t i = 0; i < count; i++)
		if (span_eq(span_of(list[i]->id), id))
			return (ptrdiff_t)i;
	return -1;
}

static void
answer_query(struct jmap_call *call, const struct jmap_query_window *window, struct jmap_mailbox *const *list, size_t count)
{
	json_t *ids, *answer;
	size_t first, some;

	if (!jmap_query_range(window, count, index_of(list, count, window->anchor), &first, &some)) {
		jmap_error(call, "anchorNotFound", NULL);
		return;
	}
	ids = json_array();
	for (size_t i = 0; i < some; i++)
		(void)json_array_append_new(ids, json_string(list[first + i]->id));
	answer = json_pack("{s:O, s:s, s:b, s:I, s:o}", "accountId", json_object_get(call->args, "accountId"), "queryState",
	    jmap_state_text(call->jmap->mailbox_state).text, "canCalculateChanges", 0, "position", (json_int_t)first, "ids", ids);
	if (window->calculate_total)
		(void)json_object_set_new(answer, "total", json_integer((json_int_t)count));
	jmap_respond(call, answer);
}

void
jmap_mailbox_query(struct jmap_call *call)
{
	struct jmap *jmap = call->jmap;
	const json_t *filter = json_object_get(call->args, "filter"), *sort = json_object_get(call->args, "sort");
	struct jmap_query_window window;
	struct jmap_mailbox **list, **tree;
	bool sort_as_tree, filter_as_tree;
	size_t count = 0;

	if (!jmap_query_begin(call, &window) || !jmap_arg_bool(call, "sortAsTree", false, &sort_as_tree) ||
	    !jmap_arg_bool(call, "filterAsTree", false, &filter_as_tree))
		return;
	if (!jmap_filter_check(call, filter, check_condition))
		return;
	if (!check_sort(sort)) {
		jmap_error(call, "unsupportedSort", NULL);
		return;
	}
	list = xcalloc(jmap->mailbox_count + 1, sizeof(struct jmap_mailbox *));
	tree = xcalloc(jmap->mailbox_count + 1, sizeof(struct jmap_mailbox *));
	for (size_t i = 0; i < jmap->mailbox_count; i++)
		if (matches(jmap, filter, jmap->mailboxes[i], filter_as_tree))
			list[count++] = jmap->mailboxes[i];
	sorting.sort = sort;
	sorting.jmap = jmap;
	qsort(list, count, sizeof(struct jmap_mailbox *), compare_mailboxes);
	/* A child whose parent the filter leaves out stands at the end. */
	if (sort_as_tree && put_tree(jmap, NULL, list, count, tree, 0) == count)
		answer_query(call, &window, tree, count);
	else
		answer_query(call, &window, list, count);
	free(list);
	free(tree);
}
