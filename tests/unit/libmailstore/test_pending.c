/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Flags of many messages at once: the file that tells them, and any order of large and small changes, other programs' renames, names that
 * follow, lost indexes and expunges, held against a model. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/ms_internal.h"
#include "tests/unit/libmailstore/open_tests.h"
#include "tests/unit/libmailstore/store_tests.h"

/* --- the file --- */

#define VALIDITY 1700000000

static struct ms_pending *
add(struct ms_pending_list *list, uint32_t n, enum ms_store_op op, uint32_t flags, uint32_t letters)
{
	struct ms_pending *pending = ms_pending_add(list);

	*pending = (struct ms_pending){ .n = n, .op = op, .flags = flags, .letters = letters };
	return pending;
}

static void
put_on(struct ms_pending *pending, uint32_t first, uint32_t last)
{
	for (uint32_t bit = first % MS_UIDS_EACH; bit <= last % MS_UIDS_EACH; bit++)
		pending->map[bit / 8] = (uint8_t)(pending->map[bit / 8] | 1u << bit % 8);
}

static void
parse(const char *text, struct ms_pending_list *ret)
{
	*ret = (struct ms_pending_list){ .list = NULL };
	ms_pending_parse(span_of(text), VALIDITY, ret);
}

START_TEST(test_file_says_what_it_was_told)
{
	struct ms_pending_list list = { .list = NULL }, back;
	struct buf text = BUF_INIT(MS_PENDING_TEXT_MAX);

	put_on(add(&list, 0, MS_FLAGS_ADD, MS_SEEN | MS_FLAGGED, 3), 1, 2047);
	put_on(add(&list, 0, MS_FLAGS_SET, 0, 0), 5, 5);
	put_on(add(&list, 1, MS_FLAGS_REMOVE, 0, 1u << 25), 2048, 2048);
	put_on(&list.list[2], 4000, 4095);
	ms_pending_format(&list, VALIDITY, &text);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&text), "fourpost-flags 1 1700000000\nadd FSab 1:2047 "));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&text), "\nset - 5 "));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&text), "\nremove z 2048,4000:4095 "));
	parse(buf_cstr(&text), &back);
	ck_assert_uint_eq(back.count, 3);
	for (size_t i = 0; i < 3; i++) {
		ck_assert_uint_eq(back.list[i].n, list.list[i].n);
		ck_assert_int_eq((int)back.list[i].op, (int)list.list[i].op);
		ck_assert_uint_eq(back.list[i].flags, list.list[i].flags);
		ck_assert_uint_eq(back.list[i].letters, list.list[i].letters);
		ck_assert_mem_eq(back.list[i].map, list.list[i].map, MS_UIDS_BYTES);
	}
	ms_pending_clear(&list);
	ms_pending_clear(&back);
	buf_free(&text);
}
END_TEST

/* The line with a checksum that fits, after a head that does. */
static size_t
lines_of(const char *line)
{
	struct buf text = BUF_INIT(8192);
	struct ms_pending_list list;
	size_t count;

	(void)buf_fmt(&text, "fourpost-flags 1 %u\n%s %016" PRIx64 "\n", VALIDITY, line, ms_name_hash(span_of(line)));
	parse(buf_cstr(&text), &list);
	buf_free(&text);
	count = list.count;
	ms_pending_clear(&list);
	return count;
}

START_TEST(test_lines_that_make_no_sense)
{
	static const char *const bad[] = {
		"", "add", "add S", "add S ", "add S 0", "add S 5:4", "add S 1:2048", "add S 2047:2048", "add S 1,4096", "add S 1:", "add S x",
		"add S 1;2", "put S 1", "add S 4294967296", "add S 1 2",
	};
	struct ms_pending_list list;

	ck_assert_uint_eq(lines_of("add S 1:2,7"), 1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_msg(lines_of(bad[i]) == 0, "%s", bad[i]);
	parse("fourpost-flags 1 1700000000\nadd S 1 0123456789abcdef\n", &list); /* another checksum */
	ck_assert_uint_eq(list.count, 0);
	parse("fourpost-flags 1 1700000001\nadd S 1 94ca9d3e04e7a6a5\n", &list); /* another mailbox */
	ck_assert_uint_eq(list.count, 0);
	parse("fourpost-flags 2 1700000000\n", &list);
	ck_assert_uint_eq(list.count, 0);
}
END_TEST

/* --- a store and a model of it --- */

#define MESSAGES 300

struct op {
	enum ms_store_op op;
	uint32_t flags;
	uint64_t keywords;
};

static struct model {
	bool there;
	uint32_t flags;
	uint64_t keywords, modseq, size;
} model[MESSAGES + 1];

static char *folder, *account;
static struct ms_store *store;
static struct ms_mailbox *inbox;
static uint64_t highest;
static uint32_t seed;

static uint32_t
random_below(uint32_t limit)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % limit;
}

