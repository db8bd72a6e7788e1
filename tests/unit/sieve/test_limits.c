/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What is too large, too deep, too long or broken, and the messages that vacation and notify make. */
#include "common/encoded_word.h"
#include "common/header.h"
#include "sieve/answer.h"
#include "sieve/match.h"
#include "sieve/notify.h"
#include "sieve/sieve.h"
#include "sieve/vacation.h"
#include "tests/unit/common/syntax.h"

static const uint8_t random_bytes[16] = { 1, 2, 3 };

static struct sieve_program *
compiled(struct span script)
{
	struct buf errors = BUF_INIT(65536);
	struct sieve_program *program = NULL;

	ck_assert_msg(sieve_compile(script, 0, &program, &errors) == 0, "%s", buf_cstr(&errors));
	buf_free(&errors);
	return program;
}

static bool
true_of(void *context, struct span name)
{
	(void)context, (void)name;
	return true;
}

static bool
true_of_both(void *context, struct span mailbox, struct span attribute)
{
	return true_of(context, mailbox) && true_of(context, attribute);
}

START_TEST(large)
{
	struct buf script = BUF_INIT(16 << 20), errors = BUF_INIT(65536);
	struct sieve_program *program;

	while (script.len < 10 << 20)
		(void)buf_str(&script, "if header :contains \"subject\" \"x\" { keep; }\n");
	ck_assert_int_eq(sieve_compile(buf_get(&script), 0, &program, &errors), -EINVAL);
	ck_buf(&errors, SPAN("1: the script is larger than 1024 KiB\n"), "10 MB");
	buf_clear(&script);
	while (script.len < SIEVE_SCRIPT_MAX - 100)
		(void)buf_str(&script, "if header :contains \"subject\" \"x\" { keep; }\n");
	(void)sieve_program_free(compiled(buf_get(&script)));
	buf_free(&script);
}
END_TEST

/* Patterns that take exponential time where each "*" is tried anew for each before it. */
START_TEST(stars)
{
	struct buf message = BUF_INIT(1 << 20), script = BUF_INIT(65536);
	struct sieve_host host = { .spam = -1 };
	struct sieve_program *program;
	struct sieve_result result;
	int r;

	(void)buf_str(&message, "Subject: ");
	for (int i = 0; i < 200000; i++)
		(void)buf_char(&message, 'a');
	(void)buf_str(&message, "\r\n\r\n");
	(void)buf_str(&script, "if header :matches \"subject\" \"");
	for (int i = 0; i < 1000; i++)
		(void)buf_str(&script, "*a");
	(void)buf_str(&script, "b\" { discard; }");
	program = compiled(buf_get(&script));
	host.message = buf_get(&message);
	sieve_result_init(&result);
	r = sieve_run(program, &host, &result);
	ck_assert(r == 0 || span_eq(span_of(result.error), SPAN("the script takes too long")));
	sieve_result_finish(&result);
	ck_assert_uint_eq(result.count, 1);
	ck_assert_int_eq(result.actions[0].kind, SIEVE_KEEP);
	sieve_result_free(&result);
	/* And one that would take longer than a run may. */
	host.steps_max = 10000;
	sieve_result_init(&result);
	ck_assert_int_eq(sieve_run(program, &host, &result), -EINVAL);
	ck_assert_str_eq(result.error, "the script takes too long");
	sieve_result_free(&result);
	(void)sieve_program_free(program);
	buf_free(&message);
	buf_free(&script);
}
END_TEST

static void
fails(struct span script, const struct sieve_host *host, const char *error)
{
	struct sieve_program *program = compiled(script);
	struct sieve_result result;

	sieve_result_init(&result);
	ck_assert_msg(sieve_run(program, host, &result) == -EINVAL, "%.*s...: no error", 200, script.ptr);
	ck_assert_msg(span_starts(span_of(result.error), span_of(error)), "%.*s...: %s", 200, script.ptr, result.error);
	sieve_result_free(&result);
	(void)sieve_program_free(program);
}

/* What a short instruction has much to do with: a variable of 64 KiB, flags, lists of variables, questions. */
START_TEST(short_instructions)
{
	static const char *const rows[] = {
		"set :quotewildcard :encodeurl :length \"b\" \"${a}\";\n",
		"set :upper \"b\" \"${a}\";\n",
		"set \"b\" \"${a}\";\n",
		"if string \"${a}\" \"b\" {}\n",
		"if string \"\" [\"${a}\",\"${a}\",\"${a}\",\"${a}\"] {}\n",
		"if string :matches \"${a}\" \"*\" {}\n",
		"addflag \"${a}\";\n",
		"if hasflag \"a\" \"b\" {}\n",
		"keep :flags \"${a}\";\n",
		"if mailboxexists [\"a\",\"b\",\"c\",\"d\"] {}\n",
		"if specialuse_exists [\"\\\\Junk\",\"\\\\Sent\"] {}\n",
		"if duplicate :uniqueid \"x\" {}\n",
		"if valid_notify_method \"mailto:${a}\" {}\n",
	};
	struct sieve_host host = { .message = SPAN("Subject: x\r\n\r\n"), .spam = -1, .steps_max = 10 * 1000 * 1000, .mailbox_exists = true_of,
		.special_use = true_of_both, .is_remembered = true_of };

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf script = BUF_INIT(SIEVE_SCRIPT_MAX);

		(void)buf_str(&script, "require [\"variables\", \"enotify\", \"imap4flags\", \"mailbox\", \"special-use\", \"duplicate\"];\n"
		    "set \"a\" \"* * * * * * * * * * * * * * * * \";\n");
		for (int n = 0; n < 11; n++)
			(void)buf_str(&script, "set \"a\" \"${a}${a}\";\n");
		for (int n = 0; n < 4000; n++)
			(void)buf_str(&script, rows[i]);
		fails(buf_get(&script), &host, "the script takes too long");
		buf_free(&script);
	}
}
END_TEST

