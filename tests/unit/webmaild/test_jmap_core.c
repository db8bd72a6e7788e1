/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Requests, errors, result references, patches and dates of JMAP, by the examples of RFC 8620 where it has them. */
#include <check.h>
#include <stdlib.h>

#include "webmaild/jmap.h"

static void
echo(struct jmap_call *call)
{
	jmap_respond(call, json_incref(call->args));
}

static void
get(struct jmap_call *call)
{
	static const char *const known[] = { "id", "name", NULL };
	struct jmap_get_args args;

	if (jmap_get_begin(call, &args, known, NULL))
		jmap_respond(call, json_pack("{s:b, s:b}", "all", args.ids == NULL, "wantsName", jmap_wants(&args, "name")));
}

static void
set(struct jmap_call *call)
{
	struct jmap_set_args args;
	struct jmap_set_result result;
	const char *key;
	json_t *value;

	if (!jmap_set_begin(call, &args, "7"))
		return;
	jmap_set_result_init(&result);
	json_object_foreach(args.create, key, value) {
		jmap_note_created(call, key, "new1");
		(void)json_object_set_new(result.created, key, json_pack("{s:s}", "id", "new1"));
	}
	jmap_set_respond(call, &result, "7", "8");
}

static const struct jmap_method methods[] = {
	{ "Core/echo", JMAP_USES_CORE, false, echo },
	{ "Test/get", JMAP_USES_CORE, true, get },
	{ "Test/set", JMAP_USES_CORE, true, set },
	{ "Mail/echo", JMAP_USES_MAIL, false, echo },
};

#define CORE "{\"using\":[\"urn:ietf:params:jmap:core\"],\"methodCalls\":["

