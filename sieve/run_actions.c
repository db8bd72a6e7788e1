/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Actions: what a script wants done, and which do not go together. */
#include "sieve/flags.h"
#include "sieve/notify.h"
#include "sieve/run.h"
#include "sieve/run_parts.h"

#include <errno.h>

#include "common/address_list.h"

#define DAY 86400
#define VACATION_DAYS 7      /* RFC 5230 section 4.1 */
#define VACATION_DAYS_MAX 365

#define SHOWN(span) (int)((span).len < 200 ? (span).len : 200), (span).ptr != NULL ? (span).ptr : ""

static unsigned
count_kind(const struct sieve_result *result, enum sieve_action_kind kind)
{
	unsigned count = 0;

	for (size_t i = 0; i < result->count; i++)
		count += result->actions[i].kind == kind;
	return count;
}

/* What delivers does not go with what refuses (RFC 5429 section 2.4.1, RFC 5230 section 4.7). */
static int
check_not_rejected(struct run *run, const char *what)
{
	if (count_kind(run->result, SIEVE_REJECT) == 0)
		return 0;
	return run_error(run, "%s does not go together with reject", what);
}

/* --- flags --- */

/* What it takes to go through flags: each is compared with all that there are. */
static int
spend_flags(struct run *run, struct span text)
{
	return run_spend(run, 5 * text.len);
}

static void
add_flags(struct run *run, struct flag_list *flags, struct span text)
{
	if (spend_flags(run, text) == 0)
		flags_add(flags, text);
}

/* The flags of an action: its own, or those of the internal variable. */
static void
set_flags(struct run *run, const struct instruction *instruction, struct sieve_action *action)
{
	struct flag_list flags = { .count = 0 };
	struct strings kept;

	if ((instruction->tags & T(FLAGS)) != 0) {
		struct strings list = run_strings(run, &instruction->tagged[TAG_FLAGS]);

		for (size_t i = 0; i < list.count; i++)
			add_flags(run, &flags, list.items[i]);
	} else {
		add_flags(run, &flags, buf_get(&run->result->flags));
	}
	kept = (struct strings){ flags.items, flags.count };
	run_keep_list(run, kept, &action->list, &action->list_count);
}

int
run_flag_action(struct run *run, const struct instruction *instruction)
{
	const struct operand *named = &instruction->positional[0];
	struct strings list = run_strings(run, &instruction->positional[1]);
	struct span name = run_constant(named);
	struct flag_list flags = { .count = 0 };
	struct buf text = BUF_INIT(SIEVE_STRING_MAX), former = BUF_INIT(SIEVE_STRING_MAX);
	int r = 0;

	(void)buf_span(&former, named->present ? run_variable(run, name) : buf_get(&run->result->flags));
	if (instruction->command != COMMAND_SETFLAG)
		add_flags(run, &flags, buf_get(&former));
	for (size_t i = 0; i < list.count; i++)
		if (spend_flags(run, list.items[i]) == 0)
			(instruction->command == COMMAND_REMOVEFLAG ? flags_remove : flags_add)(&flags, list.items[i]);
	flags_join(&flags, &text);
	if (named->present) {
		r = run_set_variable(run, name, buf_get(&text));
	} else {
		buf_clear(&run->result->flags);
		(void)buf_span(&run->result->flags, buf_get(&text));
	}
	run_trace(run, "%s: \"%.200s\"", sieve_commands[instruction->command].word, buf_cstr(&text));
	buf_free(&text);
	buf_free(&former);
	return r;
}

int
run_test_hasflag(struct run *run, const struct instruction *instruction)
{
	struct strings names = run_strings(run, &instruction->positional[0]);
	struct matcher matcher;
	struct flag_list wanted = { .count = 0 };
	struct strings keys = run_strings(run, &instruction->positional[1]);
	int r = matcher_begin(&matcher, run, instruction, NULL);

	/* The keys are flags too: each word of them (RFC 5232 section 4), but for :count, whose key is a number, and :matches. */
	for (size_t i = 0; i < keys.count; i++)
		if (spend_flags(run, keys.items[i]) == 0)
			flags_split(&wanted, keys.items[i]);
	matcher.keys = matcher.match.type == MATCH_COUNT ? keys : (struct strings){ wanted.items, wanted.count };
	for (size_t n = 0; r == 0 && !matcher.found && n < (names.count != 0 ? names.count : 1); n++) {
		struct flag_list flags = { .count = 0 };

		add_flags(run, &flags, names.count != 0 ? run_variable(run, names.items[n]) : buf_get(&run->result->flags));
		for (size_t i = 0; i < flags.count; i++)
			if (matcher_value(&matcher, flags.items[i]))
				break;
	}
	return r == 0 ? matcher_end(&matcher) : r;
}

