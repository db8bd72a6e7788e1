/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Mailbox/set (RFC 8621 section 2.5). */
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "webmaild/jmap_mailbox.h"

#define NAME_MAX_LEN 200

/* What a create or update asks for, read and checked. */
struct wish {
	char *name;            /* the whole path; NULL: unchanged */
	bool subscribe, subscribed;
	enum ms_use use;
};

static bool
is_name(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.ptr[i] < 0x20 || name.ptr[i] == 0x7f || name.ptr[i] == '/')
			return false;
	return name.len > 0 && name.len <= NAME_MAX_LEN;
}

/* The path of a mailbox of this name under that parent (a JSON id, null or absent: the top). NULL: no such parent. */
static char *
path_under(const struct jmap_call *call, const json_t *parent_id, struct span name)
{
	struct buf path = BUF_INIT(4096);

	if (json_is_string(parent_id)) {
		const struct jmap_mailbox *parent = jmap_find_mailbox(call->jmap, jmap_real_id(call, jmap_span(parent_id)));

		if (parent == NULL)
			return NULL;
		(void)buf_str(&path, parent->info.name);
		(void)buf_char(&path, '/');
	}
	(void)buf_span(&path, name);
	if (path.overflow) {
		buf_free(&path);
		return NULL;
	}
	return buf_take(&path);
}

static bool
is_server_set(const char *key)
{
	static const char *const server_set[] = {
		"id", "totalEmails", "unreadEmails", "totalThreads", "unreadThreads", "myRights",
	};

	for (size_t i = 0; i < sizeof(server_set) / sizeof(server_set[0]); i++)
		if (strcmp(key, server_set[i]) == 0)
			return true;
	return false;
}

/* The properties of `object` (for update: those that were given) against `mailbox` as it is (create: NULL). NULL or a SetError. */
static json_t *
read_wish(struct jmap_call *call, const struct jmap_mailbox *mailbox, const json_t *object, struct wish *ret_wish)
{
	const struct jmap_mailbox *parent = mailbox != NULL ? jmap_mailbox_parent(call->jmap, mailbox) : NULL;
	json_t *name = json_object_get(object, "name"), *parent_id = json_object_get(object, "parentId"), *value;
	json_t *current = parent != NULL ? json_string(parent->id) : json_null(), *now = NULL;
	const char *key;
	json_t *error = NULL;

	*ret_wish = (struct wish){ .use = MS_USE_NONE };
	if (mailbox != NULL) {
		jmap_count(call->jmap);
		now = jmap_mailbox_object(call->jmap, mailbox);
	}
	json_object_foreach((json_t *)(uintptr_t)object, key, value) {
		bool ok = true;

		if (strcmp(key, "name") == 0) {
			ok = is_name(jmap_span(value));
		} else if (strcmp(key, "parentId") == 0) {
			ok = json_is_null(value) || json_is_string(value);
		} else if (strcmp(key, "isSubscribed") == 0) {
			ok = json_is_boolean(value);
			ret_wish->subscribe = true;
			ret_wish->subscribed = json_is_true(value);
		} else if (strcmp(key, "role") == 0) {
			ret_wish->use = jmap_use_of_role(jmap_span(value));
			ok = mailbox != NULL ? json_equal(value, json_object_get(now, "role"))
			    : json_is_null(value) || (ret_wish->use > MS_USE_INBOX && jmap_find_use(call->jmap, ret_wish->use) == NULL);
		} else {
			/* Others are the server's: only an update may give them, with the value they have. A new mailbox's sortOrder is
			 * taken as a wish: the answer has what it became. */
			ok = mailbox == NULL ? strcmp(key, "sortOrder") == 0 && json_is_integer(value) :
			    (is_server_set(key) || strcmp(key, "sortOrder") == 0) && json_equal(value, json_object_get(now, key));
		}
		if (!ok && error == NULL)
			error = jmap_set_error_property("invalidProperties", NULL, key);
	}
	if (error == NULL && (name != NULL || parent_id != NULL || mailbox == NULL)) {
		struct span leaf = name != NULL ? jmap_span(name) : mailbox != NULL ? jmap_mailbox_leaf(mailbox) : SPAN_NULL;

		if (leaf.len == 0)
			error = jmap_set_error_property("invalidProperties", "A mailbox needs a name.", "name");
		else
			ret_wish->name = path_under(call, parent_id != NULL ? parent_id : current, leaf);
		if (error == NULL && ret_wish->name == NULL)
			error = jmap_set_error_property("invalidProperties", NULL, "parentId");
	}
	json_decref(current);
	json_decref(now);
	return error;
}

static struct jmap_mailbox *
find_name(struct jmap *jmap, const char *name)
{
	for (size_t i = 0; i < jmap->mailbox_count; i++)
		if (strcmp(jmap->mailboxes[i]->info.name, name) == 0)
			return jmap->mailboxes[i];
	return NULL;
}

/* MS_E_LIMIT: of mailboxes (RFC 8620 section 5.3). */
static json_t *
set_error(int result)
{
	return result == MS_E_LIMIT ? jmap_set_error("overQuota", "There are too many mailboxes.") : jmap_store_set_error(result);
}

