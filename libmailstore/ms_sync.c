/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Bringing the index up to date with a folder that other programs may change at any time. Under the account's lock, in batches:
 * each batch leaves an index that is right about what it knows, and the folder's times are noted only with the last, which is durable with
 * all before it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/ms_entries.h"
#include "libmailstore/ms_hidden.h"
#include "libmailstore/ms_sync.h"

/* With more than so many damaged records in a mailbox the index is made anew. */
#define DAMAGED_MAX 1000
/* So often a folder that others change is read to find what seems gone. */
#define LOOKS_MAX 10
/* So often in vain where UIDs stand in the names alone. Better no answer than other UIDs. */
#define LOOKS_IN_VAIN_MAX 200

/* --- what the index knows --- */

static int
collect(void *context, uint32_t mailbox, const struct ms_entry *entry)
{
	struct ms_syncing *sync = context;

	if (sync->known_count == sync->known_room) {
		sync->known_room = sync->known_room != 0 ? sync->known_room * 2 : 64;
		sync->known = xreallocarray(sync->known, sync->known_room, sizeof(*sync->known));
	}
	if (entry->lost || ms_entry_get(entry, mailbox, &sync->known[sync->known_count]) != 0) {
		if (sync->damaged_count == DAMAGED_MAX)
			return BDB_BROKEN;
		if (sync->damaged == NULL)
			sync->damaged = xcalloc(DAMAGED_MAX, sizeof(*sync->damaged));
		sync->damaged[sync->damaged_count++] = entry->message.uid;
		return 0;
	}
	sync->known_count++;
	return 0;
}

/* Messages are counted that have no record: their files would be taken for new ones. */
static bool
lacks_records(const struct ms_syncing *sync)
{
	return !sync->rebuild && !sync->store->opening && !sync->store->mending && sync->damaged_count == 0 &&
	    sync->known_count < sync->record->messages;
}

static int
read_known(struct bdb *bdb, void *context)
{
	struct ms_syncing *sync = context;
	int r;

	sync->known_count = sync->damaged_count = 0;
	r = ms_entries(bdb, NULL, sync->number, 0, collect, sync);
	if (r == 0 && lacks_records(sync))
		r = MS_BDB(MS_DAMAGED);
	return r == 0 ? ms_pending_read(bdb, NULL, sync->number, 0, UINT32_MAX, &sync->noted) : r;
}

static struct span
unique_of(const struct ms_message_record *record)
{
	struct ms_name name;

	return ms_name_parse(span_of(record->name), &name) ? name.unique : span_of(record->name);
}

static void
match_by(struct ms_syncing *sync, struct ms_file *(*find)(struct ms_listing *listing, struct span unique, uint32_t uid))
{
	for (size_t i = 0; i < sync->known_count; i++) {
		if (sync->found[i] != NULL)
			continue;
		sync->found[i] = find(&sync->listing, unique_of(&sync->known[i]), sync->known[i].message.uid);
		if (sync->found[i] != NULL)
			sync->found[i]->taken = true;
	}
}

/* How many are not found. Files with the UID in their name go first: copies of a message share its unique part. */
static size_t
match(struct ms_syncing *sync)
{
	size_t missing = 0;

	match_by(sync, ms_listing_find_exactly);
	match_by(sync, ms_listing_find);
	for (size_t i = 0; i < sync->known_count; i++)
		missing += sync->found[i] == NULL;
	return missing;
}

int
ms_sync_save(struct ms_txn *txn, const struct ms_syncing *sync, const struct ms_mailbox_record *mailbox)
{
	struct ms_mailbox_record record = *mailbox;

	if (sync->rebuild || sync->doubt)
		record.uidnext = 0;
	return ms_mailbox_save(txn, sync->number, &record);
}

/* --- taking in what changed --- */

