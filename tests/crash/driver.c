/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* driver ACCOUNT [COMMAND...]: does what each argument says to the store (without any: each line of standard input) and tells the
 * outcome at once: "ok COMMAND: what was promised", or "error RESULT COMMAND: why". An operation is a row of the table below. A
 * message is made of its name alone, so that whoever reads it back knows every byte of it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/xalloc.h"
#include "libmailstore/ms_internal.h"

#define WORDS_MAX 16
#define UIDS_MAX 1000
#define TEXT_MAX (1 << 20)
/* One message in memory, and what is told of an account. */
#define SAID_MAX (16 << 20)

struct driver {
	const char *dir;
	struct ms_store *store;
	const char *words[WORDS_MAX + 1]; /* of the command, NULL-ended */
	struct buf said;                  /* what is promised, or told */
	bool moved_in;                    /* the account's mail, from elsewhere */
	bool failed;                      /* since the last mark: what comes is passed over up to the next */
};

/* --- messages --- */

static void
make_message(const char *name, struct buf *out)
{
	unsigned lines = 20;

	for (const char *c = name; *c != '\0'; c++)
		lines = (lines * 31 + (unsigned char)*c) % 300;
	(void)buf_fmt(out, "From: crash@example.test\nSubject: %s\nMessage-ID: <%s@example.test>\nDate: Tue, 10 Nov 2026 12:00:00 +0000\n\n", name, name);
	for (unsigned i = 0; i < lines; i++)
		(void)buf_fmt(out, "%s line %u of %u\n", name, i, lines);
}

static int
read_message(int fd, uint64_t bytes, struct buf *out)
{
	while (bytes != 0) {
		char *room = buf_reserve(out, 65536);
		ssize_t got = room != NULL ? read(fd, room, 65536) : -1;

		if (got <= 0)
			return got < 0 ? -errno : 0;
		buf_added(out, (size_t)got);
		bytes -= (uint64_t)got < bytes ? (uint64_t)got : bytes;
	}
	return 0;
}

/* The name stands in the Subject. ret_whole: every byte of the message is there, and its envelope is of that message. */
static int
look_at(struct ms_mailbox *mailbox, uint32_t uid, char name[64], bool *ret_whole)
{
	struct buf is = BUF_INIT(TEXT_MAX), should = BUF_INIT(TEXT_MAX);
	char *envelope = NULL;
	const char *subject;
	uint64_t bytes;
	size_t len;
	int fd, r = ms_message_open(mailbox, uid, &fd, &bytes);

	if (r != 0)
		return r;
	r = read_message(fd, bytes, &is);
	(void)close(fd);
	subject = strstr(buf_cstr(&is), "Subject: ");
	(void)snprintf(name, 64, "%s", subject != NULL ? subject + 9 : "?");
	name[strcspn(name, "\n")] = '\0';
	make_message(name, &should);
	*ret_whole = span_eq(buf_get(&is), buf_get(&should));
	if (r == 0)
		r = ms_message_cached(mailbox, uid, MS_ENVELOPE, &envelope, &len);
	if (r == 0) {
		char *wanted = xasprintf("\"%s\"", name);

		*ret_whole = *ret_whole && strstr(envelope, wanted) != NULL;
		free(wanted);
	}
	free(envelope);
	buf_free(&is);
	buf_free(&should);
	return r;
}

/* --- words --- */

static const struct {
	char letter;
	uint32_t bit;
} letters[] = { { 'S', MS_SEEN }, { 'R', MS_ANSWERED }, { 'F', MS_FLAGGED }, { 'T', MS_DELETED }, { 'D', MS_DRAFT }, { 'P', MS_FORWARDED } };

static uint32_t
flags_of(const char *text)
{
	uint32_t flags = 0;

	for (size_t i = 0; i < sizeof(letters) / sizeof(*letters); i++)
		if (strchr(text, letters[i].letter) != NULL)
			flags |= letters[i].bit;
	return flags;
}

static size_t
uids_of(const char *text, uint32_t uids[UIDS_MAX])
{
	size_t count = 0;

	for (char *end; *text != '\0' && count < UIDS_MAX; text = *end == ',' ? end + 1 : end) {
		uids[count] = (uint32_t)strtoul(text, &end, 10);
		if (end == text)
			break;
		count++;
	}
	return count;
}

