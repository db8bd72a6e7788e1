/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Clients of HTTP/2 that ask for much and read nothing: what is kept for them is bounded, and not for ever. The clock is the test's. */
#include <check.h>
#include <event2/event.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/stream.h"
#include "common/xalloc.h"
#include "tests/unit/clock_ahead.h"
#include "webmaild/http.h"

#define REQUESTS 100
#define FILE_SIZE 200000

static struct proc proc;
static struct http http = { .proc = &proc };
static unsigned left, routed;
static size_t heads;  /* bytes of fields in the requests that were answered */
static size_t given;  /* bytes of bodies that there was room for */

/* --- around http_h2.c --- */

int64_t
http_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

void
login_release(struct logins *logins, struct login *login)
{
	(void)logins;
	ck_assert_ptr_null(login);
}

void
front_leave(struct front_client *client)
{
	(void)client;
	left++;
}

static void
give(struct exchange *exchange)
{
	static const char bytes[FILE_SIZE];
	size_t *rest = exchange->context, room;

	while (*rest > 0 && (room = exchange->transport->room(exchange)) > 0) {
		if (room > *rest)
			room = *rest;
		*rest -= room;
		given += room;
		exchange->transport->write(exchange, span_make(bytes, room));
	}
	if (*rest > 0)
		return;
	free(rest);
	exchange->transport->end(exchange);
}

static void
gone(struct exchange *exchange)
{
	free(exchange->context);
}

static void
body_end(struct exchange *exchange)
{
	(void)exchange;
}

static const struct exchange_handler file_handler = { NULL, body_end, give, gone };

void
http_route(struct exchange *exchange)
{
	struct http_response response;

	routed++;
	for (size_t i = 0; i < exchange->request->field_count; i++)
		heads += exchange->request->fields[i].value.len;
	if (!span_eq(exchange->request->path, SPAN("/file"))) {
		http_problem(exchange, 404, "There is nothing here.");
		return;
	}
	http_response_init(&response, 200, HTTP_POLICY_SHELL);
	response.length = FILE_SIZE;
	exchange->transport->respond(exchange, &response);
	http_response_free(&response);
	exchange->handler = &file_handler;
	exchange->context = xmemdup(&(size_t){ FILE_SIZE }, sizeof(size_t));
	give(exchange);
}

/* --- the client --- */

static struct front_client server_end;
static nghttp2_session *client;
static int client_fd;
static size_t got;
static unsigned done, too_large;

static int
on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *context)
{
	(void)session, (void)flags, (void)id, (void)data, (void)context;
	got += len;
	return 0;
}

static int
on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len, const uint8_t *value, size_t value_len,
    uint8_t flags, void *context)
{
	(void)session, (void)frame, (void)flags, (void)context;
	if (span_eq(span_make(name, name_len), SPAN(":status")))
		too_large += span_eq(span_make(value, value_len), SPAN("431"));
	return 0;
}

static int
on_close(nghttp2_session *session, int32_t id, uint32_t code, void *context)
{
	(void)session, (void)id, (void)code, (void)context;
	done++;
	return 0;
}

/* All that either side has to say. */
static void
talk(void)
{
	uint8_t room[16384];
	const uint8_t *out;
	ssize_t len;
	bool more = true;

	while (more) {
		more = false;
		while ((len = nghttp2_session_mem_send(client, &out)) > 0) {
			ck_assert_int_eq(write(client_fd, out, (size_t)len), len);
			(void)event_base_loop(proc.base, EVLOOP_NONBLOCK);
		}
		(void)event_base_loop(proc.base, EVLOOP_NONBLOCK);
		while ((len = recv(client_fd, room, sizeof(room), MSG_DONTWAIT)) > 0) {
			ck_assert_int_eq(nghttp2_session_mem_recv(client, room, (size_t)len), len);
			more = true;
		}
	}
}

