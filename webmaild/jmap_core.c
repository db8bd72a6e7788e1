/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Walks a request's method calls (RFC 8620 section 3). Knows no mail: methods come as a table. */
#include <stdlib.h>

#include "webmaild/jmap.h"

#define PROBLEM(name) "urn:ietf:params:jmap:error:" name

/* RFC 8620 3.6.1. */
static unsigned
problem(struct buf *out, unsigned status, const char *type, const char *detail, const char *limit)
{
	json_t *body = json_pack("{s:s, s:i, s:s, s:s*}", "type", type, "status", (int)status, "detail", detail, "limit", limit);
	char *text = json_dumps(body, JSON_COMPACT);

	(void)buf_str(out, text);
	free(text);
	json_decref(body);
	return status;
}

static unsigned
capability_of(struct span name)
{
	if (span_eq(name, SPAN(JMAP_CORE)))
		return JMAP_USES_CORE;
	if (span_eq(name, SPAN(JMAP_MAIL)))
		return JMAP_USES_MAIL;
	return span_eq(name, SPAN(JMAP_SUBMISSION)) ? JMAP_USES_SUBMISSION : 0;
}

/* --- responses --- */

void
jmap_respond_as(struct jmap_call *call, const char *name, json_t *args)
{
	(void)json_array_append_new(call->request->responses, json_pack("[s, o, s]", name, args, call->id));
}

void
jmap_respond(struct jmap_call *call, json_t *args)
{
	jmap_respond_as(call, call->name, args);
}

void
jmap_error(struct jmap_call *call, const char *type, const char *description)
{
	jmap_respond_as(call, "error", json_pack("{s:s, s:s*}", "type", type, "description", description));
}

json_t *
jmap_set_error(const char *type, const char *description)
{
	return json_pack("{s:s, s:s*}", "type", type, "description", description);
}

json_t *
jmap_set_error_property(const char *type, const char *description, const char *property)
{
	return json_pack("{s:s, s:s*, s:[s]}", "type", type, "description", description, "properties", property);
}

struct span
jmap_real_id(const struct jmap_call *call, struct span reference)
{
	char *name;
	struct span id;

	if (reference.len == 0 || reference.ptr[0] != '#')
		return jmap_is_id(reference) ? reference : SPAN_NULL;
	name = span_dup(span_skip(reference, 1));
	id = jmap_span(json_object_get(call->request->created, name));
	free(name);
	return jmap_is_id(id) ? id : SPAN_NULL;
}

void
jmap_note_created(struct jmap_call *call, const char *creation, const char *id)
{
	(void)json_object_set_new(call->request->created, creation, json_string(id));
}

/* --- calls --- */

static const struct jmap_method *
find_method(const struct jmap_method *methods, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(methods[i].name, name) == 0)
			return &methods[i];
	return NULL;
}

static bool
is_account(struct jmap_call *call, const char *account_id)
{
	const json_t *account = json_object_get(call->args, "accountId");

	if (!json_is_string(account)) {
		jmap_error(call, "invalidArguments", "accountId must be a string.");
		return false;
	}
	if (!span_eq(jmap_span(account), span_of(account_id))) {
		jmap_error(call, "accountNotFound", NULL);
		return false;
	}
	return true;
}

static void
run_call(struct jmap_request *request, const char *account_id, const struct jmap_method *methods, size_t count, const json_t *invocation)
{
	struct jmap_call call = {
		.request = request,
		.jmap = request->jmap,
		.name = json_string_value(json_array_get(invocation, 0)),
		.id = json_string_value(json_array_get(invocation, 2)),
	};
	const struct jmap_method *method = find_method(methods, count, call.name);
	const char *error = NULL;

	if (method == NULL || (request->uses & method->needs) == 0) {
		jmap_error(&call, "unknownMethod", NULL);
		return;
	}
	call.args = jmap_resolve(json_array_get(invocation, 1), request->responses, &error);
	if (call.args == NULL) {
		jmap_error(&call, error, NULL);
		return;
	}
	if (!method->needs_account || is_account(&call, account_id))
		method->run(&call);
	json_decref(call.args);
}

static int
dump_piece(const char *bytes, size_t len, void *context)
{
	return buf_put(context, bytes, len) == 0 ? 0 : -1;
}

static unsigned
run_request(struct jmap *jmap, const char *account_id, const struct jmap_method *methods, size_t count, const json_t *body, struct buf *out)
{
	const json_t *using = json_object_get(body, "using"), *calls = json_object_get(body, "methodCalls");
	const json_t *created = json_object_get(body, "createdIds");
	struct jmap_request request = { .jmap = jmap };
	json_t *answer;
	int r;

	for (size_t i = 0; i < json_array_size(using); i++) {
		unsigned capability = capability_of(jmap_span(json_array_get(using, i)));

		if (capability == 0)
			return problem(out, 400, PROBLEM("unknownCapability"), json_string_value(json_array_get(using, i)), NULL);
		request.uses |= capability;
	}
	if (json_array_size(calls) > JMAP_CALLS_MAX)
		return problem(out, 400, PROBLEM("limit"), "There are too many method calls.", "maxCallsInRequest");
	request.responses = json_array();
	request.created = created != NULL ? json_copy((json_t *)(uintptr_t)created) : json_object();
	for (size_t i = 0; i < json_array_size(calls); i++)
		run_call(&request, account_id, methods, count, json_array_get(calls, i));
	answer = json_pack("{s:o, s:s}", "methodResponses", request.responses, "sessionState", "0");
	if (created != NULL)
		(void)json_object_set(answer, "createdIds", request.created);
	r = json_dump_callback(answer, dump_piece, out, JSON_COMPACT);
	json_decref(answer);
	json_decref(request.created);
	if (r != 0) {
		buf_clear(out);
		return problem(out, 400, PROBLEM("limit"), "The answer would be too large: ask for less at once.", "maxSizeResponse");
	}
	return 200;
}

unsigned
jmap_refuse_type(struct buf *out)
{
	return problem(out, 400, PROBLEM("notJSON"), "The content type is not application/json.", NULL);
}

unsigned
jmap_run(struct jmap *jmap, const char *account_id, const struct jmap_method *methods, size_t method_count, struct span body, struct buf *out)
{
	json_t *request = jmap_parse(body);
	unsigned status;

	if (request == NULL)
		status = problem(out, 400, PROBLEM("notJSON"), "The request is not I-JSON (RFC 7493).", NULL);
	else if (!jmap_is_request(request))
		status = problem(out, 400, PROBLEM("notRequest"), "The request is not a Request object (RFC 8620 section 3.3).", NULL);
	else
		status = run_request(jmap, account_id, methods, method_count, request, out);
	json_decref(request);
	return status;
}