static void
open_all(void)
{
	ck_assert_int_eq(ms_open(account, &store), 0);
	ck_assert_int_eq(ms_mailbox_open(store, "INBOX", &inbox), 0);
}

/* As if the process had been killed: no name follows. */
static void
leave(void)
{
	ms_mailbox_close(inbox);
	store->flagged = false;
	ms_close(store);
}

static void
append_all(void)
{
	for (uint32_t i = 1; i <= MESSAGES; i++) {
		const char *const keywords[] = { "alpha", "beta", NULL };
		char *text = xasprintf("Subject: %u\r\n\r\n%u\r\n", i, i);
		uint32_t uid, uidvalidity;
		struct ms_append *append;

		append = ms_append_begin(store);
		ck_assert_int_eq(ms_append_write(append, text, strlen(text)), 0);
		ck_assert_int_eq(ms_append_commit(append, "INBOX", 0, i == 1 ? keywords : NULL, 0, &uid, &uidvalidity, NULL), 0);
		ck_assert_uint_eq(uid, i);
		model[i] = (struct model){ .there = true, .keywords = i == 1 ? 3 : 0 };
		free(text);
	}
}

/* A folder that has just changed is read again, and then all names follow at once. */
static void
let_folder_settle(void)
{
	(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ .tv_nsec = 2 * MS_FRESH_NANOSECONDS }, NULL);
	ck_assert_int_eq(ms_mailbox_sync(inbox), 0);
}