/* --- keep, discard, fileinto --- */

int
run_keep_action(struct run *run, const struct instruction *instruction)
{
	struct sieve_action *action = NULL;
	int r = check_not_rejected(run, "keep");

	if (r != 0)
		return r;
	/* A message stands in a mailbox once; the last flags count (RFC 5232 section 3). */
	for (size_t i = 0; i < run->result->count; i++)
		if (run->result->actions[i].kind == SIEVE_KEEP)
			action = &run->result->actions[i];
	if (action == NULL)
		action = run_action(run, SIEVE_KEEP);
	if (action == NULL)
		return -EINVAL;
	action->header = (unsigned)run->result->header_count - 1;
	set_flags(run, instruction, action);
	run->result->implicit_keep = false;
	run_trace(run, "keep");
	return 0;
}

int
run_discard(struct run *run, const struct instruction *instruction)
{
	(void)instruction;
	run->result->implicit_keep = false;
	run_trace(run, "discard");
	return 0;
}

int
run_fileinto(struct run *run, const struct instruction *instruction)
{
	struct span mailbox = run_string(run, &instruction->positional[0]);
	struct span use = run_string(run, &instruction->tagged[TAG_SPECIALUSE]);
	struct sieve_action *action = NULL;
	int r = check_not_rejected(run, "fileinto");

	if (r != 0)
		return r;
	if (mailbox.len == 0 || !span_is_utf8(mailbox))
		return run_error(run, "\"%.*s\" is no name of a mailbox", SHOWN(mailbox));
	for (size_t i = 0; i < run->result->count; i++)
		if (run->result->actions[i].kind == SIEVE_FILEINTO && span_eq(run->result->actions[i].text, mailbox) &&
		    span_eq(run->result->actions[i].special_use, use))
			action = &run->result->actions[i];
	if (action == NULL) {
		action = run_action(run, SIEVE_FILEINTO);
		if (action == NULL)
			return -EINVAL;
		action->text = run_keep(run, mailbox);
		action->special_use = (instruction->tags & T(SPECIALUSE)) != 0 ? run_keep(run, use) : SPAN_NULL;
	}
	action->header = (unsigned)run->result->header_count - 1;
	action->create |= (instruction->tags & T(CREATE)) != 0;
	action->copy = (instruction->tags & T(COPY)) != 0;
	set_flags(run, instruction, action);
	if (!action->copy)
		run->result->implicit_keep = false;
	run_trace(run, "fileinto \"%.*s\"%s", SHOWN(mailbox), action->copy ? " :copy" : "");
	return 0;
}

/* --- redirect, reject --- */

/* The addr-spec of an address that may have a name before it. */
static struct span
bare_address(struct run *run, struct span text)
{
	struct address_list list;
	struct buf spec = BUF_INIT(1024);
	struct span kept = SPAN_NULL;

	address_list_parse(text, &list);
	if (list.count == 1 && address_spec_append(&spec, list.entries[0].local, list.entries[0].domain) == 0)
		kept = run_keep(run, buf_get(&spec));
	address_list_free(&list);
	buf_free(&spec);
	return kept;
}

int
run_redirect(struct run *run, const struct instruction *instruction)
{
	struct span text = run_string(run, &instruction->positional[0]), address;
	bool copy = (instruction->tags & T(COPY)) != 0, again = false;
	struct sieve_action *action;
	int r = check_not_rejected(run, "redirect");

	if (r != 0)
		return r;
	if (run_spend(run, 2 * text.len) != 0)
		return -EINVAL;
	if (!run_is_address(text))
		return run_error(run, "redirect: \"%.*s\" is no address", SHOWN(text));
	address = bare_address(run, text);
	for (size_t i = 0; i < run->result->count; i++)
		again |= run->result->actions[i].kind == SIEVE_REDIRECT && span_eq(run->result->actions[i].text, address);
	if (!again) {
		if (count_kind(run->result, SIEVE_REDIRECT) >= SIEVE_REDIRECTS_MAX)
			return run_error(run, "the script redirects to more than %d addresses", SIEVE_REDIRECTS_MAX);
		action = run_action(run, SIEVE_REDIRECT);
		if (action == NULL)
			return -EINVAL;
		action->text = address;
		action->copy = copy;
	}
	if (!copy)
		run->result->implicit_keep = false;
	run_trace(run, "redirect <%.*s>%s", SHOWN(address), copy ? " :copy" : "");
	return 0;
}

