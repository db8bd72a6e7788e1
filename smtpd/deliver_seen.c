/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What scripts have seen (duplicate, RFC 7352). What is sent on is not safe before the queue says so: were it remembered before that, and
 * that failed, or the queue or this process ended, the message would come again, be taken for a duplicate, and be lost. Until then it is
 * known to this process alone. */
#include <stdlib.h>
#include <time.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "smtpd/deliver.h"

bool
seen_has(const struct deliver *deliver, struct span id)
{
	for (size_t i = 0; i < SEEN_MAX; i++)
		if (deliver->seen[i].text != NULL && span_eq(span_make(deliver->seen[i].text, deliver->seen[i].len), id))
			return true;
	return memory_has(deliver->script_folder, id, time(NULL));
}

static void
put_seen(const struct deliver *deliver, struct span text, int64_t until)
{
	if (memory_put(deliver->script_folder, text, time(NULL), until) != 0)
		log_warning("not-remembered", log_str("account", deliver->proc->account));
}

static void
free_seen(struct seen *seen)
{
	free(seen->text);
	*seen = (struct seen){ .text = NULL };
}

static bool
is_sent_on(const struct sieve_result *result)
{
	for (size_t i = 0; i < result->count; i++)
		if (result->actions[i].kind == SIEVE_REDIRECT)
			return true;
	return false;
}

void
seen_remember(struct deliver *deliver, uint32_t id, const struct sieve_result *result, int64_t now)
{
	bool waits = is_sent_on(result);

	for (size_t i = 0; i < result->count; i++) {
		const struct sieve_action *action = &result->actions[i];
		struct seen *seen = &deliver->seen[deliver->seen_next];
		int64_t until = now + (int64_t)action->seconds;

		if (action->kind != SIEVE_REMEMBER)
			continue;
		if (!waits) {
			put_seen(deliver, action->text, until);
			continue;
		}
		free_seen(seen);
		*seen = (struct seen){ .id = id, .text = span_dup(action->text), .len = action->text.len, .until = until };
		deliver->seen_next = (deliver->seen_next + 1) % SEEN_MAX;
	}
}

void
seen_sent(struct deliver *deliver, uint32_t id, bool safe)
{
	for (size_t i = 0; i < SEEN_MAX; i++) {
		struct seen *seen = &deliver->seen[i];

		if (seen->text == NULL || seen->id != id)
			continue;
		if (safe)
			put_seen(deliver, span_make(seen->text, seen->len), seen->until);
		free_seen(seen);
	}
}
