/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What the files of libmailstore share. Who writes holds the account's lock file alone (flock), who reads shares it: so a kill -9 frees
 * it, and nobody sees half of what another does. */
#ifndef LIBMAILSTORE_MS_INTERNAL_H
#define LIBMAILSTORE_MS_INTERNAL_H

#include <dirent.h>
#include <sys/stat.h>
#include <time.h>

#include "common/buf.h"
#include "libmailstore/bdb.h"
#include "libmailstore/mailstore.h"
#include "libmailstore/ms_arrivals.h"
#include "libmailstore/ms_fault.h"
#include "libmailstore/ms_pending.h"
#include "libmailstore/ms_record.h"
#include "libmailstore/ms_mark.h"

enum ms_table {
	T_META,    /* "modseq", "uidvalidity": the last numbers given; "floor": what left up to there may be forgotten; "gone": how many of
	            * T_GONE there are */
	T_MAILBOX, /* mailbox -> ms_mailbox_record */
	T_MESSAGE, /* mailbox, n -> ms_row: of UIDs from 16 n on */
	T_CHANGE,  /* ms_set_changes */
	T_CACHE,   /* mailbox, uid -> ms_cache: of that message, and of some before it */
	T_EMAIL,   /* ms_set_places */
	T_THREAD,  /* ms_set_threads, ms_set_known */
	T_UIDS,    /* mailbox, u8 0, n -> bitmap of the UIDs from 2048 n on; u8 1 + k, 64 + k: of those with flag 1 << k, keyword k.
	            * mailbox, u8 128, n, u64 modseq -> ms_pending */
	T_GONE,    /* modseq, mailbox, uid -> u64 email id, u64 seconds, u64 thread id, u64 modseq when it came: messages that left; with uid 0 and
	            * its own id mailboxes; the oldest are forgotten */
	T_TEXT,    /* the text index: 'p', u24 block, u24 gram -> postings; 'd', u32 document -> u64 email id; 'e', u64 email id -> u32 document */
	T_COUNT,
};

/* The index, in the account's folder. */
#define MS_HOST_LEN 64
#define MS_INDEX "index"
#define MS_ARRIVALS_FILE MS_INDEX "/arrivals"
/* Names of what is being removed or made: an index beside the account's, folders in tmp/. */
#define MS_INDEX_ASIDE "index-damaged."
#define MS_FOLDER_ASIDE "fourpost-"

/* In the Maildir: the names of subscribed mailboxes, one a line. */
#define MS_SUBSCRIPTIONS "subscriptions"
#define MS_SUBSCRIPTIONS_MAX (4 * 1024 * 1024)
/* In the account's folder while mail is moved in: nobody opens the store until it is done. */
#define MS_IMPORTING "importing"
/* In a Maildir that has come in from elsewhere and is not taken over yet, so while that stands: the device and inode of the folder it is a copy of. */
#define MS_COPIED "fourpost-copied"

#define MS_MANY 64
/* Renames in one transaction: of messages that stand side by side, on few pages. inotify keeps some 16,000 events, two of each. */
#define MS_FOLLOW_MAX 500
/* Messages in one transaction. */
#define BATCH 100
#define RETRIES_MAX 50
/* The result of a work function whose plan was made with another index: plan again. */
#define MS_AGAIN 999
/* Beside the results of bdb.h: a record came whole from Berkeley DB, and its bytes are not what they should be. It is mended alone. */
#define MS_DAMAGED 50