static const struct {
	const char *request;
	unsigned status;
	const char *answer;
} requests[] = {
	{ "", 400, "\"urn:ietf:params:jmap:error:notJSON\"" },
	{ "{", 400, "notJSON" },
	{ "{\"a\":1,\"a\":2}", 400, "notJSON" },
	{ "{\"a\":\"\xff\"}", 400, "notJSON" },
	{ "[]", 400, "notRequest" },
	{ "{}", 400, "notRequest" },
	{ "{\"using\":[],\"methodCalls\":{}}", 400, "notRequest" },
	{ "{\"using\":[],\"methodCalls\":[[\"a\",{}]]}", 400, "notRequest" },
	{ "{\"using\":[],\"methodCalls\":[[\"a\",[],\"0\"]]}", 400, "notRequest" },
	{ "{\"using\":[\"https://x.test\"],\"methodCalls\":[]}", 400, "unknownCapability" },
	{ CORE "]}", 200, "{\"methodResponses\":[],\"sessionState\":\"0\"}" },
	{ CORE "[\"Core/echo\",{\"hello\":true,\"high\":5},\"b3ff\"]]}", 200, "[\"Core/echo\",{\"hello\":true,\"high\":5},\"b3ff\"]" },
	{ CORE "[\"Core/no\",{},\"c\"]]}", 200, "[\"error\",{\"type\":\"unknownMethod\"},\"c\"]" },
	/* A method of a capability that the request does not use. */
	{ CORE "[\"Mail/echo\",{},\"c\"]]}", 200, "unknownMethod" },
	{ CORE "[\"Test/get\",{},\"c\"]]}", 200, "invalidArguments" },
	{ CORE "[\"Test/get\",{\"accountId\":\"other\"},\"c\"]]}", 200, "accountNotFound" },
	{ CORE "[\"Test/get\",{\"accountId\":\"a1\",\"ids\":null},\"c\"]]}", 200, "\"all\":true" },
	{ CORE "[\"Test/get\",{\"accountId\":\"a1\",\"ids\":[1]},\"c\"]]}", 200, "invalidArguments" },
	{ CORE "[\"Test/get\",{\"accountId\":\"a1\",\"properties\":[\"name\"]},\"c\"]]}", 200, "\"wantsName\":true" },
	{ CORE "[\"Test/get\",{\"accountId\":\"a1\",\"properties\":[\"nome\"]},\"c\"]]}", 200, "invalidArguments" },
	{ CORE "[\"Test/set\",{\"accountId\":\"a1\",\"ifInState\":\"6\"},\"c\"]]}", 200, "stateMismatch" },
	{ CORE "[\"Test/set\",{\"accountId\":\"a1\",\"create\":{\"k\":1}},\"c\"]]}", 200, "invalidArguments" },
	{ CORE "[\"Test/set\",{\"accountId\":\"a1\",\"ifInState\":\"7\",\"create\":{\"k\":{}}},\"c\"]],\"createdIds\":{}}", 200,
	    "\"createdIds\":{\"k\":\"new1\"}" },
	/* RFC 8620 3.7: the references. */
	{ CORE "[\"Core/echo\",{\"ids\":[\"a\",\"b\"]},\"0\"],[\"Core/echo\",{\"#x\":{\"resultOf\":\"0\",\"name\":\"Core/echo\",\"path\":\"/ids\"}},\"1\"]]}",
	    200, "{\"x\":[\"a\",\"b\"]}" },
	{ CORE "[\"Core/echo\",{\"l\":[{\"t\":[1,2]},{\"t\":[3]}]},\"0\"],"
	       "[\"Core/echo\",{\"#x\":{\"resultOf\":\"0\",\"name\":\"Core/echo\",\"path\":\"/l/*/t\"}},\"1\"]]}", 200, "{\"x\":[1,2,3]}" },
	{ CORE "[\"Core/echo\",{\"#x\":{\"resultOf\":\"9\",\"name\":\"Core/echo\",\"path\":\"/l\"}},\"1\"]]}", 200, "invalidResultReference" },
	{ CORE "[\"Core/echo\",{\"a\":1},\"0\"],[\"Core/echo\",{\"#x\":{\"resultOf\":\"0\",\"name\":\"Core/other\",\"path\":\"/a\"}},\"1\"]]}", 200,
	    "invalidResultReference" },
	{ CORE "[\"Core/echo\",{\"x\":1,\"#x\":{\"resultOf\":\"0\",\"name\":\"a\",\"path\":\"/\"}},\"1\"]]}", 200, "invalidArguments" },
};

static unsigned
run(const char *request, struct buf *out)
{
	return jmap_run(NULL, "a1", methods, sizeof(methods) / sizeof(methods[0]), span_of(request), out);
}

START_TEST(requests_are_answered)
{
	struct buf out = BUF_INIT(1 << 20);

	ck_assert_uint_eq(run(requests[_i].request, &out), requests[_i].status);
	ck_assert_msg(strstr(buf_cstr(&out), requests[_i].answer) != NULL, "%s gives %s", requests[_i].request, buf_cstr(&out));
	buf_free(&out);
}
END_TEST

