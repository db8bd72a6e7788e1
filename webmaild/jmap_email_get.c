/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Email/get, Email/changes, Email/parse, Thread/get, Thread/changes (RFC 8621 sections 3 and 4). */
#include <stdlib.h>

#include "common/header.h"
#include "common/mime_text.h"
#include "common/xalloc.h"
#include "webmaild/jmap_blob.h"
#include "webmaild/jmap_email_object.h"

#define HEADER_FRONT 65536 /* read of a message whose header alone is wanted */

/* --- Email/get --- */

static json_t *
mailbox_ids(const struct jmap_email *email)
{
	json_t *ids = json_object();

	for (size_t i = 0; i < email->place_count; i++)
		(void)json_object_set_new(ids, email->places[i].mailbox->id, json_true());
	return ids;
}

static json_t *
preview_of(const struct jmap_email *email)
{
	char *text = NULL;
	size_t len = 0;
	json_t *preview;

	if (email->places[0].mailbox->open == NULL ||
	    ms_message_cached(email->places[0].mailbox->open, email->places[0].uid, MS_PREVIEW, &text, &len) != 0)
		return json_string("");
	preview = jmap_text(span_make(text, len));
	free(text);
	return preview;
}

static void
put_metadata(json_t *object, const struct jmap_get_args *args, const struct jmap_email *email)
{
	char id[JMAP_ID_LEN + 1], thread[JMAP_ID_LEN + 1], blob[JMAP_ID_LEN + 1];

	jmap_email_id(email->id, id);
	jmap_thread_id(email->thread, thread);
	jmap_blob_of_email(email->id, blob);
	(void)json_object_set_new(object, "id", json_string(id));
	if (jmap_wants(args, "blobId"))
		(void)json_object_set_new(object, "blobId", json_string(blob));
	if (jmap_wants(args, "threadId"))
		(void)json_object_set_new(object, "threadId", json_string(thread));
	if (jmap_wants(args, "mailboxIds"))
		(void)json_object_set_new(object, "mailboxIds", mailbox_ids(email));
	if (jmap_wants(args, "keywords"))
		(void)json_object_set_new(object, "keywords", jmap_email_keywords(email));
	if (jmap_wants(args, "size"))
		(void)json_object_set_new(object, "size", json_integer((json_int_t)email->size));
	if (jmap_wants(args, "receivedAt"))
		(void)json_object_set_new(object, "receivedAt", jmap_utc_date(email->received));
	if (jmap_wants(args, "hasAttachment"))
		(void)json_object_set_new(object, "hasAttachment", json_boolean(email->has_attachment));
	if (jmap_wants(args, "preview"))
		(void)json_object_set_new(object, "preview", preview_of(email));
}

static int
read_needed(struct jmap *jmap, const struct jmap_email *email, enum jmap_need need, struct buf *bytes)
{
	int r;

	if (need == JMAP_NEEDS_NOTHING)
		return 0;
	if (need == JMAP_NEEDS_HEADER) {
		r = jmap_email_read_front(jmap, email, HEADER_FRONT, bytes);
		if (r != 0 || bytes->len < HEADER_FRONT || header_block_size(buf_get(bytes)) < bytes->len)
			return r;
		buf_clear(bytes);
	}
	return jmap_email_read(jmap, email, bytes);
}

static json_t *
email_object(struct jmap *jmap, const struct jmap_email *email, const struct jmap_get_args *args, struct jmap_body_args *body_args,
    enum jmap_need need)
{
	struct buf bytes = BUF_INIT((size_t)jmap->session->conf->message_size_max);
	json_t *object;

	if (read_needed(jmap, email, need, &bytes) != 0) {
		buf_free(&bytes);
		return NULL;
	}
	object = json_object();
	put_metadata(object, args, email);
	if (need >= JMAP_NEEDS_HEADER)
		jmap_email_put_header(object, args, span_make(buf_cstr(&bytes), header_block_size(buf_get(&bytes))));
	if (need == JMAP_NEEDS_BODY) {
		struct mime_message *message = mime_parse(buf_get(&bytes));
		char blob[JMAP_ID_LEN + 1];

		jmap_blob_of_email(email->id, blob);
		jmap_email_put_body(object, args, body_args, message, span_of(blob));
		(void)mime_free(message);
	}
	buf_free(&bytes);
	return object;
}

void
jmap_email_get(struct jmap_call *call)
{
	struct jmap *jmap = call->jmap;
	struct jmap_get_args args;
	struct jmap_body_args body_args;
	enum jmap_need need;
	json_t *list, *not_found;

	if (!jmap_get_begin(call, &args, jmap_email_properties, jmap_email_is_more) || !jmap_body_args(call, &body_args))
		return;
	if (args.ids == NULL && jmap->email_count > JMAP_GET_MAX) {
		jmap_error(call, "requestTooLarge", "Name the emails: there are too many.");
		return;
	}
	need = jmap_email_need(&args);
	list = json_array();
	not_found = json_array();
	for (size_t i = 0; i < (args.ids != NULL ? json_array_size(args.ids) : jmap->email_count); i++) {
		const struct jmap_email *email = args.ids == NULL ? jmap->emails[i]
		    : jmap_find_email_text(jmap, jmap_real_id(call, jmap_span(json_array_get(args.ids, i))));
		json_t *object = email != NULL ? email_object(jmap, email, &args, &body_args, need) : NULL;

		if (object != NULL)
			(void)json_array_append_new(list, object);
		else if (args.ids != NULL)
			(void)json_array_append(not_found, json_array_get(args.ids, i));
	}
	jmap_get_respond(call, jmap->email_state, list, not_found);
}

