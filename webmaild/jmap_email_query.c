/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Email/query and SearchSnippet/get (RFC 8621 sections 4.4 and 5). What the account in memory knows is asked first; a message is only
 * read when nothing else has ruled it out. */
#include <stdlib.h>

#include "common/date.h"
#include "common/header.h"
#include "common/subject.h"
#include "common/xalloc.h"
#include "webmaild/jmap_header.h"
#include "webmaild/jmap_methods.h"
#include "webmaild/jmap_query_text.h"
#include "webmaild/jmap_search.h"

#define FIELD_MAX (1u << 20)

/* --- conditions --- */

enum condition_type { TYPE_ID, TYPE_IDS, TYPE_DATE, TYPE_NUMBER, TYPE_KEYWORD, TYPE_BOOL, TYPE_TEXT, TYPE_HEADER };

struct query {
	struct jmap *jmap;
	const struct jmap_call *call;
	struct jmap_texts texts;
	struct jmap_email **by_thread;  /* emails in order of threads; made when it is first needed */
};

static bool
match_in_mailbox(struct query *query, const struct jmap_email *email, const json_t *value)
{
	const struct jmap_mailbox *mailbox = jmap_find_mailbox(query->jmap, jmap_real_id(query->call, jmap_span(value)));

	return mailbox != NULL && jmap_email_in(email, mailbox);
}

static bool
match_other_than(struct query *query, const struct jmap_email *email, const json_t *value)
{
	for (size_t i = 0; i < email->place_count; i++) {
		bool listed = false;

		for (size_t j = 0; j < json_array_size(value) && !listed; j++)
			listed = span_eq(jmap_real_id(query->call, jmap_span(json_array_get(value, j))), span_of(email->places[i].mailbox->id));
		if (!listed)
			return true;
	}
	return false;
}

static int64_t
seconds_of(const json_t *value)
{
	int64_t seconds = 0;

	(void)jmap_parse_date(jmap_span(value), &seconds); /* checked before */
	return seconds;
}

static bool
match_before(struct query *query, const struct jmap_email *email, const json_t *value)
{
	(void)query;
	return email->received < seconds_of(value);
}

static bool
match_after(struct query *query, const struct jmap_email *email, const json_t *value)
{
	(void)query;
	return email->received >= seconds_of(value);
}

static bool
match_min_size(struct query *query, const struct jmap_email *email, const json_t *value)
{
	(void)query;
	return email->size >= (uint64_t)json_integer_value(value);
}

static bool
match_max_size(struct query *query, const struct jmap_email *email, const json_t *value)
{
	(void)query;
	return email->size < (uint64_t)json_integer_value(value);
}

static bool
match_has_keyword(struct query *query, const struct jmap_email *email, const json_t *value)
{
	(void)query;
	return jmap_email_has_keyword(email, jmap_span(value));
}

static bool
match_not_keyword(struct query *query, const struct jmap_email *email, const json_t *value)
{
	return !match_has_keyword(query, email, value);
}

static bool
match_has_attachment(struct query *query, const struct jmap_email *email, const json_t *value)
{
	(void)query;
	return email->has_attachment == json_is_true(value);
}

static int
compare_threads(const void *a, const void *b)
{
	const struct jmap_email *x = *(struct jmap_email *const *)a, *y = *(struct jmap_email *const *)b;

	return x->thread < y->thread ? -1 : x->thread > y->thread;
}

/* How many of the thread's emails there are, and how many have the keyword. */
static void
count_keyword(struct query *query, uint64_t thread, struct span keyword, size_t *ret_emails, size_t *ret_with)
{
	size_t low = 0, high = query->jmap->email_count;

	if (query->by_thread == NULL) {
		query->by_thread = xmemdup(query->jmap->emails, high * sizeof(struct jmap_email *));
		qsort(query->by_thread, high, sizeof(struct jmap_email *), compare_threads);
	}
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (query->by_thread[middle]->thread < thread)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_emails = *ret_with = 0;
	for (; low < query->jmap->email_count && query->by_thread[low]->thread == thread; low++) {
		++*ret_emails;
		*ret_with += jmap_email_has_keyword(query->by_thread[low], keyword);
	}
}

