/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Copying by hard link, moving by rename, expunging by unlink: each file's step stands inside the transaction that records it, so
 * that a process that dies before the commit has copied, moved or expunged some messages wholly, and the next look finds which. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/ms_texts.h"

/* A file's step that was done and may have to be undone. */
struct step {
	char *from, *to;
};

struct copy {
	struct ms_mailbox *from;
	uint32_t to;
	const uint32_t *uids;
	uint32_t *new_uids;
	size_t at, end;
	bool move;
	int from_fd, to_fd;
	uint32_t uidvalidity;
	struct step steps[BATCH];
	size_t step_count;
	struct ms_touch touch;
	struct buf texts; /* of messages near the last */
};

static char *
path_of(const struct ms_message_record *record)
{
	return xasprintf("%s/%s", record->in_cur ? "cur" : "new", record->name);
}

/* What did not come to a commit is taken back, last first; what cannot be, the next look takes for another program's doing. */
static void
take_back(void *context)
{
	struct copy *copy = context;

	while (copy->step_count > 0) {
		struct step *step = &copy->steps[--copy->step_count];

		if (copy->move)
			(void)!renameat(copy->to_fd, step->to, copy->from_fd, step->from);
		else
			(void)unlinkat(copy->to_fd, step->to, 0);
		free(step->from);
		free(step->to);
	}
}

static void
forget_steps(struct copy *copy)
{
	while (copy->step_count > 0) {
		free(copy->steps[--copy->step_count].from);
		free(copy->steps[copy->step_count].to);
	}
}

/* Keywords have other numbers in other mailboxes. */
static int
carry_keywords(const struct ms_mailbox_record *from, const struct ms_keywords *set, int to_fd, struct ms_mailbox_record *to,
    struct ms_keywords *ret)
{
	const char *names[64 + MS_KEYWORDS_MORE_MAX + 1];
	unsigned count = 0;

	for (unsigned n = ms_keywords_next(set, 0); n < from->folder.keyword_count; n = ms_keywords_next(set, n + 1))
		names[count++] = from->folder.keywords[n];
	names[count] = NULL;
	return ms_keywords_take(to_fd, to, names, ret);
}

/* What may not be linked, as another owner's file (fs.protected_hardlinks) or one with too many links: its bytes, and whole before they stand
 * among messages. */
static int
place_bytes(const struct copy *copy, const char *from, const char *to)
{
	_cleanup_(freep) char *tmp = xasprintf("tmp/%s", strchr(to, '/') + 1);
	bool copied;
	int r;

	if (mkdirat(copy->to_fd, "tmp", 0700) < 0 && errno != EEXIST)
		return -errno;
	(void)unlinkat(copy->to_fd, tmp, 0); /* of one that was killed */
	r = ms_transfer(copy->from_fd, from, copy->to_fd, tmp, &copied);
	if (r != 0)
		return r == -ENOENT ? MS_E_NOTFOUND : r;
	if (renameat(copy->to_fd, tmp, copy->to_fd, to) == 0)
		return 0;
	r = -errno;
	(void)unlinkat(copy->to_fd, tmp, 0);
	return r;
}

/* The file under the new name: linked, or moved there. */
static int
place(const struct copy *copy, const char *from, const char *to)
{
	int r = copy->move ? renameat(copy->from_fd, from, copy->to_fd, to) : linkat(copy->from_fd, from, copy->to_fd, to, 0);

	if (r < 0 && !copy->move && (errno == EPERM || errno == EMLINK || errno == EXDEV))
		return place_bytes(copy, from, to);
	return r == 0 ? 0 : errno == ENOENT ? MS_E_NOTFOUND : -errno;
}

/* Under its UID there, with flags and keywords of the original as `as` has them. */
static int
place_file(struct copy *copy, const struct ms_message_record *before, const char *from, const struct ms_message *as,
    const struct ms_mailbox_record *source, struct ms_mailbox_record *target, struct ms_message_record *after)
{
	struct step step;
	int r = carry_keywords(source, &as->keywords, copy->to_fd, target, &after->message.keywords);

	/* Also for want of room in the target, which no other name helps. */
	if (r != 0)
		return r;
	after->message.flags = as->flags;
	after->in_cur = as->flags != 0 || !ms_keywords_none(&as->keywords) || before->in_cur;
	r = ms_rename_record(copy->to, before, after);
	if (r == MS_E_LIMIT) {
		struct ms_message_record fresh = *before;
		struct buf unique = BUF_INIT(MS_NAME_MAX);

		/* A long name that another program gave has no room for ours. */
		ms_unique(copy->from->store, &unique);
		(void)snprintf(fresh.name, sizeof(fresh.name), "%s", buf_cstr(&unique));
		buf_free(&unique);
		r = ms_rename_record(copy->to, &fresh, after);
	}
	if (r != 0)
		return r;
	step = (struct step){ xstrdup(from), path_of(after) };
	r = place(copy, step.from, step.to);
	if (r != 0) {
		free(step.from);
		free(step.to);
		return r;
	}
	copy->steps[copy->step_count++] = step;
	copy->touch.sides[0].ours++;
	if (copy->move)
		copy->touch.sides[copy->from->number == copy->to ? 0 : 1].ours++;
	return 0;
}