static void
setup(void)
{
	folder = xstrdup("/tmp/test_pending.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	account = xasprintf("%s/a", folder);
	ck_assert_int_eq(mkdir(account, 0700), 0);
	open_all();
	append_all();
	ck_assert_int_eq(ms_mailbox_sync(inbox), 0);
	let_folder_settle();
	highest = 0;
}

static void
teardown(void)
{
	char *command = xasprintf("rm -rf %s", folder);

	leave();
	ck_assert_int_eq(system(command), 0);
	free(command);
	free(account);
	free(folder);
}

/* --- the model --- */

static void
apply(const struct op *op, uint32_t *flags, uint64_t *keywords)
{
	*flags = op->op == MS_FLAGS_SET ? op->flags : op->op == MS_FLAGS_ADD ? *flags | op->flags : *flags & ~op->flags;
	*keywords = op->op == MS_FLAGS_SET ? op->keywords : op->op == MS_FLAGS_ADD ? *keywords | op->keywords : *keywords & ~op->keywords;
}

static int
read_pending(struct bdb *bdb, void *context)
{
	return ms_pending_read(bdb, NULL, inbox->number, 0, UINT32_MAX, context);
}

/* Messages whose names do not tell all. */
static size_t
count_waiting(void)
{
	struct ms_pending_list list = { .list = NULL };
	size_t waiting = 0;

	ck_assert_int_eq(ms_read(store, read_pending, &list), 0);
	for (uint32_t i = 1; i <= MESSAGES; i++) {
		struct ms_message message = { .uid = i };

		waiting += ms_pending_apply(&list, &message);
	}
	ms_pending_clear(&list);
	return waiting;
}

static int
compare_flags(void *context, const struct ms_message *message)
{
	unsigned *count = context;

	ck_assert(message->uid <= MESSAGES && model[message->uid].there);
	ck_assert_msg(message->flags == model[message->uid].flags && message->keywords.first == model[message->uid].keywords,
	    "UID %u has %x %" PRIx64 " instead of %x %" PRIx64, message->uid, message->flags, message->keywords.first, model[message->uid].flags,
	    model[message->uid].keywords);
	(*count)++;
	return 0;
}

static int
compare_all(void *context, const struct ms_message *message)
{
	ck_assert_uint_ge(message->modseq, model[message->uid].modseq);
	model[message->uid].modseq = message->modseq;
	model[message->uid].size = message->size;
	return compare_flags(context, message);
}

struct changed {
	uint64_t since, last;
	bool told[MESSAGES + 1];
};

static int
take_changed(void *context, const struct ms_message *message)
{
	struct changed *changed = context;
	unsigned count = 0;

	ck_assert(!changed->told[message->uid]);
	changed->told[message->uid] = true;
	ck_assert_uint_gt(message->modseq, changed->since);
	ck_assert_uint_ge(message->modseq, changed->last);
	changed->last = message->modseq;
	return compare_all(&count, message);
}

static void
compare_with_model(void)
{
	unsigned all = 0, flags = 0, there = 0, unseen = 0, deleted = 0;
	struct changed changed = { .since = highest > 3 ? highest - random_below(3) : 0 };
	const struct ms_mailbox_info *info;
	uint64_t size = 0, now;

	ck_assert_int_eq(ms_mailbox_sync(inbox), 0);
	ck_assert_int_eq(ms_messages(inbox, 1, UINT32_MAX, compare_all, &all), 0);
	ck_assert_int_eq(ms_messages_flags(inbox, 1, UINT32_MAX, compare_flags, &flags), 0);
	for (uint32_t i = 1; i <= MESSAGES; i++) {
		struct ms_message message;

		there += model[i].there;
		if (!model[i].there)
			continue;
		unseen += (model[i].flags & MS_SEEN) == 0;
		deleted += (model[i].flags & MS_DELETED) != 0;
		if (random_below(8) == 0) {
			ck_assert_int_eq(ms_message_get(inbox, i, &message), 0);
			(void)compare_all(&(unsigned){ 0 }, &message);
		}
		size += (model[i].flags & MS_DELETED) != 0 ? model[i].size : 0;
	}
	ck_assert_uint_eq(all, there);
	ck_assert_uint_eq(flags, there);
	info = ms_mailbox_info(inbox);
	ck_assert_uint_eq(info->messages, there);
	ck_assert_uint_eq(info->unseen, unseen);
	ck_assert_uint_eq(info->deleted, deleted);
	ck_assert_uint_eq(info->deleted_size, size);
	ck_assert_int_eq(ms_modseq(store, &now), 0);
	ck_assert_uint_ge(now, highest);
	highest = now;
	for (uint32_t i = 1; i <= MESSAGES; i++)
		ck_assert(!model[i].there || (model[i].modseq <= info->modseq && info->modseq <= now));
	if (ms_changes(inbox, changed.since, take_changed, NULL, &changed) == 0)
		for (uint32_t i = 1; i <= MESSAGES; i++)
			ck_assert_msg(!model[i].there || changed.told[i] == (model[i].modseq > changed.since), "UID %u", i);
}

/* --- what happens to it --- */

/* A new index counts from the clock on. */
static void
let_clock_pass(void)
{
	struct timespec now;

	do
		(void)clock_gettime(CLOCK_REALTIME, &now);
	while (((uint64_t)now.tv_sec << 16 | (uint64_t)now.tv_nsec >> 14) <= highest);
}

static void
store_flags(uint32_t share)
{
	static const char *const names[] = { "alpha", "beta" };
	const char *keywords[3] = { NULL };
	struct op op = { .op = (enum ms_store_op)random_below(3), .flags = random_below(64), .keywords = random_below(4) };
	uint32_t uids[MESSAGES];
	size_t count = 0, keyword_count = 0;

	for (unsigned i = 0; i < 2; i++)
		if ((op.keywords >> i & 1) != 0)
			keywords[keyword_count++] = names[i];
	for (uint32_t i = 1; i <= MESSAGES; i++) {
		if (random_below(100) >= share)
			continue;
		uids[count++] = i;
		apply(&op, &model[i].flags, &model[i].keywords);
	}
	ck_assert_int_eq(ms_store_flags(inbox, uids, count, op.op, op.flags, keywords, 0, NULL, NULL), 0);
}

/* What the name said when something was promised, what came of that, and what another program has made of the name. */
static uint64_t
merged(uint64_t before, uint64_t promised, uint64_t theirs)
{
	return (theirs & ~(before & ~promised)) | (promised & ~before);
}

/* As mutt would: the name says other flags, and both this and what waits hold. */
static void
rename_one(void)
{
	uint32_t uid = 1 + random_below(MESSAGES), flags = random_below(64);
	struct ms_name before;
	char *cur = xasprintf("%s/Maildir/cur", account), *wanted = xasprintf(",U=%u.", uid);
	struct dirent *entry;
	DIR *dir = opendir(cur);

	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir)) != NULL) {
		struct buf name = BUF_INIT(1024);
		ptrdiff_t colon = span_chr(span_of(entry->d_name), ':');

		if (strstr(entry->d_name, wanted) == NULL || colon < 0)
			continue;
		(void)buf_put(&name, entry->d_name, (size_t)colon);
		(void)buf_str(&name, ":2,");
		ms_name_put_flags(flags, 2, &name);
		ck_assert_int_eq(renameat(dirfd(dir), entry->d_name, dirfd(dir), buf_cstr(&name)), 0);
		buf_free(&name);
		ck_assert(ms_name_parse(span_of(entry->d_name), &before));
		model[uid].flags = (uint32_t)merged(before.flags, model[uid].flags, flags);
		model[uid].keywords = merged(before.letters, model[uid].keywords, 2);
		break;
	}
	(void)closedir(dir);
	free(wanted);
	free(cur);
}

