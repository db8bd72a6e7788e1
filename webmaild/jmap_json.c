/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* JSON as JMAP uses it. */
#include "webmaild/jmap_json.h"

#include <stdlib.h>

#include "common/date.h"

/* What one "*" may gather: references to references multiply. */
#define POINTER_ITEMS_MAX 100000
/* What a value counts beside its text. */
#define VALUE_WEIGHT 32

/* --- text --- */

/* How many bytes at the front are one well-formed UTF-8 character; 0: none are. */
static size_t
utf8_len(struct span text)
{
	for (size_t len = 1; len <= 4 && len <= text.len; len++)
		if (span_is_utf8(span_make(text.ptr, len)))
			return len;
	return 0;
}

json_t *
jmap_text(struct span bytes)
{
	json_t *value = bytes.len == 0 ? json_string("")
	    : memchr(bytes.ptr, '\0', bytes.len) == NULL ? json_stringn(bytes.ptr, bytes.len) : NULL;
	struct buf clean;

	if (value != NULL)
		return value;
	buf_init(&clean, bytes.len * 3);
	while (bytes.len > 0) {
		size_t len = utf8_len(bytes);

		if (len == 0)
			(void)buf_str(&clean, "\xef\xbf\xbd");
		else if (bytes.ptr[0] != '\0')
			(void)buf_put(&clean, bytes.ptr, len);
		bytes = span_skip(bytes, len > 0 ? len : 1);
	}
	value = json_stringn(buf_cstr(&clean), clean.len);
	buf_free(&clean);
	return value;
}

json_t *
jmap_text_or_null(struct span bytes)
{
	return bytes.len == 0 ? json_null() : jmap_text(bytes);
}

struct span
jmap_span(const json_t *value)
{
	return json_is_string(value) ? span_make(json_string_value(value), json_string_length(value)) : SPAN_NULL;
}

bool
jmap_is_id(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!ascii_is_alnum(text.ptr[i]) && text.ptr[i] != '-' && text.ptr[i] != '_')
			return false;
	return text.len >= 1 && text.len <= 255;
}

bool
jmap_is_unsigned(const json_t *value, uint64_t *ret_number)
{
	if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > (1LL << 53) - 1)
		return false;
	*ret_number = (uint64_t)json_integer_value(value);
	return true;
}

/* --- dates --- */

bool
jmap_parse_date(struct span text, int64_t *ret_seconds)
{
	struct date date;

	if (!date_parse_rfc3339(text, &date))
		return false;
	*ret_seconds = date.utc;
	return true;
}

json_t *
jmap_date(int64_t seconds, int offset_minutes)
{
	char room[DATE_SIZE];
	struct span text = date_format_rfc3339((struct date){ seconds, offset_minutes }, room);

	return json_stringn(text.ptr, text.len);
}

json_t *
jmap_utc_date(int64_t seconds)
{
	return jmap_date(seconds, 0);
}

/* --- requests --- */

/* jansson's own bound on depth is 2048; each level costs the stack of every walk after it. */
static bool
is_too_deep(struct span text)
{
	unsigned depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > JMAP_DEPTH_MAX)
				return true;
		} else if ((c == '}' || c == ']') && depth > 0) {
			depth--;
		}
	}
	return false;
}

json_t *
jmap_parse(struct span text)
{
	if (text.len == 0 || is_too_deep(text))
		return NULL;
	return json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
}

bool
jmap_is_string_list(const json_t *list)
{
	if (!json_is_array(list))
		return false;
	for (size_t i = 0; i < json_array_size(list); i++)
		if (!json_is_string(json_array_get(list, i)))
			return false;
	return true;
}

static bool
is_string_map(const json_t *map)
{
	const char *key;
	json_t *value;

	if (!json_is_object(map))
		return false;
	json_object_foreach((json_t *)(uintptr_t)map, key, value)
		if (!json_is_string(value))
			return false;
	return true;
}

bool
jmap_is_request(const json_t *request)
{
	const json_t *calls = json_object_get(request, "methodCalls"), *ids = json_object_get(request, "createdIds");

	if (!jmap_is_string_list(json_object_get(request, "using")) || !json_is_array(calls) || (ids != NULL && !is_string_map(ids)))
		return false;
	for (size_t i = 0; i < json_array_size(calls); i++) {
		const json_t *call = json_array_get(calls, i);

		if (!json_is_array(call) || json_array_size(call) != 3 || !json_is_string(json_array_get(call, 0)) ||
		    !json_is_object(json_array_get(call, 1)) || !json_is_string(json_array_get(call, 2)))
			return false;
	}
	return true;
}

/* --- pointers --- */

/* RFC 6901 section 4: "~1" is '/', "~0" is '~'. */
static bool
unescape(struct span token, struct buf *out)
{
	for (size_t i = 0; i < token.len; i++) {
		char c = token.ptr[i];

		if (c == '~') {
			if (i + 1 == token.len || (token.ptr[i + 1] != '0' && token.ptr[i + 1] != '1'))
				return false;
			c = token.ptr[++i] == '0' ? '~' : '/';
		}
		(void)buf_char(out, c);
	}
	return !out->overflow;
}

static json_t *
child_of(json_t *value, struct span token)
{
	struct buf name = BUF_INIT(1024);
	json_t *child = NULL;
	uint64_t index;

	if (unescape(token, &name)) {
		if (json_is_object(value))
			child = json_object_get(value, buf_cstr(&name));
		else if (json_is_array(value) && span_to_u64(buf_get(&name), SIZE_MAX / 2, &index) == 0 &&
		    (name.len == 1 || name.data[0] != '0'))
			child = json_array_get(value, (size_t)index);
	}
	buf_free(&name);
	return child;
}