static void
tell_uids(struct driver *driver, const uint32_t *uids, size_t count)
{
	for (size_t i = 0; i < count; i++)
		(void)buf_fmt(&driver->said, "%s%" PRIu32, i != 0 ? "," : " uids=", uids[i]);
}

/* --- operations --- */

/* Two messages are many, and three names too many at once: what names tell later, and some later still, is met everywhere. */
static int
do_open(struct driver *driver)
{
	int r = driver->store == NULL ? ms_open(driver->dir, &driver->store) : 0;

	if (r == 0) {
		driver->store->text_least = 0; /* small as the account is */
		driver->store->many = 1;
		driver->store->follow_max = 2;
	}
	return r;
}

/* as-usual: as every daemon has the store. */
static int
do_as_usual(struct driver *driver)
{
	driver->store->many = MS_MANY;
	driver->store->follow_max = MS_FOLLOW_MAX;
	return 0;
}

/* As a session that has nothing else to do. */
static int
do_idle(struct driver *driver)
{
	bool more = true;
	int r = 0;

	while (r == 0 && more)
		r = ms_idle_work(driver->store, &more);
	return r;
}

static int
do_close(struct driver *driver)
{
	ms_close(driver->store);
	driver->store = NULL;
	return 0;
}

/* Tells the tracer that what it counts begins or ends: a call that nothing else makes. */
static int
do_mark(struct driver *driver)
{
	driver->failed = false;
	return getsid(0) < 0;
}

/* A message written, not stored. It comes in pieces, as from the network. */
static int
write_message(struct driver *driver, const char *name, struct ms_append **ret)
{
	struct buf message = BUF_INIT(TEXT_MAX);
	int r = 0;

	*ret = ms_append_begin(driver->store);
	make_message(name, &message);
	for (size_t at = 0; r == 0 && at < message.len; at += 1000)
		r = ms_append_write(*ret, message.data + at, message.len - at < 1000 ? message.len - at : 1000);
	buf_free(&message);
	if (r != 0)
		ms_append_abort(*ret);
	return r;
}

/* append MAILBOX NAME FLAGS [KEYWORD...] */
static int
do_append(struct driver *driver)
{
	struct ms_append *append;
	uint32_t uid, uidvalidity;
	int r = write_message(driver, driver->words[2], &append);

	if (r == 0)
		r = ms_append_commit(append, driver->words[1], flags_of(driver->words[3]), driver->words + 4, 1700000000, &uid, &uidvalidity, NULL);
	if (r == 0)
		tell_uids(driver, &uid, 1);
	return r;
}

/* append-all MAILBOX NAME,NAME...: together, as what waits for one account is delivered. */
static int
do_append_all(struct driver *driver)
{
	struct ms_append *appends[MS_APPENDS_MAX];
	uint32_t uids[MS_APPENDS_MAX];
	struct span names = span_of(driver->words[2]), name;
	size_t count = 0;
	int r = 0;

	while (r == 0 && count < MS_APPENDS_MAX && span_split(&names, ',', &name)) {
		char *text = span_dup(name);

		r = write_message(driver, text, &appends[count]);
		count += r == 0;
		free(text);
	}
	if (r != 0) {
		while (count > 0)
			ms_append_abort(appends[--count]);
		return r;
	}
	r = ms_append_commit_all(appends, count, driver->words[1], uids);
	if (r == 0)
		tell_uids(driver, uids, count);
	return r;
}

/* flags MAILBOX UIDS set|add|remove FLAGS [KEYWORD...] */
static int
do_flags(struct driver *driver)
{
	const char *how = driver->words[3];
	uint32_t uids[UIDS_MAX];
	size_t count = uids_of(driver->words[2], uids);
	struct ms_mailbox *mailbox;
	int r = ms_mailbox_open(driver->store, driver->words[1], &mailbox);

	if (r != 0)
		return r;
	r = ms_store_flags(mailbox, uids, count, strcmp(how, "set") == 0 ? MS_FLAGS_SET : strcmp(how, "add") == 0 ? MS_FLAGS_ADD : MS_FLAGS_REMOVE,
	    flags_of(driver->words[4]), driver->words + 5, 0, NULL, NULL);
	ms_mailbox_close(mailbox);
	return r;
}

