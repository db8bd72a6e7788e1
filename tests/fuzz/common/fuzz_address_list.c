/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Address lists: any bytes give entries, and a list that was well-formed reads the same after it was written. */
#include <stdlib.h>

#include "common/address_list.h"
#include "common/encoded_word.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
same(struct span a, struct span b)
{
	return (a.len == 0 && b.len == 0) || span_eq(a, b);
}

/* Spaces inside a name may become folds; encoded forms change its bytes, so that it is compared as it shows: controls at its ends are white
 * space, which is not written. */
static bool
same_name(struct span a, struct span b)
{
	struct buf first = BUF_INIT(1 << 20), second = BUF_INIT(1 << 20);
	bool equal;

	(void)encoded_word_decode(a, &first);
	(void)encoded_word_decode(b, &second);
	equal = same(span_trim(buf_get(&first)), span_trim(buf_get(&second)));
	buf_free(&first);
	buf_free(&second);
	return equal;
}

static void
check_text(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] == '\n' && (i + 1 == text.len || text.ptr[i + 1] != ' '))
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct address_list list, again;
	struct buf text = BUF_INIT(1 << 22);
	size_t column = 4;

	address_list_parse(span_make(data, size), &list);
	if (address_list_append(&text, &list, &column) == 0) {
		check_text(buf_get(&text));
		address_list_parse(buf_get(&text), &again);
		if (!list.bad && span_is_utf8(span_make(data, size))) {
			if (again.count != list.count || again.bad)
				abort();
			for (size_t i = 0; i < list.count; i++)
				if (again.entries[i].kind != list.entries[i].kind || !same(again.entries[i].local, list.entries[i].local) ||
				    !same(again.entries[i].domain, list.entries[i].domain) ||
				    (list.entries[i].kind == ADDRESS_KIND_MAILBOX && !same_name(again.entries[i].name, list.entries[i].name)))
					abort();
		}
		address_list_free(&again);
	}
	address_list_free(&list);
	buf_free(&text);
	return 0;
}
