/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* libmailstore: accounts, their mail (a Maildir with a disposable index), and small durable tables. Its types are plain C. */
#ifndef MAILSTORE_H
#define MAILSTORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Every function that returns int returns 0, -errno (unexpected: forward it), or one of these. The library neither logs nor
 * exits (but when memory ends), and starts no thread. It takes SIGBUS, for files of messages that others cut short while it reads them; what
 * is not of those goes to whoever had the signal before. */
enum ms_result {
	MS_E_NOTFOUND = 1, /* no such account, mailbox, message or record */
	MS_E_EXISTS,
	MS_E_BADNAME,      /* a mailbox name that cannot be */
	MS_E_QUOTA,
	MS_E_STALE,        /* the mailbox was deleted since it was opened */
	MS_E_LOCKED,       /* in use by another, or its mail is being moved in */
	MS_E_CORRUPT,      /* bytes that cannot be what they should be; what could be mended has been */
	MS_E_DENIED,       /* not for this mailbox: INBOX is not deleted */
	MS_E_LIMIT,        /* too many, too long */
	MS_E_FORGOTTEN,    /* what changed so long ago is not known any more: look at all */
};
/* A sentence for the log; takes any result, never NULL. */
const char *ms_strerror(int result);

/* ---- accounts: read by auth roles, written by mailuser; mailaccounts(5) ---- */

/* What an account may hold; 0: as much as it likes. */
struct ms_quota {
	uint64_t bytes;    /* sum of the messages' sizes, with CRLF */
	uint64_t messages;
};

struct ms_account {
	char *address;  /* canonical: lower case */
	uint32_t uid;
	char *password; /* crypt(5) */
	char *path;     /* below accounts_dir: "<domain>/<user>" */
	char *name;     /* display name, UTF-8, may be empty */
	struct ms_quota quota;
	int64_t created; /* seconds since 1970 */
	bool enabled;
};
/* Frees the strings. */
void ms_account_clear(struct ms_account *account);

struct ms_accounts;
/* Opens for reading; a file that is not there yet is an empty database. The file is opened again when it was replaced. */
int ms_accounts_open(const char *path, struct ms_accounts **ret);
void ms_accounts_close(struct ms_accounts *accounts);
/* The address in any case. 0, MS_E_NOTFOUND, -errno. The strings of *ret are the caller's: ms_account_clear. */
int ms_accounts_get(struct ms_accounts *accounts, const char *address, size_t len, struct ms_account *ret);
/* Whether there was a database when something was looked for last: without one nobody can be told that an account does not exist. */
bool ms_accounts_is_there(const struct ms_accounts *accounts);
/* A number that is another one once the database that was read last has been changed. */
uint64_t ms_accounts_edition(const struct ms_accounts *accounts);
/* Calls each in the order of addresses until it returns non-zero, which is then the result. */
typedef int (*ms_account_fn)(void *context, const struct ms_account *account);
int ms_accounts_each(struct ms_accounts *accounts, ms_account_fn each, void *context);
/* Writers take a lock, write a new file, sync it, and put it in place. group may read it ((gid_t)-1: leave it).
 * put: MS_E_EXISTS when create and it is there, MS_E_NOTFOUND when not create and it is not. With create and uid 0 a uid between
 * low and high is taken that no account ever had, and put into account->uid; MS_E_LIMIT when there is none. */
int ms_accounts_put(const char *path, struct ms_account *account, bool create, uint32_t low, uint32_t high, gid_t group);
int ms_accounts_remove(const char *path, const char *address, gid_t group);

/* ---- a store ---- */

/* A fault in words that a postmaster understands. */
struct ms_fault {
	const char *mailbox; /* NULL: of the whole account */
	uint32_t uid;        /* 0: of no single message, or of one that has none yet */
	const char *file;    /* as seen from the mailbox's folder; NULL: of no single file */
	const char *what;    /* is wrong */
	const char *mending; /* what ms_repair does about it */
};
typedef void (*ms_fault_fn)(void *context, const struct ms_fault *fault);

struct ms_store;
/* Opens the store in that folder, making it with its default mailboxes when it is new. Needs nothing outside the folder. One
 * struct ms_store for an account in a process. */
int ms_open(const char *account_dir, struct ms_store **ret);
void ms_close(struct ms_store *store);
/* A descriptor that becomes readable when anything in the account changed, by this library or by other programs, after the first call; -errno when
 * the system has no watch for us (-EMFILE, -ENOSPC: fs.inotify.max_user_instances, max_user_watches). */
