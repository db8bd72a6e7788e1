/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Flags and keywords: the file's name says them, the index follows in the same transaction. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/ms_internal.h"

static int
take_one(struct ms_mailbox_record *record, struct span keyword, unsigned *ret, bool *ret_new)
{
	struct ms_folder *folder = &record->folder;

	for (unsigned i = 0; i < folder->keyword_count; i++)
		if (span_ieq(span_of(folder->keywords[i]), keyword)) {
			*ret = i;
			return 0;
		}
	if (!ms_keyword_is_valid(keyword))
		return MS_E_BADNAME;
	*ret = folder->keyword_count;
	*ret_new = true;
	return ms_folder_add_keyword(folder, keyword);
}

/* What the folder's file has beyond the index: an attempt before this put it there, and names of files may tell it already. */
static int
take_over_file(int folder_fd, struct ms_mailbox_record *record)
{
	struct ms_folder file;
	int r = ms_folder_read(folder_fd, &file);

	if (r != 0)
		return r > 0 ? 0 : r; /* no file: it is written now */
	for (unsigned i = record->folder.keyword_count; i < file.keyword_count; i++)
		(void)ms_folder_add_keyword(&record->folder, span_of(file.keywords[i])); /* no more than the file had room for */
	ms_folder_clear(&file);
	return 0;
}

static bool
all_known(const struct ms_mailbox_record *record, const char *const *keywords)
{
	for (size_t i = 0; keywords[i] != NULL; i++) {
		bool found = false;

		for (unsigned k = 0; k < record->folder.keyword_count; k++)
			found = found || span_ieq(span_of(record->folder.keywords[k]), span_of(keywords[i]));
		if (!found)
			return false;
	}
	return true;
}

int
ms_keywords_take(int folder_fd, struct ms_mailbox_record *record, const char *const *keywords, struct ms_keywords *ret)
{
	struct ms_folder *folder = &record->folder;
	bool new = false;
	unsigned before;
	int r = 0;

	*ret = (struct ms_keywords){ .first = 0 };
	if (keywords != NULL && !all_known(record, keywords))
		r = take_over_file(folder_fd, record);
	before = folder->keyword_count;
	for (size_t i = 0; r == 0 && keywords != NULL && keywords[i] != NULL; i++) {
		unsigned n;

		r = take_one(record, span_of(keywords[i]), &n, &new);
		if (r == 0)
			r = ms_keywords_add(ret, n);
	}
	if (r == 0 && new)
		r = ms_folder_write(folder_fd, folder);
	if (r == 0)
		return 0;
	/* In the record alone they would be lost with the index. */
	while (folder->keyword_count > before)
		free(folder->keywords[--folder->keyword_count]);
	*ret = (struct ms_keywords){ .first = 0 };
	return r;
}

/* Changes in one transaction: of messages that stand side by side, on few pages. inotify keeps some 16,000 events, two of each. */
#define FLAGS_BATCH 500

struct flags {
	struct ms_flagging *flagging;
	size_t at, end, modified_before;
	uint64_t modseq; /* of the messages that changed */
};

static uint32_t
combine(enum ms_store_op op, uint32_t before, uint32_t given)
{
	return op == MS_FLAGS_SET ? given : op == MS_FLAGS_ADD ? before | given : before & ~given;
}

int
ms_rename_record(uint32_t mailbox, const struct ms_message_record *before, struct ms_message_record *after)
{
	struct buf text = BUF_INIT(MS_NAME_MAX), digits = BUF_INIT(MS_NAME_MAX);
	struct ms_name name;
	int r = 0;

	if (!ms_name_parse(span_of(before->name), &name))
		return MS_E_CORRUPT;
	name.flags = after->message.flags;
	ms_keywords_to_name(&after->message.keywords, &name, &digits);
	name.uid = after->message.uid;
	name.folder = ms_name_folder(mailbox);
	name.bytes = after->bytes;
	name.size = after->message.size;
	if (digits.overflow || ms_name_format(&name, after->in_cur, &text) != 0)
		r = MS_E_LIMIT;
	(void)snprintf(after->name, sizeof(after->name), "%s", buf_cstr(&text));
	buf_free(&digits);
	buf_free(&text);
	return r;
}

static bool
read_name(const char *name, struct ms_message *ret)
{
	struct ms_name parsed;

	if (!ms_name_parse(span_of(name), &parsed))
		return false;
	ret->flags = parsed.flags;
	ms_keywords_from_name(&parsed, MS_KEYWORDS_MAX, &ret->keywords);
	return true;
}