static bool
match_all_in_thread(struct query *query, const struct jmap_email *email, const json_t *value)
{
	size_t emails, with;

	count_keyword(query, email->thread, jmap_span(value), &emails, &with);
	return with == emails;
}

static bool
match_some_in_thread(struct query *query, const struct jmap_email *email, const json_t *value)
{
	size_t emails, with;

	count_keyword(query, email->thread, jmap_span(value), &emails, &with);
	return with > 0;
}

static bool
match_none_in_thread(struct query *query, const struct jmap_email *email, const json_t *value)
{
	return !match_some_in_thread(query, email, value);
}

/* In the order they are asked; those without a function look into the texts, all at once at the end. */
static const struct condition {
	const char *name;
	enum condition_type type;
	bool (*match)(struct query *query, const struct jmap_email *email, const json_t *value);
} conditions[] = {
	{ "inMailbox", TYPE_ID, match_in_mailbox },
	{ "inMailboxOtherThan", TYPE_IDS, match_other_than },
	{ "before", TYPE_DATE, match_before },
	{ "after", TYPE_DATE, match_after },
	{ "minSize", TYPE_NUMBER, match_min_size },
	{ "maxSize", TYPE_NUMBER, match_max_size },
	{ "hasKeyword", TYPE_KEYWORD, match_has_keyword },
	{ "notKeyword", TYPE_KEYWORD, match_not_keyword },
	{ "hasAttachment", TYPE_BOOL, match_has_attachment },
	{ "allInThreadHaveKeyword", TYPE_KEYWORD, match_all_in_thread },
	{ "someInThreadHaveKeyword", TYPE_KEYWORD, match_some_in_thread },
	{ "noneInThreadHaveKeyword", TYPE_KEYWORD, match_none_in_thread },
	{ "from", TYPE_TEXT, NULL },
	{ "to", TYPE_TEXT, NULL },
	{ "cc", TYPE_TEXT, NULL },
	{ "bcc", TYPE_TEXT, NULL },
	{ "subject", TYPE_TEXT, NULL },
	{ "header", TYPE_HEADER, NULL },
	{ "body", TYPE_TEXT, NULL },
	{ "text", TYPE_TEXT, NULL },
};
#define CONDITIONS (sizeof(conditions) / sizeof(conditions[0]))

static bool
is_of_type(const json_t *value, enum condition_type type)
{
	uint64_t number;
	int64_t seconds;

	switch (type) {
	case TYPE_IDS:
		return jmap_is_string_list(value);
	case TYPE_DATE:
		return jmap_parse_date(jmap_span(value), &seconds);
	case TYPE_NUMBER:
		return jmap_is_unsigned(value, &number);
	case TYPE_KEYWORD:
		return jmap_is_keyword(jmap_span(value));
	case TYPE_BOOL:
		return json_is_boolean(value);
	case TYPE_HEADER:
		return jmap_is_string_list(value) && (json_array_size(value) == 1 || json_array_size(value) == 2);
	default:
		return json_is_string(value);
	}
}

static enum jmap_filter_verdict
check_condition(const json_t *condition)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)condition, key, value) {
		size_t i = 0;

		while (i < CONDITIONS && strcmp(conditions[i].name, key) != 0)
			i++;
		if (i == CONDITIONS)
			return JMAP_FILTER_UNSUPPORTED;
		if (!is_of_type(value, conditions[i].type))
			return JMAP_FILTER_INVALID;
	}
	return JMAP_FILTER_GOOD;
}

static bool
match_condition(void *context, const json_t *condition, const void *item)
{
	struct query *query = context;

	for (size_t i = 0; i < CONDITIONS; i++) {
		const json_t *value = json_object_get(condition, conditions[i].name);

		if (value != NULL && conditions[i].match != NULL && !conditions[i].match(query, item, value))
			return false;
	}
	return jmap_texts_match(&query->texts, condition, item);
}

/* --- order --- */

enum sort_by { SORT_RECEIVED, SORT_SIZE, SORT_SENT, SORT_FROM, SORT_TO, SORT_SUBJECT, SORT_KEYWORD, SORT_ALL_KEYWORD, SORT_SOME_KEYWORD };