static json_t *
create(struct jmap_call *call, const char *creation, const json_t *object, json_t **ret_created)
{
	struct wish wish;
	json_t *error = read_wish(call, NULL, object, &wish);
	const struct jmap_mailbox *mailbox;
	int r = 0;

	if (error == NULL) {
		r = ms_mailbox_create(call->jmap->store, wish.name, wish.use);
		/* What the web makes is to be seen by IMAP clients too, unless it is said otherwise. */
		if (r == 0)
			r = ms_subscribe(call->jmap->store, wish.name, !wish.subscribe || wish.subscribed);
		if (r == 0)
			r = jmap_sync(call->jmap);
		mailbox = r == 0 ? find_name(call->jmap, wish.name) : NULL;
		if (mailbox != NULL) {
			jmap_count(call->jmap);
			*ret_created = jmap_mailbox_object(call->jmap, mailbox);
			jmap_note_created(call, creation, mailbox->id);
		} else {
			error = set_error(r);
		}
	}
	free(wish.name);
	return error;
}

static json_t *
update(struct jmap_call *call, struct jmap_mailbox *mailbox, const json_t *patch)
{
	struct wish wish;
	json_t *error = read_wish(call, mailbox, patch, &wish);
	_cleanup_(freep) char *old = xstrdup(mailbox->info.name);
	size_t old_len = strlen(old);
	int r = 0;

	if (error == NULL && wish.name != NULL && strcmp(wish.name, old) != 0) {
		if (mailbox->info.use == MS_USE_INBOX)
			error = jmap_set_error("forbidden", NULL);
		else if (span_starts(span_of(wish.name), span_of(old)) && wish.name[old_len] == '/')
			error = jmap_set_error_property("invalidProperties", "A mailbox cannot be within itself.", "parentId");
		else
			r = ms_mailbox_rename(call->jmap->store, old, wish.name);
	}
	if (error == NULL && r == 0 && wish.subscribe)
		r = ms_subscribe(call->jmap->store, wish.name != NULL ? wish.name : old, wish.subscribed);
	if (error == NULL && r == 0)
		r = jmap_sync(call->jmap);
	if (error == NULL && r != 0)
		error = set_error(r);
	free(wish.name);
	return error;
}

static bool
has_child(struct jmap *jmap, const struct jmap_mailbox *mailbox)
{
	for (size_t i = 0; i < jmap->mailbox_count; i++)
		if (jmap_mailbox_parent(jmap, jmap->mailboxes[i]) == mailbox)
			return true;
	return false;
}

static json_t *
destroy(struct jmap_call *call, const struct jmap_mailbox *mailbox, bool remove_emails)
{
	int r;

	if (mailbox->info.use == MS_USE_INBOX)
		return jmap_set_error("forbidden", NULL);
	if (has_child(call->jmap, mailbox))
		return jmap_set_error("mailboxHasChild", NULL);
	jmap_count(call->jmap);
	if (mailbox->total_emails > 0 && !remove_emails)
		return jmap_set_error("mailboxHasEmail", NULL);
	r = ms_mailbox_delete(call->jmap->store, mailbox->info.name);
	if (r == 0)
		r = ms_subscribe(call->jmap->store, mailbox->info.name, false);
	if (r == 0)
		r = jmap_sync(call->jmap);
	return r == 0 ? NULL : jmap_store_set_error(r);
}

/* A failure goes to the one map, success to the other. */
static void
note(json_t *error, json_t *failed, json_t *done, const char *key, json_t *result)
{
	if (error != NULL) {
		(void)json_object_set_new(failed, key, error);
		json_decref(result);
	} else if (json_is_array(done)) {
		(void)json_array_append_new(done, json_string(key));
		json_decref(result);
	} else {
		(void)json_object_set_new(done, key, result);
	}
}

void
jmap_mailbox_set(struct jmap_call *call)
{
	struct jmap *jmap = call->jmap;
	struct jmap_state old = jmap_state_text(jmap->mailbox_state);
	struct jmap_set_args args;
	struct jmap_set_result result;
	bool remove_emails;
	const char *key;
	json_t *value;

	if (!jmap_arg_bool(call, "onDestroyRemoveEmails", false, &remove_emails) || !jmap_set_begin(call, &args, old.text))
		return;
	jmap_set_result_init(&result);
	json_object_foreach(args.create, key, value) {
		json_t *created = NULL, *error = create(call, key, value, &created);

		note(error, result.not_created, result.created, key, created);
	}
	json_object_foreach(args.update, key, value) {
		struct jmap_mailbox *mailbox = jmap_find_mailbox(jmap, jmap_real_id(call, span_of(key)));

		note(mailbox != NULL ? update(call, mailbox, value) : jmap_set_error("notFound", NULL), result.not_updated, result.updated, key,
		    json_null());
	}
	for (size_t i = 0; i < json_array_size(args.destroy); i++) {
		const char *id = json_string_value(json_array_get(args.destroy, i));
		const struct jmap_mailbox *mailbox = jmap_find_mailbox(jmap, jmap_real_id(call, span_of(id)));

		note(mailbox != NULL ? destroy(call, mailbox, remove_emails) : jmap_set_error("notFound", NULL), result.not_destroyed, result.destroyed,
		    id, NULL);
	}
	jmap_set_respond(call, &result, old.text, jmap_state_text(jmap->mailbox_state).text);
}
