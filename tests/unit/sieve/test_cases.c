/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The cases of tests/data/sieve: a script, a message, and what comes of them. tests/data/sieve/README tells their form. */
#include <dirent.h>
#include <stdio.h>

#include "common/date.h"
#include "sieve/sieve.h"
#include "tests/unit/common/syntax.h"

#define FOLDER "tests/data/sieve"
#define SCRIPTS_MAX 8
#define NOW 1782907200 /* 2026-07-01 12:00:00 +0000, a Wednesday */

static const char *const standard_message =
    "Received: from a.example.com by b.example.org; Wed, 1 Jul 2026 13:00:00 +0200\n"
    "From: Coyote <coyote@desert.example.org>\n"
    "To: roadrunner@acme.example.com\n"
    "Cc: \"Bugs, B.\" <bugs+carrots@acme.example.com>\n"
    "Subject: I have a present for you\n"
    "Date: Wed, 1 Jul 2026 12:59:58 +0200\n"
    "Message-ID: <one@desert.example.org>\n"
    "\n"
    "Look, I'm sorry about the whole anvil thing.\n";

struct script {
	struct span name, text;
	bool global;
	struct sieve_program *program;
};

struct test_case {
	const char *file;
	struct span title, script, message, expected, errors;
	bool has_errors, has_message;
	struct script scripts[SCRIPTS_MAX];
	size_t script_count;
	struct sieve_host host;
};

/* UTC, and two hours more in summer. */
static int
summer(void *context, int64_t utc)
{
	int64_t year;
	unsigned month, day;

	(void)context;
	date_civil(utc / 86400, &year, &month, &day);
	return month >= 4 && month <= 9 ? 120 : 0;
}

/* --- reading --- */

static void
set_option(struct test_case *test, struct span word)
{
	struct span name;
	uint64_t number;

	(void)span_split(&word, '=', &name);
	if (span_eq(name, SPAN("from")))
		test->host.sender = word;
	else if (span_eq(name, SPAN("to")))
		test->host.recipient = word;
	else if (span_eq(name, SPAN("editheader")))
		test->host.options |= SIEVE_EDITHEADER;
	else if (span_eq(name, SPAN("spam")) && span_to_u64(word, 100, &number) == 0)
		test->host.spam = (int)number;
	else if (span_eq(name, SPAN("virus")) && span_to_u64(word, 5, &number) == 0)
		test->host.virus = (int)number;
	else if (span_eq(name, SPAN("zone")) && span_to_u64(word, 1000, &number) == 0)
		test->host.zone = (int)number;
	else if (span_eq(name, SPAN("summer")))
		test->host.zone_at = summer;
	else if (span_eq(name, SPAN("now")) && span_to_u64(word, INT64_MAX, &number) == 0)
		test->host.now = (int64_t)number;
	else
		ck_abort_msg("%s: %.*s: no option %.*s", test->file, (int)test->title.len, test->title.ptr, (int)name.len, name.ptr);
}

static void
set_section(struct test_case *test, struct span heading, struct span text)
{
	struct span name;

	(void)span_split(&heading, ' ', &name);
	if (span_eq(name, SPAN("script"))) {
		test->script = text;
	} else if (span_eq(name, SPAN("message"))) {
		test->message = text;
		test->has_message = true;
	} else if (span_eq(name, SPAN("actions"))) {
		test->expected = text;
	} else if (span_eq(name, SPAN("errors"))) {
		test->errors = text;
		test->has_errors = true;
	} else if (span_eq(name, SPAN("include")) || span_eq(name, SPAN("global"))) {
		ck_assert_uint_lt(test->script_count, SCRIPTS_MAX);
		test->scripts[test->script_count++] = (struct script){ heading, text, span_eq(name, SPAN("global")), NULL };
	} else if (span_eq(name, SPAN("with"))) {
		while (span_split(&heading, ' ', &name))
			set_option(test, name);
	} else {
		ck_abort_msg("%s: no section %.*s", test->file, (int)name.len, name.ptr);
	}
}