struct ms_store {
	char *dir;          /* absolute */
	int dir_fd, maildir_fd, lock_fd;
	struct bdb *bdb;
	struct ms_mark mark; /* of the index that bdb is in */
	uint64_t sequence;     /* of the state that bdb knows */
	bool writing;          /* something has been written since the lock was taken */
	bool changed;          /* and whoever waits is to be woken */
	uint64_t arrived;      /* bytes of what is to be taken in, by that state */
	int in_vain;           /* why it could not be */
	bool taking_in;        /* within taking in: nothing below begins it again */
	struct ms_arrivals arrivals;
	ino_t database_inode;
	bool opening;       /* within reopening: nothing below opens it again */
	bool renaming;      /* a tree: its file is ours */
	bool mending;       /* within ms_mend: nothing below begins it again */
	ms_fault_fn fault;  /* told what is found wrong; NULL: nobody */
	void *fault_context;
	bool doubt;         /* the index was recovered: what it says of each mailbox is held against the folder's file */
	int touch_fd;       /* inotify for changes of our own */
	struct ms_kept {    /* the watches of the folder that was changed last: a new one takes as long as the folder is large */
		int watch[2]; /* of new/, cur/; -1: none is kept */
		ino_t inode[2];
	} kept;
	int watch_fd, watch_index, watch_new, watch_cur;
	char *watch_name; /* of the mailbox that is watched once somebody waits, or NULL */
	struct ms_quota quota;
	size_t mailboxes_max; /* MS_MAILBOXES_MAX, or less for a test */
	bool has_floor;     /* the index has its "floor" */
	unsigned generation; /* grows when the index is opened anew: numbers of mailboxes may be others then */
	struct ms_time maildir_time; /* of the Maildir when its folders were last listed */
	size_t many;        /* messages that are flagged at once: so many have their names changed before the promise, more later */
	size_t follow_max;  /* MS_FOLLOW_MAX, or less for a test: names that follow in one transaction */
	bool flagged;       /* flags were promised that names did not tell then */
	uint64_t unique;    /* counts names made by this process */
	bool alone; /* ms_set_alone */
	char host[MS_HOST_LEN + 1]; /* of those names, once there is one */
	uint64_t text_least; /* an account with less mail, in bytes, gets no text index: it is read as fast, and the index would be as large */
	struct ms_text_work *text_work; /* the text index's next messages, or NULL */
	bool text_damaged;  /* a record of it was: it is made anew */
	int64_t text_looked; /* uptime in seconds, when it last looked again at all that could not be read; 0: not yet, or there was none */
	unsigned locked;    /* depth; alone */
	unsigned reading;   /* depth; shared. Nothing is written, nor the index opened anew, within */
};

/* So many mailboxes an account has: each opening looks at all of them. */
#define MS_MAILBOXES_MAX 10000

/* In T_META: the modification sequence up to which T_TEXT knows all messages; how many documents it has numbered; a count of its
 * clearings, odd while it is being emptied and says nothing; in what format it is. */
#define MS_TEXT_DONE "text"
#define MS_TEXT_DOCUMENTS "documents"
#define MS_TEXT_CLEAR "emptying"
#define MS_TEXT_FORMAT "text format"
#define MS_TEXT_FORMAT_NOW 4u
#define MS_TEXT_LEAST (4u << 20)
/* Of the record of a gram's group (ms_text_group.h), and of the one that the gram has of its own, which stands behind that. */
#define MS_TEXT_GROUP_KEY 7
#define MS_TEXT_OWN_KEY 8
void ms_text_group_key(uint8_t key[MS_TEXT_GROUP_KEY], uint32_t block, uint32_t gram);
void ms_text_own_key(uint8_t key[MS_TEXT_OWN_KEY], uint32_t block, uint32_t gram);
/* Sets the documents of a gram in the map, from the record that its group says it has of its own; map has MS_POSTINGS_BYTES. 0, MS_E_CORRUPT (some may
 * be set), or MS_BDB(...). */
int ms_text_get_own(struct bdb *bdb, struct bdb_txn *txn, uint32_t block, uint32_t gram, uint8_t *map);
/* How far the index has come. *ret_usable: it is of our format, and not being emptied. 0, or MS_BDB(...). */
struct ms_text_state {
	uint64_t done, documents, cleared;
	bool usable;
};
int ms_text_state(struct bdb *bdb, struct bdb_txn *txn, struct ms_text_state *ret);
/* The document of an email. 0, or a bdb result. */
int ms_text_document(struct bdb *bdb, struct bdb_txn *txn, uint64_t email, uint32_t *ret);
/* The same of one that could not be read when its turn came, so every search reads it: the modseq of then. BDB_NONE. */
#define MS_TEXT_UNREAD_KEY 9
void ms_text_unread_key(uint8_t key[MS_TEXT_UNREAD_KEY], uint64_t email);
int ms_text_unread(struct bdb *bdb, struct bdb_txn *txn, uint64_t email, uint64_t *ret_modseq);
/* Calls each of them, by its key. */
int ms_text_each_unread(struct bdb *bdb, struct bdb_txn *txn, bdb_fn each, void *context);

