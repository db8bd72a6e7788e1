/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Tests on what is not in the message: its size, the host, mailboxes, verdicts of filters, earlier messages. */
#include "sieve/notify.h"
#include "sieve/run.h"

#include <errno.h>

#include "common/header.h"

/* Steps, for what the host is asked: it looks at one mailbox, at all, at a file of what it remembers. */
#define MAILBOX_STEPS 5000
#define MAILBOXES_STEPS 25000
#define REMEMBERED_STEPS 5000

#define DAY 86400
#define DUPLICATE_SECONDS (7 * DAY)      /* RFC 7352 section 3.3 */
#define DUPLICATE_SECONDS_MAX (90 * DAY)

int
run_test_size(struct run *run, const struct instruction *instruction)
{
	uint64_t limit = instruction->positional[0].number, size = run->host->message.len;

	/* RFC 5228 section 5.9: neither is true of a message of just that size. */
	run->truth = (instruction->tags & T(OVER)) != 0 ? size > limit : (instruction->tags & T(UNDER)) != 0 && size < limit;
	return 0;
}

int
run_test_environment(struct run *run, const struct instruction *instruction)
{
	static const struct span names[SIEVE_ENV_COUNT] = {
		[SIEVE_ENV_DOMAIN] = SPAN("domain"), [SIEVE_ENV_HOST] = SPAN("host"), [SIEVE_ENV_LOCATION] = SPAN("location"),
		[SIEVE_ENV_NAME] = SPAN("name"), [SIEVE_ENV_PHASE] = SPAN("phase"), [SIEVE_ENV_REMOTE_HOST] = SPAN("remote-host"),
		[SIEVE_ENV_REMOTE_IP] = SPAN("remote-ip"), [SIEVE_ENV_VERSION] = SPAN("version"),
	};
	struct span name = run_string(run, &instruction->positional[0]);
	struct matcher matcher;
	int r = matcher_begin(&matcher, run, instruction, &instruction->positional[1]);

	/* An item that is not known is neither equal nor unequal to anything (RFC 5183 section 4). */
	run->truth = false;
	for (size_t i = 0; r == 0 && i < SIEVE_ENV_COUNT; i++)
		if (span_ieq(name, names[i]) && run->host->environment[i].ptr != NULL) {
			(void)matcher_value(&matcher, run->host->environment[i]);
			return matcher_end(&matcher);
		}
	return r;
}

int
run_test_mailbox(struct run *run, const struct instruction *instruction)
{
	struct strings names = run_strings(run, &instruction->positional[0]);
	int r = 0;

	run->truth = true;
	for (size_t i = 0; i < names.count && run->truth && r == 0; i++) {
		r = run_spend(run, MAILBOX_STEPS);
		run->truth = r == 0 && run->host->mailbox_exists != NULL && run->host->mailbox_exists(run->host->context, names.items[i]);
	}
	return r;
}

int
run_test_special_use(struct run *run, const struct instruction *instruction)
{
	struct span mailbox = run_string(run, &instruction->positional[0]);
	struct strings uses = run_strings(run, &instruction->positional[1]);
	int r = 0;

	run->truth = true;
	for (size_t i = 0; i < uses.count && run->truth && r == 0; i++) {
		r = run_spend(run, MAILBOXES_STEPS);
		run->truth = r == 0 && run->host->special_use != NULL && run->host->special_use(run->host->context, mailbox, uses.items[i]);
	}
	return r;
}

/* spamtest: 1 to 10, or percent; virustest: 1 to 5; 0 is "not tested" in each (RFC 5235). */
int
run_test_spam(struct run *run, const struct instruction *instruction)
{
	int spam = run->host->spam, value;
	struct buf text = BUF_INIT(16);
	struct matcher matcher;
	int r = matcher_begin(&matcher, run, instruction, &instruction->positional[0]);

	if (instruction->command == COMMAND_VIRUSTEST)
		value = run->host->virus;
	else if ((instruction->tags & T(PERCENT)) != 0)
		value = spam < 0 ? 0 : spam;
	else
		value = spam < 0 ? 0 : 1 + spam * 9 / 100;
	if (r != 0)
		return r;
	(void)buf_fmt(&text, "%d", value);
	/* :count tells whether there was a test (RFC 5235 section 3.1). */
	if (matcher.match.type != MATCH_COUNT || (instruction->command == COMMAND_VIRUSTEST ? value != 0 : spam >= 0))
		(void)matcher_value(&matcher, buf_get(&text));
	r = matcher_end(&matcher);
	buf_free(&text);
	return r;
}