int ms_watch_fd(struct ms_store *store);
void ms_watch_drain(struct ms_store *store);
/* Nobody else stores just now on this host, as far as the caller knows: one sync of the file system then takes less time than one of each file
 * and folder. Not so unless told. */
void ms_set_alone(struct ms_store *store, bool alone);
/* From now on messages that would go beyond are not taken: MS_E_QUOTA. A store that was just opened has no limit. */
void ms_set_quota(struct ms_store *store, const struct ms_quota *quota);
const struct ms_quota *ms_quota(const struct ms_store *store);
/* What that mailbox may hold, besides the account's quota: kept in its folder, also when it is renamed. MS_E_NOTFOUND. */
int ms_mailbox_set_quota(struct ms_store *store, const char *name, const struct ms_quota *quota);
/* What the account holds, by the counters of its mailboxes. */
int ms_usage(struct ms_store *store, struct ms_quota *ret);
/* The account's highest modification sequence: it grows with every change, mailboxes included. */
int ms_modseq(struct ms_store *store, uint64_t *ret);

/* ---- mailboxes; names are UTF-8 with '/' between levels, "INBOX" in any case ---- */

#define MS_ID_LEN 16 /* of mailbox, email and thread ids: hex digits */
enum ms_use { MS_USE_NONE, MS_USE_INBOX, MS_USE_DRAFTS, MS_USE_SENT, MS_USE_TRASH, MS_USE_JUNK, MS_USE_ARCHIVE };

struct ms_mailbox_info {
	char *name;
	char id[MS_ID_LEN + 1];
	uint32_t uidvalidity, uidnext;
	uint32_t messages, unseen, deleted;
	uint64_t modseq; /* highest of any change in it */
	uint64_t created, named; /* when it was made; when its name, use or subscription changed last */
	uint64_t size;   /* sum of the messages' sizes */
	uint64_t deleted_size; /* of those that are marked \Deleted */
	enum ms_use use;
	struct ms_quota quota; /* of this mailbox alone */
	bool subscribed;
};
void ms_mailbox_info_clear(struct ms_mailbox_info *info);

/* All mailboxes in order of names, but for those whose folders are another owner's, or none. *ret is an array for ms_mailboxes_free. */
int ms_mailboxes(struct ms_store *store, struct ms_mailbox_info **ret, size_t *ret_count);
void ms_mailboxes_free(struct ms_mailbox_info *list, size_t count);
/* One, brought up to date with its folder. MS_E_NOTFOUND. */
int ms_mailbox_status(struct ms_store *store, const char *name, struct ms_mailbox_info *ret);
/* 0, MS_E_EXISTS, MS_E_BADNAME, MS_E_LIMIT, MS_E_DENIED: another mailbox has that use. Parents that are missing are made. */
int ms_mailbox_create(struct ms_store *store, const char *name, enum ms_use use);
/* With its messages; not its children. MS_E_NOTFOUND, MS_E_DENIED (INBOX). */
int ms_mailbox_delete(struct ms_store *store, const char *name);
/* With its children. Renaming INBOX moves its messages (RFC 3501 6.3.5). */
int ms_mailbox_rename(struct ms_store *store, const char *from, const char *to);
/* A name need not exist to be subscribed or unsubscribed. */
int ms_subscribe(struct ms_store *store, const char *name, bool subscribed);
/* Calls each subscribed name, also those that are no mailbox (any more), in no order, until it returns non-zero, which is then the
 * result. */
typedef int (*ms_name_fn)(void *context, const char *name, size_t len);
int ms_subscriptions(struct ms_store *store, ms_name_fn each, void *context);
/* The name as the store writes it, for free(3): INBOX has several. MS_E_BADNAME for what can be none. */
int ms_mailbox_canonical(const char *name, char **ret);
/* The name of the mailbox of that id, for free(3). */
int ms_mailbox_name(struct ms_store *store, const char *id, char **ret);

/* ---- an open mailbox ---- */

enum {
	MS_SEEN = 1, MS_ANSWERED = 2, MS_FLAGGED = 4, MS_DELETED = 8, MS_DRAFT = 16,
	MS_FORWARDED = 32, /* Maildir's P: $Forwarded */
};

