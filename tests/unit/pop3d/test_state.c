/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The two states of POP3, as conversations: what is said, and what must be answered and asked
 * for. */
#include <check.h>
#include <inttypes.h>
#include <stdlib.h>

#include "pop3d/pop3_login_state.h"
#include "pop3d/pop3_state.h"

/* --- before login --- */

static void *state;
static struct login_credentials credentials;
static struct login_facts facts;

static void
setup(void)
{
	state = calloc(1, pop3_login.state_size);
	credentials.user = BUF_INIT(512);
	credentials.password = BUF_INIT(1024);
	facts = (struct login_facts){ .hostname = "mail.example",
		.secure = false,
		.can_start_tls = true,
		.plaintext_login = true };
}

static void
teardown(void)
{
	free(state);
	buf_wipe(&credentials.user);
	buf_wipe(&credentials.password);
}

static enum login_action
say(struct span text, struct buf *out)
{
	size_t used = 0;
	enum login_action action;

	buf_clear(out);
	action = pop3_login.input(state, &facts, text, &used, out, &credentials);
	ck_assert_uint_eq(used, action == LOGIN_MORE ? 0 : text.len);
	return action;
}

struct exchange {
	const char *text;
	enum login_action action;
	const char *reply; /* how it begins */
};

static void
talk(const struct exchange *exchanges, size_t count)
{
	struct buf out = BUF_INIT(LOGIN_REPLY_MAX);

	for (size_t i = 0; i < count; i++) {
		enum login_action action = say(span_of(exchanges[i].text), &out);

		ck_assert_msg(action == exchanges[i].action, "%s: action %d", exchanges[i].text,
		    action);
		ck_assert_msg(span_starts(buf_get(&out), span_of(exchanges[i].reply)), "%s: %s",
		    exchanges[i].text, buf_cstr(&out));
	}
	buf_free(&out);
}
#define TALK(...)                                                                                  \
	talk((const struct exchange[]){ __VA_ARGS__ },                                             \
	    sizeof((const struct exchange[]){ __VA_ARGS__ }) / sizeof(struct exchange))

START_TEST(user_and_pass)
{
	struct buf out = BUF_INIT(LOGIN_REPLY_MAX);

	pop3_login.greet(state, &facts, &out);
	ck_assert_str_eq(buf_cstr(&out), "+OK mail.example POP3 ready\r\n");
	buf_free(&out);
	TALK({ "PASS demo\r\n", LOGIN_AGAIN, "-ERR USER first" },
	    { "USER alice\r\n", LOGIN_AGAIN, "+OK" },
	    { "PASS  two words\r\n", LOGIN_AUTHENTICATE, "" });
	ck_assert_str_eq(buf_cstr(&credentials.user), "alice");
	ck_assert_str_eq(buf_cstr(&credentials.password), " two words");
}
END_TEST

START_TEST(auth_plain)
{
	TALK({ "AUTH CRAM-MD5\r\n", LOGIN_AGAIN, "-ERR" },
	    { "AUTH LOGIN\r\n", LOGIN_AGAIN, "-ERR" }, { "AUTH\r\n", LOGIN_AGAIN, "-ERR" },
	    { "AUTH PLAIN =\r\n", LOGIN_AGAIN, "-ERR" },
	    { "AUTH PLAIN\r\n", LOGIN_AGAIN, "+ \r\n" }, { "*\r\n", LOGIN_AGAIN, "-ERR Cancelled" },
	    { "NOOP\r\n", LOGIN_AGAIN, "-ERR Log in first" },
	    { "AUTH plain\r\n", LOGIN_AGAIN, "+ \r\n" },
	    { "AGFsaWNlAGRlbW8=\r\n", LOGIN_AUTHENTICATE, "" });
	ck_assert_str_eq(buf_cstr(&credentials.user), "alice");
	TALK({ "AUTH PLAIN AGJvYgBkZW1v\r\n", LOGIN_AUTHENTICATE, "" });
	ck_assert_str_eq(buf_cstr(&credentials.user), "bob");
	ck_assert_str_eq(buf_cstr(&credentials.password), "demo");
}
END_TEST

START_TEST(no_passwords_in_plain)
{
	facts.plaintext_login = false;
	TALK({ "USER alice\r\n", LOGIN_AGAIN, "-ERR STLS first" },
	    { "AUTH PLAIN AGFsaWNlAGRlbW8=\r\n", LOGIN_AGAIN, "-ERR STLS first" },
	    { "CAPA\r\n", LOGIN_AGAIN, "+OK\r\n" }, { "STLS\r\n", LOGIN_START_TLS, "+OK" });
	facts.secure = true;
	TALK({ "STLS\r\n", LOGIN_AGAIN, "-ERR TLS is on already" },
	    { "USER alice\r\n", LOGIN_AGAIN, "+OK" });
	facts.secure = facts.can_start_tls = false;
	TALK({ "USER alice\r\n", LOGIN_AGAIN, "-ERR No login without TLS" },
	    { "STLS\r\n", LOGIN_AGAIN, "-ERR No TLS here" });
}
END_TEST