/* A name that has lost its UID may have lost the field of keywords too: then it tells of those with a letter alone. */
static void
take_keywords(const struct ms_mailbox_record *mailbox, const struct ms_name *name, struct ms_message *message)
{
	struct ms_keywords before = message->keywords;

	ms_keywords_from_name(name, mailbox->folder.keyword_count, &message->keywords);
	if (name->uid != message->uid && name->beyond.len == 0)
		for (unsigned n = ms_keywords_next(&before, MS_LETTERS); n != MS_KEYWORD_NONE; n = ms_keywords_next(&before, n + 1))
			(void)ms_keywords_add(&message->keywords, n); /* it had room for them before */
}

/* Under another UID, or none: a move within the mailbox that was cut short, or another program's doing. The name tells the UID again,
 * or it would change with the loss of the index. */
static int
name_known(struct ms_syncing *sync, const struct ms_file *file, struct ms_message_record *after)
{
	struct ms_name name = file->parsed;
	int r;

	if (name.uid != 0)
		ms_tell_file(sync->store, MS_FAULT_UID, sync->record->name, after->message.uid, file->in_cur, file->name);
	name.uid = after->message.uid;
	name.folder = ms_name_folder(sync->number);
	name.bytes = after->bytes;
	name.size = after->message.size;
	r = ms_file_name(sync->folder_fd, file, &name, after->name, sync->renamed);
	return r == MS_E_NOTFOUND ? 0 : r; /* renamed by an attempt before this one, or by others again: the next look finds it */
}

/* Its last change is one that the record does not have: when nothing is pending any more it would be forgotten. */
static bool
has_news(const struct ms_syncing *sync, uint32_t uid)
{
	struct ms_message message = { .uid = uid };

	return ms_pending_apply(&sync->pending, &message) || ms_pending_apply(&sync->noted, &message);
}

/* The bitmaps go back to what the record says, from where they follow the name as they do for any other. */
static int
take_back_bits(struct ms_txn *txn, const struct ms_syncing *sync, const struct ms_message *named)
{
	struct ms_message told = *named;

	return ms_pending_apply(&sync->noted, &told) ? ms_uids_note(txn, sync->number, &told, named) : 0;
}

static int
apply_known(struct ms_txn *txn, void *context)
{
	struct ms_syncing *sync = context;
	struct ms_mailbox_record mailbox = *sync->record;
	uint64_t modseq = 0;
	int r = txn->store->generation != sync->generation ? MS_AGAIN : 0;

	for (size_t i = sync->at; r == 0 && i < sync->end; i++) {
		const struct ms_message_record *before = &sync->known[i];
		const struct ms_file *file = sync->found[i];
		struct ms_message_record after = *before;

		if (file == NULL && !sync->listing.sure)
			continue;
		r = take_back_bits(txn, sync, &before->message);
		if (r != 0)
			break;
		if (file != NULL) {
			(void)snprintf(after.name, sizeof(after.name), "%s", file->name);
			after.in_cur = file->in_cur;
			if (file->in_cur || strchr(file->name, ':') != NULL) { /* mutt flags in new/ too */
				after.message.flags = file->parsed.flags;
				take_keywords(&mailbox, &file->parsed, &after.message);
			}
			bool same = after.message.flags == before->message.flags && ms_keywords_equal(&after.message.keywords, &before->message.keywords) &&
			    !has_news(sync, before->message.uid);

			if (file->parsed.uid != before->message.uid)
				r = name_known(sync, file, &after);
			if (r != 0)
				break;
			if (same && strcmp(after.name, before->name) == 0 && after.in_cur == before->in_cur)
				continue;
			if (same) {
				r = ms_message_update(txn, sync->number, &mailbox, before, &after);
				continue;
			}
		}
		if (modseq == 0)
			r = ms_next_modseq(txn, &modseq);
		after.message.modseq = modseq;
		if (r == 0)
			r = file == NULL ? ms_message_remove(txn, sync->number, &mailbox, before, modseq)
			    : ms_message_update(txn, sync->number, &mailbox, before, &after);
	}
	if (r == 0)
		r = ms_sync_save(txn, sync, &mailbox);
	if (r == 0)
		*sync->record = mailbox;
	return r;
}

/* --- times --- */

