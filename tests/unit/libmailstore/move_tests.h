/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What the tests of mail that moves in and out share: two accounts, and what a mailbox of theirs holds. */
#ifndef TESTS_MOVE_TESTS_H
#define TESTS_MOVE_TESTS_H

#include <fcntl.h>

#include "common/buf.h"
#include "libmailstore/mailstore.h"
#include "libmailstore/ms_keywords.h"
#include "tests/unit/libmailstore/store_tests.h"

static char account[96], other[96];
static struct ms_store *store;

static inline void
setup_in(const char *folder)
{
	make_account(folder, account, sizeof(account));
	make_account(folder, other, sizeof(other));
}

static inline void
teardown(void)
{
	ms_close(store);
	store = NULL;
}

static inline void
open_store(const char *path)
{
	ms_close(store);
	store = NULL;
	ck_assert_int_eq(ms_open(path, &store), 0);
}

static struct ms_mailbox *open_mailbox;

/* "uid:flags:keyword,keyword " */
static inline int
describe(void *context, const struct ms_message *message)
{
	const char *name;

	(void)buf_fmt(context, "%u:%x:", message->uid, message->flags);
	for (unsigned i = 0; (name = ms_keyword(open_mailbox, i)) != NULL; i++)
		if (ms_keywords_have(&message->keywords, i))
			(void)buf_fmt(context, "%s,", name);
	return buf_char(context, ' ');
}

/* UIDVALIDITY, next UID and messages of a mailbox. */
static inline char *
contents(const char *name)
{
	struct buf text = BUF_INIT(65536);
	const struct ms_mailbox_info *info;

	ck_assert_int_eq(ms_mailbox_open(store, name, &open_mailbox), 0);
	info = ms_mailbox_info(open_mailbox);
	(void)buf_fmt(&text, "%u ", info->uidvalidity);
	ck_assert_int_eq(ms_messages(open_mailbox, 1, UINT32_MAX, describe, &text), 0);
	ms_mailbox_close(open_mailbox);
	return buf_take(&text);
}

static inline void
holds(const char *mailbox, const char *wanted)
{
	char *text = contents(mailbox);

	ck_assert_str_eq(text, wanted);
	free(text);
}

static inline uint32_t
add(const char *mailbox, uint32_t flags, const char *const *keywords)
{
	struct ms_append *append;
	uint32_t uid = 0, uidvalidity;

	append = ms_append_begin(store);
	ck_assert_int_eq(ms_append_write(append, "Subject: x\r\n\r\nbody\r\n", 20), 0);
	ck_assert_int_eq(ms_append_commit(append, mailbox, flags, keywords, 1000000000, &uid, &uidvalidity, NULL), 0);
	return uid;
}

#endif