int
run_reject(struct run *run, const struct instruction *instruction)
{
	const char *word = sieve_commands[instruction->command].word;
	struct span reason = run_string(run, &instruction->positional[0]);
	struct sieve_action *action;

	for (size_t i = 0; i < run->result->count; i++)
		switch (run->result->actions[i].kind) {
		case SIEVE_NOTIFY:
		case SIEVE_REMEMBER: break;
		default: return run_error(run, "%s does not go together with an action that delivers or answers", word);
		}
	action = run_action(run, SIEVE_REJECT);
	if (action == NULL)
		return -EINVAL;
	action->text = run_keep(run, reason);
	action->in_reply = instruction->command == COMMAND_EREJECT;
	run->result->implicit_keep = false;
	run_trace(run, "%s \"%.*s\"", word, SHOWN(reason));
	return 0;
}

/* --- vacation, notify --- */

/* What tells one response from another: the handle, or all arguments as the script has them, before variables (RFC 5230 section
 * 4.2). Each is counted, so that no two ways of writing them look the same. */
static struct span
vacation_handle(struct run *run, const struct instruction *instruction)
{
	static const enum sieve_tag parts[] = { TAG_SUBJECT, TAG_FROM };
	struct buf id = BUF_INIT(4 * SIEVE_SCRIPT_MAX);
	struct span reason = run_constant(&instruction->positional[0]), kept;

	if ((instruction->tags & T(HANDLE)) != 0) {
		struct span handle = run_string(run, &instruction->tagged[TAG_HANDLE]);

		(void)buf_fmt(&id, "vacation handle %zu:%.*s", handle.len, (int)handle.len, handle.ptr);
	} else {
		(void)buf_fmt(&id, "vacation %s", (instruction->tags & T(MIME)) != 0 ? "mime" : "text");
		for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
			struct span part = instruction->tagged[parts[i]].present ? run_constant(&instruction->tagged[parts[i]]) : SPAN_NULL;

			(void)buf_fmt(&id, " %zu:", part.len);
			(void)buf_span(&id, part);
		}
		(void)buf_fmt(&id, " %zu:", reason.len);
		(void)buf_span(&id, reason);
	}
	kept = run_keep(run, buf_get(&id));
	buf_free(&id);
	return kept;
}

static uint64_t
vacation_seconds(const struct instruction *instruction)
{
	uint64_t seconds = VACATION_DAYS * DAY, most = (uint64_t)VACATION_DAYS_MAX * DAY;

	if ((instruction->tags & T(SECONDS)) != 0)
		seconds = instruction->tagged[TAG_SECONDS].number;
	else if ((instruction->tags & T(DAYS)) != 0 && instruction->tagged[TAG_DAYS].number < VACATION_DAYS_MAX)
		seconds = instruction->tagged[TAG_DAYS].number != 0 ? instruction->tagged[TAG_DAYS].number * DAY : DAY;
	else if ((instruction->tags & T(DAYS)) != 0)
		seconds = most;
	return seconds < most ? seconds : most;
}

int
run_vacation(struct run *run, const struct instruction *instruction)
{
	struct span from = run_string(run, &instruction->tagged[TAG_FROM]);
	struct sieve_action *action;
	int r = check_not_rejected(run, "vacation");

	if (r != 0)
		return r;
	if (run->vacation)
		return run_error(run, "vacation may be executed once");
	if (from.len != 0 && !run_is_address_list(from))
		return run_error(run, "vacation: \"%.*s\" is no list of addresses", SHOWN(from));
	run->vacation = true;
	action = run_action(run, SIEVE_VACATION);
	if (action == NULL)
		return -EINVAL;
	action->text = run_keep(run, run_string(run, &instruction->positional[0]));
	action->subject = run_keep(run, run_string(run, &instruction->tagged[TAG_SUBJECT]));
	action->from = run_keep(run, from);
	action->mime = (instruction->tags & T(MIME)) != 0;
	action->handle = vacation_handle(run, instruction);
	action->seconds = vacation_seconds(instruction);
	run_keep_list(run, run_strings(run, &instruction->tagged[TAG_ADDRESSES]), &action->list, &action->list_count);
	run_trace(run, "vacation");
	return 0;
}

