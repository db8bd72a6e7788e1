/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Flags: which words are some, and sets of them. */
#include "sieve/flags.h"

#include "sieve/run_parts.h"

#define FLAG_LEN_MAX 64

/* RFC 3501 section 9: flag, without \Recent and system flags that are not there. */
bool
run_is_flag(struct span flag)
{
	static const struct span system[] = { SPAN("\\Seen"), SPAN("\\Answered"), SPAN("\\Flagged"), SPAN("\\Deleted"), SPAN("\\Draft") };

	if (flag.len == 0 || flag.len > FLAG_LEN_MAX)
		return false;
	if (flag.ptr[0] == '\\') {
		for (size_t i = 0; i < sizeof(system) / sizeof(*system); i++)
			if (span_ieq(flag, system[i]))
				return true;
		return false;
	}
	for (size_t i = 0; i < flag.len; i++)
		if (flag.ptr[i] <= 0x20 || flag.ptr[i] >= 0x7f || strchr("(){%*\"\\]", flag.ptr[i]) != NULL)
			return false;
	return true;
}

static size_t
find(const struct flag_list *list, struct span flag)
{
	size_t i = 0;

	while (i < list->count && !span_ieq(list->items[i], flag))
		i++;
	return i;
}

static void
add(struct flag_list *list, struct span flag)
{
	if (find(list, flag) == list->count && list->count < SIEVE_FLAGS_MAX)
		list->items[list->count++] = flag;
}

void
flags_split(struct flag_list *list, struct span text)
{
	struct span word;

	while (span_split(&text, ' ', &word))
		if (word.len != 0)
			add(list, word);
}

void
flags_add(struct flag_list *list, struct span text)
{
	struct span word;

	while (span_split(&text, ' ', &word))
		if (run_is_flag(word))
			add(list, word);
}

void
flags_remove(struct flag_list *list, struct span text)
{
	struct span word;

	while (span_split(&text, ' ', &word)) {
		size_t at = find(list, word);

		if (at == list->count)
			continue;
		memmove(list->items + at, list->items + at + 1, (list->count - at - 1) * sizeof(*list->items));
		list->count--;
	}
}

void
flags_join(const struct flag_list *list, struct buf *out)
{
	for (size_t i = 0; i < list->count; i++) {
		if (i != 0)
			(void)buf_char(out, ' ');
		(void)buf_span(out, list->items[i]);
	}
}