/* Keywords, by their numbers in the mailbox. */
#define MS_KEYWORDS_MORE_MAX 64
struct ms_keywords {
	uint64_t first;      /* bit n: keyword n */
	uint16_t more_count;
	uint16_t more[MS_KEYWORDS_MORE_MAX]; /* the numbers from 64 on, ascending */
};
bool ms_keywords_have(const struct ms_keywords *set, unsigned n);
/* The lowest number in the set that is not below `from`, or MS_KEYWORD_NONE. */
#define MS_KEYWORD_NONE UINT32_MAX
unsigned ms_keywords_next(const struct ms_keywords *set, unsigned from);

struct ms_message {
	uint32_t uid;
	uint32_t flags;     /* MS_SEEN ... */
	struct ms_keywords keywords;
	uint64_t modseq;
	uint64_t size;      /* with CRLF line ends (RFC822.SIZE) */
	int64_t internal_date; /* seconds since 1970 */
	int64_t save_date;
	uint64_t email_id, thread_id; /* shown as 16 hex digits */
	bool has_attachment;
};

struct ms_mailbox;
int ms_mailbox_open(struct ms_store *store, const char *name, struct ms_mailbox **ret);
void ms_mailbox_close(struct ms_mailbox *mailbox);
/* Brings the index up to date with the folder (cheap when nothing changed). MS_E_STALE when the mailbox is gone. */
int ms_mailbox_sync(struct ms_mailbox *mailbox);
/* As of the last open or sync. Borrowed. */
const struct ms_mailbox_info *ms_mailbox_info(const struct ms_mailbox *mailbox);
/* Keyword n, or NULL beyond the last. Borrowed until the next call that may add one. */
const char *ms_keyword(const struct ms_mailbox *mailbox, unsigned n);

/* All UIDs in order, as runs of those that follow each other, without reading of each message; for free(3), also when the result is not 0.
 * The memory is that of the gaps between UIDs, so that a large mailbox opens as fast as a small one. */
struct ms_uid_run {
	uint32_t first, before; /* the first UID, and how many messages come before it */
};
int ms_mailbox_uid_runs(struct ms_mailbox *mailbox, struct ms_uid_run **ret, size_t *ret_runs, size_t *ret_count);
/* The same, each by itself. */
int ms_mailbox_uids(struct ms_mailbox *mailbox, uint32_t **ret, size_t *ret_count);
/* Calls each message with first <= uid <= last in order of UIDs; each returns 0 to go on. May be interrupted and resumed at any
 * UID. The callback must not call the store. */
typedef int (*ms_message_fn)(void *context, const struct ms_message *message);
int ms_messages(struct ms_mailbox *mailbox, uint32_t first, uint32_t last, ms_message_fn each, void *context);
/* The same, of each message no more than UID, flags and keywords: many times as fast. */
int ms_messages_flags(struct ms_mailbox *mailbox, uint32_t first, uint32_t last, ms_message_fn each, void *context);
int ms_message_get(struct ms_mailbox *mailbox, uint32_t uid, struct ms_message *ret);
/* What changed after modseq: messages (their record as it is now) and UIDs expunged, in order of modseq. MS_E_FORGOTTEN when messages
 * were expunged since that are not known any more: those of 30 days and the last 100,000 of the account are, but none from before the
 * index was made. Nothing is called then. */
typedef int (*ms_uid_fn)(void *context, uint32_t uid, uint64_t modseq);
typedef ms_uid_fn ms_expunged_fn;
int ms_changes(struct ms_mailbox *mailbox, uint64_t modseq, ms_message_fn changed, ms_expunged_fn expunged, void *context);
/* The same without reading the messages' records: of one that changed and then left both may be told. */
int ms_changed_uids(struct ms_mailbox *mailbox, uint64_t modseq, ms_uid_fn changed, ms_expunged_fn expunged, void *context);

/* The file of a message, open for reading. Line ends as they were stored (LF). MS_E_NOTFOUND when it is gone; also when another program
 * has written to it since it came: it has been taken in as another message then. */
int ms_message_open(struct ms_mailbox *mailbox, uint32_t uid, int *ret_fd, uint64_t *ret_bytes);
/* Rendered once and kept: IMAP's ENVELOPE and BODYSTRUCTURE, and 256 characters of preview (of small messages that is made when it is
 * asked for). For free(3). */
enum ms_cached { MS_ENVELOPE, MS_BODYSTRUCTURE, MS_PREVIEW };
#define MS_CACHED_COUNT 3
int ms_message_cached(struct ms_mailbox *mailbox, uint32_t uid, enum ms_cached what, char **ret, size_t *ret_len);
/* What is kept of many at once: calls each message with first <= uid <= last whose texts are there, in order of UIDs; each returns 0 to
 * go on. The texts are borrowed for the call, NULL for one that is not kept; it must not call the store. */
