/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* More keywords than there are letters: as sets, in names, and in a store that loses its index. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "libmailstore/mailstore.h"
#include "libmailstore/ms_folder.h"
#include "libmailstore/ms_keywords.h"
#include "tests/unit/libmailstore/store_tests.h"

static char *folder, *account;
static struct ms_store *store;

static void
setup(void)
{
	folder = xstrdup("/tmp/test_keywords.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	account = xasprintf("%s/a", folder);
	ck_assert_int_eq(mkdir(account, 0700), 0);
	ck_assert_int_eq(ms_open(account, &store), 0);
}

static void
teardown(void)
{
	ms_close(store);
	store = NULL;
	shell_in(account, ".", "rm -r ../a");
	ck_assert_int_eq(rmdir(folder), 0);
	free(account);
	free(folder);
}

/* Keywords k<from> to k<to>, as a list for free_list. */
static char **
list(unsigned from, unsigned to)
{
	char **names = xcalloc(to - from + 2, sizeof(*names));

	for (unsigned i = from; i <= to; i++)
		names[i - from] = xasprintf("k%u", i);
	return names;
}

static void
free_list(char **names)
{
	for (size_t i = 0; names[i] != NULL; i++)
		free(names[i]);
	free(names);
}

static int
flag(const char *mailbox, uint32_t uid, enum ms_store_op op, unsigned from, unsigned to)
{
	char **names = list(from, to);
	struct ms_mailbox *open;
	int r = ms_mailbox_open(store, mailbox, &open);

	ck_assert_int_eq(r, 0);
	r = ms_store_flags(open, &uid, 1, op, 0, (const char *const *)names, 0, NULL, NULL);
	ms_mailbox_close(open);
	free_list(names);
	return r;
}

static uint32_t
add(unsigned from, unsigned to)
{
	char **names = list(from, to);
	struct ms_append *append;
	uint32_t uid, uidvalidity;

	append = ms_append_begin(store);
	ck_assert_int_eq(ms_append_write(append, "Subject: x\n\nx\n", 14), 0);
	ck_assert_int_eq(ms_append_commit(append, "INBOX", 0, (const char *const *)names, 0, &uid, &uidvalidity, NULL), 0);
	free_list(names);
	return uid;
}

static void
expect(const char *mailbox, uint32_t uid, const char *expected)
{
	struct buf text = BUF_INIT(8192);
	struct ms_message message;
	struct ms_mailbox *open;
	const char *name;

	ck_assert_int_eq(ms_mailbox_open(store, mailbox, &open), 0);
	ck_assert_int_eq(ms_message_get(open, uid, &message), 0);
	for (unsigned n = ms_keywords_next(&message.keywords, 0); (name = ms_keyword(open, n)) != NULL; n = ms_keywords_next(&message.keywords, n + 1))
		(void)buf_fmt(&text, "%s ", name);
	ck_assert_str_eq(buf_cstr(&text), expected);
	buf_free(&text);
	ms_mailbox_close(open);
}

static int
same_keywords(void *context, const struct ms_message *message)
{
	struct ms_message record;

	ck_assert_int_eq(ms_message_get(context, message->uid, &record), 0);
	ck_assert(ms_keywords_equal(&record.keywords, &message->keywords));
	return 0;
}

START_TEST(sets)
{
	struct ms_keywords set = { .first = 0 }, other = { .first = 0 }, result;

	ck_assert(ms_keywords_none(&set));
	ck_assert_uint_eq(ms_keywords_next(&set, 0), MS_KEYWORD_NONE);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_int_eq(ms_keywords_add(&set, 63), 0);
		ck_assert_int_eq(ms_keywords_add(&set, 900 - i), 0);
		ck_assert_int_eq(ms_keywords_add(&set, 64), 0);
	}
	ck_assert(ms_keywords_have(&set, 63) && ms_keywords_have(&set, 64) && ms_keywords_have(&set, 899) && !ms_keywords_have(&set, 65));
	ck_assert_uint_eq(ms_keywords_next(&set, 0), 63);
	ck_assert_uint_eq(ms_keywords_next(&set, 64), 64);
	ck_assert_uint_eq(ms_keywords_next(&set, 65), 898);
	ck_assert_uint_eq(ms_keywords_next(&set, 901), MS_KEYWORD_NONE);
	ck_assert_int_eq(ms_keywords_add(&other, 898), 0);
	ck_assert_int_eq(ms_keywords_add(&other, 3), 0);
	ck_assert_int_eq(ms_keywords_combine(MS_FLAGS_ADD, &set, &other, &result), 0);
	ck_assert(ms_keywords_have(&result, 3) && ms_keywords_have(&result, 900) && result.more_count == 4);
	ck_assert_int_eq(ms_keywords_combine(MS_FLAGS_REMOVE, &result, &other, &result), 0);
	ck_assert(ms_keywords_have(&result, 899) && !ms_keywords_have(&result, 898) && !ms_keywords_have(&result, 3));
	ck_assert_int_eq(ms_keywords_combine(MS_FLAGS_SET, &set, &other, &result), 0);
	ck_assert(ms_keywords_equal(&result, &other));
	for (unsigned i = 0; i < MS_KEYWORDS_MORE_MAX - 1; i++)
		ck_assert_int_eq(ms_keywords_add(&other, 100 + i), 0);
	ck_assert_int_eq(ms_keywords_add(&other, 200), MS_E_LIMIT);
	ck_assert_int_eq(ms_keywords_add(&other, 898), 0);
}
END_TEST