static int
copy_file(struct copy *copy, const struct ms_message_record *before, const struct ms_mailbox_record *source, struct ms_mailbox_record *target,
    struct ms_message_record *after)
{
	struct ms_message as = before->message;
	_cleanup_(freep) char *known = path_of(before);
	char path[MS_NAME_MAX + 5];
	int r = place_file(copy, before, known, &as, source, target, after);

	/* Renamed by another program a moment ago: with the flags that it gave. */
	for (unsigned tries = 0; r == MS_E_NOTFOUND && tries < RETRIES_MAX && ms_locate(copy->from_fd, before, path) == 0; tries++) {
		as = before->message;
		r = ms_flags_meanwhile(before, path, &as);
		if (r == 0)
			r = place_file(copy, before, path, &as, source, target, after);
	}
	return r;
}

static int
copy_one(struct ms_txn *txn, struct copy *copy, struct ms_mailbox_record *source, struct ms_mailbox_record *target, uint64_t modseq, size_t i)
{
	struct ms_message_record before, after;
	struct span texts = SPAN_NULL;
	int r = ms_message_load(txn, copy->from->number, copy->uids[i], &before);

	copy->new_uids[i] = 0;
	if (r != 0)
		return r == MS_E_NOTFOUND ? 0 : r;
	after = before;
	r = ms_take_uid(copy->to_fd, target, &after.message.uid);
	if (r == 0)
		r = copy_file(copy, &before, source, target, &after);
	if (r == MS_E_NOTFOUND)
		return 0; /* its file went a moment ago: so does the message */
	after.message.modseq = modseq;
	after.message.save_date = (int64_t)time(NULL); /* when it came into this mailbox (RFC 8514) */
	if (r == 0)
		r = ms_texts_get(txn->bdb, txn->txn, copy->from->number, copy->uids[i], &copy->texts, &texts);
	if (r == 0 || r == MS_E_NOTFOUND) /* rendered again when they are asked for */
		r = ms_message_insert(txn, copy->to, target, &after, texts);
	if (r == 0 && copy->move)
		r = ms_message_remove(txn, copy->from->number, copy->from->number == copy->to ? target : source, &before, modseq);
	if (r == 0)
		copy->new_uids[i] = after.message.uid;
	return r;
}

static int
sync_folder(int folder_fd)
{
	int r = ms_folder_fsync(folder_fd, true);

	return r == 0 ? ms_folder_fsync(folder_fd, false) : r;
}

static int
copy_some(struct ms_txn *txn, void *context)
{
	struct copy *copy = context;
	bool same = copy->from->number == copy->to;
	struct ms_mailbox_record source = { .name = NULL }, target = { .name = NULL };
	uint64_t modseq;
	int r;

	r = ms_mailbox_load(txn, copy->to, &target);
	if (r == 0 && !same)
		r = ms_mailbox_load(txn, copy->from->number, &source);
	if (r == 0)
		r = ms_next_modseq(txn, &modseq);
	if (r == 0) {
		copy->uidvalidity = target.folder.uidvalidity;
		ms_touch_begin(&copy->touch, txn->store);
		ms_touch_add(&copy->touch, copy->to_fd, &target);
		if (!same)
			ms_touch_add(&copy->touch, copy->from_fd, &source);
		for (size_t i = copy->at; r == 0 && i < copy->end; i++)
			r = copy_one(txn, copy, same ? &target : &source, &target, modseq, i);
		ms_touch_end(&copy->touch);
	}
	if (r == 0)
		r = sync_folder(copy->to_fd);
	if (r == 0 && copy->move && !same)
		r = sync_folder(copy->from_fd);
	if (r == 0) {
		ms_touch_note(&copy->touch, 0, &target);
		r = ms_mailbox_save(txn, copy->to, &target);
	}
	if (r == 0 && !same && copy->move) {
		ms_touch_note(&copy->touch, 1, &source);
		r = ms_mailbox_save(txn, copy->from->number, &source);
	}
	ms_mailbox_record_clear(&source);
	ms_mailbox_record_clear(&target);
	return r;
}