static void
expunge_some(void)
{
	uint32_t first = 1 + random_below(MESSAGES), uids[3];
	size_t count = 0;

	for (uint32_t i = first; i <= MESSAGES && count < 3; i++)
		if (model[i].there)
			uids[count++] = i;
	for (size_t i = 0; i < count; i++)
		model[uids[i]].there = false;
	ck_assert_int_eq(ms_expunge(inbox, uids, count), 0);
}

static void
step(void)
{
	bool more;

	let_clock_pass();
	switch (random_below(16)) {
	case 0 ... 4:
		let_folder_settle();
		store_flags(80);
		break;
	case 5 ... 8: store_flags(2); break;
	case 9: store_flags(30); break;
	case 10: rename_one(); break;
	case 11: ck_assert_int_eq(ms_idle_work(store, &more), 0); break;
	case 12: expunge_some(); break;
	case 13:
		leave();
		if (random_below(2) == 0)
			shell_in(account, ".", "rm -rf index");
		open_all();
		break;
	case 14: ck_assert_int_eq(ms_rebuild(store), 0); break;
	case 15: shell_in(account, ".", "touch -d '1 hour ago' Maildir/new Maildir/cur"); break;
	}
}

START_TEST(test_any_order_of_changes)
{
	unsigned waiting = 0;

	seed = (uint32_t)_i + 1;
	for (unsigned i = 0; i < 40; i++) {
		step();
		compare_with_model();
		waiting += count_waiting() != 0;
	}
	ck_assert_uint_gt(waiting, 0); /* or nothing was tested */
}
END_TEST

/* --- calls that fail --- */

/* Which of those below does; 0: none. */
static unsigned to_go;

static bool
fails(void)
{
	if (to_go == 0 || --to_go != 0)
		return false;
	errno = EIO;
	return true;
}

static bool
open_fails(const char *path)
{
	(void)path;
	return fails();
}

/* In the C library's place. */
int
unlinkat(int at, const char *path, int flags)
{
	return fails() ? -1 : (int)syscall(SYS_unlinkat, at, path, flags);
}

/* Of folders alone. */
int
fsync(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) && fails() ? -1 : (int)syscall(SYS_fsync, fd);
}

/* --- single things --- */

static size_t
names_with(const char *info)
{
	char *cur = xasprintf("%s/Maildir/cur", account);
	size_t count = 0;
	struct dirent *entry;
	DIR *dir = opendir(cur);

	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir)) != NULL)
		count += span_ends(span_of(entry->d_name), span_of(info));
	(void)closedir(dir);
	free(cur);
	return count;
}