struct ms_text {
	const char *ptr;
	size_t len;
};
typedef int (*ms_cached_fn)(void *context, uint32_t uid, const struct ms_text texts[MS_CACHED_COUNT]);
int ms_messages_cached(struct ms_mailbox *mailbox, uint32_t first, uint32_t last, ms_cached_fn each, void *context);

/* Where an email stands (JMAP): each mailbox that holds it. */
typedef int (*ms_place_fn)(void *context, const char *mailbox_id, uint32_t uid);
int ms_email_places(struct ms_store *store, uint64_t email_id, ms_place_fn each, void *context);
/* The emails of a thread, in the order in which they came. */
typedef int (*ms_email_fn)(void *context, uint64_t email_id);
int ms_thread_emails(struct ms_store *store, uint64_t thread_id, ms_email_fn each, void *context);
/* What is known of the whole account's past (JMAP /changes), in no order: each message that stands in a mailbox, with when it came there
 * and when it changed last; each that left one, and each mailbox that was removed, after *ret_floor. Nothing that left before is told. A
 * message that moved left one mailbox and came into another with the same number. each returns 0 to go on. */
enum ms_event_kind { MS_EVENT_STANDS, MS_EVENT_LEFT, MS_EVENT_MAILBOX_LEFT };
struct ms_event {
	enum ms_event_kind kind;
	uint64_t email_id;   /* of a mailbox its id */
	uint64_t thread_id;  /* of what left; 0: not known */
	uint64_t came;       /* 0: not known, long ago */
	uint64_t modseq;     /* when it left, or changed last */
};
typedef int (*ms_event_fn)(void *context, const struct ms_event *event);
int ms_account_history(struct ms_store *store, ms_event_fn each, void *context, uint64_t *ret_floor);

/* ---- search ---- */

/* What is searched for, as a tree of keys; a NULL `children` of OR is nobody, of AND everybody. */
enum ms_search_kind {
	MS_SEARCH_AND, MS_SEARCH_OR, /* of the children */
	MS_SEARCH_NOT,               /* none of the children */
	MS_SEARCH_UIDS,              /* one of these */
	MS_SEARCH_FLAGS,             /* has one of these flags */
	MS_SEARCH_KEYWORD,           /* has the keyword `text`, in any case */
	MS_SEARCH_RECEIVED, MS_SEARCH_SAVED, /* from <= time < to, seconds since 1970 */
	MS_SEARCH_SENT,              /* the day of the Date field, as it was where it was written: from <= 00:00 UTC of it < to */
	MS_SEARCH_SIZE, MS_SEARCH_MODSEQ, MS_SEARCH_EMAIL, MS_SEARCH_THREAD, /* low <= number <= high */
	MS_SEARCH_TEXT,              /* `text` is somewhere in `where`; letters folded */
};
enum ms_search_where {
	MS_IN_FIELD = 1,  /* a field of that name in the message's header; the empty text is in each */
	MS_IN_HEADER = 2, /* any field of it, as a whole: "Name: value" */
	MS_IN_BODY = 4,   /* IMAP's BODY: text parts as they are written and as they are read, and headers inside */
	MS_IN_READ = 8,   /* text parts as they are read */
};
struct ms_search_range {
	uint32_t first, last; /* inclusive; ranges stand in ascending order and apart */
};
struct ms_search_key {
	enum ms_search_kind kind;
	uint32_t flags;
	unsigned where;
	int64_t from, to;
	uint64_t low, high;
	const char *text, *field; /* UTF-8; borrowed like all the rest until ms_search_free */
	size_t text_len, field_len;
	const struct ms_search_range *uids;
	size_t uid_count;
	const struct ms_search_key *children, *next;
};

struct ms_search;
/* Compiles the list of keys, all of which a message must match. */
struct ms_search *ms_search_new(const struct ms_search_key *keys);
void ms_search_free(struct ms_search *search);
/* Begins to search a mailbox from its first message on; it must stay open. */
int ms_search_begin(struct ms_search *search, struct ms_mailbox *mailbox);
/* Goes on for some records, or about a megabyte of messages (one message at least). Calls each that matches, in no order; the callback
 * must not call the store. *ret_done: that was all. */