/* Who is written to has no say in which rules are reached: addresses of few octets cost little, whatever forms their domains have. */
START_TEST(many_domains)
{
	struct buf message = BUF_INIT(1 << 20);
	struct sieve_host host = { .spam = -1 };
	struct sieve_program *program = compiled(SPAN("if address :is [\"to\", \"cc\"] \"team@example.org\" { stop; }\n"
		"if address :contains [\"to\", \"cc\"] \"announce@\" { stop; }\nif address :domain \"to\" \"b\303\274cher.example\" { stop; }\n"
		"if header :contains \"subject\" \"spam\" { discard; }"));
	struct sieve_result result;

	for (int field = 0; field < 4; field++) {
		(void)buf_str(&message, "To: ");
		for (int i = 0; i < 9000; i++)
			(void)buf_fmt(&message, "%sa@%s", i == 0 ? "" : ",", field % 2 == 0 ? "\303\251" : "xn--e");
		(void)buf_str(&message, "\r\n");
	}
	(void)buf_str(&message, "Subject: spam\r\n\r\n");
	host.message = buf_get(&message);
	sieve_result_init(&result);
	ck_assert_int_eq(sieve_run(program, &host, &result), 0);
	sieve_result_finish(&result);
	ck_assert_uint_eq(result.count, 0);
	sieve_result_free(&result);
	(void)sieve_program_free(program);
	buf_free(&message);
}
END_TEST

/* Names of variables are compared with each that there is. */
START_TEST(many_variables)
{
	struct sieve_host host = { .message = SPAN("Subject: x\r\n\r\n"), .spam = -1, .steps_max = 5 * 1000 * 1000 };
	struct buf script = BUF_INIT(SIEVE_SCRIPT_MAX);

	(void)buf_str(&script, "require \"variables\";\n");
	for (int n = 0; n < SIEVE_VARIABLES_MAX; n++)
		(void)buf_fmt(&script, "set \"a_name_that_is_as_long_as_one_may_be_and_like_all_others_____%03d\" \"\";\n", n);
	for (int n = 0; n < 10000; n++)
		(void)buf_fmt(&script, "set \"a_name_that_is_as_long_as_one_may_be_and_like_all_others_____%03d\" \"\";\n", n % SIEVE_VARIABLES_MAX);
	fails(buf_get(&script), &host, "the script takes too long");
	buf_free(&script);
}
END_TEST

/* All variables together hold no more than a run may. */
START_TEST(held_variables)
{
	struct sieve_host host = { .message = SPAN("Subject: x\r\n\r\n"), .spam = -1 };
	struct buf script = BUF_INIT(SIEVE_SCRIPT_MAX);

	(void)buf_str(&script, "require [\"variables\", \"include\"];\nset \"a\" \"xxxxxxxxxxxxxxxx\";\n");
	for (int n = 0; n < 12; n++)
		(void)buf_str(&script, "set \"a\" \"${a}${a}\";\n");
	for (int n = 0; n < SIEVE_VARIABLES_MAX - 1; n++)
		(void)buf_fmt(&script, "set \"v%d\" \"${a}\"; set \"global.v%d\" \"${a}\";\n", n, n);
	(void)buf_str(&script, "set \"global.a\" \"${a}\";\n");
	fails(buf_get(&script), &host, "the variables of the script want too much memory");
	buf_free(&script);
}
END_TEST

/* Scripts as people write them, and a message with large files: there is time for that. */
START_TEST(large_body)
{
	static const char *const rows[] = {
		"if body :raw :contains \"viagra\" { discard; }\n",
		"if body :raw :matches \"*viagra*\" { discard; }\n",
		"if body :raw :contains :comparator \"i;unicode-casemap\" [\"viagra\", \"grün\"] { discard; }\n",
		"if body :text :contains [\"viagra\", \"casino\"] { discard; }\n",
		"if body :content [\"text\", \"application\"] :contains \"viagra\" { discard; }\n",
	};
	struct buf message = BUF_INIT(32 << 20);
	struct sieve_host host = { .spam = -1 };

	(void)buf_str(&message, "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>Hello</p>\r\n--b\r\n"
	    "Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n");
	while (message.len < 20 << 20)
		(void)buf_str(&message, "VGhlIHF1aWNrIGJyb3duIGZveCBqdW1wcyBvdmVyIHRoZSBsYXp5IGRvZyBhbmQgcnVucyBhd2F5\r\n");
	(void)buf_str(&message, "--b--\r\n");
	host.message = buf_get(&message);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf script = BUF_INIT(SIEVE_SCRIPT_MAX);
		struct sieve_program *program;
		struct sieve_result result;

		(void)buf_str(&script, "require [\"body\", \"comparator-i;unicode-casemap\"];\n");
		for (int n = 0; n < 8; n++)
			(void)buf_str(&script, rows[i]);
		program = compiled(buf_get(&script));
		sieve_result_init(&result);
		ck_assert_msg(sieve_run(program, &host, &result) == 0, "%s%s", rows[i], result.error);
		ck_assert(result.implicit_keep);
		sieve_result_free(&result);
		(void)sieve_program_free(program);
		buf_free(&script);
	}
	buf_free(&message);
}
END_TEST

static struct sieve_program *included[SIEVE_INCLUDES_MAX + 2];