static const struct {
	const char *property;
	enum sort_by by;
} sorts[] = {
	{ "receivedAt", SORT_RECEIVED }, { "size", SORT_SIZE }, { "sentAt", SORT_SENT }, { "from", SORT_FROM }, { "to", SORT_TO },
	{ "subject", SORT_SUBJECT }, { "hasKeyword", SORT_KEYWORD }, { "allInThreadHaveKeyword", SORT_ALL_KEYWORD },
	{ "someInThreadHaveKeyword", SORT_SOME_KEYWORD },
};
#define SORT_MAX 4

struct row {
	struct jmap_email *email;
	struct sort_key {
		int64_t number;
		char *text; /* NULL: the number counts */
	} keys[SORT_MAX];
};

struct order {
	size_t count;
	enum sort_by by[SORT_MAX];
	struct span keyword[SORT_MAX];
	bool descending[SORT_MAX];
};
static struct order order; /* of the query at hand: qsort(3) has no context */

static bool
read_sort(const json_t *sort)
{
	order = (struct order){ .count = 1, .by = { SORT_RECEIVED }, .descending = { true } };
	if (sort == NULL || json_is_null(sort) || (json_is_array(sort) && json_array_size(sort) == 0))
		return true;
	order.count = json_array_size(sort);
	if (!json_is_array(sort) || order.count > SORT_MAX)
		return false;
	for (size_t i = 0; i < order.count; i++) {
		const json_t *row = json_array_get(sort, i);
		size_t s = 0;

		while (s < sizeof(sorts) / sizeof(sorts[0]) && !span_eq(span_of(sorts[s].property), jmap_span(json_object_get(row, "property"))))
			s++;
		if (s == sizeof(sorts) / sizeof(sorts[0]))
			return false;
		order.by[i] = sorts[s].by;
		order.descending[i] = json_is_false(json_object_get(row, "isAscending"));
		order.keyword[i] = jmap_span(json_object_get(row, "keyword"));
		if (order.by[i] >= SORT_KEYWORD && !jmap_is_keyword(order.keyword[i]))
			return false;
	}
	return true;
}

/* What people sort by: the name, or the address where there is none. */
static char *
first_address(struct span block, const char *field)
{
	struct jmap_header_property property = { span_of(field), JMAP_ADDRESSES, false };
	json_t *list = jmap_header_value(block, &property);
	const json_t *first = json_array_get(list, 0), *name = json_object_get(first, "name");
	struct buf folded = BUF_INIT(FIELD_MAX);

	search_fold(jmap_span(json_is_string(name) ? name : json_object_get(first, "email")), &folded);
	json_decref(list);
	return buf_take(&folded);
}

static char *
base_subject(struct span block)
{
	struct header_field field;
	struct buf subject = BUF_INIT(FIELD_MAX), folded = BUF_INIT(FIELD_MAX);

	if (header_find_last(block, SPAN("Subject"), &field))
		(void)subject_base(field.value, &subject, NULL);
	search_fold(buf_get(&subject), &folded);
	buf_free(&subject);
	return buf_take(&folded);
}

static int64_t
sent_at(struct span block, const struct jmap_email *email)
{
	struct jmap_header_property property = { SPAN("Date"), JMAP_DATE, false };
	json_t *date = jmap_header_value(block, &property);
	int64_t seconds = email->received;

	if (json_is_string(date))
		(void)jmap_parse_date(jmap_span(date), &seconds);
	json_decref(date);
	return seconds;
}

static void
make_keys(struct query *query, struct row *row)
{
	struct jmap_email *email = row->email;
	struct search_message message;
	size_t emails, with;

	search_message_init(&message, query->jmap, email);
	for (size_t i = 0; i < order.count; i++) {
		struct sort_key *key = &row->keys[i];

		switch (order.by[i]) {
		case SORT_RECEIVED: key->number = email->received; break;
		case SORT_SIZE: key->number = (int64_t)email->size; break;
		case SORT_SENT: key->number = sent_at(search_header(&message), email); break;
		case SORT_FROM: key->text = first_address(search_header(&message), "From"); break;
		case SORT_TO: key->text = first_address(search_header(&message), "To"); break;
		case SORT_SUBJECT: key->text = base_subject(search_header(&message)); break;
		case SORT_KEYWORD: key->number = jmap_email_has_keyword(email, order.keyword[i]); break;
		default:
			count_keyword(query, email->thread, order.keyword[i], &emails, &with);
			key->number = order.by[i] == SORT_SOME_KEYWORD ? with > 0 : with == emails;
			break;
		}
	}
	search_message_free(&message);
}

