/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Values against keys: what the tests that compare have in common. */
#include "sieve/run.h"

#include <errno.h>

int
matcher_begin(struct matcher *matcher, struct run *run, const struct instruction *instruction, const struct operand *keys)
{
	uint64_t tags = instruction->tags;
	struct span relation = SPAN_NULL, comparator;

	*matcher = (struct matcher){ .run = run, .captures = (run->frame->program->capabilities & CAP(VARIABLES)) != 0 };
	if ((tags & T(CONTAINS)) != 0)
		matcher->match.type = MATCH_CONTAINS;
	else if ((tags & T(MATCHES)) != 0)
		matcher->match.type = MATCH_MATCHES;
	else if ((tags & (T(VALUE) | T(COUNT))) != 0) {
		matcher->match.type = (tags & T(VALUE)) != 0 ? MATCH_VALUE : MATCH_COUNT;
		relation = run_string(run, &instruction->tagged[(tags & T(VALUE)) != 0 ? TAG_VALUE : TAG_COUNT]);
		if (!match_relation_parse(relation, &matcher->match.relation))
			return run_error(run, "there is no relation \"%.*s\"", (int)(relation.len < 60 ? relation.len : 60), relation.ptr);
	}
	if ((tags & T(COMPARATOR)) != 0) {
		comparator = run_string(run, &instruction->tagged[TAG_COMPARATOR]);
		if (!match_comparator_parse(comparator, &matcher->match.comparator))
			return run_error(run, "there is no comparator \"%.*s\"", (int)(comparator.len < 60 ? comparator.len : 60), comparator.ptr);
	}
	if (keys != NULL)
		matcher->keys = run_strings(run, keys);
	return 0;
}

/* Match variables are those of the last match that succeeded (RFC 5229 section 3.2). */
static void
set_captures(struct run *run, const struct captures *captures)
{
	struct frame *frame = run->frame;
	struct arena former = frame->arena;
	size_t bytes = 0;

	arena_init(&frame->arena, SIEVE_MEMORY_MAX);
	for (size_t i = 0; i < captures->count; i++) {
		struct span text = captures->items[i];

		if (text.len > SIEVE_STRING_MAX)
			text.len = SIEVE_STRING_MAX;
		frame->captures.items[i] = arena_span(&frame->arena, text);
		bytes += text.len;
	}
	frame->captures.count = captures->count;
	arena_clear(&former); /* the value may have stood in it */
	run->scratch.full |= run_held(run) > SIEVE_MEMORY_MAX;
	(void)run_spend(run, bytes / 16);
}

static bool
compare(struct matcher *matcher, struct span value)
{
	struct captures captures = { .count = 0 };
	bool wanted = matcher->captures && matcher->match.type == MATCH_MATCHES;

	if (!match_value(&matcher->match, value, matcher->keys.items, matcher->keys.count, &matcher->run->steps, wanted ? &captures : NULL))
		return false;
	if (wanted)
		set_captures(matcher->run, &captures);
	return true;
}

bool
matcher_value(struct matcher *matcher, struct span value)
{
	matcher->counted++;
	if (matcher->match.type != MATCH_COUNT && !matcher->found)
		matcher->found = compare(matcher, value);
	return matcher->found || matcher->run->steps == 0;
}

int
matcher_end(struct matcher *matcher)
{
	if (matcher->match.type == MATCH_COUNT) {
		struct buf count = BUF_INIT(24);

		(void)buf_u64(&count, matcher->counted);
		matcher->found = compare(matcher, buf_get(&count));
		buf_free(&count);
	}
	matcher->run->truth = matcher->found;
	return run_spend(matcher->run, 1);
}