struct ms_mailbox {
	struct ms_store *store;
	uint32_t number;
	unsigned generation;
	struct ms_mailbox_record record;
	struct ms_mailbox_info info;
	struct buf texts; /* of messages near the last that was asked for: ms_texts_get */
};

#define MS_UIDS_PAGES 16
/* The bitmaps of T_UIDS: of all UIDs, of those with system flag 1 << n, of those with keyword n. */
#define MS_UIDS_ALL 0
#define MS_UIDS_FLAG(n) (1 + (n))
#define MS_UIDS_FLAGS 6
#define MS_UIDS_MORE 63 /* those with keywords that have no bitmap */
#define MS_UIDS_KEYWORD(n) (64 + (n))
#define MS_UIDS_PENDING 128 /* no bitmap alone: a change that names do not tell yet */

/* A transaction's work: returns 0 to commit, anything else to abort; bdb results make it run again, so it starts from what the
 * tables say, each time. */
struct ms_txn {
	struct ms_store *store;
	struct bdb *bdb;
	struct bdb_txn *txn;
	bool again;   /* not the first attempt: what it did to files before is done */
	bool changed; /* set when somebody must be woken */
	struct ms_uids_page { /* bitmaps of T_UIDS that it has at hand, written at its end */
		uint32_t mailbox, n;
		unsigned plane;
		bool changed;
		uint8_t map[MS_UIDS_BYTES];
	} pages[MS_UIDS_PAGES];
	size_t page_count, page_next;
	struct ms_texts *texts; /* ms_texts.c: of messages that came, written at its end; or NULL */
	int synced_with[BDB_COMMIT_FILES]; /* folders that are synced together with its log */
	size_t synced_with_count;
};
typedef int (*ms_work)(struct ms_txn *txn, void *context);

/* What a work function returns for a positive result of bdb.h. */
#define MS_BDB(result) (1000 + (result))
static inline int
ms_bdb(int result)
{
	return result > 0 ? MS_BDB(result) : result;
}

/* As if it had been found gone: the next who needs it opens it again. */
void ms_index_close(struct ms_store *store);
/* Opens the index again when it was removed, replaced, or left by one who died: store->generation tells. */
int ms_ensure(struct ms_store *store);
/* Runs it under the account's lock (taken here when the caller has not), durable on return. */
int ms_run(struct ms_store *store, ms_work work, void *context);
/* The same, but durable only with the next ms_run: for what is promised to nobody before that. */
int ms_run_unsynced(struct ms_store *store, ms_work work, void *context);
/* The same, and whenever the work came to no commit, takes back what it did to files, before the index may be made anew from them. */
int ms_run_undoing(struct ms_store *store, ms_work work, void (*undo)(void *context), void *context);
/* Reading, while nobody writes: so no work waits for anything but the disk. Within another it is part of that. */
int ms_read(struct ms_store *store, int (*work)(struct bdb *bdb, void *context), void *context);
/* Under the lock, before a file gets a UID into its name that no transaction has noted yet: should we die, the next knows. 0 or -errno. */
int ms_will_write(struct ms_store *store);
int ms_lock(struct ms_store *store);
void ms_unlock(struct ms_store *store);
/* Whoever waits in ms_watch_fd wakes. */
void ms_notify(struct ms_store *store);

/* inotify on that mailbox's folders beside the index, from when somebody waits: the kernel looks at every name of them that it remembers
 * when a watch is set, which takes it milliseconds in a large folder, and most sessions never wait. */