/* The lines up to the next that begins so. */
static struct span
take_until(struct span *text, const char *mark)
{
	struct span from = *text, line;

	while (text->len != 0 && !span_starts(*text, span_of(mark)))
		(void)span_split(text, '\n', &line);
	return span_make(from.ptr, from.len - text->len);
}

static void
read_case(struct test_case *test, struct span title, struct span text)
{
	struct span heading;

	*test = (struct test_case){ .file = test->file, .title = title };
	test->host = (struct sieve_host){ .delimiter = '+',
		.sender = SPAN("coyote@desert.example.org"), .recipient = SPAN("roadrunner@acme.example.com"), .spam = -1, .now = NOW,
		.environment = { [SIEVE_ENV_HOST] = SPAN("mail.acme.example.com"), [SIEVE_ENV_DOMAIN] = SPAN("acme.example.com"),
		    [SIEVE_ENV_PHASE] = SPAN("during"), [SIEVE_ENV_LOCATION] = SPAN("MDA"), [SIEVE_ENV_NAME] = SPAN("Fourpost") },
	};
	(void)take_until(&text, "--- ");
	while (span_split(&text, '\n', &heading))
		set_section(test, span_skip(heading, 4), take_until(&text, "--- "));
}

/* --- the host --- */

static bool
mailbox_exists(void *context, struct span name)
{
	(void)context;
	return span_eq(name, SPAN("INBOX")) || span_eq(name, SPAN("Junk")) || span_eq(name, SPAN("Partners"));
}

static bool
special_use(void *context, struct span mailbox, struct span attribute)
{
	(void)context;
	return span_ieq(attribute, SPAN("\\Junk")) && (mailbox.len == 0 || span_eq(mailbox, SPAN("Junk")));
}

static bool
is_remembered(void *context, struct span id)
{
	(void)context;
	return span_find(id, SPAN("seen")) >= 0;
}

static const struct sieve_program *
include(void *context, bool global, struct span name, const char **ret_error)
{
	struct test_case *test = context;
	struct buf errors = BUF_INIT(65536);

	for (size_t i = 0; i < test->script_count; i++) {
		struct script *script = &test->scripts[i];

		if (script->global != global || !span_eq(script->name, name))
			continue;
		if (script->program == NULL && sieve_compile(script->text, test->host.options, &script->program, &errors) != 0)
			*ret_error = "cannot be compiled";
		buf_free(&errors);
		return script->program;
	}
	return NULL;
}

/* --- running --- */

static struct span
with_crlf(struct span text, struct buf *out)
{
	struct span line;

	while (span_split(&text, '\n', &line)) {
		(void)buf_span(out, line);
		(void)buf_str(out, "\r\n");
	}
	return buf_get(out);
}

static void
show_part(struct buf *out, const char *name, struct span text)
{
	if (text.len != 0)
		(void)buf_fmt(out, "    %s \"%.*s\"\n", name, (int)text.len, text.ptr);
}

static void
show_list(struct buf *out, const char *name, const struct sieve_action *action)
{
	if (action->list_count != 0)
		(void)buf_fmt(out, "    %s", name);
	for (size_t i = 0; i < action->list_count; i++)
		(void)buf_fmt(out, " \"%.*s\"", (int)action->list[i].len, action->list[i].ptr);
	if (action->list_count != 0)
		(void)buf_char(out, '\n');
}

/* What sieve_action_show, which is for people, does not tell: on the line of the action, and on lines of their own. */
static void
show_rest(const struct sieve_action *action, struct buf *out)
{
	if (action->kind == SIEVE_VACATION)
		(void)buf_fmt(out, "%s every %llu s", action->mime ? " :mime" : "", (unsigned long long)action->seconds);
	if (action->kind == SIEVE_REMEMBER)
		(void)buf_fmt(out, " \"%.*s\" for %llu s", (int)action->text.len, action->text.ptr, (unsigned long long)action->seconds);
	if (action->kind == SIEVE_NOTIFY)
		(void)buf_fmt(out, " importance %c", action->importance);
	if (action->in_reply)
		(void)buf_str(out, " in the reply");
	(void)buf_char(out, '\n');
	if (action->kind != SIEVE_REMEMBER && action->text.len > 200)
		show_part(out, "whole", action->text);
	show_part(out, "subject", action->subject);
	show_part(out, "from", action->from);
	show_part(out, "message", action->message);
	if (action->kind == SIEVE_VACATION || action->kind == SIEVE_NOTIFY)
		show_list(out, action->kind == SIEVE_VACATION ? "addresses" : "options", action);
	show_part(out, "handle", action->handle);
}