START_TEST(capabilities_follow_the_facts)
{
	static const struct {
		bool secure, can_start_tls, plaintext, stls, user;
	} cases[] = {
		{ false, true, false, true, false },
		{ false, true, true, true, true },
		{ false, false, false, false, false },
		{ true, true, false, false, true },
	};
	struct buf out = BUF_INIT(LOGIN_REPLY_MAX);

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		facts.secure = cases[i].secure;
		facts.can_start_tls = cases[i].can_start_tls;
		facts.plaintext_login = cases[i].plaintext;
		ck_assert_int_eq(say(SPAN("CAPA\r\n"), &out), LOGIN_AGAIN);
		ck_assert_int_eq(span_find(buf_get(&out), SPAN("\r\nSTLS\r\n")) >= 0,
		    cases[i].stls);
		ck_assert_int_eq(span_find(buf_get(&out), SPAN("\r\nUSER\r\nSASL PLAIN\r\n")) >= 0,
		    cases[i].user);
		ck_assert_int_ge(span_find(buf_get(&out), SPAN("\r\nPIPELINING\r\n")), 0);
		ck_assert(span_ends(buf_get(&out), SPAN("\r\n.\r\n")));
	}
	buf_free(&out);
}
END_TEST

START_TEST(nonsense_ends)
{
	struct buf out = BUF_INIT(LOGIN_REPLY_MAX);

	for (unsigned i = 1; i < POP3_LOGIN_ERRORS_MAX; i++)
		ck_assert_int_eq(say(SPAN("GET / HTTP/1.1\r\n"), &out), LOGIN_AGAIN);
	ck_assert_int_eq(say(SPAN("\0\0\0\n"), &out), LOGIN_CLOSE);
	buf_free(&out);
	TALK({ "QUIT", LOGIN_MORE, "" }, { "QUIT\r\n", LOGIN_CLOSE, "+OK" });
}
END_TEST

START_TEST(refusals)
{
	static const char *const replies[] = { [AUTH_BAD] = "-ERR [AUTH]",
		[AUTH_LIMITED] = "-ERR [SYS/TEMP]",
		[AUTH_TEMPFAIL] = "-ERR [SYS/TEMP]" };
	struct buf out = BUF_INIT(LOGIN_REPLY_MAX);

	for (uint8_t result = AUTH_BAD; result <= AUTH_TEMPFAIL; result++) {
		buf_clear(&out);
		pop3_login.refused(state, result, &out);
		ck_assert(span_starts(buf_get(&out), span_of(replies[result])));
	}
	buf_free(&out);
}
END_TEST

/* --- after login --- */

static struct pop3_message messages[3];
static struct pop3_state drop;

static void
open_drop(struct buf *out)
{
	for (uint32_t i = 0; i < 3; i++)
		messages[i] = (struct pop3_message){ .uid = 10 + i, .size = 100 * (i + 1) };
	drop = (struct pop3_state){ .messages = messages, .count = 3, .uidvalidity = 1234 };
	pop3_state_begin(&drop, out);
}

static void
expect(const char *line, enum pop3_action action, const char *reply)
{
	struct buf out = BUF_INIT(4096);
	struct pop3_request request = pop3_state_line(&drop, span_of(line), &out);

	ck_assert_msg(request.action == action, "%s: action %d", line, request.action);
	if (request.action == POP3_LISTING)
		while (pop3_listing(&drop, 1, &out))
			continue;
	ck_assert_msg(strcmp(buf_cstr(&out), reply) == 0, "%s: %s", line, buf_cstr(&out));
	buf_free(&out);
}