void ms_watch_mailbox(struct ms_store *store, const char *name);
/* Opens a folder, no link, to read its names. 0 or -errno. */
int ms_dir_open(int at, const char *name, DIR **ret);
/* The next entry but "." and "..", NULL at the end; borrowed until the next call. 0 or -errno. */
int ms_dir_next(DIR *dir, const struct dirent **ret);
/* Removes a folder and all in it, following no link. */
int ms_remove_tree(int at, const char *name);
/* The same for all in a folder, but not the folder. */
int ms_remove_entries(int folder_fd);
/* Copies an open file with its time, durable on return; the new file must not be there. */
int ms_copy_file(int from, int to_fd, const char *to_name);
/* The file somewhere else: a hard link, or where that cannot be a copy (*ret_copied). -errno, -EEXIST. */
int ms_transfer(int from_fd, const char *from_name, int to_fd, const char *to_name, bool *ret_copied);
/* Opens and locks the account's folder without its store: for what is done to the Maildir before there is an index. *ret_maildir_fd is
 * -1 when there is none. The descriptors are the caller's also on error, -1 when not open. */
int ms_account_hold(const char *account_dir, int *ret_dir_fd, int *ret_lock_fd, int *ret_maildir_fd);
/* Sets or takes away the mark that mail is being moved in, durable on return. */
int ms_account_mark(int account_dir_fd, bool importing);

/* A number of T_META. BDB_NONE when it is not there. */
int ms_meta_get(struct bdb *bdb, struct bdb_txn *txn, const char *name, uint64_t *ret);
int ms_meta_put(struct ms_txn *txn, const char *name, uint64_t value);
/* What T_GONE says of a message, or with uid 0 of a mailbox. */
struct ms_gone {
	uint32_t mailbox, uid;
	uint64_t id, thread_id, came, modseq;
};
/* Notes that a message left, or that a mailbox was removed, and forgets some of those that did long ago. */
int ms_gone_put(struct ms_txn *txn, const struct ms_gone *gone);
/* false: the record makes no sense. */
bool ms_gone_get(struct span key, struct span value, struct ms_gone *ret);
/* Nothing is known any more of what left before that. 0, or a bdb result. */
int ms_raise_floor(struct ms_txn *txn, uint64_t modseq);
/* The next modification sequence. 0 and the number, or a bdb result. */
int ms_next_modseq(struct ms_txn *txn, uint64_t *ret);
/* 0, or MS_E_QUOTA when so much more would go beyond the account's quota; beyond the mailbox's. */
int ms_quota_allows(struct ms_store *store, uint64_t bytes, uint64_t messages);
int ms_mailbox_quota_allows(const struct ms_mailbox_record *record, uint64_t bytes, uint64_t messages);
/* 0, or MS_E_QUOTA when so much more than that usage goes beyond the quota. */
int ms_quota_fits(const struct ms_quota *quota, const struct ms_quota *usage, uint64_t bytes, uint64_t messages);
/* Whether it limits anything. */
bool ms_quota_is_set(const struct ms_quota *quota);
int ms_mailbox_load(struct ms_txn *txn, uint32_t number, struct ms_mailbox_record *ret);
int ms_mailbox_save(struct ms_txn *txn, uint32_t number, const struct ms_mailbox_record *record);
/* Its number and record. MS_E_NOTFOUND. */
int ms_mailbox_find(struct ms_store *store, const char *name, uint32_t *ret_number, struct ms_mailbox_record *ret);
/* The number of the mailbox whose record has that name, 0 when none has. */
int ms_mailbox_number(struct ms_txn *txn, const char *name, uint32_t *ret);
/* Calls each with the number and record of every mailbox; txn may be NULL. The record is cleared afterwards: what `each` takes out of it
 * it replaces by nothing. 0, or MS_BDB(...). */
