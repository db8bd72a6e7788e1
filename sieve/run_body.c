/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The body test (RFC 5173). It sets no match variables (section 6). */
#include "sieve/run.h"

#include <errno.h>

#include "common/mime_text.h"

/* Of one part, so much is decoded and compared. */
#define PART_MAX (4u << 20)

/* What a step pays for, once in a run. */
#define OCTETS_PARSED 32
#define LINES_PARSED 2    /* where there are boundaries to be looked for */
#define OCTETS_DECODED 4
#define OCTETS_OF_TEXT 2  /* with its charset */
#define HTML_STEPS 2      /* for an octet of it */

static struct span
body_of(const struct run *run)
{
	return span_skip(run->host->message, run->header.len);
}

/* NULL: there are no steps left. */
static const struct mime_message *
mime_of(struct run *run)
{
	if (run->mime != NULL)
		return run->mime;
	if (run_spend(run, run->host->message.len / OCTETS_PARSED) != 0)
		return NULL;
	run->mime = mime_parse(run->host->message);
	for (size_t i = 0; i < 2; i++)
		run->parts[i] = arena_alloc(&run->decoded, run->mime->count, sizeof(*run->parts[i]));
	return run_spend(run, run->mime->parts[0].body_lines / LINES_PARSED) == 0 ? run->mime : NULL;
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

/* Appends what a leaf says; false: there are no steps left. */
static bool
decode(struct run *run, uint32_t index, bool as_text, struct buf *out)
{
	const struct mime_part *part = &run->mime->parts[index];
	bool text = span_ieq(part->type, SPAN("text")), html = as_text && span_ieq(part->subtype, SPAN("html"));
	struct buf source = BUF_INIT(PART_MAX);
	bool paid = run_spend(run, part->body_len / (text ? OCTETS_OF_TEXT : OCTETS_DECODED)) == 0;

	if (paid)
		(void)(text ? mime_text_decode : mime_body_decode)(run->mime, index, html ? &source : out);
	paid = paid && run_spend(run, source.len * HTML_STEPS) == 0;
	if (paid && html)
		(void)mime_html_to_text(buf_get(&source), out);
	buf_free(&source);
	return paid;
}

static bool
match_leaf(struct matcher *matcher, uint32_t index, bool as_text)
{
	struct run *run = matcher->run;
	struct span *kept = run->parts[as_text] != NULL ? &run->parts[as_text][index] : NULL;
	struct buf decoded = BUF_INIT(PART_MAX);
	bool found = true;

	if (kept != NULL && kept->ptr != NULL)
		return matcher_value(matcher, *kept);
	if (decode(run, index, as_text, &decoded)) {
		if (kept != NULL)
			*kept = arena_span(&run->decoded, buf_get(&decoded));
		found = matcher_value(matcher, buf_get(&decoded));
	}
	buf_free(&decoded);
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
	return match_leaf(matcher, index, as_text);
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
	mime = mime_of(run);
	if (mime == NULL || run_spend(run, (uint64_t)mime->count * (1 + types.count)) != 0)
		return -EINVAL;
	for (uint32_t i = 0; i < mime->count && !matcher.found && run->steps != 0; i++) {
		bool wanted = !content && mime->parts[i].kind == MIME_LEAF && is_type(&mime->parts[i], SPAN("text"));

		for (size_t t = 0; content && t < types.count && !wanted; t++)
			wanted = is_type(&mime->parts[i], types.items[t]);
		if (wanted && match_part(&matcher, mime, i, !content))
			break;
	}
	return matcher_end(&matcher);
}