/* copy|move MAILBOX UIDS TO */
static int
do_copy(struct driver *driver)
{
	uint32_t uids[UIDS_MAX], new[UIDS_MAX], uidvalidity;
	size_t count = uids_of(driver->words[2], uids);
	struct ms_mailbox *mailbox;
	int r = ms_mailbox_open(driver->store, driver->words[1], &mailbox);

	if (r != 0)
		return r;
	r = ms_copy(mailbox, uids, count, driver->words[3], driver->words[0][0] == 'm', new, &uidvalidity);
	ms_mailbox_close(mailbox);
	if (r == 0)
		tell_uids(driver, new, count);
	return r;
}

/* expunge MAILBOX UIDS */
static int
do_expunge(struct driver *driver)
{
	uint32_t uids[UIDS_MAX];
	size_t count = uids_of(driver->words[2], uids);
	struct ms_mailbox *mailbox;
	int r = ms_mailbox_open(driver->store, driver->words[1], &mailbox);

	if (r == 0) {
		r = ms_expunge(mailbox, uids, count);
		ms_mailbox_close(mailbox);
	}
	return r;
}

static int
do_create(struct driver *driver)
{
	return ms_mailbox_create(driver->store, driver->words[1], MS_USE_NONE);
}

static int
do_rename(struct driver *driver)
{
	return ms_mailbox_rename(driver->store, driver->words[1], driver->words[2]);
}

static int
do_delete(struct driver *driver)
{
	return ms_mailbox_delete(driver->store, driver->words[1]);
}

static int
do_subscribe(struct driver *driver)
{
	return ms_subscribe(driver->store, driver->words[1], driver->words[0][0] == 's');
}

/* come NAME: it arrives in INBOX, by another program, which has had it in a folder of its own (account.py) and tells when it is safe. */
static int
do_come(struct driver *driver)
{
	char from[PATH_MAX], to[PATH_MAX];
	int fd, r;

	(void)snprintf(from, sizeof(from), "%s/elsewhere/%s", driver->dir, driver->words[1]);
	(void)snprintf(to, sizeof(to), "%s/Maildir/new/%s", driver->dir, driver->words[1]);
	if (rename(from, to) < 0)
		return -errno;
	(void)snprintf(to, sizeof(to), "%s/Maildir/new", driver->dir);
	fd = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = fsync(fd) < 0 ? -errno : 0;
	(void)close(fd);
	return r;
}

static int
do_rebuild(struct driver *driver)
{
	return ms_rebuild(driver->store);
}

/* --- moving in and out --- */

static void
no_note(void *context, const char *mailbox, const char *note)
{
	(void)context, (void)mailbox, (void)note;
}

/* A file or folder of the account's. Returns a descriptor or -errno. */
static int
open_beside(const struct driver *driver, const char *name, int flags)
{
	char *path = xasprintf("%s/%s", driver->dir, name);
	int fd = open(path, flags | O_CLOEXEC, 0600);

	free(path);
	return fd < 0 ? -errno : fd;
}

static int
import_from(struct driver *driver, struct ms_import_result *ret)
{
	int fd = open_beside(driver, driver->words[1], O_RDONLY | O_DIRECTORY), r;

	if (fd < 0)
		return fd;
	r = ms_import_from(driver->dir, fd, false, NULL, NULL, no_note, NULL, ret);
	(void)close(fd);
	return r;
}

/* import [FOLDER]: in place, or from there. Again, where it has not come to its end. */
static int
do_import(struct driver *driver)
{
	struct ms_import_result result;
	int r = 0;

	if (!driver->moved_in)
		r = driver->words[1] != NULL ? import_from(driver, &result) : ms_import(driver->dir, false, no_note, NULL, &result);
	driver->moved_in = r == 0;
	return r;
}

/* import-mbox FILE MAILBOX, export-mbox FILE MAILBOX */
static int
do_mbox(struct driver *driver)
{
	bool import = driver->words[0][0] == 'i';
	int fd = open_beside(driver, driver->words[1], import ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC), r;
	uint64_t count;

	if (fd < 0)
		return fd;
	r = import ? ms_mbox_import(driver->store, fd, driver->words[2], no_note, NULL, &count) : ms_mbox_export(driver->store, driver->words[2], fd, no_note, NULL, &count);
	(void)close(fd);
	return r;
}

