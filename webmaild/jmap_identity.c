/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Identities (RFC 8621 section 6): the account has one, its own address; its name and signatures are the user's. */
#include <stdlib.h>

#include "webmaild/jmap_file.h"
#include "webmaild/jmap_identity.h"

#define FILE_NAME "identity.json"
#define TEXT_MAX 65536

static const char *const properties[] = {
	"id", "name", "email", "replyTo", "bcc", "textSignature", "htmlSignature", "mayDelete", NULL,
};

/* What the user may set. */
static const struct {
	const char *name;
	bool addresses;
} settings[] = {
	{ "name", false }, { "replyTo", true }, { "bcc", true }, { "textSignature", false }, { "htmlSignature", false },
};
#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

/* {"state": n, "name": ..., ...} */
static json_t *
load(const struct jmap *jmap)
{
	return jmap_file_load(jmap->session->proc->account_dir, FILE_NAME);
}

static struct jmap_state
state_of(const json_t *file)
{
	return jmap_state_text((uint64_t)json_integer_value(json_object_get(file, "state")));
}

json_t *
jmap_identity(const struct jmap *jmap)
{
	json_t *file = load(jmap), *identity;

	identity = json_pack("{s:s, s:s, s:s, s:n, s:n, s:s, s:s, s:b}", "id", JMAP_IDENTITY_ID, "name", "", "email", jmap->session->proc->account, "replyTo",
	    "bcc", "textSignature", "", "htmlSignature", "", "mayDelete", 0);
	for (size_t i = 0; i < SETTINGS; i++)
		if (json_object_get(file, settings[i].name) != NULL)
			(void)json_object_set(identity, settings[i].name, json_object_get(file, settings[i].name));
	json_decref(file);
	return identity;
}

void
jmap_identity_get(struct jmap_call *call)
{
	json_t *file = load(call->jmap), *list = json_array(), *not_found = json_array();
	struct jmap_get_args args;
	bool wanted;

	if (!jmap_get_begin(call, &args, properties, NULL)) {
		json_decref(file);
		json_decref(list);
		json_decref(not_found);
		return;
	}
	wanted = args.ids == NULL;
	for (size_t i = 0; i < json_array_size(args.ids); i++) {
		if (span_eq(jmap_real_id(call, jmap_span(json_array_get(args.ids, i))), SPAN(JMAP_IDENTITY_ID)))
			wanted = true;
		else
			(void)json_array_append(not_found, json_array_get(args.ids, i));
	}
	if (wanted) {
		json_t *identity = jmap_identity(call->jmap);

		jmap_keep_wanted(&args, identity);
		(void)json_array_append_new(list, identity);
	}
	jmap_respond(call, json_pack("{s:O, s:s, s:o, s:o}", "accountId", json_object_get(call->args, "accountId"), "state", state_of(file).text, "list",
	    list, "notFound", not_found));
	json_decref(file);
}

void
jmap_identity_changes(struct jmap_call *call)
{
	json_t *file = load(call->jmap);
	struct jmap_state state = state_of(file);
	struct span since;

	json_decref(file);
	if (!jmap_arg_string(call, "sinceState", &since))
		return;
	if (!span_starts(since, SPAN("s"))) {
		jmap_error(call, "cannotCalculateChanges", NULL);
		return;
	}
	/* There is one identity, and it can only have been updated. */
	jmap_respond(call, json_pack("{s:O, s:O, s:s, s:b, s:[], s:o, s:[]}", "accountId", json_object_get(call->args, "accountId"), "oldState",
	    json_object_get(call->args, "sinceState"), "newState", state.text, "hasMoreChanges", 0, "created", "updated",
	    span_eq(since, span_of(state.text)) ? json_array() : json_pack("[s]", JMAP_IDENTITY_ID), "destroyed"));
}

static bool
is_address_list(const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (!json_is_string(json_object_get(json_array_get(list, i), "email")))
			return false;
	return json_is_null(list) || (json_is_array(list) && json_array_size(list) <= 100);
}

static json_t *
update(struct jmap *jmap, json_t *file, const json_t *patch)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)patch, key, value) {
		size_t i = 0;

		while (i < SETTINGS && strcmp(settings[i].name, key) != 0)
			i++;
		if (i == SETTINGS || (settings[i].addresses ? !is_address_list(value) : !json_is_string(value) || json_string_length(value) > TEXT_MAX))
			return jmap_set_error_property("invalidProperties", NULL, key);
		(void)json_object_set(file, key, value);
	}
	(void)json_object_set_new(file, "state", json_integer(json_integer_value(json_object_get(file, "state")) + 1));
	return jmap_file_save(jmap->session->proc->account_dir, FILE_NAME, file) == 0 ? NULL : jmap_set_error("serverFail", "It cannot be saved.");
}

void
jmap_identity_set(struct jmap_call *call)
{
	json_t *file = load(call->jmap), *value;
	struct jmap_state old = state_of(file);
	struct jmap_set_args args;
	struct jmap_set_result result;
	const char *key;

	if (!jmap_set_begin(call, &args, old.text)) {
		json_decref(file);
		return;
	}
	jmap_set_result_init(&result);
	json_object_foreach(args.create, key, value)
		(void)json_object_set_new(result.not_created, key, jmap_set_error("forbidden", "An account sends from its own address."));
	json_object_foreach(args.update, key, value) {
		json_t *error = strcmp(key, JMAP_IDENTITY_ID) == 0 ? update(call->jmap, file, value) : jmap_set_error("notFound", NULL);

		(void)json_object_set_new(error != NULL ? result.not_updated : result.updated, key, error != NULL ? error : json_null());
	}
	for (size_t i = 0; i < json_array_size(args.destroy); i++) {
		const char *id = json_string_value(json_array_get(args.destroy, i));

		(void)json_object_set_new(result.not_destroyed, id, jmap_set_error(strcmp(id, JMAP_IDENTITY_ID) == 0 ? "forbidden" : "notFound", NULL));
	}
	json_decref(file);
	file = load(call->jmap);
	jmap_set_respond(call, &result, old.text, state_of(file).text);
	json_decref(file);
}