static const struct sieve_program *
include(void *context, bool global, struct span name, const char **ret_error)
{
	(void)context, (void)global, (void)ret_error;
	return included[name.ptr[0] - 'a'];
}

/* Scripts within each other, and after each other. */
START_TEST(includes)
{
	struct sieve_host host = { .message = SPAN("Subject: x\r\n\r\n"), .spam = -1, .include = include };
	struct buf script = BUF_INIT(SIEVE_SCRIPT_MAX);

	for (size_t i = 0; i < COUNT(included); i++) {
		buf_clear(&script);
		if (i + 1 < COUNT(included))
			(void)buf_fmt(&script, "require \"include\"; include \"%c\";", (char)('b' + i));
		included[i] = compiled(buf_get(&script));
	}
	for (unsigned more = 0; more < 4; more++) {
		struct sieve_program *program;
		struct sieve_result result;

		buf_clear(&script);
		(void)buf_str(&script, "require \"include\";\n");
		for (unsigned i = 0; i < (more < 2 ? 1 : SIEVE_INCLUDED_MAX + more - 2); i++)
			(void)buf_fmt(&script, "include \"%c\";\n", more == 0 ? 'c' : more == 1 ? 'b' : (char)('a' + COUNT(included) - 1));
		program = compiled(buf_get(&script));
		sieve_result_init(&result);
		ck_assert_int_eq(sieve_run(program, &host, &result), more % 2 == 0 ? 0 : -EINVAL);
		ck_assert(more % 2 == 0 || span_starts(span_of(result.error), SPAN("too many scripts include each other")));
		sieve_result_free(&result);
		(void)sieve_program_free(program);
	}
	for (size_t i = 0; i < COUNT(included); i++)
		included[i] = sieve_program_free(included[i]);
	buf_free(&script);
}
END_TEST

/* What stands in a text is found there, and nothing else is. */
START_TEST(parts_of_text)
{
	struct match match = { .type = MATCH_CONTAINS, .comparator = MATCH_OCTET };
	uint32_t random = 1;

	for (int n = 0; n < 20000; n++) {
		char text[24], key[5];
		uint64_t steps = 1000;
		struct span value, keys[2];

		for (size_t i = 0; i < sizeof(text) + sizeof(key); i++) {
			random = random * 1103515245 + 12345;
			*(i < sizeof(text) ? &text[i] : &key[i - sizeof(text)]) = (char)('a' + (random >> 16 & 1));
		}
		value = span_make(text, (size_t)n % sizeof(text));
		keys[0] = SPAN("no such text");
		keys[1] = span_make(key, (size_t)n % (sizeof(key) + 1));
		ck_assert_int_eq(match_value(&match, value, keys, 2, &steps, NULL), span_find(value, keys[1]) >= 0);
		ck_assert_uint_lt(steps, 1000);
	}
}
END_TEST

/* Nothing of a run that failed is in the result: neither in the actions of an earlier one, nor in the memory that a later one has. */
START_TEST(undone)
{
	static const struct {
		const char *script;
		bool fails;
	} rows[] = {
		{ "require [\"fileinto\", \"copy\", \"imap4flags\", \"editheader\"]; addheader \"X-A\" \"a\"; fileinto :copy :flags \"\\\\Seen\" \"A\";", false },
		{ "require [\"fileinto\", \"imap4flags\", \"editheader\", \"mailbox\", \"ihave\"]; addheader \"X-B\" \"b\"; setflag \"b\";"
		  " fileinto :create :flags \"\\\\Deleted\" \"A\"; keep; error \"x\";", true },
		{ NULL, true },
		{ "require [\"fileinto\", \"editheader\"]; addheader \"X-C\" \"c\"; fileinto \"C\";", false },
	};
	struct sieve_host host = { .message = SPAN("Subject: x\r\n\r\n"), .spam = -1, .options = SIEVE_EDITHEADER, .is_remembered = true_of };
	struct buf shown = BUF_INIT(65536), filling = BUF_INIT(SIEVE_SCRIPT_MAX);
	struct sieve_result result;

	(void)buf_str(&filling, "require [\"variables\", \"duplicate\"]; set \"a\" \"xxxxxxxxxxxxxxxx\";\n");
	for (int n = 0; n < 12; n++)
		(void)buf_str(&filling, "set \"a\" \"${a}${a}\";\n");
	for (int n = 0; n < 600; n++)
		(void)buf_str(&filling, "if duplicate :uniqueid \"${a}\" {}\n");
	sieve_result_init(&result);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sieve_program *program;
		struct buf errors = BUF_INIT(65536);

		ck_assert_msg(sieve_compile(rows[i].script != NULL ? span_of(rows[i].script) : buf_get(&filling), SIEVE_EDITHEADER, &program, &errors) == 0,
		    "%s", buf_cstr(&errors));
		ck_assert_msg((sieve_run(program, &host, &result) != 0) == rows[i].fails, "%zu: %s", i, result.error);
		(void)sieve_program_free(program);
	}
	sieve_result_finish(&result);
	for (size_t i = 0; i < result.count; i++) {
		sieve_action_show(&result.actions[i], &shown);
		(void)buf_fmt(&shown, " %.*s|", (int)result.headers[result.actions[i].header].len, result.headers[result.actions[i].header].ptr);
	}
	ck_buf(&shown, SPAN("fileinto \"A\" :copy [\\Seen] (header edited) X-A: a\r\nSubject: x\r\n\r\n|"
	    "fileinto \"C\" (header edited) X-C: c\r\nX-A: a\r\nSubject: x\r\n\r\n|"), "actions");
	sieve_result_free(&result);
	buf_free(&shown);
	buf_free(&filling);
}
END_TEST

