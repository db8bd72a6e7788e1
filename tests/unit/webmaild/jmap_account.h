/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* An account of its own, which a session of JMAP and another one have open. */
#ifndef TESTS_JMAP_ACCOUNT_H
#define TESTS_JMAP_ACCOUNT_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "libmailstore/ms_internal.h"
#include "webmaild/jmap_store.h"

static char account[64];
static struct ms_store *store; /* of the other session */
/* Of the session under test, to the end of the process. */
static struct jmap *jmap;
static struct proc proc;
static struct session session;
static struct webmaild_conf conf;

static uint32_t
append(const char *mailbox, uint64_t *ret_id)
{
	static const char text[] = "From: a@b.test\nSubject: one\nMessage-ID: <one@b.test>\n\nOne\n";
	struct ms_append *append = ms_append_begin(store);
	uint32_t uid, validity;

	ck_assert_int_eq(ms_append_write(append, text, sizeof(text) - 1), 0);
	ck_assert_int_eq(ms_append_commit(append, mailbox, 0, NULL, 1000000000, &uid, &validity, ret_id), 0);
	return uid;
}

static void
expunge(const char *name, uint32_t uid)
{
	struct ms_mailbox *mailbox;

	ck_assert_int_eq(ms_mailbox_open(store, name, &mailbox), 0);
	ck_assert_int_eq(ms_expunge(mailbox, &uid, 1), 0);
	ms_mailbox_close(mailbox);
}

static void
open_session(void)
{
	proc.account = xstrdup("a@b.test");
	proc.account_dir = xstrdup(account);
	session.proc = &proc;
	session.conf = &conf;
	conf.message_size_max = 1 << 20;
	ck_assert_int_eq(jmap_open(&session, &jmap), 0);
}

static void
set_up(void)
{
	(void)snprintf(account, sizeof(account), "/tmp/test_jmap.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(account));
	ck_assert_int_eq(ms_open(account, &store), 0);
}

static void
tear_down(void)
{
	char command[96];

	ms_close(store);
	(void)snprintf(command, sizeof(command), "rm -r %s", account);
	ck_assert_int_eq(system(command), 0);
}

#endif
