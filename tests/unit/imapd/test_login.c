/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* IMAP before login: dialogues in tables, whole and byte by byte, good ones and nonsense. */
#include <check.h>
#include <stdlib.h>

#include "frame/frame_msg.h"
#include "frame/sasl_parse.h"
#include "imapd/imap_login_state.h"

static struct login_facts facts = { .hostname = "host.example", .can_start_tls = true };

#define SECURE 1
#define PLAINTEXT 2

/* What goes in, what comes out, the last action, and the credentials when it is LOGIN_AUTHENTICATE. */
static const struct {
	const char *input, *output;
	enum login_action action;
	unsigned facts;
	const char *user, *password;
} rows[] = {
	{ "a NOOP\r\n", "a OK NOOP completed\r\n", LOGIN_MORE, 0, NULL, NULL },
	{ "a noop\n", "a OK NOOP completed\r\n", LOGIN_MORE, 0, NULL, NULL },
	{ "\r\n", "", LOGIN_MORE, 0, NULL, NULL },
	{ "a CAPABILITY\r\n",
	    "* CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE STARTTLS LOGINDISABLED\r\na OK CAPABILITY completed\r\n",
	    LOGIN_MORE, 0, NULL, NULL },
	{ "a CAPABILITY\r\n",
	    "* CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE AUTH=PLAIN AUTH=LOGIN\r\na OK CAPABILITY completed\r\n",
	    LOGIN_MORE, SECURE, NULL, NULL },
	{ "a LOGOUT\r\nb NOOP\r\n", "* BYE Logging out\r\na OK LOGOUT completed\r\n", LOGIN_CLOSE, 0, NULL, NULL },
	{ "a ID NIL\r\n", "* ID (\"name\" \"Fourpost\")\r\na OK ID completed\r\n", LOGIN_MORE, 0, NULL, NULL },
	{ "a ID (\"name\" \"x\" \"version\" NIL)\r\n", "* ID (\"name\" \"Fourpost\")\r\na OK ID completed\r\n", LOGIN_MORE, 0, NULL, NULL },
	{ "a ID (\"name\")\r\n", "a BAD Missing argument\r\n", LOGIN_MORE, 0, NULL, NULL },
	{ "a STARTTLS\r\n", "a OK Begin TLS negotiation now\r\n", LOGIN_START_TLS, 0, NULL, NULL },
	{ "a STARTTLS\r\n", "a BAD TLS is on already\r\n", LOGIN_MORE, SECURE, NULL, NULL },
	{ "a LOGIN u p\r\n", "a NO [PRIVACYREQUIRED] Passwords are not taken without TLS\r\n", LOGIN_MORE, 0, NULL, NULL },
	{ "a AUTHENTICATE PLAIN\r\n", "a NO [PRIVACYREQUIRED] Passwords are not taken without TLS\r\n", LOGIN_MORE, 0, NULL, NULL },
	{ "a LOGIN u p\r\n", "", LOGIN_AUTHENTICATE, SECURE, "u", "p" },
	{ "a LOGIN u p\r\n", "", LOGIN_AUTHENTICATE, PLAINTEXT, "u", "p" },
	{ "a login \"u v\" \"p\\\"\\\\\"\r\n", "", LOGIN_AUTHENTICATE, SECURE, "u v", "p\"\\" },
	{ "a LOGIN {1+}\r\nu {3+}\r\np q\r\n", "", LOGIN_AUTHENTICATE, SECURE, "u", "p q" },
	{ "a LOGIN {1}\r\nu {3}\r\np q\r\n", "+ OK\r\n+ OK\r\n", LOGIN_AUTHENTICATE, SECURE, "u", "p q" },
	{ "a LOGIN u {2000}\r\n", "a BAD [TOOBIG] The literal is too big\r\n", LOGIN_MORE, SECURE, NULL, NULL },
	{ "a LOGIN u {2000+}\r\n", "* BYE The literal is too big\r\n", LOGIN_CLOSE, SECURE, NULL, NULL },
	{ "a LOGIN u {99999999999999999999+}\r\n", "* BYE A literal's size makes no sense\r\n", LOGIN_CLOSE, SECURE, NULL, NULL },
	{ "a LOGIN u\r\n", "a BAD Missing argument\r\n", LOGIN_MORE, SECURE, NULL, NULL },
	{ "a LOGIN u p q\r\n", "a BAD Unexpected text after the arguments\r\n", LOGIN_MORE, SECURE, NULL, NULL },
	{ "a LOGIN \"u p\r\n", "a BAD A quoted string is not closed\r\n", LOGIN_MORE, SECURE, NULL, NULL },
	{ "a LOGIN \xff p\r\n", "a NO [AUTHENTICATIONFAILED] Wrong user name or password\r\n", LOGIN_MORE, SECURE, NULL, NULL },
	{ "a AUTHENTICATE PLAIN AHUAcA==\r\n", "", LOGIN_AUTHENTICATE, SECURE, "u", "p" },
	{ "a AUTHENTICATE PLAIN\r\nAHUAcA==\r\n", "+ \r\n", LOGIN_AUTHENTICATE, SECURE, "u", "p" },
	{ "a AUTHENTICATE LOGIN\r\ndQ==\r\ncA==\r\n", "+ VXNlcm5hbWU6\r\n+ UGFzc3dvcmQ6\r\n", LOGIN_AUTHENTICATE, SECURE, "u", "p" },
	{ "a AUTHENTICATE PLAIN\r\n*\r\nb NOOP\r\n", "+ \r\na BAD AUTHENTICATE cancelled\r\nb OK NOOP completed\r\n", LOGIN_MORE, SECURE, NULL, NULL },
	{ "a AUTHENTICATE PLAIN !!!\r\n", "a BAD The response does not fit the mechanism\r\n", LOGIN_MORE, SECURE, NULL, NULL },
	{ "a AUTHENTICATE CRAM-MD5\r\n", "a NO [CANNOT] There is no such mechanism\r\n", LOGIN_MORE, SECURE, NULL, NULL },
	{ "a SELECT INBOX\r\n", "a BAD Unknown command, or one that needs a login first\r\n", LOGIN_MORE, SECURE, NULL, NULL },
	{ "NOOP\r\n", "* BAD A command begins with a tag\r\n", LOGIN_MORE, 0, NULL, NULL },
	{ "a\r\n", "* BAD A command begins with a tag\r\n", LOGIN_MORE, 0, NULL, NULL },
	{ "* NOOP\r\n", "* BAD A command begins with a tag\r\n", LOGIN_MORE, 0, NULL, NULL },
};