int
ms_flags_meanwhile(const struct ms_message_record *record, const char *path, struct ms_message *message)
{
	struct ms_message before, theirs;
	struct ms_keywords on, off;

	/* One that is put back into new/ tells nothing. */
	if (!read_name(record->name, &before) || !read_name(strchr(path, '/') + 1, &theirs) ||
	    (span_starts(span_of(path), SPAN("new/")) && strchr(path, ':') == NULL))
		return 0;
	message->flags = (theirs.flags & ~(before.flags & ~message->flags)) | (message->flags & ~before.flags);
	/* Taking away does not fail. */
	(void)ms_keywords_combine(MS_FLAGS_REMOVE, &message->keywords, &before.keywords, &on);
	(void)ms_keywords_combine(MS_FLAGS_REMOVE, &before.keywords, &message->keywords, &off);
	(void)ms_keywords_combine(MS_FLAGS_REMOVE, &theirs.keywords, &off, &theirs.keywords);
	return ms_keywords_combine(MS_FLAGS_ADD, &theirs.keywords, &on, &message->keywords);
}

/* The file is not where the index has it: renamed already by an attempt before this one, or by somebody else a moment ago. What flags he
 * gave or took stay so, and the next sync sees it, for the folder has changed. What is nowhere is gone, which it sees too. */
static int
rename_moved(int folder_fd, uint32_t mailbox, const struct ms_message_record *before, const struct ms_message_record *after)
{
	char from[MS_NAME_MAX + 5];

	for (unsigned tries = 0; tries < RETRIES_MAX; tries++) {
		_cleanup_(freep) char *to = NULL;
		struct ms_message_record merged = *after;
		int r = ms_locate(folder_fd, before, from);

		if (r == MS_E_NOTFOUND)
			return 0;
		if (r == 0)
			r = ms_flags_meanwhile(before, from, &merged.message);
		if (r == 0)
			r = ms_rename_record(mailbox, before, &merged);
		if (r != 0)
			return r;
		to = xasprintf("cur/%s", merged.name);
		if (strcmp(from, to) == 0 || renameat(folder_fd, from, folder_fd, to) == 0)
			return 0;
		if (errno != ENOENT)
			return -errno;
	}
	return 0;
}

/* A message flagged or seen belongs into cur/. */
int
ms_rename_message(int folder_fd, uint32_t mailbox, const struct ms_message_record *before, struct ms_message_record *after, bool *ret_renamed)
{
	int r;

	*ret_renamed = false;
	after->in_cur = true;
	r = ms_rename_record(mailbox, before, after);
	if (r == 0) {
		_cleanup_(freep) char *from = xasprintf("%s/%s", before->in_cur ? "cur" : "new", before->name);
		_cleanup_(freep) char *to = xasprintf("cur/%s", after->name);

		if (strcmp(from, to) == 0)
			return 0;
		*ret_renamed = renameat(folder_fd, from, folder_fd, to) == 0;
		if (!*ret_renamed)
			r = errno == ENOENT ? rename_moved(folder_fd, mailbox, before, after) : -errno;
	}
	return r;
}

static int
change_some(struct ms_txn *txn, void *context)
{
	struct flags *flags = context;
	struct ms_flagging *flagging = flags->flagging;
	uint32_t mailbox = flagging->mailbox->number;
	struct ms_mailbox_record record;
	struct ms_touch touch;
	struct ms_keywords keywords;
	uint64_t modseq = 0;
	bool renamed;
	int r = ms_mailbox_load(txn, mailbox, &record);

	if (r != 0)
		return r;
	flagging->modified_count = flags->modified_before;
	ms_touch_begin(&touch, txn->store);
	ms_touch_add(&touch, flagging->folder_fd, &record);
	r = ms_keywords_take(flagging->folder_fd, &record, flagging->keywords, &keywords);
	for (size_t i = flags->at; r == 0 && i < flags->end; i++) {
		struct ms_message_record before, after;

		r = ms_message_load(txn, mailbox, flagging->uids[i], &before);
		if (r == MS_E_NOTFOUND) {
			r = 0; /* expunged meanwhile: nothing to flag */
			continue;
		}
		if (r != 0)
			break;
		if (flagging->unchanged_since != 0 && before.message.modseq > flagging->unchanged_since) {
			if (flagging->modified != NULL)
				flagging->modified[flagging->modified_count++] = flagging->uids[i];
			continue;
		}
		after = before;
		after.message.flags = combine(flagging->op, before.message.flags, flagging->flags);
		r = ms_keywords_combine(flagging->op, &before.message.keywords, &keywords, &after.message.keywords);
		if (r != 0)
			break;
		if (after.message.flags == before.message.flags && ms_keywords_equal(&after.message.keywords, &before.message.keywords))
			continue;
		if (modseq == 0)
			r = ms_next_modseq(txn, &modseq);
		after.message.modseq = modseq;
		if (r == 0)
			r = ms_rename_message(flagging->folder_fd, mailbox, &before, &after, &renamed);
		if (r == 0 && renamed)
			touch.sides[0].ours += 2;
		if (r == 0)
			r = ms_message_update(txn, mailbox, &record, &before, &after);
	}
	ms_touch_end(&touch);
	if (r == 0 && modseq != 0) {
		ms_touch_note(&touch, 0, &record);
		r = ms_folder_fsync_with(txn, flagging->folder_fd, true);
	}
	if (r == 0)
		r = ms_mailbox_save(txn, mailbox, &record);
	ms_mailbox_record_clear(&record);
	flags->modseq = modseq;
	return r;
}