/* A program with one byte changed is refused, or runs to its end. */
START_TEST(damaged)
{
	struct sieve_program *program = compiled(SPAN("require [\"fileinto\", \"variables\"]; if anyof (header :matches \"subject\" \"*\", true) {"
	    " fileinto \"${1}\"; } else { redirect \"a@example.com\"; }"));
	struct span bytes = sieve_program_bytes(program);
	struct sieve_host host = { .message = SPAN("Subject: x\r\n\r\n"), .spam = -1 };
	char copy[512];

	ck_assert_uint_lt(bytes.len, sizeof(copy));
	for (size_t i = 0; i < bytes.len; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			struct sieve_program *changed;
			struct sieve_result result;

			memcpy(copy, bytes.ptr, bytes.len);
			copy[i] = (char)(copy[i] ^ 1 << bit);
			if (sieve_program_load(span_make(copy, bytes.len), &changed) != 0)
				continue;
			sieve_result_init(&result);
			(void)sieve_run(changed, &host, &result);
			sieve_result_free(&result);
			(void)sieve_program_free(changed);
		}
	for (size_t len = 0; len < bytes.len; len++)
		ck_assert_int_eq(sieve_program_load(span_make(bytes.ptr, len), &program), -EBADMSG);
	(void)sieve_program_free(program);
}
END_TEST

START_TEST(names)
{
	ck_assert(sieve_name_is_valid(SPAN("vacation 2026")) && sieve_name_is_valid(SPAN("grün")));
	ck_assert(!sieve_name_is_valid(SPAN("")) && !sieve_name_is_valid(SPAN("../x")) && !sieve_name_is_valid(SPAN(".x")) &&
	    !sieve_name_is_valid(SPAN("a\nb")) && !sieve_name_is_valid(SPAN("a\xff")));
}
END_TEST

/* RFC 5230 section 4.5 and 4.6, RFC 3834 section 2. */
START_TEST(vacation_rules)
{
	static const struct {
		const char *sender, *header, *reason;
	} rows[] = {
		{ "a@example.com", "To: me@example.org\r\n", NULL },
		{ "a@example.com", "Cc: x@example.org, Me <ME@example.org>\r\n", NULL },
		{ "a@example.com", "Resent-Bcc: other@example.org\r\n", NULL },
		{ "a@example.com", "To: x@example.org\r\n", "it does not name the user as a recipient" },
		{ "", "To: me@example.org\r\n", "it has no sender" },
		{ "a b@example.com", "To: me@example.org\r\n", "its sender is no address" },
		{ "MAILER-DAEMON@example.com", "To: me@example.org\r\n", "its sender is a machine" },
		{ "owner-list@example.com", "To: me@example.org\r\n", "its sender is a machine" },
		{ "list-request@example.com", "To: me@example.org\r\n", "its sender is a machine" },
		{ "postmaster@example.com", "To: me@example.org\r\n", NULL },
		{ "me@example.org", "To: me@example.org\r\n", "it is the user's own" },
		{ "a@example.com", "To: me@example.org\r\nList-Id: <x>\r\n", "it came through a mailing list" },
		{ "a@example.com", "To: me@example.org\r\nAuto-Submitted: auto-replied\r\n", "it was made by a machine" },
		{ "a@example.com", "To: me@example.org\r\nAuto-Submitted: (x) no\r\n", NULL },
		{ "a@example.com", "To: me@example.org\r\nPrecedence: bulk\r\n", "it is bulk mail" },
		{ "a@example.com", "To: me@example.org\r\nprecedence: (x) List\r\n", "it is bulk mail" },
		{ "a@example.com", "To: me@example.org\r\nPrecedence: junk\r\n", "it is bulk mail" },
		{ "a@example.com", "To: me@example.org\r\nPrecedence: first-class\r\n", NULL },
		{ "a@example.com", "To: me@example.org\r\nList-Unsubscribe: <mailto:x@example.com>\r\n", "it came through a mailing list" },
		{ "a@example.com", "To: me@example.org\r\nX-Auto-Response-Suppress: DR, OOF\r\n", "it asks for no automatic answer" },
		{ "a@example.com", "To: me@example.org\r\nX-Auto-Response-Suppress: All\r\n", "it asks for no automatic answer" },
		{ "a@example.com", "To: me@example.org\r\nx-auto-response-suppress: autoreply\r\n", "it asks for no automatic answer" },
		{ "a@example.com", "To: me@example.org\r\nX-Auto-Response-Suppress: DR, RN\r\n", NULL },
		{ "LISTSERV@example.com", "To: me@example.org\r\n", "its sender is a machine" },
		{ "majordomo@example.com", "To: me@example.org\r\n", "its sender is a machine" },
		{ "mailman@example.com", "To: me@example.org\r\n", "its sender is a machine" },
		{ "noreply@example.com", "To: me@example.org\r\n", "its sender is a machine" },
		{ "No-Reply@example.com", "To: me@example.org\r\n", "its sender is a machine" },
		{ "donotreply@example.com", "To: me@example.org\r\n", "its sender is a machine" },
		{ "do-not-reply@example.com", "To: me@example.org\r\n", "its sender is a machine" },
		{ "bounce@example.com", "To: me@example.org\r\n", "its sender is a machine" },
		{ "bounces@example.com", "To: me@example.org\r\n", "its sender is a machine" },
		{ "root@example.com", "To: me@example.org\r\n", "its sender is a machine" },
		{ "daemon@example.com", "To: me@example.org\r\n", "its sender is a machine" },
		{ "list-owner@example.com", "To: me@example.org\r\n", "its sender is a machine" },
		{ "list-bounces@example.com", "To: me@example.org\r\n", "its sender is a machine" },
		{ "bounce-17@example.com", "To: me@example.org\r\n", "its sender is a machine" },
		{ "bounces+17@example.com", "To: me@example.org\r\n", "its sender is a machine" },
		{ "SRS0=HHH=TT=example.net=a@example.com", "To: me@example.org\r\n", "its sender is a machine" },
		{ "srs1=HHH=example.net==HHH=TT=example.org=a@example.com", "To: me@example.org\r\n", "its sender is a machine" },
		{ "roots@example.com", "To: me@example.org\r\n", NULL },
		{ "a@noreply.example.com", "To: me@example.org\r\n", NULL },
		{ "a@example.com", "Bcc: me@example.org\r\n", NULL },
		{ "a@example.com", "Resent-To: me@example.org\r\n", NULL },
		{ "a@example.com", "Resent-Cc: me@example.org\r\n", NULL },
		{ "a@example.com", "X-To: me@example.org\r\nReply-To: me@example.org\r\n", "it does not name the user as a recipient" },
	};
	static const struct span addresses[] = { SPAN("other@example.org") };
	struct sieve_action action = { .kind = SIEVE_VACATION, .list = addresses, .list_count = 1 };

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sieve_host host = { .message = span_of(rows[i].header), .sender = span_of(rows[i].sender), .recipient = SPAN("me+x@example.org") };
		const char *reason = vacation_forbidden(&action, &host, SPAN_NULL, SPAN("me@example.org"));

		host.spam = 99;
		ck_assert_msg((vacation_forbidden(&action, &host, SPAN_NULL, SPAN("me@example.org")) == NULL) == (reason == NULL), "%zu: nearly spam", i);
		ck_assert_msg((host.spam = 100, vacation_forbidden(&action, &host, SPAN_NULL, SPAN("me@example.org"))) != NULL, "%zu: spam is answered", i);
		ck_assert_msg(reason == rows[i].reason || (reason != NULL && rows[i].reason != NULL && strcmp(reason, rows[i].reason) == 0),
		    "%zu: %s", i, reason);
	}
}
END_TEST

