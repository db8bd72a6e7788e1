/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* format=flowed, read. */
#include "common/flowed.h"

/* RFC 3676 section 4.5. Outside format=flowed marks may stand apart: "> > text". */
static unsigned
take_marks(struct span *text, struct flowed_format format)
{
	unsigned depth = 0;

	while (span_starts(*text, SPAN(">"))) {
		depth++;
		*text = span_skip(*text, 1);
		if (!format.flowed && span_starts(*text, SPAN(" >")))
			*text = span_skip(*text, 1);
	}
	return depth;
}

static void
take_stuffing(struct span *text, struct flowed_format format, unsigned depth)
{
	/* Section 4.4; and the space that people put behind the marks. */
	if ((format.flowed || depth != 0) && span_starts(*text, SPAN(" ")))
		*text = span_skip(*text, 1);
}

/* Section 4.3: neither flowed nor fixed. The line end is still there. */
static bool
begins_signature(struct span text)
{
	if (!span_starts(text, SPAN("-- ")))
		return false;
	text = span_skip(text, 3);
	return text.len == 0 || span_starts(text, SPAN("\n")) || span_starts(text, SPAN("\r\n"));
}

/* Section 4.1: whether a paragraph of this depth may go on with the line at the front. */
static bool
goes_on(struct span text, struct flowed_format format, unsigned depth)
{
	if (text.len == 0 || take_marks(&text, format) != depth)
		return false;
	take_stuffing(&text, format, depth);
	return !begins_signature(text);
}

bool
flowed_take(struct span *text, struct flowed_format format, struct flowed_line *ret_line)
{
	struct span line;
	unsigned depth;
	bool flowed;

	if (!span_split(text, '\n', &line))
		return false;
	if (span_ends(line, SPAN("\r")))
		line.len--;
	depth = take_marks(&line, format);
	take_stuffing(&line, format, depth);
	ret_line->signature = begins_signature(line);
	flowed = format.flowed && span_ends(line, SPAN(" ")) && !ret_line->signature;
	if (flowed && format.delsp)
		line.len--;
	ret_line->soft = flowed && goes_on(*text, format, depth);
	ret_line->depth = depth;
	ret_line->text = line;
	return true;
}