static void
flag_all(enum ms_store_op op, uint32_t flags)
{
	uint32_t uids[MESSAGES];

	for (uint32_t i = 0; i < MESSAGES; i++)
		uids[i] = i + 1;
	ck_assert_int_eq(ms_store_flags(inbox, uids, MESSAGES, op, flags, NULL, 0, NULL, NULL), 0);
}

START_TEST(test_names_follow)
{
	char *file = xasprintf("%s/Maildir/" MS_PENDING_FILE, account);
	bool more = true;

	flag_all(MS_FLAGS_SET, MS_SEEN);
	ck_assert_uint_eq(names_with(":2,S"), 0);
	ck_assert_int_eq(access(file, F_OK), 0);
	ck_assert_uint_eq(ms_mailbox_info(inbox)->unseen, 0);
	while (more)
		ck_assert_int_eq(ms_idle_work(store, &more), 0);
	ck_assert_uint_eq(names_with(":2,S"), MESSAGES);
	ck_assert_int_ne(access(file, F_OK), 0);
	ck_assert_uint_eq(inbox->record.modseq, ms_mailbox_info(inbox)->modseq);
	/* Who closes leaves no name behind. */
	let_folder_settle();
	flag_all(MS_FLAGS_SET, MS_FLAGGED);
	ck_assert_uint_eq(names_with(":2,F"), 0);
	ms_mailbox_close(inbox);
	ms_close(store);
	ck_assert_uint_eq(names_with(":2,F"), MESSAGES);
	open_all();
	free(file);
}
END_TEST

/* The file of that UID gets this behind its name, as mutt would do it. */
static void
rename_uid(uint32_t uid, const char *info)
{
	char *script = xasprintf("f=$(ls new cur | grep 'U=%u\\.') && mv */\"$f\" \"cur/${f%%:*}%s\"", uid, info);

	shell_in(account, "Maildir", script);
	free(script);
}

static void
check_flags(uint32_t uid, uint32_t flags, const char *info)
{
	char *script = xasprintf("ls cur | grep -q 'U=%u\\..*%s$'", uid, info);
	struct ms_message message;

	ck_assert_int_eq(ms_message_get(inbox, uid, &message), 0);
	ck_assert_msg(message.flags == flags, "UID %u has %x", uid, message.flags);
	shell_in(account, "Maildir", script);
	free(script);
}

/* What another program does to a name before it tells what was promised is as good as what was. */
START_TEST(test_flags_of_others_stay)
{
	uint32_t two[2] = { 51, 52 };

	ck_assert_int_eq(ms_store_flags(inbox, two, 2, MS_FLAGS_SET, MS_FLAGGED | MS_ANSWERED, NULL, 0, NULL, NULL), 0);
	let_folder_settle();
	flag_all(MS_FLAGS_SET, MS_SEEN | MS_ANSWERED);
	flag_all(MS_FLAGS_REMOVE, MS_DRAFT);
	ck_assert_uint_eq(names_with(":2,RS"), 0);
	rename_uid(50, ":2,DF");  /* given both: taken back is what it was not */
	rename_uid(51, ":2,FRT"); /* \Flagged goes as promised */
	rename_uid(52, ":2,");    /* took \Answered, which was only kept */
	ck_assert_int_eq(ms_mailbox_sync(inbox), 0);
	check_flags(50, MS_DRAFT | MS_FLAGGED | MS_SEEN | MS_ANSWERED, ":2,DFRS");
	check_flags(51, MS_SEEN | MS_ANSWERED | MS_DELETED, ":2,RST");
	check_flags(52, MS_SEEN, ":2,S");
	check_flags(53, MS_SEEN | MS_ANSWERED, ":2,RS");
	/* Once the names tell it, it is not done again. */
	rename_uid(53, ":2,F");
	ck_assert_int_eq(ms_mailbox_sync(inbox), 0);
	check_flags(53, MS_FLAGGED, ":2,F");
	ck_assert_int_eq(ms_rebuild(store), 0);
	ck_assert_int_eq(ms_mailbox_sync(inbox), 0);
	check_flags(50, MS_DRAFT | MS_FLAGGED | MS_SEEN | MS_ANSWERED, ":2,DFRS");
	check_flags(52, MS_SEEN, ":2,S");
}
END_TEST