static bool
same_time(const struct ms_time *a, const struct ms_time *b)
{
	return a->seconds == b->seconds && a->nanoseconds == b->nanoseconds && a->seconds != 0;
}

static int
apply_all_known(struct ms_syncing *sync)
{
	int r = 0;

	for (sync->at = 0; r == 0 && sync->at < sync->known_count; sync->at = sync->end) {
		sync->end = sync->at + BATCH < sync->known_count ? sync->at + BATCH : sync->known_count;
		r = ms_run_unsynced(sync->store, apply_known, sync);
		/* Taken back, the names of this batch would be another program's doing against what its records say from here on. Those of later
		 * batches stay too: a name that is ahead of its record by what waits is what a crash leaves, and told right by the next look. */
		if (r == 0)
			ms_renames_clear(&sync->followed);
	}
	return r;
}

/* --- mending --- */

static void
tell(const struct ms_syncing *sync, enum ms_fault_kind kind, uint32_t uid)
{
	ms_tell(sync->store, kind, sync->record->name, uid, NULL);
}

static void
tell_file(const struct ms_syncing *sync, enum ms_fault_kind kind, uint32_t uid, const struct ms_file *file)
{
	ms_tell_file(sync->store, kind, sync->record->name, uid, file->in_cur, file->name);
}

/* The records are the sum of which the counters are: all of them have just been read. */
static void
recount(struct ms_syncing *sync)
{
	struct ms_mailbox_record *record = sync->record, before = *record;

	record->messages = record->unseen = record->deleted = 0;
	record->size = record->deleted_size = 0;
	for (size_t i = 0; i < sync->known_count; i++)
		ms_message_count(record, &sync->known[i].message, 1);
	/* Counters know what names do not tell yet: from here on both follow the names. */
	if (sync->damaged_count == 0 && !sync->rebuild && record->pending == 0 && !ms_counts_equal(record, &before))
		tell(sync, MS_FAULT_COUNTS, 0);
	if (sync->known_count != 0 && record->uidnext <= sync->known[sync->known_count - 1].message.uid) {
		if (!sync->rebuild)
			tell(sync, MS_FAULT_NEXT_UID, sync->known[sync->known_count - 1].message.uid);
		record->uidnext = sync->known[sync->known_count - 1].message.uid + 1;
	}
}

/* The file gets the UID into its name that the index knows it by. */
static int
name_as_known(struct ms_syncing *sync, struct ms_file *file, uint32_t uid)
{
	struct ms_name name = file->parsed;
	int r;

	name.uid = uid;
	name.folder = ms_name_folder(sync->number);
	r = ms_file_rename(sync->folder_fd, file, &name, sync->renamed);
	return r == MS_E_NOTFOUND ? 0 : r;
}

/* A file that is not what came is another message to clients: it is taken in as one. */
static int
look_at_file(struct ms_syncing *sync, size_t i)
{
	const struct ms_message_record *known = &sync->known[i];
	struct ms_file *file = sync->found[i];
	struct stat st;
	int fd;

	if (file == NULL) {
		ms_tell_file(sync->store, MS_FAULT_NO_FILE, sync->record->name, known->message.uid, known->in_cur, known->name);
		return 0;
	}
	fd = ms_file_open(sync->folder_fd, file, &st);
	if (fd == MS_NO_MESSAGE) {
		tell_file(sync, MS_FAULT_NOT_A_FILE, known->message.uid, file);
		sync->found[i] = NULL;
		return 0;
	}
	/* What cannot be read is not mended, and all others are. */
	if (fd == MS_E_NOTFOUND || ms_is_unreadable(fd))
		return 0;
	if (fd < 0)
		return fd;
	(void)close(fd);
	if ((uint64_t)st.st_size != known->bytes) {
		tell_file(sync, MS_FAULT_SIZE, known->message.uid, file);
		file->taken = false;
		file->changed = true;
		sync->found[i] = NULL;
		return 0;
	}
	if (file->in_cur && sync->pending.count == 0 && file->parsed.flags != known->message.flags)
		tell_file(sync, MS_FAULT_FLAGS, known->message.uid, file);
	if (file->parsed.uid == known->message.uid)
		return 0;
	tell_file(sync, MS_FAULT_UID, known->message.uid, file);
	return name_as_known(sync, file, known->message.uid);
}