/* backup NAME [PREVIOUS]: in the account's folder. */
static int
do_backup(struct driver *driver)
{
	struct ms_backup_result result;
	int fd = open_beside(driver, "backups", O_RDONLY | O_DIRECTORY), r;

	if (fd < 0)
		return fd;
	r = ms_backup(driver->store, fd, driver->words[1], driver->words[2], no_note, NULL, &result);
	(void)close(fd);
	return r;
}

/* restore FOLDER; the same. */
static int
do_restore(struct driver *driver)
{
	struct ms_backup_result result;
	int fd, r;

	if (driver->moved_in)
		return 0;
	fd = open_beside(driver, driver->words[1], O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fd;
	r = ms_restore(driver->dir, fd, true, NULL, NULL, &result);
	(void)close(fd);
	driver->moved_in = r == 0;
	return r;
}

/* --- telling what is there --- */

struct telling {
	struct driver *driver;
	struct ms_mailbox *mailbox;
	struct ms_message *list;
	size_t count, room;
};

static int
collect(void *context, const struct ms_message *message)
{
	struct telling *telling = context;

	if (telling->count == telling->room) {
		telling->room = telling->room != 0 ? telling->room * 2 : 64;
		telling->list = xreallocarray(telling->list, telling->room, sizeof(*telling->list));
	}
	telling->list[telling->count++] = *message;
	return 0;
}

static int
tell_message(struct telling *telling, const struct ms_message *message)
{
	struct buf *said = &telling->driver->said;
	bool whole = false;
	char name[64];
	int r = look_at(telling->mailbox, message->uid, name, &whole);

	if (r != 0)
		return r == MS_E_NOTFOUND ? 0 : r; /* it has gone meanwhile */
	(void)buf_fmt(said, "\nmessage\t%s\t%" PRIu32 "\t", ms_mailbox_info(telling->mailbox)->name, message->uid);
	for (size_t i = 0; i < sizeof(letters) / sizeof(*letters); i++)
		if ((message->flags & letters[i].bit) != 0)
			(void)buf_char(said, letters[i].letter);
	(void)buf_char(said, '\t');
	for (unsigned i = 0; i < 64 && ms_keyword(telling->mailbox, i) != NULL; i++)
		if (ms_keywords_have(&message->keywords, i))
			(void)buf_fmt(said, " %s", ms_keyword(telling->mailbox, i));
	(void)buf_fmt(said, "\t%s\t%" PRId64 "\t%s", name, message->internal_date, whole ? "whole" : "torn");
	return 0;
}

static int
tell_mailbox(struct driver *driver, const char *name)
{
	struct telling telling = { .driver = driver };
	const struct ms_mailbox_info *info;
	int r = ms_mailbox_open(driver->store, name, &telling.mailbox);

	if (r != 0)
		return r;
	info = ms_mailbox_info(telling.mailbox);
	(void)buf_fmt(&driver->said, "\nmailbox\t%s\t%s\t%" PRIu32 "\t%" PRIu32 "\t%" PRIu32 "\t%" PRIu32 "\t%d", info->name, info->id, info->uidvalidity, info->uidnext,
	    info->messages, info->unseen, info->subscribed);
	r = ms_messages(telling.mailbox, 1, UINT32_MAX, collect, &telling);
	for (size_t i = 0; r == 0 && i < telling.count; i++)
		r = tell_message(&telling, &telling.list[i]);
	free(telling.list);
	ms_mailbox_close(telling.mailbox);
	return r;
}

/* tell [MAILBOX]: lines of what is in all mailboxes or that one. */
static int
do_tell(struct driver *driver)
{
	struct ms_mailbox_info *list;
	size_t count;
	uint64_t modseq = 0;
	int r = ms_modseq(driver->store, &modseq);

	(void)buf_fmt(&driver->said, "\nmodseq\t%" PRIu64, modseq);
	if (r != 0 || driver->words[1] != NULL)
		return r != 0 ? r : tell_mailbox(driver, driver->words[1]);
	r = ms_mailboxes(driver->store, &list, &count);
	if (r != 0)
		return r;
	for (size_t i = 0; r == 0 && i < count; i++)
		r = tell_mailbox(driver, list[i].name);
	ms_mailboxes_free(list, count);
	return r;
}

static int
do_reopen(struct driver *driver)
{
	int r = do_close(driver);

	return r == 0 ? do_open(driver) : r;
}

static void
tell_fault(void *context, const struct ms_fault *fault)
{
	struct driver *driver = context;

	(void)buf_fmt(&driver->said, "\nfault\t%s\t%" PRIu32 "\t%s", fault->mailbox, fault->uid, fault->what);
}

static int
do_check(struct driver *driver)
{
	return ms_check(driver->store, tell_fault, driver);
}

static const struct {
	const char *name;
	unsigned words; /* at least, with the name */
	bool closed;    /* needs no open store */
	int (*run)(struct driver *driver);
} operations[] = {
	{ "open", 1, true, do_open }, { "close", 1, true, do_close }, { "reopen", 1, false, do_reopen }, { "mark", 1, true, do_mark },
	{ "as-usual", 1, false, do_as_usual }, { "append", 4, false, do_append }, { "append-all", 3, false, do_append_all },
	{ "flags", 5, false, do_flags }, { "copy", 4, false, do_copy }, { "move", 4, false, do_copy },
	{ "expunge", 3, false, do_expunge }, { "create", 2, false, do_create }, { "rename", 3, false, do_rename }, { "delete", 2, false, do_delete },
	{ "subscribe", 2, false, do_subscribe }, { "unsubscribe", 2, false, do_subscribe }, { "rebuild", 1, false, do_rebuild }, { "idle", 1, false, do_idle },
	{ "come", 2, false, do_come },
	{ "import", 1, true, do_import }, { "import-mbox", 3, false, do_mbox }, { "export-mbox", 3, false, do_mbox },
	{ "backup", 2, false, do_backup }, { "restore", 2, true, do_restore },
	{ "tell", 1, false, do_tell }, { "check", 1, false, do_check },
};

/* --- the loop --- */

static int
run(struct driver *driver, const char *command)
{
	char *copy = xstrdup(command), *rest = copy, *word;
	unsigned count = 0;
	int r = -ENOSYS;

	memset(driver->words, 0, sizeof(driver->words));
	while (count < WORDS_MAX && (word = strsep(&rest, " ")) != NULL)
		driver->words[count++] = word;
	for (size_t i = 0; i < sizeof(operations) / sizeof(*operations); i++)
		if (strcmp(operations[i].name, copy) == 0 && count >= operations[i].words)
			r = driver->store != NULL || operations[i].closed ? operations[i].run(driver) : -ENOTCONN;
	free(copy);
	return r;
}

static void
say(struct driver *driver, const char *command, int result)
{
	struct buf line = BUF_INIT(SAID_MAX);
	size_t done = 0;

	if (result == 0)
		(void)buf_fmt(&line, "ok %s:", command);
	else
		(void)buf_fmt(&line, "error %d %s: %s", result, command, ms_strerror(result));
	(void)buf_span(&line, buf_get(&driver->said));
	(void)buf_char(&line, '\n');
	if (strcmp(command, "tell") == 0 || strncmp(command, "tell ", 5) == 0 || strcmp(command, "check") == 0)
		(void)buf_fmt(&line, "end\n");
	while (done < line.len) {
		ssize_t put = write(STDOUT_FILENO, line.data + done, line.len - done);

		if (put < 0)
			_exit(3);
		done += (size_t)put;
	}
	buf_clear(&driver->said);
	buf_free(&line);
}

int
main(int argc, char **argv)
{
	struct driver driver = { .dir = argc > 1 ? argv[1] : NULL, .said = BUF_INIT(SAID_MAX) };
	char line[4096];

	if (driver.dir == NULL) {
		(void)fprintf(stderr, "usage: driver ACCOUNT [COMMAND...]\n");
		return 64;
	}
	for (int i = 2; i < argc; i++) {
		int r;

		if (driver.failed && strcmp(argv[i], "mark") != 0)
			continue;
		r = run(&driver, argv[i]);
		driver.failed = r != 0;
		say(&driver, argv[i], r);
	}
	while (argc == 2 && fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		say(&driver, line, run(&driver, line));
	}
	buf_free(&driver.said);
	ms_close(driver.store);
	return 0;
}