static enum login_action
talk(void *state, struct span input, size_t chunk, struct buf *out, struct login_credentials *credentials)
{
	enum login_action action = LOGIN_MORE;
	size_t start = 0, end = 0, used;

	while (end < input.len || action == LOGIN_AGAIN) {
		if (action != LOGIN_AGAIN)
			end = end + chunk < input.len ? end + chunk : input.len;
		action = imap_login.input(state, &facts, span_make(input.ptr + start, end - start), &used, out, credentials);
		start += used;
		ck_assert_uint_le(start, end);
		if (action != LOGIN_AGAIN && action != LOGIN_MORE)
			break;
	}
	return action;
}

static void
check_row(int row, size_t chunk)
{
	void *state = calloc(1, imap_login.state_size);
	struct buf out = BUF_INIT(65536);
	struct login_credentials credentials;
	enum login_action action;

	buf_init(&credentials.user, SASL_USER_MAX);
	buf_init(&credentials.password, SASL_PASSWORD_MAX);
	facts.secure = (rows[row].facts & SECURE) != 0;
	facts.plaintext_login = (rows[row].facts & PLAINTEXT) != 0;
	action = talk(state, span_of(rows[row].input), chunk, &out, &credentials);
	ck_assert_str_eq(buf_cstr(&out), rows[row].output);
	ck_assert_int_eq(action, rows[row].action);
	if (action == LOGIN_AUTHENTICATE) {
		ck_assert_str_eq(buf_cstr(&credentials.user), rows[row].user);
		ck_assert_str_eq(buf_cstr(&credentials.password), rows[row].password);
		ck_assert(span_eq(imap_login.handover(state), SPAN("a")));
		buf_clear(&out);
		imap_login.refused(state, AUTH_BAD, &out);
		ck_assert_str_eq(buf_cstr(&out), "a NO [AUTHENTICATIONFAILED] Wrong user name or password\r\n");
	}
	buf_free(&credentials.user);
	buf_free(&credentials.password);
	buf_free(&out);
	free(state);
}

START_TEST(whole)
{
	check_row(_i, 65536);
}
END_TEST

START_TEST(byte_by_byte)
{
	check_row(_i, 1);
}
END_TEST

START_TEST(flood)
{
	void *state = calloc(1, imap_login.state_size);
	struct buf out = BUF_INIT(65536);
	struct login_credentials credentials = { { 0 }, { 0 } };
	size_t used;
	int i;

	for (i = 1; i < IMAP_LOGIN_BAD_MAX; i++)
		ck_assert_int_eq(imap_login.input(state, &facts, SPAN("x\r\n"), &used, &out, &credentials), LOGIN_AGAIN);
	ck_assert_int_eq(imap_login.input(state, &facts, SPAN("x\r\n"), &used, &out, &credentials), LOGIN_CLOSE);
	buf_free(&out);
	free(state);
}
END_TEST

START_TEST(long_line)
{
	void *state = calloc(1, imap_login.state_size);
	struct buf out = BUF_INIT(65536), in = BUF_INIT(65536);
	struct login_credentials credentials = { { 0 }, { 0 } };
	size_t used;

	(void)buf_str(&in, "a NOOP ");
	while (in.len < IMAP_LOGIN_LINE_MAX)
		(void)buf_char(&in, 'x');
	ck_assert_int_eq(imap_login.input(state, &facts, buf_get(&in), &used, &out, &credentials), LOGIN_MORE);
	(void)buf_char(&in, 'x');
	ck_assert_int_eq(imap_login.input(state, &facts, buf_get(&in), &used, &out, &credentials), LOGIN_CLOSE);
	ck_assert_str_eq(buf_cstr(&out), "* BYE The line is too long\r\n");
	buf_free(&out);
	buf_free(&in);
	free(state);
}
END_TEST

START_TEST(greeting)
{
	void *state = calloc(1, imap_login.state_size);
	struct buf out = BUF_INIT(65536);

	facts.secure = true;
	imap_login.greet(state, &facts, &out);
	ck_assert_str_eq(buf_cstr(&out),
	    "* OK [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE AUTH=PLAIN AUTH=LOGIN] host.example IMAP4rev1 ready\r\n");
	buf_free(&out);
	free(state);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("imap_login");
	TCase *tests = tcase_create("login");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, whole, 0, sizeof(rows) / sizeof(rows[0]));
	tcase_add_loop_test(tests, byte_by_byte, 0, sizeof(rows) / sizeof(rows[0]));
	tcase_add_test(tests, flood);
	tcase_add_test(tests, long_line);
	tcase_add_test(tests, greeting);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