int ms_search_step(struct ms_search *search, ms_message_fn each, void *context, bool *ret_done);
/* Whether one message matches. MS_E_NOTFOUND. */
int ms_search_message(struct ms_search *search, struct ms_mailbox *mailbox, uint32_t uid, bool *ret);

/* Works on the text index, from which searches learn which messages they need not read: some milliseconds a call, for when there is nothing
 * else to do. *ret_more: call again; else there is nothing to do before something comes. */
int ms_index_text(struct ms_store *store, bool *ret_more);
/* The same for all that can wait: first the names of files whose messages got flags with many others, then the text index. */
int ms_idle_work(struct ms_store *store, bool *ret_more);

/* ---- writing ---- */

struct ms_append;
/* Begins a message; bytes go in with ms_append_write (CRLF is stored as LF), nothing is seen before the commit. It is
 * for ms_append_commit, _commit_all or _abort, and never NULL. What is small touches no disk before that: its errors come then. */
struct ms_append *ms_append_begin(struct ms_store *store);
int ms_append_write(struct ms_append *append, const void *bytes, size_t len);
/* Stores it in the mailbox, durable on return. keywords: NULL-ended list or NULL. internal_date 0: now. Frees append. */
int ms_append_commit(struct ms_append *append, const char *mailbox, uint32_t flags, const char *const *keywords, int64_t internal_date,
    uint32_t *ret_uid, uint32_t *ret_uidvalidity, uint64_t *ret_email_id);
/* Stores several (at most MS_APPENDS_MAX) in the mailbox without flags, as of now, in that order and sharing their syncs: all, durable on
 * return, or none. ret_uids has room for count. Frees them all. */
#define MS_APPENDS_MAX 16
int ms_append_commit_all(struct ms_append *const *appends, size_t count, const char *mailbox, uint32_t *ret_uids);
void ms_append_abort(struct ms_append *append);
/* The email id that the message will have. */
uint64_t ms_append_email_id(const struct ms_append *append);

enum ms_store_op { MS_FLAGS_SET, MS_FLAGS_ADD, MS_FLAGS_REMOVE };
/* Changes the flags of those UIDs (ascending). Messages changed after unchanged_since (0: any) are left and reported through
 * `modified` (may be NULL; room for count). MS_E_LIMIT when the mailbox would have more than 2048 keywords, or a
 * message more than its file's name has room for: the first 26 and some 60 others. */
int ms_store_flags(struct ms_mailbox *mailbox, const uint32_t *uids, size_t count, enum ms_store_op op, uint32_t flags,
    const char *const *keywords, uint64_t unchanged_since, uint32_t *modified, size_t *ret_modified);
/* The same, told apart from what others do: whoever knows the mailbox up to `since` learns of each message that others changed after it and
 * before this, for the modification sequence of that is lost when this changes the message too. */
struct ms_flags_apart {
	uint64_t since;
	ms_uid_fn others;
	void *context;
	uint64_t first, last; /* set: the modification sequences of this alone; 0: it changed nothing, or failed */
};
int ms_store_flags_apart(struct ms_mailbox *mailbox, const uint32_t *uids, size_t count, enum ms_store_op op, uint32_t flags,
    const char *const *keywords, uint64_t unchanged_since, uint32_t *modified, size_t *ret_modified, struct ms_flags_apart *apart);
/* Copies (by hard link, where that may be) or moves those UIDs to another mailbox; ret_uids has room for count: the new UIDs, 0 for one that was
 * gone. Copies all or, on failure, none. A move that fails has moved those that have a UID then. */
int ms_copy(struct ms_mailbox *from, const uint32_t *uids, size_t count, const char *to, bool move, uint32_t *ret_uids, uint32_t *ret_uidvalidity);
int ms_expunge(struct ms_mailbox *mailbox, const uint32_t *uids, size_t count);
/* The same of those alone that are \Deleted by then: the caller may not have heard yet that somebody took that back. */
int ms_expunge_deleted(struct ms_mailbox *mailbox, const uint32_t *uids, size_t count);

/* ---- moving in and out ---- */