START_TEST(names)
{
	struct buf text = BUF_INIT(255), digits = BUF_INIT(255);
	struct ms_keywords set = { .first = 0 }, back;
	struct ms_name name;

	ck_assert(ms_name_parse(SPAN("1.a.host,S=1,W=2,U=3.00af:2,S"), &name) && name.uid == 3 && name.folder == 0xaf);
	ck_assert(ms_name_parse(SPAN("1.a.host,U=3.00g0:2,S"), &name) && name.uid == 0);
	ck_assert(ms_name_parse(SPAN("1.a.host,U=3.0:2,S"), &name) && name.uid == 0);
	ck_assert(ms_name_parse(SPAN("1.a.host,S=1,W=2,U=3:2,S"), &name) && name.folder == 0);
	ck_assert_int_eq(ms_keywords_add(&set, 1), 0);
	ck_assert_int_eq(ms_keywords_add(&set, 26), 0);
	ck_assert_int_eq(ms_keywords_add(&set, 61), 0);
	ck_assert_int_eq(ms_keywords_add(&set, 2047), 0);
	ms_keywords_to_name(&set, &name, &digits);
	ck_assert_int_eq(ms_name_format(&name, true, &text), 0);
	ck_assert_str_eq(buf_cstr(&text), "1.a.host,S=1,W=2,U=3,K=0Q0zX1:2,Sb");
	ck_assert(ms_name_parse(buf_get(&text), &name));
	ms_keywords_from_name(&name, 2048, &back);
	ck_assert(ms_keywords_equal(&set, &back));
	ck_assert(!ms_keywords_name_exceeds(&name, 2048) && ms_keywords_name_exceeds(&name, 2047));
	/* What the mailbox does not have, letters in the field, and what is no digit, count for nothing. */
	ck_assert(ms_name_parse(SPAN("1.a.host,K=0Q0z00!!zz0:2,bz"), &name));
	ms_keywords_from_name(&name, 27, &back);
	ck_assert_uint_eq(back.first, UINT64_C(1) << 1 | UINT64_C(1) << 25 | UINT64_C(1) << 26);
	ck_assert_uint_eq(back.more_count, 0);
	buf_free(&text);
	buf_free(&digits);
}
END_TEST