/* Without the folder's file the next index would begin with another UIDVALIDITY. */
static int
mend_folder_file(struct ms_syncing *sync)
{
	struct ms_folder file;
	int r = ms_folder_read(sync->folder_fd, &file);

	if (r == 0)
		ms_folder_clear(&file);
	if (r <= 0)
		return r;
	tell(sync, MS_FAULT_FOLDER_FILE, 0);
	return ms_folder_write(sync->folder_fd, &sync->record->folder);
}

static int
mend(struct ms_syncing *sync)
{
	int r = mend_folder_file(sync);

	recount(sync);
	for (size_t i = 0; i < sync->damaged_count; i++)
		if (sync->damaged[i] < sync->record->uidnext)
			tell(sync, MS_FAULT_RECORD, sync->damaged[i]);
	for (size_t i = 0; r == 0 && sync->mend && i < sync->listing.count; i++) {
		const struct ms_file *file = &sync->listing.files[i];

		if (!file->taken && !ms_sync_is_damaged(sync, file->parsed.uid) && ms_file_look(sync->folder_fd, file) == 0)
			tell_file(sync, MS_FAULT_NOT_INDEXED, file->parsed.uid, file);
	}
	for (size_t i = 0; r == 0 && sync->mend && i < sync->known_count; i++)
		r = look_at_file(sync, i);
	return r;
}

/* Damaged records of which no file tells: their messages have left. */
static int
drop_damaged(struct ms_txn *txn, void *context)
{
	struct ms_syncing *sync = context;
	struct ms_mailbox_record mailbox = *sync->record;
	uint64_t modseq;
	int r = txn->store->generation != sync->generation ? MS_AGAIN : ms_next_modseq(txn, &modseq);

	for (size_t i = 0; r == 0 && i < sync->damaged_count; i++)
		if (sync->damaged[i] != 0)
			r = ms_message_drop(txn, sync->number, &mailbox, sync->damaged[i], modseq);
	if (r == 0)
		r = ms_sync_save(txn, sync, &mailbox);
	if (r == 0)
		*sync->record = mailbox;
	return r;
}

/* --- flags that names do not tell yet --- */

static int
follow_new(struct ms_syncing *sync, struct ms_file *file)
{
	int r = ms_file_follow(sync->folder_fd, file, file->parsed.uid, NULL, &sync->pending, &sync->followed);

	sync->missed |= r == MS_E_NOTFOUND;
	return r == MS_E_NOTFOUND ? 0 : r;
}

/* A record from before a crash may be older than the promise: it says nothing of the name that was then. One whose file was just renamed keeps
 * its former name until the next look: what was promised is to be told from what others do by that. */
static int
follow_known(struct ms_syncing *sync, size_t i)
{
	const struct ms_message_record *known = &sync->known[i], *former = sync->store->doubt || sync->rebuild ? NULL : known;
	int r = ms_file_follow(sync->folder_fd, sync->found[i], known->message.uid, former, &sync->pending, &sync->followed);

	if (r != MS_E_NOTFOUND)
		return r;
	sync->found[i] = NULL;
	sync->listing.sure = false;
	sync->missed = true;
	return 0;
}

static int
sync_renamed(struct ms_syncing *sync)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < 2; i++) {
		if (sync->renamed[i])
			r = ms_folder_fsync(sync->folder_fd, i == 1);
		if (r == -ENOENT)
			r = 0; /* nothing was there to be renamed */
		sync->renamed[i] = sync->renamed[i] && r != 0;
	}
	return r;
}

/* Whenever the folder is looked at the names come to say all that was promised: others may have changed them, or the index knows nothing
 * of it. Then nothing waits any more. They are on the disk before any record has them: a sync that fails may have lost them, and as long as no
 * record has them they can be taken back, to be given again. */