/* --- duplicate --- */

static bool
note_value(void *context, struct span value)
{
	*(struct span *)context = value;
	return true;
}

/* The id that the message is known by; false when it has none. */
static bool
unique_id(struct run *run, const struct instruction *instruction, struct span *ret)
{
	struct span name = SPAN("Message-ID"), value = SPAN_NULL;

	if ((instruction->tags & T(UNIQUEID)) != 0) {
		*ret = run_string(run, &instruction->tagged[TAG_UNIQUEID]);
		return true;
	}
	if ((instruction->tags & T(HEADER)) != 0)
		name = run_string(run, &instruction->tagged[TAG_HEADER]);
	if (header_name_is_valid(name)) {
		struct instruction first = { .tags = 0 };

		run_fields(run, &first, name, note_value, &value);
	}
	if (value.ptr == NULL)
		return false;
	*ret = run_decode_field(run, value);
	return ret->len != 0;
}

int
run_test_duplicate(struct run *run, const struct instruction *instruction)
{
	uint64_t seconds = (instruction->tags & T(SECONDS)) != 0 ? instruction->tagged[TAG_SECONDS].number : DUPLICATE_SECONDS;
	struct span handle = run_string(run, &instruction->tagged[TAG_HANDLE]), id, kept;
	struct buf text = BUF_INIT(4 * SIEVE_STRING_MAX);
	struct sieve_action *action;

	run->truth = false;
	if (seconds == 0 || !unique_id(run, instruction, &id))
		return 0;
	if (run_spend(run, REMEMBERED_STEPS + (handle.len + id.len) / 4) != 0)
		return -EINVAL;
	(void)buf_fmt(&text, "duplicate %zu:%.*s %zu:", handle.len, (int)handle.len, handle.ptr != NULL ? handle.ptr : "", id.len);
	(void)buf_span(&text, id);
	kept = run_keep(run, buf_get(&text));
	buf_free(&text);
	run->truth = run->host->is_remembered != NULL && run->host->is_remembered(run->host->context, kept);
	/* Its time counts from when it was first seen, or with :last from now. */
	if (run->truth && (instruction->tags & T(LAST)) == 0)
		return 0;
	action = run_action(run, SIEVE_REMEMBER);
	if (action == NULL)
		return -EINVAL;
	action->text = kept;
	action->seconds = seconds < DUPLICATE_SECONDS_MAX ? seconds : DUPLICATE_SECONDS_MAX;
	return 0;
}

/* --- enotify --- */

int
run_test_notify_valid(struct run *run, const struct instruction *instruction)
{
	struct strings uris = run_strings(run, &instruction->positional[0]);

	run->truth = true;
	for (size_t i = 0; i < uris.count && run->truth; i++)
		run->truth = run_spend(run, 1 + uris.items[i].len) == 0 && notify_is_valid(uris.items[i]);
	return run_spend(run, 1);
}

int
run_test_notify_capability(struct run *run, const struct instruction *instruction)
{
	struct span uri = run_string(run, &instruction->positional[0]), capability = run_string(run, &instruction->positional[1]);
	struct matcher matcher;
	int r = matcher_begin(&matcher, run, instruction, &instruction->positional[2]);

	run->truth = false;
	if (r == 0)
		r = run_spend(run, 1 + uri.len);
	if (r != 0 || !notify_is_valid(uri) || !span_ieq(capability, SPAN("online")))
		return r;
	/* Mail does not tell whether somebody is there (RFC 5436 section 2.2). */
	(void)matcher_value(&matcher, SPAN("maybe"));
	return matcher_end(&matcher);
}