START_TEST(transaction)
{
	struct buf out = BUF_INIT(4096);
	struct pop3_request request;

	open_drop(&out);
	ck_assert_str_eq(buf_cstr(&out), "+OK 3 messages (600 octets)\r\n");
	expect("STAT", POP3_ANSWERED, "+OK 3 600\r\n");
	expect("LIST", POP3_LISTING,
	    "+OK 3 messages (600 octets)\r\n1 100\r\n2 200\r\n3 300\r\n.\r\n");
	expect("UIDL", POP3_LISTING, "+OK\r\n1 1234.10\r\n2 1234.11\r\n3 1234.12\r\n.\r\n");
	expect("DELE 2", POP3_ANSWERED, "+OK Marked for removal\r\n");
	expect("DELE 2", POP3_ANSWERED, "-ERR No such message\r\n");
	expect("STAT", POP3_ANSWERED, "+OK 2 400\r\n");
	expect("LIST", POP3_LISTING, "+OK 2 messages (400 octets)\r\n1 100\r\n3 300\r\n.\r\n");
	expect("UIDL", POP3_LISTING, "+OK\r\n1 1234.10\r\n3 1234.12\r\n.\r\n");
	expect("LIST 3", POP3_ANSWERED, "+OK 3 300\r\n");
	expect("UIDL 3", POP3_ANSWERED, "+OK 3 1234.12\r\n");
	expect("LIST 2", POP3_ANSWERED, "-ERR No such message\r\n");
	expect("RETR 2", POP3_ANSWERED, "-ERR No such message\r\n");
	expect("RETR 0", POP3_ANSWERED, "-ERR No such message\r\n");
	expect("RETR 4", POP3_ANSWERED, "-ERR No such message\r\n");
	expect("TOP 2 1", POP3_ANSWERED, "-ERR No such message\r\n");
	expect("NOOP", POP3_ANSWERED, "+OK\r\n");
	expect("USER alice", POP3_ANSWERED, "-ERR Not after login\r\n");
	expect("STLS", POP3_ANSWERED, "-ERR Not after login\r\n");
	buf_clear(&out);
	request = pop3_state_line(&drop, SPAN("TOP 3 5"), &out);
	ck_assert_int_eq(request.action, POP3_RETRIEVE);
	ck_assert(request.index == 2 && request.top && request.lines == 5);
	pop3_retrieved(&drop, &request, &out);
	ck_assert_str_eq(buf_cstr(&out), "+OK\r\n");
	ck_assert(!messages[2].retrieved);
	buf_clear(&out);
	request = pop3_state_line(&drop, SPAN("RETR 3"), &out);
	ck_assert(request.action == POP3_RETRIEVE && request.index == 2 && !request.top);
	pop3_retrieved(&drop, &request, &out);
	ck_assert_str_eq(buf_cstr(&out), "+OK 300 octets\r\n");
	ck_assert(messages[2].retrieved);
	expect("RSET", POP3_ANSWERED, "+OK 3 messages (600 octets)\r\n");
	expect("DELE 1", POP3_ANSWERED, "+OK Marked for removal\r\n");
	expect("QUIT", POP3_UPDATE, "");
	buf_clear(&out);
	pop3_updated(&drop, 1, &out);
	ck_assert_str_eq(buf_cstr(&out), "+OK Bye\r\n");
	buf_clear(&out);
	pop3_updated(&drop, 0, &out);
	ck_assert_str_eq(buf_cstr(&out), "-ERR [SYS/TEMP] 1 of 1 messages not removed\r\n");
	buf_free(&out);
}
END_TEST

START_TEST(empty_drop)
{
	struct buf out = BUF_INIT(4096);

	drop = (struct pop3_state){ .uidvalidity = 1 };
	pop3_state_begin(&drop, &out);
	ck_assert_str_eq(buf_cstr(&out), "+OK 0 messages (0 octets)\r\n");
	expect("LIST", POP3_LISTING, "+OK 0 messages (0 octets)\r\n.\r\n");
	expect("UIDL", POP3_LISTING, "+OK\r\n.\r\n");
	expect("RETR 1", POP3_ANSWERED, "-ERR No such message\r\n");
	for (unsigned i = drop.errors + 1; i < POP3_ERRORS_MAX; i++)
		expect("LAST", POP3_ANSWERED, "-ERR Unknown command\r\n");
	expect("LAST", POP3_CLOSE, "-ERR Unknown command\r\n");
	buf_free(&out);
}
END_TEST

/* A client that removes all of a large maildrop: each DELE takes as long as the first. */
START_TEST(all_of_many)
{
	static struct pop3_message many[500000];
	size_t count = sizeof(many) / sizeof(many[0]);
	struct buf line = BUF_INIT(64), out = BUF_INIT(POP3_REPLY_MAX);

	for (size_t i = 0; i < count; i++)
		many[i] = (struct pop3_message){ .uid = (uint32_t)i + 1, .size = 10 };
	drop = (struct pop3_state){ .messages = many, .count = count, .uidvalidity = 1 };
	pop3_state_begin(&drop, &out);
	for (size_t i = 1; i < count; i++) {
		buf_clear(&line);
		buf_clear(&out);
		(void)buf_fmt(&line, "DELE %zu", i);
		ck_assert_int_eq(pop3_state_line(&drop, buf_get(&line), &out).action, POP3_ANSWERED);
	}
	expect("STAT", POP3_ANSWERED, "+OK 1 10\r\n");
	expect("RSET", POP3_ANSWERED, "+OK 500000 messages (5000000 octets)\r\n");
	buf_free(&line);
	buf_free(&out);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("pop3_state");
	TCase *before = tcase_create("authorization"), *after = tcase_create("transaction");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(before, setup, teardown);
	tcase_add_test(before, user_and_pass);
	tcase_add_test(before, auth_plain);
	tcase_add_test(before, no_passwords_in_plain);
	tcase_add_test(before, capabilities_follow_the_facts);
	tcase_add_test(before, nonsense_ends);
	tcase_add_test(before, refusals);
	tcase_add_test(after, transaction);
	tcase_add_test(after, empty_drop);
	tcase_add_test(after, all_of_many);
	suite_add_tcase(suite, before);
	suite_add_tcase(suite, after);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