static void
no_fault(void *context, const struct ms_fault *fault)
{
	(void)context;
	ck_abort_msg("%s UID %u: %s", fault->mailbox, fault->uid, fault->what);
}

static void
are_as_promised(void)
{
	unsigned count = 0;

	ck_assert_int_eq(ms_messages(inbox, 1, MESSAGES, compare_flags, &count), 0);
	ck_assert_uint_eq(count, MESSAGES);
}

/* Each call that a sync makes fails in turn: what was promised outlives it, once given and once taken away. */
START_TEST(test_sync_fails)
{
	static const char *const alpha[] = { "alpha", NULL };
	uint32_t uids[MESSAGES];
	unsigned failed = 0;
	bool done = false;

	for (uint32_t i = 0; i < MESSAGES; i++)
		uids[i] = i + 1;
	for (unsigned n = 2; !done; n++) {
		struct op op = { n % 2 == 0 ? MS_FLAGS_ADD : MS_FLAGS_REMOVE, MS_SEEN | MS_DELETED, 1 };

		let_folder_settle();
		ck_assert_int_eq(ms_store_flags(inbox, uids, MESSAGES, op.op, op.flags, alpha, 0, NULL, NULL), 0);
		for (uint32_t i = 1; i <= MESSAGES; i++)
			apply(&op, &model[i].flags, &model[i].keywords);
		ck_assert_uint_ge(count_waiting(), MESSAGES - 1);
		shell_in(account, "Maildir/new", "printf 'Subject: x\\n\\nx\\n' > $(date +%s.%N).x.y");
		to_go = n / 2;
		failed += ms_mailbox_sync(inbox) != 0;
		done = to_go != 0;
		to_go = 0;
		are_as_promised();
		ck_assert_int_eq(ms_mailbox_sync(inbox), 0);
		are_as_promised();
		ck_assert_uint_eq(count_waiting(), 0);
	}
	ck_assert_uint_gt(failed, 10); /* or nothing was tested */
	ck_assert_int_eq(ms_check(store, no_fault, NULL), 0);
	ck_assert_int_eq(ms_rebuild(store), 0);
	ck_assert_int_eq(ms_mailbox_sync(inbox), 0);
	are_as_promised();
}
END_TEST

START_TEST(test_moved_and_checked)
{
	uint32_t uids[2] = { 7, 8 }, new[2], validity;
	struct ms_mailbox *archive;
	struct ms_message message;

	flag_all(MS_FLAGS_ADD, MS_SEEN);
	ck_assert_int_eq(ms_copy(inbox, uids, 2, "Archive", true, new, &validity), 0);
	ck_assert_int_eq(ms_mailbox_open(store, "Archive", &archive), 0);
	ck_assert_int_eq(ms_message_get(archive, new[0], &message), 0);
	ck_assert_uint_eq(message.flags, MS_SEEN);
	ck_assert_uint_eq(ms_mailbox_info(archive)->unseen, 0);
	ms_mailbox_close(archive);
	ck_assert_int_eq(ms_check(store, no_fault, NULL), 0);
	ck_assert_uint_eq(names_with(":2,S") + names_with(":2,Sab"), MESSAGES - 2);
	flag_all(MS_FLAGS_REMOVE, MS_SEEN);
	ck_assert_int_eq(ms_repair(store, no_fault, NULL), 0);
	ck_assert_int_eq(ms_mailbox_sync(inbox), 0);
	ck_assert_uint_eq(ms_mailbox_info(inbox)->unseen, MESSAGES - 2);
}
END_TEST

/* Damage to what the index has of it: the file still knows. */
static int
damage(struct ms_txn *txn, void *context)
{
	uint8_t key[MS_PENDING_KEY];
	struct ms_pending_list *list = context;

	ms_key_u32(key, inbox->number);
	key[4] = MS_UIDS_PENDING;
	ms_key_u32(key + 5, list->list[0].n);
	ms_key_u64(key + 9, list->list[0].modseq);
	return ms_bdb(bdb_put(txn->bdb, txn->txn, T_UIDS, key, sizeof(key), "x", 1));
}

