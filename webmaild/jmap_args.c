/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Arguments and answers that the standard methods share: /get, /set, /query (RFC 8620 section 5). */
#include <stdlib.h>

#include "webmaild/jmap.h"

static bool
invalid(struct jmap_call *call, const char *name)
{
	struct buf text = BUF_INIT(256);

	(void)buf_fmt(&text, "%s has the wrong type or value.", name);
	jmap_error(call, "invalidArguments", buf_cstr(&text));
	buf_free(&text);
	return false;
}

bool
jmap_arg_bool(struct jmap_call *call, const char *name, bool preset, bool *ret_value)
{
	const json_t *value = json_object_get(call->args, name);

	*ret_value = preset;
	if (value == NULL || json_is_null(value))
		return true;
	*ret_value = json_is_true(value);
	return json_is_boolean(value) || invalid(call, name);
}

bool
jmap_arg_unsigned(struct jmap_call *call, const char *name, uint64_t preset, uint64_t *ret_value)
{
	const json_t *value = json_object_get(call->args, name);

	*ret_value = preset;
	return value == NULL || json_is_null(value) || jmap_is_unsigned(value, ret_value) || invalid(call, name);
}

bool
jmap_arg_string(struct jmap_call *call, const char *name, struct span *ret_value)
{
	const json_t *value = json_object_get(call->args, name);

	*ret_value = jmap_span(value);
	return value == NULL || json_is_null(value) || json_is_string(value) || invalid(call, name);
}

/* --- /get --- */

static bool
is_known(const char *name, const char *const *known, bool (*more)(const char *name))
{
	for (; *known != NULL; known++)
		if (strcmp(name, *known) == 0)
			return true;
	return more != NULL && more(name);
}

bool
jmap_get_begin(struct jmap_call *call, struct jmap_get_args *ret_args, const char *const *known, bool (*more)(const char *name))
{
	json_t *ids = json_object_get(call->args, "ids"), *properties = json_object_get(call->args, "properties");

	ret_args->ids = json_is_null(ids) ? NULL : ids;
	ret_args->properties = json_is_null(properties) ? NULL : properties;
	if (ret_args->ids != NULL && !jmap_is_string_list(ids))
		return invalid(call, "ids");
	if (ret_args->ids != NULL && json_array_size(ids) > JMAP_GET_MAX) {
		jmap_error(call, "requestTooLarge", NULL);
		return false;
	}
	if (ret_args->properties == NULL)
		return true;
	if (!jmap_is_string_list(properties))
		return invalid(call, "properties");
	for (size_t i = 0; i < json_array_size(properties); i++)
		if (!is_known(json_string_value(json_array_get(properties, i)), known, more))
			return invalid(call, "properties");
	return true;
}

bool
jmap_wants(const struct jmap_get_args *args, const char *property)
{
	if (args->properties == NULL)
		return true;
	for (size_t i = 0; i < json_array_size(args->properties); i++)
		if (strcmp(json_string_value(json_array_get(args->properties, i)), property) == 0)
			return true;
	return false;
}

void
jmap_keep_wanted(const struct jmap_get_args *args, json_t *object)
{
	const char *key;
	json_t *value;
	void *next;

	json_object_foreach_safe(object, next, key, value)
		if (strcmp(key, "id") != 0 && !jmap_wants(args, key))
			(void)json_object_del(object, key);
}

/* --- /set --- */

static bool
is_object_map(const json_t *map)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)map, key, value)
		if (!json_is_object(value))
			return false;
	return json_is_object(map);
}

bool
jmap_set_begin(struct jmap_call *call, struct jmap_set_args *ret_args, const char *state)
{
	struct span if_in_state;
	json_t *create = json_object_get(call->args, "create"), *update = json_object_get(call->args, "update");
	json_t *destroy = json_object_get(call->args, "destroy");

	ret_args->create = json_is_null(create) ? NULL : create;
	ret_args->update = json_is_null(update) ? NULL : update;
	ret_args->destroy = json_is_null(destroy) ? NULL : destroy;
	if (ret_args->create != NULL && !is_object_map(create))
		return invalid(call, "create");
	if (ret_args->update != NULL && !is_object_map(update))
		return invalid(call, "update");
	if (ret_args->destroy != NULL && !jmap_is_string_list(destroy))
		return invalid(call, "destroy");
	if (json_object_size(ret_args->create) + json_object_size(ret_args->update) + json_array_size(ret_args->destroy) > JMAP_SET_MAX) {
		jmap_error(call, "requestTooLarge", NULL);
		return false;
	}
	if (!jmap_arg_string(call, "ifInState", &if_in_state))
		return false;
	if (if_in_state.ptr != NULL && !span_eq(if_in_state, span_of(state))) {
		jmap_error(call, "stateMismatch", NULL);
		return false;
	}
	return true;
}