typedef void (*ms_mailbox_fn)(void *context, uint32_t number, struct ms_mailbox_record *record);
int ms_mailbox_each(struct bdb *bdb, struct bdb_txn *txn, ms_mailbox_fn each, void *context);
/* The record as it is now. MS_E_STALE when it is gone. */
int ms_mailbox_reload(struct ms_store *store, uint32_t number, struct ms_mailbox_record *record);
/* Removes the record with its messages' records, if the number is that mailbox's still. */
int ms_mailbox_forget(struct ms_store *store, uint32_t number, const struct ms_mailbox_record *record);
/* After the index was made anew: the mailbox's number of now. MS_E_STALE when it is not the same any more. */
int ms_mailbox_follow(struct ms_mailbox *mailbox);
int ms_message_get_record(struct ms_mailbox *mailbox, uint32_t uid, struct ms_message_record *ret);
/* 0, or MS_E_LIMIT when the account has no room for so many more mailboxes. Under the lock. */
int ms_mailboxes_allow(struct ms_store *store, size_t more);
/* Makes the folder and its file; the index is told by ms_sync_mailboxes. MS_E_EXISTS. */
int ms_folder_make(struct ms_store *store, const char *name, enum ms_use use);
/* A folder's file for a new mailbox. */
int ms_folder_new(struct ms_store *store, struct ms_folder *ret, enum ms_use use);
void ms_mailbox_info_set(const struct ms_store *store, const struct ms_mailbox_record *record, struct ms_mailbox_info *ret);

/* Records of messages with everything that hangs on them: counters (in mailbox, to be saved by the caller), change, places; texts as in
 * ms_cache.h, or empty. */
int ms_message_insert(struct ms_txn *txn, uint32_t mailbox, struct ms_mailbox_record *record, const struct ms_message_record *message, struct span texts);
int ms_message_update(struct ms_txn *txn, uint32_t mailbox, struct ms_mailbox_record *record, const struct ms_message_record *before,
    const struct ms_message_record *after);
int ms_message_remove(struct ms_txn *txn, uint32_t mailbox, struct ms_mailbox_record *record, const struct ms_message_record *message, uint64_t modseq);
/* Gives the record the name that says its flags, letters, UID and sizes; before's is where the unique part comes from. MS_E_CORRUPT, MS_E_LIMIT. */
int ms_rename_record(uint32_t mailbox, const struct ms_message_record *before, struct ms_message_record *after);
/* The same, and renames the file into cur/. *ret_renamed: this did. Where another program has just renamed it, flags that after has and before
 * has not, or the other way round, are changed in that name, which is not after's then: the folder is to be read again. */
int ms_rename_message(int folder_fd, uint32_t mailbox, const struct ms_message_record *before, struct ms_message_record *after, bool *ret_renamed);
/* Notes in the bitmaps that a message came (before NULL), left (after NULL) or has other flags. */
int ms_uids_note(struct ms_txn *txn, uint32_t mailbox, const struct ms_message *before, const struct ms_message *after);
/* One bitmap of all UIDs, as the tables have it; one that is not there is empty. 0, -errno, MS_BDB(...). */
int ms_uids_read(struct bdb *bdb, struct bdb_txn *txn, uint32_t mailbox, uint32_t n, uint8_t ret[MS_UIDS_BYTES]);
/* Whether it has that UID; not when it is damaged. */
bool ms_uids_has(struct bdb *bdb, uint32_t mailbox, uint32_t uid);
/* Writes what was noted: the end of each transaction. */
int ms_uids_flush(struct ms_txn *txn);
/* The bitmap in the transaction's hands: many changes of one are one write. Good until the next is taken. */
int ms_uids_take(struct ms_txn *txn, uint32_t mailbox, unsigned plane, uint32_t n, struct ms_uids_page **ret);
/* The message as it is, and as its file's name tells it: the same, but for flags that the name does not tell yet. */
int ms_message_load(struct ms_txn *txn, uint32_t mailbox, uint32_t uid, struct ms_message_record *ret);
int ms_message_load_named(struct ms_txn *txn, uint32_t mailbox, uint32_t uid, struct ms_message_record *ret);

/* --- flags that names do not tell yet (ms_pending.h) --- */

