/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Files of Dovecot and Courier, any bytes: lists of UIDs, of keywords, of subscriptions, names of mailboxes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "libmailstore/ms_import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
uids(struct span text)
{
	struct ms_import_uids list;

	if (ms_import_uids_parse(text, &list) != 0)
		return;
	if (list.uidvalidity == 0 || list.uidnext == 0)
		abort();
	for (size_t i = 0; i < list.count; i++) {
		const struct ms_import_uid *uid = &list.list[i];
		size_t at = ms_import_uids_find(&list, uid->unique);

		if (uid->uid == 0 || uid->uid >= list.uidnext || uid->unique.len == 0 || at > i || !span_eq(list.list[at].unique, uid->unique) ||
		    span_chr(uid->base, '/') >= 0 || span_chr(uid->base, ':') >= 0)
			abort();
	}
	ms_import_uids_clear(&list);
}

static void
keyword(void *context, struct span file, struct span word)
{
	if (file.len == 0 || word.len == 0 || span_chr(word, '\n') >= 0)
		abort();
	*(size_t *)context += file.len;
}

static void
path(void *context, struct span text)
{
	struct buf name = BUF_INIT(65536);
	bool exact;

	if (text.len == 0 || span_chr(text, '\n') >= 0 || ms_import_name(text, "/", &name, &exact) != 0)
		abort();
	if (name.len == 0 || name.data[0] == '/' || name.data[name.len - 1] == '/' || strpbrk(buf_cstr(&name), ".%*\n") != NULL ||
	    strstr(buf_cstr(&name), "//") != NULL || !span_is_utf8(buf_get(&name)))
		abort();
	buf_free(&name);
	*(size_t *)context += 1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_make(data, size), letters[MS_IMPORT_LETTERS], file;
	uint64_t order;
	size_t seen = 0;

	if (size > 20000)
		return 0;
	uids(text);
	(void)ms_import_letters_parse(text, letters);
	for (size_t i = 0; i < MS_IMPORT_LETTERS; i++)
		if (letters[i].len > size || span_chr(letters[i], '\n') >= 0)
			abort();
	(void)ms_import_keyword_list_parse(text, keyword, &seen);
	ms_import_subscriptions_parse(text, false, path, &seen);
	ms_import_subscriptions_parse(text, true, path, &seen);
	(void)ms_import_subscribed_parse(text, path, &seen);
	if (ms_import_keyword_file(text, &file, &order) && (file.len == 0 || file.ptr[0] == '.'))
		abort();
	return 0;
}
