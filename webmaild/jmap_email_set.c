/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Email/set and Email/import (RFC 8621 sections 4.6 and 4.8). */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "common/xalloc.h"
#include "webmaild/jmap_blob.h"
#include "webmaild/jmap_build.h"
#include "webmaild/jmap_methods.h"
#include "webmaild/jmap_places.h"

/* --- keywords and mailboxes of an object --- */

static bool
is_keyword_map(const json_t *keywords)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)keywords, key, value)
		if (!json_is_true(value) || !jmap_is_keyword(span_of(key)))
			return false;
	return json_is_object(keywords);
}

/* Mailboxes of a mailboxIds object, each once. The list has room for all mailboxes. False when one does not exist. */
static bool
read_mailboxes(const struct jmap_call *call, const json_t *ids, struct jmap_mailbox **list, size_t *ret_count)
{
	const char *key;
	json_t *value;

	*ret_count = 0;
	json_object_foreach((json_t *)(uintptr_t)ids, key, value) {
		struct jmap_mailbox *mailbox = jmap_find_mailbox(call->jmap, jmap_real_id(call, span_of(key)));
		bool known = false;

		if (mailbox == NULL || !json_is_true(value))
			return false;
		for (size_t i = 0; i < *ret_count; i++)
			known = known || list[i] == mailbox;
		if (!known)
			list[(*ret_count)++] = mailbox;
	}
	return json_is_object(ids) && *ret_count > 0;
}

/* --- storing --- */

/* What create and import share: mailboxIds, keywords, receivedAt, and the bytes. */
static json_t *
store(struct jmap_call *call, const json_t *object, struct span message, const char *creation, json_t **ret_created)
{
	struct jmap *jmap = call->jmap;
	struct jmap_mailbox **mailboxes = xcalloc(jmap->mailbox_count + 1, sizeof(struct jmap_mailbox *));
	json_t *keywords = json_object_get(object, "keywords"), *received = json_object_get(object, "receivedAt");
	int64_t seconds = time(NULL);
	char id[JMAP_ID_LEN + 1], thread[JMAP_ID_LEN + 1], blob[JMAP_ID_LEN + 1];
	const struct jmap_email *email = NULL;
	json_t *error = NULL;
	uint64_t number = 0;
	size_t count;
	int r = 0;

	if (!read_mailboxes(call, json_object_get(object, "mailboxIds"), mailboxes, &count))
		error = jmap_set_error_property("invalidProperties", NULL, "mailboxIds");
	else if (keywords != NULL && !json_is_null(keywords) && !is_keyword_map(keywords))
		error = jmap_set_error_property("invalidProperties", NULL, "keywords");
	else if (received != NULL && !json_is_null(received) && !jmap_parse_date(jmap_span(received), &seconds))
		error = jmap_set_error_property("invalidProperties", NULL, "receivedAt");
	if (error == NULL) {
		r = jmap_store_message(jmap, message, mailboxes[0], keywords, seconds, &number);
		if (r == 0)
			r = jmap_sync(jmap);
		email = jmap_find_email(jmap, number);
		/* Read again: one that was removed meanwhile is not there after the sync. */
		if (r == 0 && email != NULL && count > 1)
			r = read_mailboxes(call, json_object_get(object, "mailboxIds"), mailboxes, &count)
			    ? jmap_places_add(email, mailboxes + 1, count - 1) : MS_E_NOTFOUND;
		if (r == MS_E_NOTFOUND && email != NULL)
			(void)jmap_places_clear(email);
	}
	free(mailboxes);
	if (error == NULL && r == 0 && count > 1)
		r = jmap_sync(jmap);
	if (error != NULL || r != 0)
		return error != NULL ? error : jmap_store_set_error(r);
	email = jmap_find_email(jmap, number);
	if (email == NULL)
		return jmap_set_error("serverFail", "The message is gone already.");
	jmap_email_id(number, id);
	jmap_thread_id(email->thread, thread);
	jmap_blob_of_email(number, blob);
	*ret_created = json_pack("{s:s, s:s, s:s, s:I}", "id", id, "blobId", blob, "threadId", thread, "size", (json_int_t)email->size);
	jmap_note_created(call, creation, id);
	return NULL;
}

/* --- create --- */

static int
read_blob(void *context, struct span id, struct buf *out, struct buf *type)
{
	struct jmap_blob blob;
	int r = jmap_blob_read(context, id, out, &blob);

	(void)buf_span(type, buf_get(&blob.type));
	jmap_blob_free(&blob);
	return r;
}

static void
random_bytes(uint8_t bytes[16])
{
	if (getrandom(bytes, 16, 0) != 16)
		abort();
}