#define MS_PENDING_KEY 17
/* So many changes of one block of UIDs, and the names follow before there is another. */
#define MS_PENDING_MAX 16
/* Those of the blocks first to last. 0, or MS_BDB(...). *ret keeps its memory. */
int ms_pending_read(struct bdb *bdb, struct bdb_txn *txn, uint32_t mailbox, uint32_t first, uint32_t last, struct ms_pending_list *ret);
/* Puts one into the table; takes it out when it has no UID left. */
int ms_pending_put(struct ms_txn *txn, uint32_t mailbox, const struct ms_pending *pending);
/* Takes all of a mailbox out of the table. */
int ms_pending_forget(struct ms_txn *txn, uint32_t mailbox);
/* The folder's file: its size, 0 when it is not there; what it says, nothing when it is not there. */
uint64_t ms_pending_file_size(int folder_fd);
int ms_pending_file_read(int folder_fd, uint32_t uidvalidity, struct ms_pending_list *ret);
/* Writes what the table has now, durable on return, and notes that in the record; removes it when there is nothing. MS_E_LIMIT. */
int ms_pending_file_write(struct ms_txn *txn, uint32_t mailbox, int folder_fd, struct ms_mailbox_record *record);
/* Where there is one by the index or by the folder. Durable on return. */
int ms_pending_file_remove(int folder_fd);
/* The names of some messages follow their flags; of all. *ret_more: there are others. */
int ms_follow_some(struct ms_store *store, uint32_t mailbox, bool *ret_more);
int ms_follow_all(struct ms_store *store, uint32_t mailbox);
/* The same in the whole account. */
int ms_follow_account(struct ms_store *store);
/* The mailboxes that have something pending. 0, or MS_BDB(...); *ret keeps its memory, which is the caller's. */
struct ms_waiting {
	uint32_t *mailboxes;
	size_t count;
};
int ms_waiting_read(struct bdb *bdb, struct ms_waiting *ret);
/* The record after the name: counters and bitmaps knew before. */
int ms_message_follow(struct ms_txn *txn, uint32_t mailbox, const struct ms_message_record *before, const struct ms_message_record *after);
/* What ms_store_flags works with. */
struct ms_flagging {
	struct ms_mailbox *mailbox;
	const uint32_t *uids;
	size_t count;
	enum ms_store_op op;
	uint32_t flags;
	const char *const *keywords;
	uint64_t unchanged_since;
	uint32_t *modified;
	size_t modified_count;
	uint64_t first, last; /* modification sequences that were given, 0: none */
	int folder_fd;
};
/* Changes flags without changing a name. MS_BY_NAMES: too few for that, or with keywords that have no letter; MS_FOLLOW_FIRST: too many
 * changes wait for the names to follow. */
#define MS_BY_NAMES 997
#define MS_FOLLOW_FIRST 998
int ms_flag_many(struct ms_flagging *flagging);

/* Appends the file. 0, MS_E_NOTFOUND, MS_E_LIMIT (out's maximum), -errno. */
int ms_read_file(int at, const char *name, struct buf *out);
/* Writes a new file, syncs it, puts it in place, syncs the folder. 0, or -errno with the old file untouched. */
int ms_replace_file(int folder_fd, const char *name, const struct buf *text);
/* Puts the file in place, durable on return. */
int ms_subscriptions_write(int maildir_fd, const struct buf *text);
/* Throws the index in that account's folder away, under its lock; those who have it open follow by themselves. */
int ms_index_discard(int account_dir_fd);

/* Folders of the Maildir. *ret is a descriptor. MS_E_NOTFOUND, -errno. */
int ms_folder_open(const struct ms_store *store, const char *mailbox_name, int *ret_fd);
/* "INBOX" in any case becomes "INBOX"; MS_E_BADNAME for what cannot be. Appends the canonical name. */
int ms_mailbox_name_check(const char *name, struct buf *out);
/* The folder's name below Maildir/ ("" for INBOX, ".Name.Sub"). 0 or MS_E_BADNAME. */
int ms_mailbox_folder_name(const char *name, struct buf *out);
/* The mailbox name of a folder. Appends it to out, which is empty. 0, or MS_E_BADNAME. */
int ms_folder_to_name(struct span folder, struct buf *out);
/* Takes a UID: writes the folder's file ahead when its limit is reached. */
int ms_take_uid(int folder_fd, struct ms_mailbox_record *record, uint32_t *ret);
/* That many can then be taken without writing the folder's file for every few of them. MS_E_LIMIT. */
int ms_promise_uids(int folder_fd, struct ms_mailbox_record *record, size_t count);
/* Brings the index up to date with the folder, under the lock. */
int ms_sync(struct ms_store *store, uint32_t number, struct ms_mailbox_record *record);
/* The same when the record may be older than what was promised from it: UIDs that the index never gave, but a file's name has, count. */
int ms_sync_doubted(struct ms_store *store, uint32_t number, struct ms_mailbox_record *record);
/* The same whatever the times say, with each file looked at; what is wrong is told to store->fault. */
int ms_sync_mend(struct ms_store *store, uint32_t number, struct ms_mailbox_record *record);
/* A folder changed this recently may change again within the same tick of its time stamp (ticks are 10 ms at most). */
#define MS_FRESH_NANOSECONDS INT64_C(20000000)
/* The time to note for a folder that was read: none when it may have changed again unnoticed. `now` is from before the reading. */
struct ms_time ms_settled(const struct ms_time *time, const struct timespec *now);
/* Removes what processes that died have left: half-made and half-removed folders, and files in tmp/ after a day and a half. */
int ms_clean(struct ms_store *store);
/* Gives the old names back to a tree whose renaming was cut short. Under the lock, before the index is read. */
int ms_renaming_take_back(struct ms_store *store);
/* Work for ms_run after a recovery. What was promised may have been lost with the end of the log: its numbers are not given again. And log
 * and folders are synced together (ms_folder_fsync_with), so each may have what the other lost: every folder is read before it is believed. */