/* A copy takes no room on the disk, but counts: its original may go. A move changes what the mailboxes hold, not the account. */
static int
allowed(const struct copy *copy, const struct ms_mailbox_record *target, size_t count)
{
	struct ms_store *store = copy->from->store;
	bool in_account = !copy->move && ms_quota_is_set(ms_quota(store));
	bool in_mailbox = !(copy->move && copy->from->number == copy->to) && ms_quota_is_set(&target->folder.quota);
	uint64_t bytes = 0, messages = 0;
	int r = 0;

	if (!in_account && !in_mailbox)
		return 0;
	for (size_t i = 0; i < count; i++) {
		struct ms_message message;

		r = ms_message_get(copy->from, copy->uids[i], &message);
		if (r == 0) {
			bytes += message.size;
			messages++;
		} else if (r != MS_E_NOTFOUND) {
			return r;
		}
	}
	r = in_account ? ms_quota_allows(store, bytes, messages) : 0;
	return r == 0 && in_mailbox ? ms_mailbox_quota_allows(target, bytes, messages) : r;
}

/* --- expunging, some at a time --- */

struct expunge {
	uint32_t mailbox;
	const uint32_t *uids;
	size_t count;
	bool if_deleted; /* those alone that still are \Deleted */
	int folder_fd;
	struct ms_touch touch;
};

static bool
is_meant(const struct expunge *expunge, const struct ms_message *message)
{
	return !expunge->if_deleted || (message->flags & MS_DELETED) != 0;
}

/* Of expunge_one: the message stays. */
#define STAYS 100

/* The file was renamed by another program, or removed. */
static int
unlink_moved(const struct expunge *expunge, const struct ms_message_record *record)
{
	int folder_fd = expunge->folder_fd;
	char path[MS_NAME_MAX + 5];

	for (unsigned tries = 0; tries < RETRIES_MAX; tries++) {
		struct ms_message now = record->message;
		int r = ms_locate(folder_fd, record, path);

		if (r == 0)
			r = ms_flags_meanwhile(record, path, &now);
		if (r != 0)
			return r == MS_E_NOTFOUND ? 0 : r;
		if (!is_meant(expunge, &now))
			return STAYS;
		if (unlinkat(folder_fd, path, 0) == 0)
			return 0;
		if (errno != ENOENT)
			return -errno;
	}
	return 0;
}

static int
expunge_one(struct ms_txn *txn, struct expunge *expunge, struct ms_mailbox_record *record, uint32_t uid, uint64_t modseq)
{
	_cleanup_(freep) char *path = NULL;
	struct ms_message_record message;
	int r = ms_message_load(txn, expunge->mailbox, uid, &message);

	if (r != 0)
		return r == MS_E_NOTFOUND ? 0 : r;
	if (!is_meant(expunge, &message.message))
		return 0;
	path = path_of(&message);
	/* The file first: a message whose file is gone is gone, but a file that nobody knows would come back as a new message. */
	if (unlinkat(expunge->folder_fd, path, 0) == 0)
		expunge->touch.sides[0].ours++;
	else
		r = errno == ENOENT ? unlink_moved(expunge, &message) : -errno;
	if (r == STAYS) {
		expunge->touch.sides[0].known = false; /* its name has changed */
		return 0;
	}
	return r != 0 ? r : ms_message_remove(txn, expunge->mailbox, record, &message, modseq);
}

static int
expunge_some(struct ms_txn *txn, void *context)
{
	struct expunge *expunge = context;
	struct ms_mailbox_record record;
	uint64_t modseq;
	int r = ms_mailbox_load(txn, expunge->mailbox, &record);

	if (r != 0)
		return r;
	r = ms_next_modseq(txn, &modseq);
	ms_touch_begin(&expunge->touch, txn->store);
	ms_touch_add(&expunge->touch, expunge->folder_fd, &record);
	for (size_t i = 0; r == 0 && i < expunge->count; i++)
		r = expunge_one(txn, expunge, &record, expunge->uids[i], modseq);
	ms_touch_end(&expunge->touch);
	if (r == 0)
		r = sync_folder(expunge->folder_fd);
	if (r == 0) {
		ms_touch_note(&expunge->touch, 0, &record);
		r = ms_mailbox_save(txn, expunge->mailbox, &record);
	}
	ms_mailbox_record_clear(&record);
	return r;
}