START_TEST(bounds_hold)
{
	struct buf text = BUF_INIT(1 << 20), out = BUF_INIT(1 << 20);

	/* As many calls as maxCallsInRequest says, and one more. */
	for (unsigned count = JMAP_CALLS_MAX; count <= JMAP_CALLS_MAX + 1; count++) {
		buf_clear(&text);
		buf_clear(&out);
		(void)buf_str(&text, CORE);
		for (unsigned i = 0; i < count; i++)
			(void)buf_fmt(&text, "%s[\"Core/echo\",{},\"%u\"]", i > 0 ? "," : "", i);
		(void)buf_str(&text, "]}");
		ck_assert_uint_eq(run(buf_cstr(&text), &out), count <= JMAP_CALLS_MAX ? 200 : 400);
	}
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "maxCallsInRequest"));
	/* Too deep. */
	buf_clear(&text);
	buf_clear(&out);
	for (unsigned i = 0; i <= JMAP_DEPTH_MAX; i++)
		(void)buf_char(&text, '[');
	for (unsigned i = 0; i <= JMAP_DEPTH_MAX; i++)
		(void)buf_char(&text, ']');
	ck_assert_uint_eq(run(buf_cstr(&text), &out), 400);
	/* References that multiply: the answer is refused, not built. */
	buf_clear(&text);
	buf_clear(&out);
	(void)buf_str(&text, CORE "[\"Core/echo\",{\"x\":\"0123456789012345678901234567890123456789\"},\"0\"]");
	for (unsigned i = 1; i < JMAP_CALLS_MAX; i++)
		(void)buf_fmt(&text, ",[\"Core/echo\",{\"#a\":{\"resultOf\":\"%u\",\"name\":\"Core/echo\",\"path\":\"\"},"
		                     "\"#b\":{\"resultOf\":\"%u\",\"name\":\"Core/echo\",\"path\":\"\"}},\"%u\"]", i - 1, i - 1, i);
	(void)buf_str(&text, "]}");
	ck_assert_uint_eq(run(buf_cstr(&text), &out), 400);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "maxSizeResponse"));
	/* No method gets more of them than a request may have: it could copy what it gets. */
	buf_free(&out);
	buf_init(&out, JMAP_RESPONSE_MAX);
	ck_assert_uint_eq(run(buf_cstr(&text), &out), 200);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "invalidResultReference"));
	ck_assert_uint_lt(out.len, 4 * JMAP_REFERRED_MAX);
	buf_free(&text);
	buf_free(&out);
}
END_TEST

static const struct {
	const char *object, *patch, *result; /* result NULL: refused */
} patches[] = {
	{ "{\"a\":1}", "{\"a\":2}", "{\"a\":2}" },
	{ "{\"a\":1}", "{\"a\":null}", "{}" },
	{ "{\"k\":{\"x\":true}}", "{\"k/y\":true}", "{\"k\":{\"x\":true,\"y\":true}}" },
	{ "{\"k\":{\"x\":true,\"y\":true}}", "{\"k/x\":null}", "{\"k\":{\"y\":true}}" },
	{ "{\"k\":{}}", "{\"k/x\":null}", "{\"k\":{}}" },
	{ "{\"k\":{}}", "{\"k/a~1b\":true}", "{\"k\":{\"a/b\":true}}" },
	{ "{}", "{\"k/x\":true}", NULL },
	{ "{\"k\":1}", "{\"k/x\":true}", NULL },
	{ "{\"k\":{}}", "{\"/k/x\":true}", NULL },
	{ "{\"k\":{}}", "{\"k/~2\":true}", NULL },
};

START_TEST(patches_are_applied)
{
	json_t *object = json_loads(patches[_i].object, 0, NULL), *patch = json_loads(patches[_i].patch, 0, NULL);
	json_t *before = json_deep_copy(object), *result = jmap_patch(object, patch);

	if (patches[_i].result == NULL) {
		ck_assert_ptr_null(result);
	} else {
		json_t *wanted = json_loads(patches[_i].result, 0, NULL);

		ck_assert(json_equal(result, wanted));
		json_decref(wanted);
	}
	/* The original is untouched. */
	ck_assert(json_equal(object, before));
	json_decref(object);
	json_decref(patch);
	json_decref(before);
	json_decref(result);
}
END_TEST

static const struct {
	const char *text;
	int64_t seconds;
	const char *utc; /* NULL: refused */
} dates[] = {
	{ "1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z" },
	{ "2014-10-30T14:12:00+08:00", 1414649520, "2014-10-30T06:12:00Z" },
	{ "2014-10-30T06:12:00.123Z", 1414649520, "2014-10-30T06:12:00Z" },
	{ "2000-02-29T23:59:59-01:30", 951874199, "2000-03-01T01:29:59Z" },
	{ "1969-12-31T23:59:59Z", -1, "1969-12-31T23:59:59Z" },
	{ "0000-01-01T00:00:00Z", -62167219200, "0000-01-01T00:00:00Z" },
	{ "9999-12-31T23:59:59Z", 253402300799, "9999-12-31T23:59:59Z" },
	{ "2014-13-30T14:12:00Z", 0, NULL },
	{ "2014-10-30 14:12:00Z", 0, NULL },
	{ "2014-10-30T14:12:00", 0, NULL },
	{ "2014-10-30T14:12:00Z ", 0, NULL },
	{ "2014-10-30T24:12:00Z", 0, NULL },
	{ "2014-10-30T14:12:00.Z", 0, NULL },
	{ "", 0, NULL },
};