int ms_begin_anew(struct ms_txn *txn, void *context);
/* Finds what mailboxes the Maildir holds, under the lock. */
int ms_sync_mailboxes(struct ms_store *store);
/* The times of new/ and cur/; 0 for one that is not there. */
void ms_folder_times(int folder_fd, struct ms_time *ret_new, struct ms_time *ret_cur);

/* Makes new/, cur/ or tmp/, which copies of a Maildir lose that leave empty folders out. Whether it did, durable on return. */
bool ms_folder_make_part(int folder_fd, const char *part);
/* The same for all that are missing, whoever made or removed the folder being done with it: without them it is as if they were empty. */
bool ms_folder_complete(int folder_fd);

/* Whether that result, -errno, comes of the mailbox's folder alone: it, or a part of it, is another owner's, may not be read or written, or is
 * no folder. INBOX is the account's own, and never so. */
bool ms_folder_is_shut(const struct ms_store *store, const char *name, int result);
/* All mailboxes that the index knows, also those whose folders are shut, which ms_mailboxes leaves out; then the shut folders that it does not
 * know. Under the lock. 0 or -errno; the caller clears *ret, which is empty on error. */
struct ms_mailbox_names {
	struct ms_mailbox_name {
		char *name;
		bool known;
	} *list;
	size_t count;
};
int ms_mailbox_names(struct ms_store *store, struct ms_mailbox_names *ret);
void ms_mailbox_names_clear(struct ms_mailbox_names *names);

/* A change of ours to one folder or two, noted so that they need not be read again for it: begin, add each, change files and count
 * `ours` (a rename is two events, in another folder or another part of it one here and one there), end, note. */
#define MS_TOUCH_EVENTS (IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE)
/* Watches a mailbox's new/ and cur/ for these; -1 for what cannot be watched. */
void ms_folder_watch(const struct ms_store *store, const char *name, int inotify_fd, int ret_watch[2]);
void ms_folder_unwatch(int inotify_fd, const int watch[2]);
/* An inotify descriptor for what happens within one call: never blocks, left over events are of no interest. -1 when there is none. */
int ms_touch_fd(struct ms_store *store);
/* Ends the watches that are kept there from one change to the next. */
void ms_touch_forget(struct ms_store *store);
struct ms_touch {
	struct ms_store *store;
	struct ms_touch_side {
		int folder_fd, watch[2]; /* of new/, cur/ */
		ino_t inode[2];
		struct ms_time times[2];
		unsigned ours, seen;
		bool known;
	} sides[2];
	unsigned count;
};
void ms_touch_begin(struct ms_touch *touch, struct ms_store *store);
void ms_touch_add(struct ms_touch *touch, int folder_fd, const struct ms_mailbox_record *record);
void ms_touch_end(struct ms_touch *touch);
/* Puts the folder's times into its record, or none when others may have changed it too. */
void ms_touch_note(const struct ms_touch *touch, unsigned side, struct ms_mailbox_record *record);
/* Its new/ or cur/, to be read or synced: a descriptor, or -errno. */
int ms_folder_part_open(int folder_fd, bool cur);
int ms_folder_fsync(int folder_fd, bool cur);
/* The same when the transaction commits, at the same time as its log: neither may need the other there after the power has failed. */
int ms_folder_fsync_with(struct ms_txn *txn, int folder_fd, bool cur);
/* Whether a result of opening or reading a message's file tells of that file alone: it is another's, or the disk has lost it. Other messages
 * are not to suffer from it. */
