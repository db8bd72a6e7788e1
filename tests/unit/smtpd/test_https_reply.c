/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Replies to a GET, whole and byte by byte. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "smtpd/https_reply.h"

#define ROWS(table) (sizeof(table) / sizeof(*(table)))
#define BODY_MAX 40
#define OK "HTTP/1.1 200 OK\r\n"

static const struct {
	const char *name, *text;
	bool ends; /* and the connection with it */
	int result;
	unsigned status;
	bool is_text;
	const char *body;
} replies[] = {
	{ "counted", OK "Content-Type: text/plain\r\nContent-Length: 3\r\n\r\nabc", false, 0, 200, true, "abc" },
	{ "empty", "HTTP/1.0 404\r\ncontent-length: 0\r\n\r\n", false, 0, 404, false, "" },
	{ "to the end", OK "Content-Type: Text/Plain; charset=utf-8\n\nabc", true, 0, 200, true, "abc" },
	{ "chunked", OK "Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: r\r\n\r\n", false, 0, 200, false, "abcde" },
	{ "counted, and cut short", OK "Content-Length: 4\r\n\r\nabc", true, -EBADMSG, 0, false, NULL },
	{ "chunked, and cut short", OK "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", true, -EBADMSG, 0, false, NULL },
	{ "half a header", OK "Content-Type: text/plain\r\n", true, -EBADMSG, 0, false, NULL },
	{ "nothing", "", true, -EBADMSG, 0, false, NULL },
	{ "two lengths", OK "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", false, -EBADMSG, 0, false, NULL },
	{ "two ways to end", OK "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", false, -EBADMSG, 0, false, NULL },
	{ "another coding", OK "Transfer-Encoding: gzip, chunked\r\n\r\n", false, -EBADMSG, 0, false, NULL },
	{ "a chunk without its end", OK "Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", false, -EBADMSG, 0, false, NULL },
	{ "a size that is none", OK "Transfer-Encoding: chunked\r\n\r\nx\r\n", false, -EBADMSG, 0, false, NULL },
	{ "a size beyond all", OK "Transfer-Encoding: chunked\r\n\r\n100000000\r\n", false, -EBADMSG, 0, false, NULL },
	{ "interim", "HTTP/1.1 100 Continue\r\n", false, -EBADMSG, 0, false, NULL },
	{ "no HTTP", "SSH-2.0-x\r\n", false, -EBADMSG, 0, false, NULL },
	{ "no field", OK "nonsense\r\n", false, -EBADMSG, 0, false, NULL },
	{ "too long", OK "Content-Length: 41\r\n\r\n12345678901234567890123456789012345678901", false, -EMSGSIZE, 0, false, NULL },
};

/* Whole, and in pieces of so many octets. */
START_TEST(a_reply)
{
	for (size_t piece = 1; piece < 200; piece += 33) {
		struct span rest = span_of(replies[_i].text);
		struct buf input = BUF_INIT(8192);
		struct https_reply reply;
		size_t used, at = 0;
		int r = 1;

		https_reply_init(&reply, BODY_MAX);
		while (r == 1 && rest.len != 0) {
			(void)buf_span(&input, span_take(&rest, piece < rest.len ? piece : rest.len));
			r = https_reply_input(&reply, span_skip(buf_get(&input), at), &used);
			at += used;
		}
		if (r == 1 && replies[_i].ends)
			r = https_reply_end(&reply);
		ck_assert_msg(r == replies[_i].result, "%s: %d", replies[_i].name, r);
		if (r == 0) {
			ck_assert_uint_eq(reply.status, replies[_i].status);
			ck_assert(reply.is_text == replies[_i].is_text);
			ck_assert_str_eq(buf_cstr(&reply.body), replies[_i].body);
		}
		https_reply_free(&reply);
		buf_free(&input);
	}
}
END_TEST

START_TEST(what_does_not_end)
{
	struct buf input = BUF_INIT(65536);
	struct https_reply reply;
	size_t used;

	/* A line, a header, and chunks of one octet. */
	https_reply_init(&reply, 65536);
	(void)buf_str(&input, OK "X: ");
	while (input.len < HTTPS_LINE_MAX + 100)
		(void)buf_char(&input, 'x');
	ck_assert_int_eq(https_reply_input(&reply, buf_get(&input), &used), -EMSGSIZE);
	https_reply_free(&reply);
	https_reply_init(&reply, 65536);
	buf_clear(&input);
	(void)buf_str(&input, OK);
	while (input.len < 2 * HTTPS_HEAD_MAX)
		(void)buf_str(&input, "X: y\r\n");
	ck_assert_int_eq(https_reply_input(&reply, buf_get(&input), &used), -EMSGSIZE);
	https_reply_free(&reply);
	https_reply_init(&reply, 65536);
	buf_clear(&input);
	(void)buf_str(&input, OK "Transfer-Encoding: chunked\r\n\r\n");
	while (input.len < 60000)
		(void)buf_str(&input, "1\r\nx\r\n");
	ck_assert_int_eq(https_reply_input(&reply, buf_get(&input), &used), -EMSGSIZE);
	https_reply_free(&reply);
	buf_free(&input);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("https_reply");
	TCase *tests = tcase_create("https_reply");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, a_reply, 0, ROWS(replies));
	tcase_add_test(tests, what_does_not_end);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