static json_t *
create(struct jmap_call *call, const char *creation, const json_t *object, json_t **ret_created)
{
	struct span host = span_of(call->jmap->session->proc->account);
	struct build build = { read_blob, call->jmap, span_skip(host, (size_t)span_rchr(host, '@') + 1), time(NULL), random_bytes };
	struct buf message = BUF_INIT((size_t)call->jmap->session->conf->message_size_max);
	json_t *error = jmap_build(&build, object, &message);

	if (error == NULL)
		error = store(call, object, buf_get(&message), creation, ret_created);
	buf_free(&message);
	return error;
}

/* --- update --- */

/* Only keywords and mailboxIds may change; the keys of the patch tell. */
static json_t *
check_patch(const json_t *patch)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)patch, key, value) {
		struct span path = span_of(key);

		if (!span_eq(path, SPAN("keywords")) && !span_eq(path, SPAN("mailboxIds")) && !span_starts(path, SPAN("keywords/")) &&
		    !span_starts(path, SPAN("mailboxIds/")))
			return jmap_set_error_property("invalidProperties", "It cannot be changed.", key);
	}
	return NULL;
}

/* The keyword (in the small letters that JMAP shows) is on, or is off, in each place. */
static int
set_keyword(const struct jmap_email *email, const char *keyword, bool on)
{
	uint32_t flag = jmap_keyword_flag(span_of(keyword));
	const char *const list[] = { keyword, NULL };
	int r = 0;

	for (size_t i = 0; r == 0 && i < email->place_count; i++)
		r = ms_store_flags(email->places[i].mailbox->open, &email->places[i].uid, 1, on ? MS_FLAGS_ADD : MS_FLAGS_REMOVE, flag,
		    flag != 0 ? NULL : list, 0, NULL, NULL);
	return r;
}

static int
update_keywords(const struct jmap_email *email, const json_t *before, const json_t *after)
{
	const char *key;
	json_t *value;
	int r = 0;

	json_object_foreach((json_t *)(uintptr_t)after, key, value)
		if (r == 0 && json_object_get(before, key) == NULL)
			r = set_keyword(email, key, true);
	json_object_foreach((json_t *)(uintptr_t)before, key, value)
		if (r == 0 && json_object_get(after, key) == NULL)
			r = set_keyword(email, key, false);
	return r;
}

/* Creation ids in the keys become ids; keywords small letters. */
static json_t *
normal_patch(const struct jmap_call *call, const json_t *patch)
{
	json_t *normal = json_object(), *value;
	const char *key;

	json_object_foreach((json_t *)(uintptr_t)patch, key, value) {
		struct buf path = BUF_INIT(1024);

		if (span_starts(span_of(key), SPAN("mailboxIds/#"))) {
			(void)buf_str(&path, "mailboxIds/");
			(void)buf_span(&path, jmap_real_id(call, span_skip(span_of(key), sizeof("mailboxIds/") - 1)));
		} else {
			bool lower = span_starts(span_of(key), SPAN("keywords/"));

			for (const char *c = key; *c != '\0'; c++)
				(void)buf_char(&path, lower && c - key > 8 ? ascii_lower(*c) : *c);
		}
		(void)json_object_set(normal, buf_cstr(&path), value);
		buf_free(&path);
	}
	return normal;
}

static json_t *
object_now(const struct jmap_email *email)
{
	json_t *ids = json_object();

	for (size_t i = 0; i < email->place_count; i++)
		(void)json_object_set_new(ids, email->places[i].mailbox->id, json_true());
	return json_pack("{s:o, s:o}", "keywords", jmap_email_keywords(email), "mailboxIds", ids);
}

static json_t *
update(struct jmap_call *call, const struct jmap_email *email, const json_t *patch)
{
	struct jmap_mailbox **mailboxes;
	json_t *error = check_patch(patch), *before, *after, *normal, *keywords;
	size_t count = 0;
	int r = 0;

	if (error != NULL)
		return error;
	before = object_now(email);
	normal = normal_patch(call, patch);
	after = jmap_patch(before, normal);
	mailboxes = xcalloc(call->jmap->mailbox_count + 1, sizeof(struct jmap_mailbox *));
	keywords = json_object_get(after, "keywords");
	if (after == NULL)
		error = jmap_set_error("invalidPatch", NULL);
	else if (!is_keyword_map(keywords))
		error = jmap_set_error_property("invalidProperties", NULL, "keywords");
	else if (!read_mailboxes(call, json_object_get(after, "mailboxIds"), mailboxes, &count))
		error = jmap_set_error_property("invalidProperties", NULL, "mailboxIds");
	if (error == NULL)
		r = update_keywords(email, json_object_get(before, "keywords"), keywords);
	if (error == NULL && r == 0)
		r = jmap_places_set(email, mailboxes, count);
	if (r != 0)
		error = jmap_store_set_error(r);
	free(mailboxes);
	json_decref(before);
	json_decref(normal);
	json_decref(after);
	return error;
}