void
jmap_set_result_init(struct jmap_set_result *result)
{
	*result = (struct jmap_set_result){
		json_object(), json_object(), json_object(), json_object(), json_array(), json_object(),
	};
}

json_t *
jmap_or_null(json_t *value)
{
	if (json_object_size(value) + json_array_size(value) > 0)
		return value;
	json_decref(value);
	return json_null();
}

void
jmap_set_respond(struct jmap_call *call, struct jmap_set_result *result, const char *old_state, const char *new_state)
{
	jmap_respond(call, json_pack("{s:O, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "accountId", json_object_get(call->args, "accountId"),
	    "oldState", old_state, "newState", new_state, "created", jmap_or_null(result->created), "notCreated", jmap_or_null(result->not_created),
	    "updated", jmap_or_null(result->updated), "notUpdated", jmap_or_null(result->not_updated), "destroyed", jmap_or_null(result->destroyed),
	    "notDestroyed", jmap_or_null(result->not_destroyed)));
}

/* --- /query --- */

static bool
arg_int(struct jmap_call *call, const char *name, int64_t *ret_value)
{
	const json_t *value = json_object_get(call->args, name);

	*ret_value = 0;
	if (value == NULL || json_is_null(value))
		return true;
	*ret_value = json_integer_value(value);
	return (json_is_integer(value) && *ret_value > -(1LL << 53) && *ret_value < 1LL << 53) || invalid(call, name);
}

/* Comparators (RFC 8620 section 5.5); their properties are for the method to know. */
static bool
check_comparators(struct jmap_call *call)
{
	const json_t *sort = json_object_get(call->args, "sort");
	size_t count = json_array_size(sort);
	bool valid = sort == NULL || json_is_null(sort) || json_is_array(sort);

	for (size_t i = 0; i < count; i++) {
		const json_t *comparator = json_array_get(sort, i), *ascending = json_object_get(comparator, "isAscending");

		valid = valid && json_is_string(json_object_get(comparator, "property")) && (ascending == NULL || json_is_boolean(ascending));
	}
	if (!valid) {
		jmap_error(call, "invalidArguments", "sort has the wrong type or value.");
		return false;
	}
	for (size_t i = 0; i < count; i++)
		if (json_is_string(json_object_get(json_array_get(sort, i), "collation"))) {
			jmap_error(call, "unsupportedSort", "There are no collations (collationAlgorithms).");
			return false;
		}
	return true;
}

bool
jmap_query_begin(struct jmap_call *call, struct jmap_query_window *ret_window)
{
	if (!arg_int(call, "position", &ret_window->position) || !arg_int(call, "anchorOffset", &ret_window->anchor_offset) ||
	    !jmap_arg_string(call, "anchor", &ret_window->anchor) ||
	    !jmap_arg_unsigned(call, "limit", UINT64_MAX, &ret_window->limit) ||
	    !jmap_arg_bool(call, "calculateTotal", false, &ret_window->calculate_total) || !check_comparators(call))
		return false;
	ret_window->limited = ret_window->limit > JMAP_QUERY_LIMIT;
	return true;
}

bool
jmap_query_range(const struct jmap_query_window *window, size_t count, ptrdiff_t anchor_index, size_t *ret_first, size_t *ret_count)
{
	uint64_t limit = window->limited ? JMAP_QUERY_LIMIT : window->limit;
	int64_t first = window->position;

	if (window->anchor.ptr != NULL) {
		if (anchor_index < 0)
			return false;
		first = (int64_t)anchor_index + window->anchor_offset;
	} else if (first < 0) {
		first += (int64_t)count;
	}
	if (first < 0)
		first = 0;
	if ((uint64_t)first > count)
		first = (int64_t)count;
	*ret_first = (size_t)first;
	*ret_count = count - (size_t)first;
	if (*ret_count > limit)
		*ret_count = (size_t)limit;
	return true;
}