START_TEST(test_damaged_record)
{
	struct ms_pending_list list = { .list = NULL };
	unsigned count = 0;

	flag_all(MS_FLAGS_SET, MS_SEEN | MS_DELETED);
	for (uint32_t i = 1; i <= MESSAGES; i++) {
		model[i].flags = MS_SEEN | MS_DELETED;
		model[i].keywords = 0;
	}
	ck_assert_int_eq(ms_read(store, read_pending, &list), 0);
	ck_assert_uint_eq(list.count, 1);
	ck_assert_int_eq(ms_run(store, damage, &list), 0);
	ms_pending_clear(&list);
	ck_assert_int_eq(ms_messages(inbox, 1, UINT32_MAX, compare_flags, &count), 0);
	ck_assert_uint_eq(count, MESSAGES);
	ck_assert_int_eq(ms_mailbox_sync(inbox), 0);
	ck_assert_uint_eq(ms_mailbox_info(inbox)->deleted, MESSAGES);
	ck_assert_int_eq(ms_check(store, no_fault, NULL), 0);
}
END_TEST

static void
remove_index(void *context, const struct ms_fault *fault)
{
	bool *removed = context;

	ck_assert_ptr_nonnull(strstr(fault->what, MS_FOLDER_FILE));
	ck_assert(!*removed);
	*removed = true;
	shell_in(account, ".", "rm -r index");
}

/* The names have followed by then. Who makes the index anew finds them so, and forgets what waited: they are not taken back after that. */
START_TEST(test_index_removed_while_names_follow)
{
	bool removed = false;

	flag_all(MS_FLAGS_SET, MS_SEEN | MS_FLAGGED);
	shell_in(account, ".", "rm Maildir/" MS_FOLDER_FILE "; touch Maildir/new Maildir/cur");
	store->fault = remove_index;
	store->fault_context = &removed;
	ck_assert_int_eq(ms_mailbox_sync(inbox), 0);
	store->fault = NULL;
	ck_assert(removed);
	ck_assert_uint_eq(ms_mailbox_info(inbox)->unseen, 0);
	ck_assert_uint_eq(names_with(":2,FS"), MESSAGES);
}
END_TEST

START_TEST(test_unchanged_since)
{
	uint32_t uids[MESSAGES], modified[MESSAGES], one = 9;
	size_t count = 0;
	uint64_t since;

	for (uint32_t i = 0; i < MESSAGES; i++)
		uids[i] = i + 1;
	ck_assert_int_eq(ms_modseq(store, &since), 0);
	flag_all(MS_FLAGS_ADD, MS_SEEN);
	ck_assert_int_eq(ms_store_flags(inbox, uids, MESSAGES, MS_FLAGS_ADD, MS_FLAGGED, NULL, since, modified, &count), 0);
	ck_assert_uint_eq(count, MESSAGES);
	ck_assert_int_eq(ms_modseq(store, &since), 0);
	ck_assert_int_eq(ms_store_flags(inbox, &one, 1, MS_FLAGS_ADD, MS_FLAGGED, NULL, since, modified, &count), 0);
	ck_assert_uint_eq(count, 0);
	ck_assert_int_eq(ms_store_flags(inbox, uids, MESSAGES, MS_FLAGS_ADD, MS_FLAGGED, NULL, since, modified, &count), 0);
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(modified[0], 9);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("pending");
	TCase *file = tcase_create("file"), *all = tcase_create("store");
	SRunner *runner;
	int failed;

	tcase_add_test(file, test_file_says_what_it_was_told);
	tcase_add_test(file, test_lines_that_make_no_sense);
	suite_add_tcase(suite, file);
	tcase_add_checked_fixture(all, setup, teardown);
	tcase_set_timeout(all, 300);
	tcase_add_test(all, test_names_follow);
	tcase_add_test(all, test_flags_of_others_stay);
	tcase_add_test(all, test_sync_fails);
	tcase_add_test(all, test_moved_and_checked);
	tcase_add_test(all, test_damaged_record);
	tcase_add_test(all, test_index_removed_while_names_follow);
	tcase_add_test(all, test_unchanged_since);
	tcase_add_loop_test(all, test_any_order_of_changes, 0, 5);
	suite_add_tcase(suite, all);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