START_TEST(vacation_text)
{
	struct sieve_action action = { .kind = SIEVE_VACATION, .text = SPAN("Ich bin im Grünen.\n") };
	struct sieve_host host = { .message = SPAN("Subject: Hi\r\nMessage-ID: <b@x>\r\nReferences: <a@x>\r\n\r\n"), .sender = SPAN("a@example.com"),
		.recipient = SPAN("me@example.org"), .now = 1782907200 };
	struct buf out = BUF_INIT(65536);

	ck_assert_int_eq(vacation_compose(&action, &host, SPAN_NULL, SPAN("me@example.org"), SPAN("mail.example.org"), random_bytes, &out), 0);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "From: me@example.org\r\nTo: a@example.com\r\nSubject: Auto: Hi\r\n"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "\r\nIn-Reply-To: <b@x>\r\nReferences: <a@x> <b@x>\r\n"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "\r\nAuto-Submitted: auto-replied (vacation)\r\nX-Auto-Response-Suppress: All\r\n"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "Content-Type: text/plain; charset=utf-8\r\n"));
	buf_clear(&out);
	/* RFC 5230 section 5.3. */
	host.message = SPAN("Message-ID: <b@x>\r\n\r\n");
	ck_assert_int_eq(vacation_compose(&action, &host, SPAN_NULL, SPAN("me@example.org"), SPAN("mail.example.org"), random_bytes, &out), 0);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "\r\nSubject: Automated reply\r\n"));
	buf_free(&out);
	action.mime = true;
	action.text = SPAN("Content-Type: text/html\nBcc: x@example.com\n\n<p>away</p>\n");
	ck_assert_int_eq(vacation_compose(&action, &host, SPAN_NULL, SPAN("me@example.org"), SPAN("mail.example.org"), random_bytes, &out), 0);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "\r\nContent-Type: text/html\r\n\r\n<p>away</p>\r\n"));
	ck_assert_ptr_null(strstr(buf_cstr(&out), "Bcc"));
	buf_clear(&out);
	action.text = SPAN("Content-Type: text/plain; charset=utf-8\n\nGrüße\n");
	ck_assert_int_eq(vacation_compose(&action, &host, SPAN_NULL, SPAN("me@example.org"), SPAN("mail.example.org"), random_bytes, &out), 0);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n"));
	buf_clear(&out);
	action.text = SPAN("Content-Transfer-Encoding: binary\n\nGrüße\n");
	ck_assert_int_eq(vacation_compose(&action, &host, SPAN_NULL, SPAN("me@example.org"), SPAN("mail.example.org"), random_bytes, &out), 0);
	ck_assert_ptr_null(strstr(buf_cstr(&out), "8bit"));
	buf_clear(&out);
	/* RFC 5230 section 4.4. */
	action.text = SPAN("Content-Type: multipart/alternative; boundary=foo\n\n--foo\n\nI'm at the beach relaxing.  Mmmm, surf...\n\n--foo\n"
	    "Content-Type: text/html; charset=us-ascii\n\n<BODY><P>I'm at the <A HREF=\"beach.gif\">beach</A> relaxing.</BODY>\n\n--foo--\n");
	ck_assert_int_eq(vacation_compose(&action, &host, SPAN_NULL, SPAN("me@example.org"), SPAN("mail.example.org"), random_bytes, &out), 0);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=foo\r\n\r\n--foo\r\n\r\n"
	    "I'm at the beach relaxing.  Mmmm, surf...\r\n\r\n--foo\r\nContent-Type: text/html; charset=us-ascii\r\n\r\n"
	    "<BODY><P>I'm at the <A HREF=\"beach.gif\">beach</A> relaxing.</BODY>\r\n\r\n--foo--\r\n"));
	buf_free(&out);
}
END_TEST