/* Each name says its flags before the promise. */
static int
change_names(struct ms_flagging *flagging)
{
	struct ms_store *store = flagging->mailbox->store;
	struct flags flags = { .flagging = flagging };
	int r = 0;

	flagging->modified_count = 0;

	for (; r == 0 && flags.at < flagging->count; flags.at = flags.end) {
		flags.end = flags.at + FLAGS_BATCH < flagging->count ? flags.at + FLAGS_BATCH : flagging->count;
		flags.modified_before = flagging->modified_count;
		r = ms_run(store, change_some, &flags);
		if (r != 0 || flags.modseq == 0)
			continue;
		flagging->first = flagging->first != 0 ? flagging->first : flags.modseq;
		flagging->last = flags.modseq;
	}
	return r;
}

static int
change(struct ms_flagging *flagging)
{
	int r = ms_flag_many(flagging);

	if (r == MS_FOLLOW_FIRST) {
		r = ms_follow_all(flagging->mailbox->store, flagging->mailbox->number);
		if (r == 0)
			r = ms_flag_many(flagging);
	}
	return r == MS_BY_NAMES || r == MS_FOLLOW_FIRST ? change_names(flagging) : r;
}

static int
pass_over(void *context, uint32_t uid, uint64_t modseq)
{
	(void)context, (void)uid, (void)modseq;
	return 0;
}

/* Under the lock nobody else changes anything from here on; what another program does to a name comes with a later sync. */
static int
tell_others(const struct ms_flagging *flagging, const struct ms_flags_apart *apart)
{
	int r;

	if (flagging->mailbox->record.modseq == apart->since)
		return 0;
	r = ms_changed_uids(flagging->mailbox, apart->since, apart->others, pass_over, apart->context);
	if (r != MS_E_FORGOTTEN)
		return r;
	for (size_t i = 0; i < flagging->count; i++) /* nobody knows */
		(void)apart->others(apart->context, flagging->uids[i], flagging->mailbox->record.modseq);
	return 0;
}

int
ms_store_flags_apart(struct ms_mailbox *mailbox, const uint32_t *uids, size_t count, enum ms_store_op op, uint32_t flag_bits,
    const char *const *keywords, uint64_t unchanged_since, uint32_t *modified, size_t *ret_modified, struct ms_flags_apart *apart)
{
	struct ms_flagging flagging = {
		.mailbox = mailbox, .uids = uids, .count = count, .op = op, .flags = flag_bits, .keywords = keywords, .unchanged_since = unchanged_since,
		.modified = modified, .folder_fd = -1,
	};
	int r = ms_lock(mailbox->store);

	if (r != 0)
		return r;
	r = ms_mailbox_sync(mailbox);
	if (r == 0 && apart != NULL)
		r = tell_others(&flagging, apart);
	if (r == 0)
		r = ms_folder_open(mailbox->store, mailbox->record.name, &flagging.folder_fd);
	if (r == 0)
		r = change(&flagging);
	if (r == 0)
		r = ms_mailbox_sync(mailbox);
	if (flagging.folder_fd >= 0)
		(void)close(flagging.folder_fd);
	ms_unlock(mailbox->store);
	if (ret_modified != NULL)
		*ret_modified = flagging.modified_count;
	if (apart != NULL) {
		apart->first = r == 0 ? flagging.first : 0;
		apart->last = r == 0 ? flagging.last : 0;
	}
	return r;
}

int
ms_store_flags(struct ms_mailbox *mailbox, const uint32_t *uids, size_t count, enum ms_store_op op, uint32_t flag_bits,
    const char *const *keywords, uint64_t unchanged_since, uint32_t *modified, size_t *ret_modified)
{
	return ms_store_flags_apart(mailbox, uids, count, op, flag_bits, keywords, unchanged_since, modified, ret_modified, NULL);
}