static int
follow(struct ms_syncing *sync)
{
	int r = 0;

	/* Also names that an attempt before this one changed are to be on the disk before what waits is forgotten. */
	sync->renamed[0] = sync->renamed[1] = true;
	for (size_t i = 0; r == 0 && i < sync->known_count; i++)
		if (sync->found[i] != NULL)
			r = follow_known(sync, i);
	for (size_t i = 0; r == 0 && i < sync->listing.count; i++)
		if (!sync->listing.files[i].taken && sync->listing.files[i].parsed.uid != 0)
			r = follow_new(sync, &sync->listing.files[i]);
	return r == 0 && sync->followed.count != 0 ? sync_renamed(sync) : r;
}

/* The same, or not there. */
static bool
is_unchanged(const struct ms_time *before, const struct ms_time *after, const struct timespec *now)
{
	struct ms_time settled = ms_settled(before, now);

	return settled.seconds == before->seconds && after->seconds == before->seconds && after->nanoseconds == before->nanoseconds;
}

/* Their records are by the names that tell it: should there be another look, it is not done to what others have made of these by then. Names
 * that have no record yet stay: whoever takes them in does to them what waits, once more and to the same end. */
static void
forget_followed(struct ms_syncing *sync)
{
	struct ms_pending_list *pending = &sync->pending;

	ms_renames_clear(&sync->followed);
	for (size_t k = 0; pending->count != 0 && k < sync->known_count; k++) {
		uint32_t uid = sync->known[k].message.uid, n = uid / MS_UIDS_EACH, bit = uid % MS_UIDS_EACH;

		if (sync->found[k] == NULL)
			continue;
		for (size_t i = ms_pending_find(pending, n); i < pending->count && pending->list[i].n == n; i++)
			pending->list[i].map[bit / 8] = (uint8_t)(pending->list[i].map[bit / 8] & ~(1u << bit % 8));
	}
}

/* Whether the folder is as it was when the reading began, for certain, where its events cannot be had. */
static bool
is_still(const struct ms_syncing *sync, const struct ms_time before[2], const struct timespec *now)
{
	struct ms_time new_time, cur_time;

	ms_folder_times(sync->folder_fd, &new_time, &cur_time);
	return is_unchanged(&before[0], &new_time, now) && is_unchanged(&before[1], &cur_time, now);
}

static void
begin_look(struct ms_syncing *sync, int inotify_fd, int watch[2], struct ms_time before[2], struct timespec *now)
{
	ms_folder_watch(sync->store, sync->record->name, inotify_fd, watch);
	(void)clock_gettime(CLOCK_REALTIME, now);
	ms_folder_times(sync->folder_fd, &before[0], &before[1]);
}

static int
look_once(struct ms_syncing *sync)
{
	int inotify_fd = ms_touch_fd(sync->store), watch[2], r;
	struct ms_time before[2];
	struct timespec now;

	ms_listing_clear(&sync->listing);
	ms_touch_forget(sync->store);
	begin_look(sync, inotify_fd, watch, before, &now);
	if ((before[0].seconds == 0 || before[1].seconds == 0) && ms_folder_complete(sync->folder_fd)) {
		ms_folder_unwatch(inotify_fd, watch);
		begin_look(sync, inotify_fd, watch, before, &now);
	}
	if (watch[0] >= 0 && watch[1] >= 0) {
		r = ms_listing_read_watched(sync->folder_fd, inotify_fd, watch, ms_name_folder(sync->number), &sync->listing);
	} else {
		r = ms_listing_read(sync->folder_fd, ms_name_folder(sync->number), &sync->listing);
		sync->listing.sure = r == 0 && is_still(sync, before, &now);
	}
	ms_folder_unwatch(inotify_fd, watch);
	return r;
}

static void
tell_two_names(void *context, const struct ms_file *file)
{
	const struct ms_syncing *sync = context;

	ms_tell_file(sync->store, MS_FAULT_TWO_NAMES, sync->record->name, file->parsed.uid, file->in_cur, file->name);
}

