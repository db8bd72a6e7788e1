/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* LIST's wildcards. */
#include "imapd/imap_pattern.h"

/* Which places of the pattern can be reached by the bytes read so far; places behind a wildcard are reached with it. */
static void
spread(struct span pattern, bool *reached)
{
	size_t at;

	for (at = 0; at < pattern.len; at++)
		if (reached[at] && (pattern.ptr[at] == '*' || pattern.ptr[at] == '%'))
			reached[at + 1] = true;
}

static bool
matches(struct span pattern, struct span name, size_t folded)
{
	bool reached[IMAP_PATTERN_MAX + 1] = { true }, next[IMAP_PATTERN_MAX + 1];
	size_t i, at;
	char byte, wanted;

	spread(pattern, reached);
	for (i = 0; i < name.len; i++) {
		memset(next, 0, pattern.len + 1);
		byte = i < folded ? ascii_lower(name.ptr[i]) : name.ptr[i];
		for (at = 0; at < pattern.len; at++) {
			if (!reached[at])
				continue;
			wanted = pattern.ptr[at];
			if (wanted == '*' || (wanted == '%' && byte != IMAP_DELIMITER))
				next[at] = true;
			else if ((i < folded ? ascii_lower(wanted) : wanted) == byte && wanted != '%')
				next[at + 1] = true;
		}
		memcpy(reached, next, pattern.len + 1);
		spread(pattern, reached);
	}
	return reached[pattern.len];
}

bool
imap_pattern_match(struct span pattern, struct span name)
{
	bool inbox = span_ieq(name, SPAN("INBOX")) || span_istarts(name, SPAN("INBOX/"));

	return pattern.len <= IMAP_PATTERN_MAX && matches(pattern, name, inbox ? 5 : 0);
}