static json_t *point(json_t *value, struct span path, unsigned depth);

/* "*": the rest of the path on each item, results that are lists joined (RFC 8620 3.7). */
static json_t *
point_all(json_t *list, struct span path, unsigned depth)
{
	json_t *all = json_array();

	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *one = point(json_array_get(list, i), path, depth);

		if (one == NULL || json_array_size(all) + json_array_size(one) >= POINTER_ITEMS_MAX) {
			json_decref(one);
			json_decref(all);
			return NULL;
		}
		if (json_is_array(one))
			(void)json_array_extend(all, one);
		else
			(void)json_array_append(all, one);
		json_decref(one);
	}
	return all;
}

static json_t *
point(json_t *value, struct span path, unsigned depth)
{
	struct span token;

	if (depth > JMAP_DEPTH_MAX)
		return NULL;
	while (path.len > 0) {
		ptrdiff_t end;

		if (path.ptr[0] != '/')
			return NULL;
		path = span_skip(path, 1);
		end = span_chr(path, '/');
		token = span_take(&path, end < 0 ? path.len : (size_t)end);
		if (json_is_array(value) && span_eq(token, SPAN("*")))
			return point_all(value, path, depth + 1);
		value = child_of(value, token);
		if (value == NULL)
			return NULL;
	}
	return json_incref(value);
}

json_t *
jmap_pointer(json_t *document, struct span path)
{
	return point(document, path, 0);
}

/* --- result references (RFC 8620 3.7) --- */

static json_t *
resolve_reference(const json_t *reference, const json_t *responses)
{
	const char *of = NULL, *name = NULL, *path = NULL;

	if (json_unpack((json_t *)(uintptr_t)reference, "{s:s, s:s, s:s}", "resultOf", &of, "name", &name, "path", &path) != 0)
		return NULL;
	for (size_t i = 0; i < json_array_size(responses); i++) {
		const json_t *response = json_array_get(responses, i);

		if (!span_eq(jmap_span(json_array_get(response, 2)), span_of(of)))
			continue;
		/* The first response of that id: its name must be the expected one ("error" is not). */
		if (!span_eq(jmap_span(json_array_get(response, 0)), span_of(name)))
			return NULL;
		return jmap_pointer(json_array_get(response, 1), span_of(path));
	}
	return NULL;
}

static bool
take_weight(size_t weight, size_t *left)
{
	if (weight > *left)
		return false;
	*left -= weight;
	return true;
}

static bool weigh(const json_t *value, size_t *left);

static bool
weigh_children(const json_t *value, size_t *left)
{
	const char *key;
	json_t *child;

	json_object_foreach((json_t *)(uintptr_t)value, key, child)
		if (!take_weight(strlen(key), left) || !weigh(child, left))
			return false;
	for (size_t i = 0; i < json_array_size(value); i++)
		if (!weigh(json_array_get(value, i), left))
			return false;
	return true;
}

/* Takes what the value has, written out, from what is left. A value may stand within another many times over, and those in a third:
 * whoever copies them would make more of a small request than any memory holds. */
static bool
weigh(const json_t *value, size_t *left)
{
	return take_weight(VALUE_WEIGHT + json_string_length(value), left) && weigh_children(value, left);
}

json_t *
jmap_resolve(const json_t *args, const json_t *responses, const char **ret_error)
{
	json_t *resolved = json_object(), *value;
	size_t left = JMAP_REFERRED_MAX;
	const char *key;

	json_object_foreach((json_t *)(uintptr_t)args, key, value) {
		json_t *result;

		if (key[0] != '#') {
			(void)json_object_set(resolved, key, value);
			continue;
		}
		*ret_error = "invalidArguments";
		result = NULL;
		if (json_object_get(args, key + 1) == NULL) {
			*ret_error = "invalidResultReference";
			result = resolve_reference(value, responses);
		}
		if (result == NULL || !weigh(result, &left)) {
			json_decref(result);
			json_decref(resolved);
			return NULL;
		}
		(void)json_object_set_new(resolved, key + 1, result);
	}
	return resolved;
}

/* --- patches --- */

/* Sets the value at path within object, null removing it. False when a step on the way does not exist. */
static bool
patch_one(json_t *object, struct span path, json_t *value)
{
	struct span token;

	for (;;) {
		ptrdiff_t end = span_chr(path, '/');
		struct buf name = BUF_INIT(1024);
		bool ok;

		token = span_take(&path, end < 0 ? path.len : (size_t)end);
		ok = json_is_object(object) && unescape(token, &name);
		if (ok && end >= 0) {
			json_t *child = json_object_get(object, buf_cstr(&name));

			/* An own copy on the way down: the original is not ours. */
			child = child != NULL ? json_copy(child) : NULL;
			ok = child != NULL;
			if (ok)
				(void)json_object_set_new(object, buf_cstr(&name), child);
			object = child;
			path = span_skip(path, 1);
		} else if (ok && json_is_null(value)) {
			(void)json_object_del(object, buf_cstr(&name)); /* absent already is as good */
		} else if (ok) {
			(void)json_object_set(object, buf_cstr(&name), value);
		}
		buf_free(&name);
		if (!ok || end < 0)
			return ok;
	}
}

json_t *
jmap_patch(const json_t *object, const json_t *patch)
{
	json_t *result = json_copy((json_t *)(uintptr_t)object), *value;
	const char *path;

	json_object_foreach((json_t *)(uintptr_t)patch, path, value) {
		struct span at = span_of(path);

		/* Pointers of a patch are written without their first '/'; one that is there would name an empty key. */
		if (at.len == 0 || at.ptr[0] == '/' || !patch_one(result, at, value)) {
			json_decref(result);
			return NULL;
		}
	}
	return result;
}