START_TEST(dates_are_read_and_written)
{
	int64_t seconds = 0;
	json_t *utc;

	ck_assert_int_eq(jmap_parse_date(span_of(dates[_i].text), &seconds), dates[_i].utc != NULL);
	if (dates[_i].utc == NULL)
		return;
	ck_assert_int_eq(seconds, dates[_i].seconds);
	utc = jmap_utc_date(seconds);
	ck_assert_str_eq(json_string_value(utc), dates[_i].utc);
	json_decref(utc);
	utc = jmap_date(1414649520, 480);
	ck_assert_str_eq(json_string_value(utc), "2014-10-30T14:12:00+08:00");
	json_decref(utc);
}
END_TEST

static const struct {
	struct span bytes;
	const char *text;
} texts[] = {
	{ { "plain", 5 }, "plain" }, { { "a\0b", 3 }, "ab" }, { { "\xe4\xb8\xad", 3 }, "\xe4\xb8\xad" },
	{ { "x\xff\xe4\xb8", 4 }, "x\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, { { NULL, 0 }, "" }, { { "\xed\xa0\x80", 3 }, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
};

START_TEST(texts_are_utf8)
{
	json_t *text = jmap_text(texts[_i].bytes);

	ck_assert_str_eq(json_string_value(text), texts[_i].text);
	json_decref(text);
}
END_TEST

static const struct {
	int64_t position;
	uint64_t limit;
	ptrdiff_t anchor; /* -2: none asked for */
	int64_t offset;
	size_t first, count; /* of 10 */
	bool found;
} windows[] = {
	{ 0, 100, -2, 0, 0, 10, true }, { 3, 4, -2, 0, 3, 4, true }, { -3, 2, -2, 0, 7, 2, true }, { -30, 2, -2, 0, 0, 2, true },
	{ 10, 5, -2, 0, 10, 0, true }, { 99, 5, -2, 0, 10, 0, true }, { 0, 0, -2, 0, 0, 0, true }, { 9, 3, 4, 0, 4, 3, true },
	{ 0, 3, 4, -2, 2, 3, true }, { 0, 3, 1, -5, 0, 3, true }, { 0, 3, 8, 5, 10, 0, true }, { 0, 3, -1, 0, 0, 0, false },
};

START_TEST(windows_are_cut)
{
	struct jmap_query_window window = { .position = windows[_i].position, .limit = windows[_i].limit, .anchor_offset = windows[_i].offset };
	size_t first = 0, count = 0;

	window.anchor = windows[_i].anchor == -2 ? SPAN_NULL : SPAN("x");
	ck_assert_int_eq(jmap_query_range(&window, 10, windows[_i].anchor, &first, &count), windows[_i].found);
	ck_assert_uint_eq(first, windows[_i].first);
	ck_assert_uint_eq(count, windows[_i].count);
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

int
main(void)
{
	Suite *suite = suite_create("jmap_core");
	TCase *tests = tcase_create("jmap_core");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, requests_are_answered, 0, COUNT(requests));
	tcase_add_test(tests, bounds_hold);
	tcase_add_loop_test(tests, patches_are_applied, 0, COUNT(patches));
	tcase_add_loop_test(tests, dates_are_read_and_written, 0, COUNT(dates));
	tcase_add_loop_test(tests, texts_are_utf8, 0, COUNT(texts));
	tcase_add_loop_test(tests, windows_are_cut, 0, COUNT(windows));
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