/* Names in UTF-8 and line ends among them, in From and To; others' ids that no host need take. */
START_TEST(answers_are_ascii)
{
	static const struct {
		const char *from, *wanted;
	} rows[] = {
		{ "J\303\266rg M\303\274ller <me@example.org>", "From: =?utf-8?" },
		{ "\"A\nB <me@example.org>\"", "From: me@example.org\r\n" },
		{ "\"A\nB\" <me@example.org>", "From: " },
		{ "no address", "From: me@example.org\r\n" },
	};
	struct sieve_host host = { .message = SPAN("Subject: Hi\r\nMessage-ID: <b\303\266@x>\r\nReferences: <a@x>\r\n\r\n"),
		.sender = SPAN("a@example.com"), .recipient = SPAN("me@example.org"), .any_from = true, .now = 1782907200 };
	struct buf out = BUF_INIT(65536);

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sieve_action away = { .kind = SIEVE_VACATION, .text = SPAN("Away."), .from = span_of(rows[i].from) };
		struct sieve_action news = { .kind = SIEVE_NOTIFY, .text = SPAN("mailto:J%C3%B6rg%20%3Ca@example.com%3E"), .from = away.from };

		buf_clear(&out);
		ck_assert_int_eq(vacation_compose(&away, &host, SPAN_NULL, SPAN("me@example.org"), SPAN("mail.example.org"), random_bytes, &out), 0);
		ck_assert_msg(span_starts(buf_get(&out), span_of(rows[i].wanted)) && span_is_ascii(buf_get(&out)), "%s", buf_cstr(&out));
		ck_assert(strstr(buf_cstr(&out), "me@example.org") < strstr(buf_cstr(&out), "To: a@example.com\r\n"));
		ck_assert_ptr_null(strstr(buf_cstr(&out), "In-Reply-To:"));
		buf_clear(&out);
		ck_assert_int_eq(notify_compose(&news, &host, SPAN_NULL, SPAN("me@example.org"), SPAN("mail.example.org"), random_bytes, &out), 0);
		ck_assert_msg(span_starts(buf_get(&out), span_of(rows[i].wanted)) && span_is_ascii(buf_get(&out)), "%s", buf_cstr(&out));
		ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "\r\nTo: =?utf-8?"));
	}
	host.message = SPAN("Message-ID: <b@x>\r\nReferences: <a@x> <\303\266@x>\r\n\r\n");
	buf_clear(&out);
	ck_assert_int_eq(vacation_compose(&(struct sieve_action){ .kind = SIEVE_VACATION, .text = SPAN("Away.") }, &host, SPAN_NULL, SPAN("me@example.org"),
	    SPAN("mail.example.org"), random_bytes, &out), 0);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "\r\nReferences: <a@x> <b@x>\r\n"));
	buf_free(&out);
}
END_TEST

/* RFC 5293 section 7: what a script has edited is what is answered; but what was not to be answered as it came is not. */
START_TEST(edited_headers)
{
	static const struct {
		const char *came, *edited, *reason;
	} rows[] = {
		{ "To: me@example.org\r\n", "To: me@example.org\r\nX: y\r\n\r\n", NULL },
		{ "To: me@example.org\r\n", "To: me@example.org\r\nPrecedence: bulk\r\n\r\n", "it is bulk mail" },
		{ "To: me@example.org\r\nList-Id: <x>\r\n", "To: me@example.org\r\n\r\n", "it came through a mailing list" },
		{ "To: me@example.org\r\n", "To: x@example.org\r\n\r\n", "it does not name the user as a recipient" },
		{ "To: x@example.org\r\n", "To: me@example.org\r\n\r\n", "it does not name the user as a recipient" },
		{ "To: me@example.org\r\n", "\r\n", "it does not name the user as a recipient" },
	};
	struct sieve_action away = { .kind = SIEVE_VACATION, .text = SPAN("Away.") };
	struct sieve_action news = { .kind = SIEVE_NOTIFY, .text = SPAN("mailto:a@example.com") };
	struct sieve_host host = { .sender = SPAN("a@example.com"), .recipient = SPAN("me@example.org"), .now = 1782907200 };
	const struct span edited = SPAN("Subject: After\r\nMessage-ID: <c@x>\r\n\r\n");
	struct buf out = BUF_INIT(65536);

	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *reason;

		host.message = span_of(rows[i].came);
		reason = vacation_forbidden(&away, &host, span_of(rows[i].edited), SPAN("me@example.org"));
		ck_assert_msg(reason == rows[i].reason || (reason != NULL && rows[i].reason != NULL && strcmp(reason, rows[i].reason) == 0),
		    "%zu: %s", i, reason);
	}
	host.message = SPAN("Subject: Before\r\nMessage-ID: <b@x>\r\n\r\n");
	ck_assert_int_eq(vacation_compose(&away, &host, edited, SPAN("me@example.org"), SPAN("mail.example.org"), random_bytes, &out), 0);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "\r\nSubject: Auto: After\r\n"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "\r\nIn-Reply-To: <c@x>\r\n"));
	buf_clear(&out);
	ck_assert_int_eq(notify_compose(&news, &host, edited, SPAN("me@example.org"), SPAN("mail.example.org"), random_bytes, &out), 0);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "\r\nSubject: After\r\n"));
	buf_free(&out);
}
END_TEST