static int
expunge_all(struct ms_store *store, struct expunge *expunge, const uint32_t *uids, size_t count)
{
	int r = 0;

	for (size_t at = 0; r == 0 && at < count; at += expunge->count) {
		expunge->uids = uids + at;
		expunge->count = count - at < BATCH ? count - at : BATCH;
		r = ms_run(store, expunge_some, expunge);
	}
	return r;
}

/* --- copying, all of it --- */

/* COPY is all or nothing (RFC 3501 section 6.4.7): what batches before the one that failed have made goes again. Only who is killed before that
 * leaves it, to a client that has heard of nothing. */
static void
take_back_all(struct copy *copy, const char *to)
{
	struct expunge expunge = { .folder_fd = copy->to_fd };
	struct ms_mailbox_record target = { .name = NULL };

	/* Found again: its number is another one when the index was made anew beneath. */
	if (copy->at > 0 && ms_mailbox_find(copy->from->store, to, &expunge.mailbox, &target) == 0 &&
	    target.folder.uidvalidity == copy->uidvalidity && expunge_all(copy->from->store, &expunge, copy->new_uids, copy->at) == 0)
		copy->at = 0;
	ms_mailbox_record_clear(&target);
}

static int
copy_locked(struct copy *copy, const char *to, size_t count)
{
	struct ms_store *store = copy->from->store;
	struct ms_mailbox_record target = { .name = NULL };
	int r = ms_mailbox_sync(copy->from);

	if (r == 0)
		r = ms_mailbox_find(store, to, &copy->to, &target);
	if (r == 0)
		r = ms_sync(store, copy->to, &target);
	if (r == 0)
		r = allowed(copy, &target, count);
	if (r == 0)
		r = ms_folder_open(store, copy->from->record.name, &copy->from_fd);
	if (r == 0)
		r = ms_folder_open(store, target.name, &copy->to_fd);
	for (copy->at = 0; r == 0 && copy->at < count; copy->at = copy->end) {
		copy->end = copy->at + BATCH / 2 < count ? copy->at + BATCH / 2 : count;
		r = ms_run_undoing(store, copy_some, take_back, copy);
		forget_steps(copy);
		if (r != 0)
			break;
	}
	if (r == 0)
		r = ms_mailbox_sync(copy->from);
	if (r != 0 && !copy->move)
		take_back_all(copy, to);
	if (r != 0)
		memset(copy->new_uids + copy->at, 0, (count - copy->at) * sizeof(*copy->new_uids));
	if (copy->from_fd >= 0)
		(void)close(copy->from_fd);
	if (copy->to_fd >= 0)
		(void)close(copy->to_fd);
	ms_mailbox_record_clear(&target);
	return r;
}

int
ms_copy(struct ms_mailbox *from, const uint32_t *uids, size_t count, const char *to, bool move, uint32_t *ret_uids, uint32_t *ret_uidvalidity)
{
	struct copy copy = { .from = from, .uids = uids, .new_uids = ret_uids, .move = move, .from_fd = -1, .to_fd = -1,
		.texts = BUF_INIT(MS_CACHE_UNPACKED_MAX + 1) };
	int r = ms_lock(from->store);

	if (r != 0)
		return r;
	r = copy_locked(&copy, to, count);
	buf_free(&copy.texts);
	ms_unlock(from->store);
	*ret_uidvalidity = copy.uidvalidity;
	return r;
}

/* --- expunging --- */

static int
expunge_locked(struct ms_mailbox *mailbox, const uint32_t *uids, size_t count, bool if_deleted)
{
	struct expunge expunge = { .mailbox = mailbox->number, .if_deleted = if_deleted, .folder_fd = -1 };
	int r = ms_mailbox_sync(mailbox);

	if (r == 0)
		r = ms_folder_open(mailbox->store, mailbox->record.name, &expunge.folder_fd);
	if (r == 0)
		r = expunge_all(mailbox->store, &expunge, uids, count);
	if (expunge.folder_fd >= 0)
		(void)close(expunge.folder_fd);
	return r == 0 ? ms_mailbox_sync(mailbox) : r;
}

static int
expunge(struct ms_mailbox *mailbox, const uint32_t *uids, size_t count, bool if_deleted)
{
	int r = ms_lock(mailbox->store);

	if (r != 0)
		return r;
	r = expunge_locked(mailbox, uids, count, if_deleted);
	ms_unlock(mailbox->store);
	return r;
}

int
ms_expunge(struct ms_mailbox *mailbox, const uint32_t *uids, size_t count)
{
	return expunge(mailbox, uids, count, false);
}

int
ms_expunge_deleted(struct ms_mailbox *mailbox, const uint32_t *uids, size_t count)
{
	return expunge(mailbox, uids, count, true);
}
