/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The body test (RFC 5173). It sets no match variables (section 6). */
#include "sieve/run.h"

#include <errno.h>

#include "common/mime_text.h"

/* Of one part, so much is decoded and compared. */
#define PART_MAX (4u << 20)

static struct span
body_of(const struct run *run)
{
	return span_skip(run->host->message, run->header.len);
}

static const struct mime_message *
mime_of(struct run *run)
{
	if (run->mime == NULL)
		run->mime = mime_parse(run->host->message);
	return run->mime;
}

/* A type of :content against a part's: "" is any, "text" any of text, "text/html" that one; what is no such thing is none
 * (section 5.2). */
static bool
is_type(const struct mime_part *part, struct span wanted)
{
	ptrdiff_t slash = span_chr(wanted, '/');

	if (wanted.len == 0)
		return true;
	if (slash < 0)
		return span_ieq(part->type, wanted);
	return slash != 0 && span_chr(span_skip(wanted, (size_t)slash + 1), '/') < 0 &&
	    span_ieq(part->type, span_make(wanted.ptr, (size_t)slash)) && span_ieq(part->subtype, span_skip(wanted, (size_t)slash + 1));
}

/* What stands in a multipart beside its parts. */
static bool
match_between(struct matcher *matcher, const struct mime_message *mime, uint32_t index)
{
	const struct mime_part *part = &mime->parts[index];
	uint64_t from = part->body_at, end = part->body_at + part->body_len;
	uint32_t child = mime_first_child(mime, index), last = MIME_NONE;

	if (child == MIME_NONE)
		return matcher_value(matcher, mime_body(mime, part));
	if (matcher_value(matcher, span_make(mime->bytes.ptr + from, (size_t)(mime->parts[child].header_at - from))))
		return true;
	for (; child != MIME_NONE; child = mime->parts[child].next)
		last = child;
	from = mime->parts[last].body_at + mime->parts[last].body_len;
	return from < end && matcher_value(matcher, span_make(mime->bytes.ptr + from, (size_t)(end - from)));
}

static bool
match_leaf(struct matcher *matcher, const struct mime_message *mime, uint32_t index, bool as_text)
{
	const struct mime_part *part = &mime->parts[index];
	struct buf decoded = BUF_INIT(PART_MAX), plain = BUF_INIT(PART_MAX);
	struct span text;
	bool found = true;

	if (run_spend(matcher->run, part->body_len) == 0) {
		if (span_ieq(part->type, SPAN("text")))
			(void)mime_text_decode(mime, index, &decoded);
		else
			(void)mime_body_decode(mime, index, &decoded);
		text = buf_get(&decoded);
		if (as_text && span_ieq(part->subtype, SPAN("html"))) {
			(void)mime_html_to_text(text, &plain);
			text = buf_get(&plain);
		}
		found = matcher_value(matcher, text);
	}
	buf_free(&decoded);
	buf_free(&plain);
	return found;
}

static bool
match_part(struct matcher *matcher, const struct mime_message *mime, uint32_t index, bool as_text)
{
	const struct mime_part *part = &mime->parts[index];
	uint32_t child;

	switch (part->kind) {
	case MIME_MULTIPART: return match_between(matcher, mime, index);
	case MIME_MESSAGE: /* its header; what is inside comes as parts of their own */
		child = mime_first_child(mime, index);
		return child != MIME_NONE && matcher_value(matcher, mime_header(mime, &mime->parts[child]));
	case MIME_LEAF: break;
	}
	return match_leaf(matcher, mime, index, as_text);
}

int
run_test_body(struct run *run, const struct instruction *instruction)
{
	bool content = (instruction->tags & T(CONTENT)) != 0;
	struct strings types = run_strings(run, &instruction->tagged[TAG_CONTENT]);
	const struct mime_message *mime;
	struct matcher matcher;
	int r = matcher_begin(&matcher, run, instruction, &instruction->positional[0]);

	if (r != 0)
		return r;
	matcher.captures = false;
	if ((instruction->tags & T(RAW)) != 0) {
		(void)matcher_value(&matcher, body_of(run));
		return matcher_end(&matcher);
	}
	if (run_spend(run, run->host->message.len / 8) != 0)
		return -EINVAL;
	mime = mime_of(run);
	for (uint32_t i = 0; i < mime->count && !matcher.found && run->steps != 0; i++) {
		bool wanted = !content && mime->parts[i].kind == MIME_LEAF && is_type(&mime->parts[i], SPAN("text"));

		for (size_t t = 0; content && t < types.count && !wanted; t++)
			wanted = is_type(&mime->parts[i], types.items[t]);
		if (wanted && match_part(&matcher, mime, i, !content))
			break;
	}
	return matcher_end(&matcher);
}
