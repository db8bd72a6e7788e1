/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The base subject. */
#include "common/subject.h"

#include <errno.h>

#include "common/encoded_word.h"

/* RFC 5256 section 2.1 step 1: UTF-8, every run of white space one space. */
static void
normalize(struct span value, struct buf *text)
{
	size_t len = 0;

	(void)encoded_word_decode(value, text);
	for (size_t i = 0; i < text->len; i++) {
		if (text->data[i] == ' ' && (len == 0 || text->data[len - 1] == ' '))
			continue;
		text->data[len++] = text->data[i];
	}
	buf_truncate(text, len);
}

static void
skip_spaces(struct span *text)
{
	while (span_starts(*text, SPAN(" ")))
		*text = span_skip(*text, 1);
}

/* Step 2: subj-trailer. */
static bool
cut_trailer(struct span *text, bool *reply)
{
	size_t before = text->len;

	*text = span_trim(*text);
	if (span_iends(*text, SPAN("(fwd)"))) {
		text->len -= 5;
		*reply = true;
	}
	return text->len != before;
}

/* subj-blob. */
static bool
cut_blob(struct span *text)
{
	for (size_t i = 1; span_starts(*text, SPAN("[")) && i < text->len && text->ptr[i] != '['; i++) {
		if (text->ptr[i] != ']')
			continue;
		*text = span_skip(*text, i + 1);
		skip_spaces(text);
		return true;
	}
	return false;
}

/* subj-refwd. */
static bool
cut_refwd(struct span *text)
{
	struct span rest = *text;

	if (span_istarts(rest, SPAN("re")))
		rest = span_skip(rest, 2);
	else if (span_istarts(rest, SPAN("fwd")))
		rest = span_skip(rest, 3);
	else if (span_istarts(rest, SPAN("fw")))
		rest = span_skip(rest, 2);
	else
		return false;
	skip_spaces(&rest);
	(void)cut_blob(&rest);
	if (!span_starts(rest, SPAN(":")))
		return false;
	*text = span_skip(rest, 1);
	return true;
}

/* Step 3: subj-leader. */
static bool
cut_leader(struct span *text, bool *reply)
{
	struct span rest = *text;

	if (span_starts(rest, SPAN(" "))) {
		skip_spaces(text);
		return true;
	}
	while (cut_blob(&rest))
		continue;
	if (!cut_refwd(&rest))
		return false;
	*text = rest;
	*reply = true;
	return true;
}

/* Step 4: blobs, unless nothing would be left. No leader is among them, or cut_leader had found it: all go at once. */
static bool
cut_lone_blobs(struct span *text)
{
	struct span rest = *text, before = *text;

	while (cut_blob(&rest) && rest.len != 0)
		*text = rest;
	return text->len != before.len;
}

int
subject_base(struct span value, struct buf *out, bool *ret_reply)
{
	struct buf text = BUF_INIT(SUBJECT_MAX);
	struct span base;
	bool reply = false, again;
	int r;

	normalize(value, &text);
	base = buf_get(&text);
	do {
		do
			again = cut_trailer(&base, &reply);
		while (again);
		do
			again = cut_leader(&base, &reply) || cut_lone_blobs(&base);
		while (again);
		/* Step 6: subj-fwd-hdr and subj-fwd-trl. */
		again = span_istarts(base, SPAN("[fwd:")) && span_ends(base, SPAN("]"));
		if (again) {
			base = span_make(base.ptr + 5, base.len - 6);
			reply = true;
		}
	} while (again);
	r = buf_span(out, base);
	if (r == 0 && ret_reply != NULL)
		*ret_reply = reply;
	buf_free(&text);
	return r;
}