struct ms_import_result {
	unsigned mailboxes;  /* whose UIDVALIDITY was taken over */
	uint64_t messages;   /* whose UID was */
	uint64_t unknown;    /* that no list names: they get new UIDs */
	uint64_t skipped;    /* lines of the lists that make no sense */
};
/* What a postmaster should know of it; mailbox NULL: of the account. */
typedef void (*ms_note_fn)(void *context, const char *mailbox, const char *note);
/* Takes over, in place, a Maildir that Dovecot or Courier has kept: UIDVALIDITY, UIDs, keywords and subscriptions become those of this
 * store; then opens it once, so that the index is there, if it can be. Cut short, it is gone on with by the next call, and nobody opens the store
 * before. MS_E_NOTFOUND: there is nothing of either. MS_E_EXISTS: a mailbox has UIDs of ours already, which clients may know;
 * with force they are given up. MS_E_DENIED: messages are compressed or encrypted, nothing was changed. *ret is set in any case. */
int ms_import(const char *account_dir, bool force, ms_note_fn note, void *context, struct ms_import_result *ret);

/* The same from another folder, a Maildir of Dovecot's (Maildir++ or LAYOUT=fs) or Courier's, which stays as it is: files of the account's
 * own on the same file system are hard links, others copies. MS_E_EXISTS: the account has mail; with force that is set aside. MS_E_DENIED:
 * as above. as: see ms_restore. */
int ms_import_from(const char *account_dir, int from_fd, bool force, void (*as)(void *context, bool backup), void *as_context, ms_note_fn note,
    void *context, struct ms_import_result *ret);

/* Takes the messages of an mbox file (mboxrd or mboxcl2, told by itself) into a mailbox, which is made when it is not there, with the flags,
 * keywords and dates that the file tells; note says how many keywords could not be kept. Each is durable before the next. MS_E_CORRUPT: it
 * is no mbox file. *ret_count is set in any case: of those that are in. fd is read to its end. */
int ms_mbox_import(struct ms_store *store, int fd, const char *mailbox, ms_note_fn note, void *context, uint64_t *ret_count);
/* Writes a mailbox as an mbox file (mboxrd), in the order of UIDs. A message that cannot be read is left out, and note tells so.
 * MS_E_NOTFOUND. */
int ms_mbox_export(struct ms_store *store, const char *mailbox, int fd, ms_note_fn note, void *context, uint64_t *ret_count);

struct ms_backup_result {
	uint64_t messages, linked, copied; /* all; of them, those that are links to the previous backup; whose bytes were copied */
	uint64_t unreadable; /* besides, of ms_backup: messages, and whole mailboxes, that are not in it, since they cannot be read */
};
/* Writes the account's mail, as it is at one moment, into a new folder `name` in the folder into_fd: a Maildir++ of its own with UIDs,
 * flags, keywords, UIDVALIDITY and subscriptions. Messages that the folder `previous` there (NULL: none) has already are hard links to
 * its files. It is there whole, and on stable storage, or not at all; what others do to the account meanwhile is not in it.
 * A message that cannot be read is left out, and a mailbox whose folder cannot; note tells so. MS_E_EXISTS: that name is there. MS_E_LOCKED: another backup of the account
 * runs. */
int ms_backup(struct ms_store *store, int into_fd, const char *name, const char *previous, ms_note_fn note, void *context, struct ms_backup_result *ret);
/* Makes what was backed up the mail of the account, with the same UIDVALIDITY, UIDs, flags and keywords. MS_E_EXISTS: it has mail; with
 * force that is set aside as Maildir.before, or under the next number behind that. Cut short, it is gone on with by the next call, and nobody
 * opens the store before.
 * as (NULL: nothing to do) is called before files of the backup are read (true), and before anything else (false). */
int ms_restore(const char *account_dir, int from_fd, bool force, void (*as)(void *context, bool backup), void *context, struct ms_backup_result *ret);

/* ---- care ---- */

/* Opens a store, and tells, then and later, each fault that is mended on the way. */
int ms_open_telling(const char *account_dir, ms_fault_fn fault, void *context, struct ms_store **ret);
/* Compares the index with the Maildir and tells each fault. Changes nothing but what opening and syncing do: they mend what stands in
 * their way. 0 (also with faults), -errno. */
int ms_check(struct ms_store *store, ms_fault_fn fault, void *context);
/* Mends each fault and tells it. Nothing is lost but what a damaged record alone knew: UIDVALIDITY, UIDs, flags, and keywords that have
 * a letter are in the Maildir. What a file lost is lost: it gets a new UID, so that clients read what is there. */
int ms_repair(struct ms_store *store, ms_fault_fn fault, void *context);
/* Throws the index away and makes it again from the Maildir: UIDVALIDITY, UIDs, flags and keywords stay. Others who have the store
 * open follow by themselves. */
int ms_rebuild(struct ms_store *store);

#endif