/* --- destroy --- */

static json_t *
destroy(const struct jmap_email *email)
{
	int r = jmap_places_clear(email);

	return r == 0 ? NULL : jmap_store_set_error(r);
}

/* --- Email/set --- */

static void
create_all(struct jmap_call *call, const json_t *objects, json_t *(*one)(struct jmap_call *, const char *, const json_t *, json_t **), json_t *done,
    json_t *failed)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)objects, key, value) {
		json_t *created = NULL, *error = one(call, key, value, &created);

		if (error != NULL)
			(void)json_object_set_new(failed, key, error);
		else
			(void)json_object_set_new(done, key, created);
	}
}

void
jmap_email_set(struct jmap_call *call)
{
	struct jmap *jmap = call->jmap;
	struct jmap_state old = jmap_state_text(jmap->email_state);
	struct jmap_set_args args;
	struct jmap_set_result result;
	const char *key;
	json_t *value;

	if (!jmap_set_begin(call, &args, old.text))
		return;
	jmap_set_result_init(&result);
	create_all(call, args.create, create, result.created, result.not_created);
	json_object_foreach(args.update, key, value) {
		struct span id = jmap_real_id(call, span_of(key));
		const struct jmap_email *email = jmap_find_email_text(jmap, id);
		json_t *error = email != NULL ? update(call, email, value) : jmap_set_error("notFound", NULL);

		if (error != NULL)
			(void)json_object_set_new(result.not_updated, key, error);
		else
			(void)json_object_set_new(result.updated, id.ptr, json_null()); /* an id of ours ends with NUL */
	}
	if (json_object_size(args.update) > 0)
		(void)jmap_sync(jmap); /* what cannot be read now is found by the next sync */
	for (size_t i = 0; i < json_array_size(args.destroy); i++) {
		struct span id = jmap_span(json_array_get(args.destroy, i));
		const struct jmap_email *email = jmap_find_email_text(jmap, jmap_real_id(call, id));
		json_t *error = email != NULL ? destroy(email) : jmap_set_error("notFound", NULL);

		if (error != NULL)
			(void)json_object_set_new(result.not_destroyed, id.ptr, error);
		else
			(void)json_array_append(result.destroyed, json_array_get(args.destroy, i));
	}
	if (json_array_size(args.destroy) > 0)
		(void)jmap_sync(jmap);
	jmap_set_respond(call, &result, old.text, jmap_state_text(jmap->email_state).text);
}

/* --- Email/import --- */

static json_t *
import(struct jmap_call *call, const char *creation, const json_t *object, json_t **ret_created)
{
	struct span id = jmap_span(json_object_get(object, "blobId"));
	struct buf bytes = BUF_INIT((size_t)call->jmap->session->conf->message_size_max);
	struct jmap_blob blob;
	json_t *error = NULL;
	int r;

	if (!json_is_object(object))
		return jmap_set_error("invalidProperties", NULL);
	r = jmap_blob_read(call->jmap, id, &bytes, &blob);
	jmap_blob_free(&blob);
	if (r == -EMSGSIZE)
		error = jmap_set_error("tooLarge", NULL);
	else if (r != 0)
		error = jmap_set_error_property("invalidProperties", "There is no such blob.", "blobId");
	else if (bytes.len == 0 || memchr(bytes.data, '\0', bytes.len) != NULL)
		error = jmap_set_error("invalidEmail", NULL);
	else
		error = store(call, object, buf_get(&bytes), creation, ret_created);
	buf_free(&bytes);
	return error;
}

void
jmap_email_import(struct jmap_call *call)
{
	struct jmap *jmap = call->jmap;
	struct jmap_state old = jmap_state_text(jmap->email_state);
	const json_t *emails = json_object_get(call->args, "emails");
	struct span if_in_state;
	json_t *created, *failed;

	if (!jmap_arg_string(call, "ifInState", &if_in_state))
		return;
	if (if_in_state.ptr != NULL && !span_eq(if_in_state, span_of(old.text))) {
		jmap_error(call, "stateMismatch", NULL);
		return;
	}
	if (!json_is_object(emails) || json_object_size(emails) > JMAP_SET_MAX) {
		jmap_error(call, json_is_object(emails) ? "requestTooLarge" : "invalidArguments", NULL);
		return;
	}
	created = json_object();
	failed = json_object();
	create_all(call, emails, import, created, failed);
	jmap_respond(call, json_pack("{s:O, s:s, s:s, s:o, s:o}", "accountId", json_object_get(call->args, "accountId"), "oldState", old.text,
	    "newState", jmap_state_text(jmap->email_state).text, "created", jmap_or_null(created),
	    "notCreated", jmap_or_null(failed)));
}