/* RFC 5233: what begins a detail is the site's choice. */
START_TEST(delimiters)
{
	static const struct {
		char delimiter;
		bool found;
	} rows[] = { { '-', true }, { '+', false }, { '\0', false } };
	struct sieve_program *program = compiled(SPAN("require \"subaddress\"; if address :detail \"to\" \"b+c\" { discard; }"));

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sieve_host host = { .message = SPAN("To: a-b+c@example.org\r\n\r\n"), .delimiter = rows[i].delimiter, .spam = -1 };
		struct sieve_result result;

		sieve_result_init(&result);
		ck_assert_int_eq(sieve_run(program, &host, &result), 0);
		ck_assert_int_eq(!result.implicit_keep, rows[i].found);
		sieve_result_free(&result);
	}
	(void)sieve_program_free(program);
}
END_TEST

static enum sieve_own
own(void *context, struct span address)
{
	(void)context;
	return span_eq(address, SPAN("me+tag@example.org"))    ? SIEVE_OWN_NOT :
	    span_eq(address, SPAN("office@example.org")) ? SIEVE_OWN_SHARED :
	    span_eq(address, SPAN("alone@example.org"))  ? SIEVE_OWN :
							   SIEVE_OWN_NOT;
}

/* Addresses that the caller knows to be the user's; of those that others have too only :addresses makes a reason to answer. */
START_TEST(known_addresses)
{
	static const struct {
		const char *address, *from;
		bool answered, given;
	} rows[] = {
		{ "office@example.org", "office@example.org", false, false },
		{ "office@example.org", "office@example.org", true, true },
		{ "alone@example.org", "alone@example.org", true, false },
		{ "me+tag@example.org", "me@example.org", false, false }, /* another account's name */
		{ "boss@example.org", "me@example.org", false, false },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct span address = span_of(rows[i].address);
		struct sieve_action action = { .kind = SIEVE_VACATION, .from = address, .list = &address, .list_count = rows[i].given };
		struct buf message = BUF_INIT(1000);
		struct sieve_host host = { .sender = SPAN("a@example.com"), .recipient = SPAN("me@example.org"), .delimiter = '+', .own = own };

		(void)buf_fmt(&message, "To: %s\r\n\r\n", rows[i].address);
		host.message = buf_get(&message);
		ck_assert_int_eq(vacation_forbidden(&action, &host, SPAN_NULL, SPAN("me@example.org")) == NULL, rows[i].answered);
		ck_assert(span_eq(answer_from(&action, &host, SPAN("me@example.org")), span_of(rows[i].from)));
		buf_free(&message);
	}
}
END_TEST