bool ms_is_unreadable(int r);
/* Where the message's file is now, when it is not where the record has it: path ("cur/NAME") is filled in. 0, MS_E_NOTFOUND or -errno. */
int ms_locate(int folder_fd, const struct ms_message_record *record, char path[MS_NAME_MAX + 5]);
/* Another program has given the record's file such a path a moment ago. What it thereby changed of flags and keywords is changed in the message
 * too, which otherwise is as it was meant to be. 0 or MS_E_LIMIT. */
int ms_flags_meanwhile(const struct ms_message_record *record, const char *path, struct ms_message *message);
/* The numbers of these keywords (NULL-ended, or NULL), making those the mailbox does not have yet: the folder's file is written.
 * MS_E_LIMIT, MS_E_BADNAME, -errno: then *ret is empty, and the record has none but those of the file. */
int ms_keywords_take(int folder_fd, struct ms_mailbox_record *record, const char *const *keywords, struct ms_keywords *ret);

/* --- what is wrong (ms_fault.h) is mended --- */

/* Mends each record of the index that is damaged, missing, or tells of nothing, from the Maildir and the other records; all others stay.
 * What daemons do when they meet MS_DAMAGED, and what ms_repair does. MS_BDB(...) when that is not enough: the index is to be made anew. */
int ms_mend(struct ms_store *store);
/* Compares the tables with each other, and mends what the records of messages tell to be wrong. Under the account's lock. */
int ms_tables(struct ms_store *store, bool mend);
/* Whether two records count the same. */
bool ms_counts_equal(const struct ms_mailbox_record *a, const struct ms_mailbox_record *b);
/* Adds a message to the mailbox's counters, or takes it away (sign -1). */
void ms_message_count(struct ms_mailbox_record *mailbox, const struct ms_message *message, int sign);
/* Removes a message of whose record nothing is known but its key; one whose UID the mailbox never gave leaves nothing behind. */
int ms_message_drop(struct ms_txn *txn, uint32_t mailbox, struct ms_mailbox_record *record, uint32_t uid, uint64_t modseq);
/* Notes the message's latest change, its place, its thread. Steps of ms_message_insert and ms_thread_join. */
int ms_message_note_change(struct ms_txn *txn, uint32_t mailbox, uint32_t uid, uint64_t modseq);

/* What is computed from a message's bytes when it comes in. */
struct ms_derived {
	struct buf texts;      /* as in ms_cache.h */
	uint64_t size;         /* with CRLF */
	bool has_attachment;
	uint64_t ids[MS_IDS_MAX]; /* hashes of References, In-Reply-To, Message-ID, the root first, each with the base subject */
	unsigned id_count;
};
/* all: also texts that are not kept. */
int ms_derive(int fd, uint64_t bytes, bool all, struct ms_derived *ret);
/* The same of what is in memory, without texts that are not kept. */
void ms_derive_bytes(struct span bytes, struct ms_derived *ret);
void ms_derived_clear(struct ms_derived *derived);
int ms_thread_join(struct ms_txn *txn, const struct ms_derived *derived, uint64_t email_id, uint64_t *ret_thread);
/* Of a message that comes into the index, with that unique part of its name: another email id when the one it should have is another message's
 * already. Half of it is the second, and the rest no more than 32 bits. */
int ms_email_id_take(struct ms_txn *txn, struct span unique, uint64_t *email_id);
/* A message of that thread: the last step of joining it. */
int ms_thread_note(struct ms_txn *txn, const struct ms_derived *derived, uint64_t email_id, uint64_t thread);
/* A file name nobody else makes. */
void ms_unique(struct ms_store *store, struct buf *out);

#endif