/* Only what is missing in a listing that is sure is gone. In a folder that never comes to rest, what is missing stays as it is known. */
static int
look(struct ms_syncing *sync)
{
	size_t missing = 1;
	int r = ms_read(sync->store, read_known, sync);

	if (r == 0 && sync->generation != sync->store->generation)
		r = MS_AGAIN;
	if (r != 0)
		return r;
	sync->listing.sure = false;
	sync->found = xreallocarray(sync->found, sync->known_count + 1, sizeof(*sync->found));
	for (unsigned tries = 0; r == 0 && missing != 0 && !sync->listing.sure && tries < LOOKS_MAX; tries++) {
		if (tries > 0)
			(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ .tv_nsec = MS_FRESH_NANOSECONDS / 2 }, NULL);
		r = look_once(sync);
		if (r == 0 && sync->listing.hidden) {
			r = ms_hidden_settle(sync->folder_fd, &sync->listing, &sync->renamed[0]);
			if (r == 0)
				r = look_once(sync);
		}
		if (r == 0 && sync->listing.sure)
			r = ms_listing_join(&sync->listing, sync->folder_fd, sync->renamed, tell_two_names, sync);
		memset(sync->found, 0, sync->known_count * sizeof(*sync->found));
		if (r == 0)
			missing = match(sync) + sync->damaged_count + sync->rebuild;
	}
	sync->missed |= (sync->rebuild || sync->damaged_count != 0 || (sync->pending.count != 0 && missing != 0)) && !sync->listing.sure;
	if (!sync->listing.sure)
		ms_listing_leave_doubtful(&sync->listing);
	return r;
}

static int
save(struct ms_txn *txn, void *context)
{
	const struct ms_syncing *sync = context;
	int r = txn->store->generation != sync->generation ? MS_AGAIN : ms_pending_forget(txn, sync->number);

	return r == 0 ? ms_mailbox_save(txn, sync->number, sync->record) : r;
}

static int
take_all(struct ms_syncing *sync)
{
	size_t known = 0;
	unsigned vain = 0;
	int r = 0;

	do {
		sync->missed = false;
		r = look(sync);
		if (r == 0 && (sync->pending.count != 0 || sync->noted.count != 0))
			r = follow(sync);
		if (r == 0)
			r = ms_listing_adopt_keywords(&sync->listing, sync->folder_fd, &sync->record->folder);
		if (r == 0)
			r = mend(sync);
		if (r == 0)
			r = apply_all_known(sync);
		if (r == 0)
			forget_followed(sync);
		if (r == 0)
			r = ms_sync_take_new(sync);
		vain = sync->known_count > known ? 0 : vain + 1;
		known = sync->known_count;
	} while (r == 0 && sync->missed && vain < LOOKS_IN_VAIN_MAX);
	return r == 0 && sync->missed ? -EAGAIN : r;
}

/* A record that is not done with may be older than the folder's file, where nobody could look into that before. */
static int
raise_limit(const struct ms_syncing *sync)
{
	struct ms_folder file, *folder = &sync->record->folder;
	int r = ms_folder_read(sync->folder_fd, &file);

	if (r != 0)
		return r < 0 ? r : 0;
	if (file.id == folder->id && file.uidvalidity == folder->uidvalidity && file.uid_limit > folder->uid_limit)
		folder->uid_limit = file.uid_limit;
	ms_folder_clear(&file);
	return 0;
}