static uint32_t
highest_uid(const struct jmap_email *email)
{
	uint32_t uid = 0;

	for (size_t i = 0; i < email->place_count; i++)
		if (email->places[i].uid > uid)
			uid = email->places[i].uid;
	return uid;
}

static int
compare_rows(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	uint32_t m, n;

	for (size_t i = 0; i < order.count; i++) {
		const struct sort_key *k = &x->keys[i], *l = &y->keys[i];
		int r = k->text != NULL && l->text != NULL ? strcmp(k->text, l->text) : (k->number > l->number) - (k->number < l->number);

		if (r != 0)
			return order.descending[i] ? -r : r;
	}
	/* The later one first, then any fixed order: pages must fit together. */
	if (x->email->received != y->email->received)
		return x->email->received < y->email->received ? 1 : -1;
	m = highest_uid(x->email);
	n = highest_uid(y->email);
	if (m != n)
		return m < n ? 1 : -1; /* those of one second, as they came in */
	return (x->email->id > y->email->id) - (x->email->id < y->email->id);
}

/* Leaves the first row of each thread. */
static size_t
collapse(struct row *rows, size_t count)
{
	size_t room = 16, kept = 0;
	uint64_t *seen;
	bool zero_seen = false;

	while (room < count * 2)
		room *= 2;
	seen = xcalloc(room, sizeof(*seen));
	for (size_t i = 0; i < count; i++) {
		uint64_t thread = rows[i].email->thread;
		size_t at = (size_t)((thread * 0x9e3779b97f4a7c15u) >> 32) & (room - 1);
		bool known = thread == 0 && zero_seen;

		while (thread != 0 && seen[at] != 0 && seen[at] != thread)
			at = (at + 1) & (room - 1);
		known = known || (thread != 0 && seen[at] == thread);
		zero_seen = zero_seen || thread == 0;
		if (thread != 0)
			seen[at] = thread;
		if (known) {
			for (size_t k = 0; k < SORT_MAX; k++)
				free(rows[i].keys[k].text);
			continue;
		}
		rows[kept++] = rows[i];
	}
	free(seen);
	return kept;
}

/* --- Email/query --- */

static void
answer_query(struct jmap_call *call, const struct jmap_query_window *window, const struct row *rows, size_t count)
{
	const struct jmap_email *anchor = jmap_find_email_text(call->jmap, jmap_real_id(call, window->anchor));
	ptrdiff_t anchor_index = -1;
	json_t *ids, *answer;
	size_t first, some;

	for (size_t i = 0; anchor != NULL && i < count && anchor_index < 0; i++)
		if (rows[i].email == anchor)
			anchor_index = (ptrdiff_t)i;
	if (!jmap_query_range(window, count, anchor_index, &first, &some)) {
		jmap_error(call, "anchorNotFound", NULL);
		return;
	}
	ids = json_array();
	for (size_t i = 0; i < some; i++) {
		char id[JMAP_ID_LEN + 1];

		jmap_email_id(rows[first + i].email->id, id);
		(void)json_array_append_new(ids, json_string(id));
	}
	answer = json_pack("{s:O, s:s, s:b, s:I, s:o}", "accountId", json_object_get(call->args, "accountId"), "queryState",
	    jmap_state_text(call->jmap->email_state).text, "canCalculateChanges", 0, "position", (json_int_t)first, "ids", ids);
	if (window->calculate_total)
		(void)json_object_set_new(answer, "total", json_integer((json_int_t)count));
	if (window->limited)
		(void)json_object_set_new(answer, "limit", json_integer(JMAP_QUERY_LIMIT));
	jmap_respond(call, answer);
}