/* In another's name nobody is written to, where the site checks that. */
START_TEST(whose_name)
{
	static const struct {
		const char *from;
		bool any_from;
		const char *wanted;
	} rows[] = {
		{ "", false, "me@example.org" },
		{ "Me <ME@example.org>", false, "Me <ME@example.org>" },
		{ "me+tag@example.org", false, "me+tag@example.org" },
		{ "Office <info@example.org>", false, "Office <info@example.org>" }, /* whom it was sent to */
		{ "boss@example.org", false, "me@example.org" },
		{ "me@example.org, boss@example.org", false, "me@example.org" },
		{ "<me@example.org> <boss@example.org>", false, "me@example.org" },
		{ "me+tag@example.com", false, "me@example.org" },
		{ "m+e@example.org", false, "me@example.org" },
		{ "undisclosed:;", false, "me@example.org" },
		{ "boss@example.org", true, "boss@example.org" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sieve_action action = { .kind = SIEVE_VACATION, .from = span_of(rows[i].from) };
		struct sieve_host host = { .recipient = SPAN("info@example.org"), .delimiter = '+', .any_from = rows[i].any_from };
		struct span from = answer_from(&action, &host, SPAN("me@example.org"));

		ck_assert_msg(span_eq(from, span_of(rows[i].wanted)), "%s: %.*s", rows[i].from, (int)from.len, from.ptr);
	}
}
END_TEST

static void
note(void *context, struct span address)
{
	(void)buf_fmt(context, "%.*s ", (int)address.len, address.ptr);
}

/* The subject is cut between characters. */
START_TEST(long_subjects)
{
	struct sieve_action away = { .kind = SIEVE_VACATION, .text = SPAN("Away.") };
	struct sieve_action news = { .kind = SIEVE_NOTIFY, .text = SPAN("mailto:a@example.com") };
	struct sieve_host host = { .message = SPAN("\r\n"), .sender = SPAN("a@example.com"), .now = 1782907200 };
	struct buf text = BUF_INIT(65536), out = BUF_INIT(65536), decoded = BUF_INIT(65536);
	struct header_field field;

	for (unsigned i = 0; i < 3000; i++)
		(void)buf_str(&text, i == 0 ? "x" : "\303\251");
	away.subject = news.message = buf_get(&text);
	for (unsigned i = 0; i < 2; i++) {
		buf_clear(&out);
		buf_clear(&decoded);
		ck_assert_int_eq(i == 0 ? vacation_compose(&away, &host, SPAN_NULL, SPAN("me@example.org"), SPAN("mail.example.org"), random_bytes, &out) :
			notify_compose(&news, &host, SPAN_NULL, SPAN("me@example.org"), SPAN("mail.example.org"), random_bytes, &out), 0);
		ck_assert(header_find(buf_get(&out), SPAN("Subject"), &field));
		ck_assert_int_eq(encoded_word_decode(field.value, &decoded), 0);
		ck_assert_uint_gt(decoded.len, 1000);
		ck_assert(span_starts(buf_get(&text), span_trim(buf_get(&decoded))));
	}
	buf_free(&text);
	buf_free(&out);
	buf_free(&decoded);
}
END_TEST

START_TEST(notify_text)
{
	struct sieve_action action = { .kind = SIEVE_NOTIFY, .importance = '1' };
	struct sieve_host host = { .message = SPAN("Subject: Hi\r\n\r\n"), .now = 1782907200 };
	struct buf out = BUF_INIT(65536);

	ck_assert(notify_is_valid(SPAN("mailto:a@example.com")) && !notify_is_valid(SPAN("mailto:")) && !notify_is_valid(SPAN("mailto:x")) &&
	    !notify_is_valid(SPAN("http://a@example.com")));
	action.text = SPAN("mailto:a@example.com?to=c@example.com&subject=News&body=Hi%0D%0AYou&Bcc=d@example.com&authentication-results=example.org;%20dmarc=pass&X-Spam-Flag=NO&X-Own=1%0d%0aX:2");
	notify_recipients(action.text, note, &out);
	ck_buf(&out, SPAN("a@example.com c@example.com "), "recipients");
	buf_clear(&out);
	notify_recipients(SPAN("mailto:a@x?subject=x&CC=b@x&bcc=c@x"), note, &out);
	ck_buf(&out, SPAN("a@x b@x "), "copies (RFC 5436 section 2.7)");
	buf_clear(&out);
	notify_recipients(SPAN("mailto:a@x?to=A@x&cc=a@X,b@x"), note, &out);
	ck_buf(&out, SPAN("a@x A@x b@x "), "each once");
	buf_clear(&out);
	ck_assert(notify_is_valid(SPAN("mailto:?cc=a@x")) && !notify_is_valid(SPAN("mailto:a@x?cc=b")));
	ck_assert(notify_is_valid(SPAN("mailto:a@x,b@x,c@x?to=d@x,e@x")) && !notify_is_valid(SPAN("mailto:a@x,b@x,c@x?to=d@x,e@x,f@x")));
	notify_recipients(SPAN("mailto:a@x,b@x,c@x?to=d@x,e@x,f@x"), note, &out);
	ck_buf(&out, SPAN("a@x b@x c@x d@x e@x "), "no more than NOTIFY_RECIPIENTS_MAX");
	buf_clear(&out);
	ck_assert_int_eq(notify_compose(&action, &host, SPAN_NULL, SPAN("me@example.org"), SPAN("mail.example.org"), random_bytes, &out), 0);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "Subject: News\r\n"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "Auto-Submitted: auto-notified; owner-email=\"me@example.org\"\r\n"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "\r\n\r\nHi\r\nYou"));
	ck_assert_ptr_null(strstr(buf_cstr(&out), "Bcc"));
	ck_assert_ptr_null(strstr(buf_cstr(&out), "dmarc"));
	ck_assert_ptr_null(strstr(buf_cstr(&out), "X-Spam"));
	ck_assert_ptr_null(strstr(buf_cstr(&out), "\nX:"));
	buf_free(&out);
	ck_assert_ptr_null(notify_forbidden(&host));
	host.message = SPAN("Auto-Submitted: auto-generated\r\n\r\n");
	ck_assert_ptr_nonnull(notify_forbidden(&host));
	host.message = SPAN("Auto-Submitted: no\r\n\r\n");
	ck_assert_ptr_null(notify_forbidden(&host));
	host.message = SPAN("Auto-Submitted: no\r\nAuto-Submitted: auto-generated\r\n\r\n");
	ck_assert_ptr_nonnull(notify_forbidden(&host));
}
END_TEST

/* RFC 5436 section 3: the message that is notified of there, and what comes of it. */
START_TEST(notify_example)
{
	struct sieve_action action = { .kind = SIEVE_NOTIFY, .importance = '3', .message = SPAN("From Knitting list: A new sweater"),
		.text = SPAN("mailto:0123456789@sms.example.net?to=backup@example.com") };
	struct sieve_host host = { .sender = SPAN("knitting-bounces@example.com"), .recipient = SPAN("recipient@example.org"), .now = 1133950135,
		.zone = -300, .message = SPAN("Message-ID: <1234567.89ABCDEF@example.com>\r\nPrecedence: list\r\n"
		"List-Id: Knitting Mailing List <knitting.example.com>\r\nFrom: \"Jeff Smith\" <jeff@hobbies.example.com>\r\n"
		"To: \"Knitting Mailing List\" <knitting@example.com>\r\nSubject: [Knitting] A new sweater\r\n\r\n"
		"I just finished a great new sweater!\r\n") };
	struct buf out = BUF_INIT(65536);

	ck_assert_ptr_null(notify_forbidden(&host));
	ck_assert_int_eq(notify_compose(&action, &host, SPAN_NULL, SPAN("recipient@example.org"), SPAN("example.org"), random_bytes, &out), 0);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "From: recipient@example.org\r\nTo: 0123456789@sms.example.net, backup@example.com\r\n"
	    "Subject: From Knitting list: A new sweater\r\nDate: Wed, 07 Dec 2005 05:08:55 -0500\r\n"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "\r\nAuto-Submitted: auto-notified; owner-email=\"recipient@example.org\"\r\n"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "\r\nImportance: low\r\n"));
	ck_assert_ptr_null(strstr(buf_cstr(&out), "List-Id"));
	ck_assert_ptr_null(strstr(buf_cstr(&out), "I just finished"));
	buf_free(&out);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { large, stars, short_instructions, many_variables, many_domains, held_variables, large_body, includes, parts_of_text, undone, damaged, names,
		vacation_rules, vacation_text, edited_headers, answers_are_ascii, delimiters, whose_name, known_addresses, long_subjects, notify_text,
		notify_example };

	return run_suite("sieve_limits", tests, COUNT(tests));
}