START_TEST(beyond_the_letters)
{
	static const char many[] = "k24 k25 k26 k27 k63 k64 k65 k66 ";
	uint32_t one = add(0, 0), two, new, uidvalidity;
	struct ms_mailbox *open;

	/* A hundred keywords in the mailbox, few on each message. */
	for (unsigned from = 1; from < 100; from += 11)
		ck_assert_int_eq(flag("INBOX", one, MS_FLAGS_SET, from, from + 10), 0);
	ck_assert_int_eq(flag("INBOX", one, MS_FLAGS_SET, 24, 27), 0);
	ck_assert_int_eq(flag("INBOX", one, MS_FLAGS_ADD, 63, 67), 0);
	ck_assert_int_eq(flag("INBOX", one, MS_FLAGS_REMOVE, 67, 90), 0);
	expect("INBOX", one, many);
	two = add(80, 82);
	expect("INBOX", two, "k80 k81 k82 ");
	/* Copied to where the same keywords have other numbers. */
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &open), 0);
	ck_assert_int_eq(ms_messages_flags(open, 1, UINT32_MAX, same_keywords, open), 0);
	ck_assert_int_eq(ms_copy(open, &two, 1, "Archive", false, &new, &uidvalidity), 0);
	ms_mailbox_close(open);
	expect("Archive", new, "k80 k81 k82 ");
	/* The index goes, all stays. */
	ms_close(store);
	shell_in(account, ".", "rm -r index");
	ck_assert_int_eq(ms_open(account, &store), 0);
	expect("INBOX", one, many);
	expect("INBOX", two, "k80 k81 k82 ");
	/* Another program changes flags and letters, as Maildir has it: the rest stays. */
	shell_in(account, ".", "cd Maildir/cur && f=$(ls | grep U=1[.]) && mv $f ${f%:*}:2,Sy");
	expect("INBOX", one, "k24 k26 k27 k63 k64 k65 k66 ");
	/* And one that knows no fields in names takes away what it knows nothing of. */
	shell_in(account, ".", "cd Maildir/cur && f=$(ls | grep U=1[.]) && mv $f ${f%%,*}:2,F");
	expect("INBOX", one, "k26 k27 k63 k64 k65 k66 ");
}
END_TEST

START_TEST(limits)
{
	uint32_t uid = add(0, 0);

	/* As many as a name has room for. */
	ck_assert_int_eq(flag("INBOX", uid, MS_FLAGS_ADD, 0, 55), 0);
	ck_assert_int_eq(flag("INBOX", uid, MS_FLAGS_ADD, 0, 250), MS_E_LIMIT);
	ck_assert_int_eq(flag("INBOX", uid, MS_FLAGS_SET, 7, 8), 0);
	expect("INBOX", uid, "k7 k8 ");
	for (unsigned from = 56; from < MS_KEYWORDS_MAX; from += 64) {
		unsigned to = from + 63 < MS_KEYWORDS_MAX ? from + 63 : MS_KEYWORDS_MAX - 1;

		ck_assert_int_eq(flag("INBOX", uid, MS_FLAGS_REMOVE, from, to), 0);
	}
	ck_assert_int_eq(flag("INBOX", uid, MS_FLAGS_SET, MS_KEYWORDS_MAX - 1, MS_KEYWORDS_MAX - 1), 0);
	expect("INBOX", uid, "k2047 ");
	ck_assert_int_eq(flag("INBOX", uid, MS_FLAGS_ADD, MS_KEYWORDS_MAX, MS_KEYWORDS_MAX), MS_E_LIMIT);
	ms_close(store);
	shell_in(account, ".", "rm -r index");
	ck_assert_int_eq(ms_open(account, &store), 0);
	expect("INBOX", uid, "k2047 ");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("keywords");
	TCase *pure = tcase_create("pure"), *stored = tcase_create("stored");
	SRunner *runner;
	int failed;

	tcase_add_test(pure, sets);
	tcase_add_test(pure, names);
	suite_add_tcase(suite, pure);
	tcase_add_checked_fixture(stored, setup, teardown);
	tcase_set_timeout(stored, 60);
	tcase_add_test(stored, beyond_the_letters);
	tcase_add_test(stored, limits);
	suite_add_tcase(suite, stored);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