/* names_from: UIDs from here on count in names; 0 for the next UID. */
enum why { SYNC_NEWS, SYNC_DOUBT, SYNC_MEND };
static int
sync_once(struct ms_store *store, uint32_t number, struct ms_mailbox_record *record, uint32_t names_from, enum why why)
{
	struct ms_syncing sync = {
		.store = store, .number = number, .record = record, .folder_fd = -1, .rebuild = record->uidnext == 0,
		.names_from = names_from != 0 ? names_from : record->uidnext, .generation = store->generation, .mend = why == SYNC_MEND,
		.doubt = why == SYNC_DOUBT,
	};
	struct ms_time new_time, cur_time;
	struct timespec now;
	int r = ms_folder_open(store, record->name, &sync.folder_fd);

	if (r != 0)
		return r;
	/* What arrived last could not be taken in, so nothing can: the mailbox is as it was before. */
	if (store->arrived != 0 && store->in_vain != 0 && !store->taking_in && !sync.rebuild) {
		(void)close(sync.folder_fd);
		return 0;
	}
	(void)clock_gettime(CLOCK_REALTIME, &now);
	ms_folder_times(sync.folder_fd, &new_time, &cur_time);
	/* Times that were too fresh to be kept are 0, as those of a part that is missing, which is no reason not to look. */
	if (why == SYNC_NEWS && !sync.rebuild && new_time.seconds != 0 && cur_time.seconds != 0 && same_time(&new_time, &record->new_time) && same_time(&cur_time, &record->cur_time) &&
	    ms_pending_file_size(sync.folder_fd) == record->pending) {
		(void)close(sync.folder_fd);
		return 0;
	}
	r = sync.rebuild ? raise_limit(&sync) : 0;
	if (sync.rebuild || sync.doubt)
		record->uidnext = record->folder.uid_limit;
	if (r == 0)
		r = ms_pending_file_read(sync.folder_fd, record->folder.uidvalidity, &sync.pending);
	if (r == 0)
		r = take_all(&sync);
	if (r == 0 && sync.damaged_count != 0)
		r = ms_run(store, drop_damaged, &sync);
	/* Before the times are noted: a folder that fell back to its old names would have its old time too. */
	if (r == 0)
		r = sync_renamed(&sync);
	/* Where the index was made anew, or mended, beneath, that had the names follow too and forgot what waited: they stay. */
	if (r != 0 && sync.generation == store->generation)
		ms_renames_take_back(&sync.followed, sync.folder_fd);
	ms_renames_clear(&sync.followed);
	if (r == 0 && (record->pending != 0 || ms_pending_file_size(sync.folder_fd) != 0))
		r = ms_pending_file_remove(sync.folder_fd);
	if (r == 0) {
		record->pending = 0;
		record->new_time = sync.listing.sure ? ms_settled(&new_time, &now) : (struct ms_time){ 0, 0 };
		record->cur_time = sync.listing.sure ? ms_settled(&cur_time, &now) : (struct ms_time){ 0, 0 };
		r = ms_run(store, save, &sync);
	}
	if (r == 0 && sync.damaged_count != 0)
		r = ms_tables(store, true);
	free(sync.found);
	free(sync.known);
	free(sync.damaged);
	ms_pending_clear(&sync.pending);
	ms_pending_clear(&sync.noted);
	ms_listing_clear(&sync.listing);
	(void)close(sync.folder_fd);
	return r;
}

static int
sync_for(struct ms_store *store, uint32_t number, struct ms_mailbox_record *record, enum why why)
{
	int r = MS_AGAIN;

	for (unsigned tries = 0; r == MS_AGAIN && tries < RETRIES_MAX; tries++) {
		if (tries > 0)
			r = ms_mailbox_reload(store, number, record);
		if (r == 0 || r == MS_AGAIN)
			r = sync_once(store, number, record, 0, why);
	}
	return r == MS_AGAIN ? MS_E_CORRUPT : r;
}

int
ms_sync(struct ms_store *store, uint32_t number, struct ms_mailbox_record *record)
{
	return sync_for(store, number, record, SYNC_NEWS);
}

int
ms_sync_mend(struct ms_store *store, uint32_t number, struct ms_mailbox_record *record)
{
	return sync_for(store, number, record, SYNC_MEND);
}

int
ms_sync_doubted(struct ms_store *store, uint32_t number, struct ms_mailbox_record *record)
{
	/* While the store is being opened nobody opens it anew beneath: one look is enough. */
	return sync_once(store, number, record, record->uidnext, SYNC_DOUBT);
}