/* With a window of so many bytes for each stream. */
static void
begin(uint32_t window)
{
	nghttp2_settings_entry settings = { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window };
	nghttp2_session_callbacks *callbacks;
	int fds[2];

	proc.base = event_base_new();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	client_fd = fds[1];
	server_end.stream = stream_new(proc.base, fds[0], NULL, NULL, 65536, 1048576);
	http2_begin(&http, &server_end);
	ck_assert_int_eq(nghttp2_session_callbacks_new(&callbacks), 0);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
	ck_assert_int_eq(nghttp2_session_client_new(&client, callbacks, NULL), 0);
	nghttp2_session_callbacks_del(callbacks);
	ck_assert_int_eq(nghttp2_submit_settings(client, NGHTTP2_FLAG_NONE, &settings, 1), 0);
	talk();
}

static nghttp2_nv
pair(struct span name, struct span value)
{
	return (nghttp2_nv){ (uint8_t *)(uintptr_t)name.ptr, (uint8_t *)(uintptr_t)value.ptr, name.len, value.len, NGHTTP2_NV_FLAG_NONE };
}

/* With so many fields of 3,000 bytes. */
static void
ask(const char *path, unsigned large)
{
	static char value[3000];
	nghttp2_nv fields[4 + 16] = {
		pair(SPAN(":method"), SPAN("GET")), pair(SPAN(":scheme"), SPAN("https")), pair(SPAN(":authority"), SPAN("mail.example")), pair(SPAN(":path"), span_of(path)),
	};

	memset(value, 'x', sizeof(value));
	for (unsigned i = 0; i < large; i++)
		fields[4 + i] = pair(SPAN("x-large"), span_make(value, sizeof(value)));
	ck_assert_int_gt(nghttp2_submit_request(client, NULL, fields, 4 + large, NULL, NULL), 0);
	talk();
}

static void
pass(unsigned seconds)
{
	for (; seconds > 0; seconds -= 20) {
		ahead += 20;
		talk();
	}
}

START_TEST(answers_wait_in_little_room)
{
	begin(0);
	for (unsigned i = 0; i < REQUESTS; i++)
		ask("/file", 0);
	ck_assert_uint_eq(routed, REQUESTS);
	ck_assert_uint_eq(got, 0);
	ck_assert_uint_le(given, 1 << 20);
	/* All comes to a client that reads. */
	ck_assert_int_eq(nghttp2_submit_settings(client, NGHTTP2_FLAG_NONE, &(nghttp2_settings_entry){ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 65535 }, 1), 0);
	talk();
	ck_assert_uint_eq(done, REQUESTS);
	ck_assert_uint_eq(got, (size_t)REQUESTS * FILE_SIZE);
	ck_assert_uint_eq(left, 0);
}
END_TEST

START_TEST(heads_wait_in_little_room)
{
	begin(0);
	for (unsigned i = 0; i < REQUESTS; i++)
		ask("/file", 10);
	ck_assert_uint_le(heads, 300000);
	ck_assert_uint_ge(routed, 5);
	ck_assert_uint_eq(routed + too_large, REQUESTS);
	ck_assert_uint_eq(left, 0);
}
END_TEST

/* One after the other they are no more than one is. */
START_TEST(heads_go_with_their_requests)
{
	begin(65535);
	for (unsigned i = 0; i < 2 * REQUESTS; i++)
		ask("/nothing", 10);
	ck_assert_uint_eq(routed, 2 * REQUESTS);
	ck_assert_uint_eq(done, 2 * REQUESTS);
}
END_TEST

/* Of an answer, short or long, that nobody reads. */
START_TEST(nobody_reads)
{
	begin(0);
	ask(_i == 0 ? "/nothing" : "/file", 0);
	pass(100);
	ck_assert_uint_eq(done, 0);
	pass(100);
	ck_assert_uint_eq(done, 1);
	pass(220);
	ck_assert_uint_eq(left, 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("http_h2");
	TCase *tests = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, answers_wait_in_little_room);
	tcase_add_test(tests, heads_wait_in_little_room);
	tcase_add_test(tests, heads_go_with_their_requests);
	tcase_add_loop_test(tests, nobody_reads, 0, 2);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