static void
show(const struct sieve_result *result, struct buf *out)
{
	for (size_t i = 0; i < result->count; i++) {
		const struct sieve_action *action = &result->actions[i];

		sieve_action_show(action, out);
		show_rest(action, out);
		if (action->header != 0) {
			struct span header = result->headers[action->header], line;

			while (span_split(&header, '\n', &line))
				if (line.len > 1)
					(void)buf_fmt(out, "    %.*s\n", (int)line.len - 1, line.ptr);
		}
	}
	if (result->count == 0)
		(void)buf_str(out, "nothing\n");
}

static void
run_case(struct test_case *test)
{
	struct buf errors = BUF_INIT(65536), message = BUF_INIT(1 << 20), have = BUF_INIT(1 << 20);
	struct sieve_program *program = NULL;
	struct sieve_result result;
	struct buf name = BUF_INIT(1000);
	const char *about;

	(void)buf_fmt(&name, "%s: %.*s", test->file, (int)test->title.len, test->title.ptr);
	about = buf_cstr(&name);
	if (sieve_compile(test->script, test->host.options, &program, &errors) != 0) {
		ck_buf_at(&errors, test->errors, about, __LINE__);
		buf_free(&name);
		return;
	}
	ck_assert_msg(!test->has_errors, "%s: %.*s: no error", test->file, (int)test->title.len, test->title.ptr);
	test->host.message = with_crlf(test->has_message ? test->message : span_of(standard_message), &message);
	test->host.context = test;
	test->host.mailbox_exists = mailbox_exists;
	test->host.special_use = special_use;
	test->host.is_remembered = is_remembered;
	test->host.include = include;
	sieve_result_init(&result);
	if (sieve_run(program, &test->host, &result) != 0)
		(void)buf_fmt(&have, "error %u: %s\n", result.error_line, result.error);
	sieve_result_finish(&result);
	show(&result, &have);
	ck_buf_at(&have, test->expected, about, __LINE__);
	sieve_result_free(&result);
	(void)sieve_program_free(program);
	for (size_t i = 0; i < test->script_count; i++)
		(void)sieve_program_free(test->scripts[i].program);
	buf_free(&errors);
	buf_free(&message);
	buf_free(&name);
}

static unsigned
run_file(const char *name)
{
	char path[512];
	struct buf text = BUF_INIT(1 << 20);
	struct test_case test = { .file = name };
	struct span rest, title;
	unsigned cases = 0;
	FILE *file;
	size_t got;

	(void)snprintf(path, sizeof(path), FOLDER "/%s", name);
	file = fopen(path, "rb");
	ck_assert_ptr_nonnull(file);
	do {
		char chunk[4096];

		got = fread(chunk, 1, sizeof(chunk), file);
		(void)buf_put(&text, chunk, got);
	} while (got != 0);
	(void)fclose(file);
	rest = buf_get(&text);
	(void)take_until(&rest, "=== ");
	while (span_split(&rest, '\n', &title)) {
		read_case(&test, span_skip(title, 4), take_until(&rest, "=== "));
		run_case(&test);
		cases++;
	}
	buf_free(&text);
	return cases;
}

START_TEST(all_cases)
{
	DIR *dir = opendir(FOLDER);
	struct dirent *entry;
	unsigned cases = 0;

	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir)) != NULL)
		if (span_ends(span_of(entry->d_name), SPAN(".cases")))
			cases += run_file(entry->d_name);
	(void)closedir(dir);
	ck_assert_uint_ge(cases, 100);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { all_cases };

	return run_suite("sieve_cases", tests, COUNT(tests));
}