/* --- Email/changes --- */

void
jmap_email_changes(struct jmap_call *call)
{
	struct jmap *jmap = call->jmap;
	struct jmap_changes changes;
	char id[JMAP_ID_LEN + 1];

	if (!jmap_changes_begin(call, &changes, jmap->email_state))
		return;
	for (size_t i = 0; i < jmap->email_count; i++) {
		const struct jmap_email *email = jmap->emails[i];

		if (email->changed <= changes.since)
			continue;
		jmap_email_id(email->id, id);
		jmap_changes_add(&changes, id, email->created, email->changed, false);
	}
	for (size_t i = 0; i < jmap->gone_count; i++) {
		if (jmap->gone[i].kind != JMAP_GONE_EMAIL || jmap_find_email(jmap, jmap->gone[i].id) != NULL)
			continue;
		jmap_email_id(jmap->gone[i].id, id);
		jmap_changes_add(&changes, id, jmap->gone[i].created, jmap->gone[i].state, true);
	}
	jmap_changes_respond(call, &changes, jmap->email_state, NULL);
}

/* --- threads --- */

static int
compare_in_thread(const void *a, const void *b)
{
	const struct jmap_email *x = *(struct jmap_email *const *)a, *y = *(struct jmap_email *const *)b;

	if (x->thread != y->thread)
		return x->thread < y->thread ? -1 : 1;
	if (x->received != y->received)
		return x->received < y->received ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

/* All emails, threads together, the oldest of each first (RFC 8621 section 3). For free(3); NULL when there are none. */
static struct jmap_email **
sort_by_thread(const struct jmap *jmap)
{
	struct jmap_email **sorted;

	if (jmap->email_count == 0)
		return NULL;
	sorted = xmemdup(jmap->emails, jmap->email_count * sizeof(struct jmap_email *));
	qsort(sorted, jmap->email_count, sizeof(struct jmap_email *), compare_in_thread);
	return sorted;
}

static size_t
first_of_thread(struct jmap_email *const *sorted, size_t count, uint64_t thread)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (sorted[middle]->thread < thread)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static json_t *
thread_object(struct jmap_email *const *sorted, size_t count, uint64_t thread)
{
	json_t *ids = json_array();
	char id[JMAP_ID_LEN + 1];

	for (size_t i = first_of_thread(sorted, count, thread); i < count && sorted[i]->thread == thread; i++) {
		jmap_email_id(sorted[i]->id, id);
		(void)json_array_append_new(ids, json_string(id));
	}
	jmap_thread_id(thread, id);
	if (json_array_size(ids) > 0)
		return json_pack("{s:s, s:o}", "id", id, "emailIds", ids);
	json_decref(ids);
	return NULL;
}

void
jmap_thread_get(struct jmap_call *call)
{
	static const char *const properties[] = { "id", "emailIds", NULL };
	struct jmap *jmap = call->jmap;
	struct jmap_get_args args;
	struct jmap_email **sorted;
	json_t *list, *not_found;

	if (!jmap_get_begin(call, &args, properties, NULL))
		return;
	if (args.ids == NULL) {
		jmap_error(call, "requestTooLarge", "Name the threads.");
		return;
	}
	sorted = sort_by_thread(jmap);
	list = json_array();
	not_found = json_array();
	for (size_t i = 0; i < json_array_size(args.ids); i++) {
		json_t *id = json_array_get(args.ids, i), *object = NULL;
		uint64_t thread;

		if (jmap_parse_id(jmap_span(id), 't', &thread))
			object = thread_object(sorted, jmap->email_count, thread);
		if (object == NULL) {
			(void)json_array_append(not_found, id);
			continue;
		}
		jmap_keep_wanted(&args, object);
		(void)json_array_append_new(list, object);
	}
	free(sorted);
	jmap_get_respond(call, jmap->thread_state, list, not_found);
}

/* One thread's emails that are there, and those that went: is it new, changed, gone? */
static void
add_thread_change(struct jmap *jmap, struct jmap_changes *changes, struct jmap_email *const *sorted, uint64_t thread)
{
	uint64_t created = UINT64_MAX, changed = 0;
	char id[JMAP_ID_LEN + 1];
	bool there = false;

	for (size_t i = first_of_thread(sorted, jmap->email_count, thread); i < jmap->email_count && sorted[i]->thread == thread; i++) {
		there = true;
		if (sorted[i]->created < created)
			created = sorted[i]->created;
		if (sorted[i]->created > changed)
			changed = sorted[i]->created;
	}
	for (size_t i = 0; i < jmap->gone_count; i++) {
		const struct jmap_gone *gone = &jmap->gone[i];

		if (gone->kind != JMAP_GONE_EMAIL || gone->thread != thread || gone->state <= changes->since)
			continue;
		if (gone->created < created)
			created = gone->created;
		if (gone->state > changed)
			changed = gone->state;
	}
	jmap_thread_id(thread, id);
	jmap_changes_add(changes, id, created, changed, !there);
}

static int
compare_numbers(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

void
jmap_thread_changes(struct jmap_call *call)
{
	struct jmap *jmap = call->jmap;
	struct jmap_changes changes;
	struct jmap_email **sorted;
	uint64_t *threads;
	size_t count = 0;

	if (!jmap_changes_begin(call, &changes, jmap->thread_state))
		return;
	/* Threads that an email came to or went from, each once. */
	threads = xcalloc(jmap->email_count + jmap->gone_count + 1, sizeof(*threads));
	for (size_t i = 0; i < jmap->email_count; i++)
		if (jmap->emails[i]->created > changes.since)
			threads[count++] = jmap->emails[i]->thread;
	for (size_t i = 0; i < jmap->gone_count; i++)
		if (jmap->gone[i].kind == JMAP_GONE_EMAIL && jmap->gone[i].state > changes.since && jmap->gone[i].thread != 0)
			threads[count++] = jmap->gone[i].thread;
	qsort(threads, count, sizeof(*threads), compare_numbers);
	sorted = sort_by_thread(jmap);
	for (size_t i = 0; i < count; i++)
		if (i == 0 || threads[i] != threads[i - 1])
			add_thread_change(jmap, &changes, sorted, threads[i]);
	free(sorted);
	free(threads);
	jmap_changes_respond(call, &changes, jmap->thread_state, NULL);
}

/* --- Email/parse --- */

static json_t *
parsed_object(const struct jmap_get_args *args, struct jmap_body_args *body_args, struct span bytes, struct span blob)
{
	struct mime_message *message = mime_parse(bytes);
	struct buf preview = BUF_INIT(MIME_PREVIEW_SIZE);
	struct jmap_body body;
	json_t *object = json_object();

	/* What only a stored message has is null (RFC 8621 4.9). */
	static const char *const stored[] = { "id", "mailboxIds", "keywords", "receivedAt", "threadId" };
	for (size_t i = 0; args->properties != NULL && i < sizeof(stored) / sizeof(stored[0]); i++)
		if (jmap_wants(args, stored[i]))
			(void)json_object_set_new(object, stored[i], json_null());
	if (args->properties != NULL && jmap_wants(args, "blobId"))
		(void)json_object_set_new(object, "blobId", jmap_text(blob));
	if (args->properties != NULL && jmap_wants(args, "size"))
		(void)json_object_set_new(object, "size", json_integer((json_int_t)bytes.len));
	jmap_body_sort(message, &body);
	if (jmap_wants(args, "hasAttachment"))
		(void)json_object_set_new(object, "hasAttachment", json_boolean(jmap_body_has_attachment(message, &body)));
	jmap_body_free(&body);
	if (jmap_wants(args, "preview")) {
		(void)mime_preview(message, &preview);
		(void)json_object_set_new(object, "preview", jmap_text(buf_get(&preview)));
	}
	jmap_email_put_header(object, args, mime_header(message, &message->parts[0]));
	jmap_email_put_body(object, args, body_args, message, blob);
	buf_free(&preview);
	(void)mime_free(message);
	return object;
}

void
jmap_email_parse(struct jmap_call *call)
{
	struct jmap *jmap = call->jmap;
	json_t *blobs = json_object_get(call->args, "blobIds"), *parsed, *not_found, *not_parsable;
	struct jmap_get_args args;
	struct jmap_body_args body_args;

	if (!jmap_get_begin(call, &args, jmap_email_properties, jmap_email_is_more) || !jmap_body_args(call, &body_args))
		return;
	if (!jmap_is_string_list(blobs) || json_array_size(blobs) > JMAP_GET_MAX) {
		jmap_error(call, "invalidArguments", "blobIds must be a list of ids.");
		return;
	}
	parsed = json_object();
	not_found = json_array();
	not_parsable = json_array();
	for (size_t i = 0; i < json_array_size(blobs); i++) {
		const char *id = json_string_value(json_array_get(blobs, i));
		struct buf bytes = BUF_INIT((size_t)jmap->session->conf->message_size_max);
		struct jmap_blob blob;

		if (jmap_blob_read(jmap, span_of(id), &bytes, &blob) != 0)
			(void)json_array_append_new(not_found, json_string(id));
		else if (header_block_size(buf_get(&bytes)) == 0)
			(void)json_array_append_new(not_parsable, json_string(id));
		else
			(void)json_object_set_new(parsed, id, parsed_object(&args, &body_args, buf_get(&bytes), span_of(id)));
		jmap_blob_free(&blob);
		buf_free(&bytes);
	}
	jmap_respond(call, json_pack("{s:O, s:o, s:o, s:o}", "accountId", json_object_get(call->args, "accountId"), "parsed", jmap_or_null(parsed),
	    "notParsable", jmap_or_null(not_parsable), "notFound", jmap_or_null(not_found)));
}