void
jmap_email_query(struct jmap_call *call)
{
	struct jmap *jmap = call->jmap;
	const json_t *filter = json_object_get(call->args, "filter");
	struct query query = { .jmap = jmap, .call = call };
	struct jmap_query_window window;
	struct row *rows;
	bool collapse_threads;
	size_t count = 0;

	if (!jmap_query_begin(call, &window) || !jmap_arg_bool(call, "collapseThreads", false, &collapse_threads))
		return;
	if (!jmap_filter_check(call, filter, check_condition))
		return;
	if (!read_sort(json_object_get(call->args, "sort"))) {
		jmap_error(call, "unsupportedSort", NULL);
		return;
	}
	rows = xcalloc(jmap->email_count + 1, sizeof(*rows));
	for (size_t i = 0; i < jmap->email_count; i++) {
		if (!jmap_filter_match(filter, match_condition, &query, jmap->emails[i]))
			continue;
		rows[count].email = jmap->emails[i];
		make_keys(&query, &rows[count++]);
	}
	qsort(rows, count, sizeof(*rows), compare_rows);
	if (collapse_threads)
		count = collapse(rows, count);
	answer_query(call, &window, rows, count);
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < SORT_MAX; k++)
			free(rows[i].keys[k].text);
	free(rows);
	free(query.by_thread);
	jmap_texts_free(&query.texts);
}

/* --- SearchSnippet/get --- */

/* Gathers what the filter searches for in texts, but for what is under NOT. */
static void
gather_words(const json_t *filter, const char *field, struct buf *out)
{
	const json_t *operands = json_object_get(filter, "conditions");

	if (span_eq(jmap_span(json_object_get(filter, "operator")), SPAN("NOT")))
		return;
	for (size_t i = 0; i < json_array_size(operands); i++)
		gather_words(json_array_get(operands, i), field, out);
	(void)buf_span(out, jmap_span(json_object_get(filter, "text")));
	(void)buf_char(out, ' ');
	(void)buf_span(out, jmap_span(json_object_get(filter, field)));
	(void)buf_char(out, ' ');
}

static json_t *
marked(const json_t *filter, const char *field, struct span text, bool whole)
{
	struct buf words = BUF_INIT(65536);
	struct search search;
	json_t *value;
	char *html;

	gather_words(filter, field, &words);
	search_init(&search, buf_get(&words));
	html = search.count > 0 ? search_mark(&search, text, whole) : NULL;
	value = html != NULL ? jmap_text(span_of(html)) : json_null();
	free(html);
	search_free(&search);
	buf_free(&words);
	return value;
}

static json_t *
snippet(struct jmap *jmap, const struct jmap_email *email, const json_t *filter)
{
	struct jmap_header_property property = { SPAN("Subject"), JMAP_TEXT, false };
	struct search_message message;
	struct buf text = BUF_INIT(FIELD_MAX);
	char id[JMAP_ID_LEN + 1];
	json_t *subject, *result;

	jmap_email_id(email->id, id);
	search_message_init(&message, jmap, email);
	subject = jmap_header_value(search_header(&message), &property);
	search_snippet_text(&message, &text);
	result = json_pack("{s:s, s:o, s:o}", "emailId", id, "subject", marked(filter, "subject", jmap_span(subject), true), "preview",
	    marked(filter, "body", buf_get(&text), false));
	json_decref(subject);
	buf_free(&text);
	search_message_free(&message);
	return result;
}

void
jmap_snippet_get(struct jmap_call *call)
{
	const json_t *filter = json_object_get(call->args, "filter"), *ids = json_object_get(call->args, "emailIds");
	json_t *list, *not_found;

	if (!jmap_is_string_list(ids)) {
		jmap_error(call, "invalidArguments", "emailIds must be a list of ids.");
		return;
	}
	if (json_array_size(ids) > JMAP_GET_MAX) {
		jmap_error(call, "requestTooLarge", NULL);
		return;
	}
	if (!jmap_filter_check(call, filter, check_condition))
		return;
	list = json_array();
	not_found = json_array();
	for (size_t i = 0; i < json_array_size(ids); i++) {
		const struct jmap_email *email = jmap_find_email_text(call->jmap, jmap_real_id(call, jmap_span(json_array_get(ids, i))));

		if (email != NULL)
			(void)json_array_append_new(list, snippet(call->jmap, email, filter));
		else
			(void)json_array_append(not_found, json_array_get(ids, i));
	}
	if (json_array_size(not_found) == 0) {
		json_decref(not_found);
		not_found = json_null();
	}
	jmap_respond(call, json_pack("{s:O, s:o, s:o}", "accountId", json_object_get(call->args, "accountId"), "list", list, "notFound", not_found));
}
