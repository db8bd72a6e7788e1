/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* API requests: parsing, result references, patches and dispatch, with Core/echo as the only method. */
#include <stdint.h>
#include <stdlib.h>

#include "webmaild/jmap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
echo(struct jmap_call *call)
{
	jmap_respond(call, json_incref(call->args));
}

static void
patch(struct jmap_call *call)
{
	json_t *patched = jmap_patch(call->args, json_object_get(call->args, "patch"));

	if (patched == NULL)
		jmap_error(call, "invalidPatch", NULL);
	else
		jmap_respond(call, patched);
}

static void
get(struct jmap_call *call)
{
	static const char *const known[] = { "id", "name", NULL };
	struct jmap_get_args args;
	struct jmap_set_args set;
	struct jmap_query_window window;
	size_t first, count;

	if (!jmap_get_begin(call, &args, known, NULL) || !jmap_set_begin(call, &set, "1") || !jmap_query_begin(call, &window))
		return;
	if (jmap_query_range(&window, 10, 3, &first, &count) && (first > 10 || count > 10 - first))
		abort();
	jmap_respond(call, json_object());
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct jmap_method methods[] = {
		{ "Core/echo", JMAP_USES_CORE, false, echo },
		{ "Test/patch", JMAP_USES_CORE, false, patch },
		{ "Test/get", JMAP_USES_CORE, true, get },
	};
	struct buf out = BUF_INIT(1 << 20);
	unsigned status = jmap_run(NULL, "a1", methods, 3, span_make(data, size), &out);
	json_t *answer = json_loadb(buf_cstr(&out), out.len, JSON_ALLOW_NUL, NULL);
	int64_t seconds;

	if ((status != 200 && status != 400) || answer == NULL)
		abort();
	json_decref(answer);
	(void)jmap_parse_date(span_make(data, size), &seconds);
	buf_free(&out);
	return 0;
}