int
run_notify(struct run *run, const struct instruction *instruction)
{
	struct span method = run_string(run, &instruction->positional[0]), importance = run_string(run, &instruction->tagged[TAG_IMPORTANCE]);
	struct span from = run_string(run, &instruction->tagged[TAG_FROM]);
	struct sieve_action *action;

	if (!notify_is_valid(method))
		return run_error(run, "notify: \"%.*s\" is no mailto: URI", SHOWN(method));
	if (from.len != 0 && !run_is_address(from))
		return run_error(run, "notify: \"%.*s\" is no address", SHOWN(from));
	if (count_kind(run->result, SIEVE_NOTIFY) >= SIEVE_REDIRECTS_MAX)
		return run_error(run, "the script notifies more than %d times", SIEVE_REDIRECTS_MAX);
	action = run_action(run, SIEVE_NOTIFY);
	if (action == NULL)
		return -EINVAL;
	action->text = run_keep(run, method);
	action->from = run_keep(run, from);
	action->message = run_keep(run, run_string(run, &instruction->tagged[TAG_MESSAGE]));
	action->importance = importance.len == 1 && importance.ptr[0] >= '1' && importance.ptr[0] <= '3' ? importance.ptr[0] : '2';
	run_keep_list(run, run_strings(run, &instruction->tagged[TAG_OPTIONS]), &action->list, &action->list_count);
	run_trace(run, "notify \"%.*s\"", SHOWN(method));
	return 0;
}

/* --- at the end --- */

void
sieve_result_finish(struct sieve_result *result)
{
	struct flag_list flags = { .count = 0 };
	struct sieve_action *action;
	struct span *list;

	if (!result->implicit_keep)
		return;
	flags_add(&flags, buf_get(&result->flags));
	action = &result->actions[result->count++]; /* there is room for one more than scripts may have */
	*action = (struct sieve_action){ .kind = SIEVE_KEEP, .header = (unsigned)result->header_count - 1 };
	list = arena_alloc(result->arena, flags.count, sizeof(*list));
	for (size_t i = 0; list != NULL && i < flags.count; i++)
		list[action->list_count++] = arena_span(result->arena, flags.items[i]);
	action->list = list;
	result->implicit_keep = false;
}

void
sieve_action_show(const struct sieve_action *action, struct buf *out)
{
	static const char *const names[] = {
		[SIEVE_KEEP] = "keep", [SIEVE_FILEINTO] = "fileinto", [SIEVE_REDIRECT] = "redirect", [SIEVE_REJECT] = "reject",
		[SIEVE_VACATION] = "vacation", [SIEVE_NOTIFY] = "notify", [SIEVE_REMEMBER] = "remember",
	};
	const char *before = " [";

	(void)buf_str(out, action->kind == SIEVE_KEEP && action->line == 0 ? "implicit keep" : names[action->kind]);
	if (action->kind == SIEVE_REMEMBER)
		return;
	if (action->text.len != 0)
		(void)buf_fmt(out, " \"%.*s\"", SHOWN(action->text));
	if (action->special_use.len != 0)
		(void)buf_fmt(out, " :specialuse \"%.*s\"", SHOWN(action->special_use));
	if (action->create)
		(void)buf_str(out, " :create");
	if (action->copy)
		(void)buf_str(out, " :copy");
	for (size_t i = 0; (action->kind == SIEVE_KEEP || action->kind == SIEVE_FILEINTO) && i < action->list_count; i++) {
		(void)buf_fmt(out, "%s%.*s", before, SHOWN(action->list[i]));
		before = " ";
	}
	if (before[1] == '\0')
		(void)buf_char(out, ']');
	if (action->header != 0)
		(void)buf_str(out, " (header edited)");
}
