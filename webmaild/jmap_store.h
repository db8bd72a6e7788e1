/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* JMAP's view of the account: emails (each in one or more mailboxes), mailboxes and threads, kept in memory beside the store and
 * brought up to date from it before each request. */
#ifndef WEBMAILD_JMAP_STORE_H
#define WEBMAILD_JMAP_STORE_H

#include <jansson.h>

#include "common/buf.h"
#include "libmailstore/mailstore.h"
#include "webmaild/session.h"

/* Ids as JMAP has them: a letter and the store's 16 hexadecimal digits. */
#define JMAP_ID_LEN (MS_ID_LEN + 1)

struct jmap_mailbox {
	char id[JMAP_ID_LEN + 1]; /* "b..." */
	struct ms_mailbox_info info; /* its strings are ours */
	struct ms_mailbox *open;
	uint64_t modseq;          /* of the store: how far the emails below are up to date */
	uint64_t created, changed, renamed; /* states: when it came, when anything of it changed, when more than its counts did */
	bool present;             /* while listing */
	/* As of jmap->counted; see jmap_count. */
	unsigned total_emails, unread_emails, total_threads, unread_threads;
};

struct jmap_place {
	struct jmap_mailbox *mailbox;
	uint32_t uid;
	uint32_t flags;    /* MS_SEEN ... */
	uint64_t keywords; /* bits of the mailbox's first 64 keywords */
	bool more;         /* it has others too: the store tells which */
};

struct jmap_email {
	struct jmap_email *chain; /* of the same bucket */
	size_t at;                /* its index in the list of emails */
	uint64_t id, thread;
	uint64_t size;
	int64_t received;
	bool has_attachment;
	uint64_t created, changed; /* states; 0: before this process began, see jmap_read_history */
	size_t place_count;
	struct jmap_place *places;
};

/* What went, for /changes. */
struct jmap_gone {
	enum { JMAP_GONE_EMAIL, JMAP_GONE_MAILBOX } kind;
	uint64_t id;     /* of the email */
	uint64_t thread;
	char mailbox[JMAP_ID_LEN + 1];
	uint64_t created, state;
};

struct jmap {
	struct session *session;
	struct ms_store *store;
	char account_id[32];
	struct jmap_mailbox **mailboxes; /* in order of names */
	size_t mailbox_count;
	struct jmap_email **emails;      /* in no order */
	size_t email_count, email_room;
	struct jmap_email **buckets;     /* the same by id */
	size_t bucket_count;             /* a power of two */
	struct jmap_gone *gone;          /* oldest first */
	size_t gone_count, gone_room;
	uint64_t state;                  /* of the last sync */
	uint64_t began;                  /* the state when this process had read all */
	uint64_t floor;                  /* changes since older states are not known */
	uint64_t forgotten;              /* some until then have been known, and are not any more */
	bool has_history;                /* what happened before has been read, or cannot be */
	bool orphans;                    /* some emails may have no place left: within a sync */
	uint64_t counted;                /* state + 1 of the mailboxes' counts; 0: never */
	uint64_t email_state, mailbox_state, thread_state; /* the state of the last change of each type */
};

/* Opens the account's store and reads what is in it. 0, an enum ms_result, or -errno. */
int jmap_open(struct session *session, struct jmap **ret_jmap);
/* Learns what happened before this process began, and lowers jmap->floor to what is known. Done once; the results as above. */
int jmap_read_history(struct jmap *jmap);
/* Replaces what went, oldest first. */
void jmap_take_gone(struct jmap *jmap, const struct jmap_gone *gone, size_t count);
/* Takes in what changed in the store since. The results as above; what could be read is then in place. */
int jmap_sync(struct jmap *jmap);

/* Ids to and from text. false: it is no id of that kind. */
void jmap_hex_id(char kind, uint64_t id, char *ret_text);
void jmap_email_id(uint64_t id, char ret_text[JMAP_ID_LEN + 1]);
void jmap_thread_id(uint64_t id, char ret_text[JMAP_ID_LEN + 1]);
bool jmap_parse_id(struct span text, char kind, uint64_t *ret_id);

struct jmap_email *jmap_find_email(struct jmap *jmap, uint64_t id);
struct jmap_email *jmap_find_email_text(struct jmap *jmap, struct span text);
struct jmap_mailbox *jmap_find_mailbox(struct jmap *jmap, struct span id);
struct jmap_mailbox *jmap_find_use(struct jmap *jmap, enum ms_use use);
bool jmap_email_in(const struct jmap_email *email, const struct jmap_mailbox *mailbox);
/* All flags of all its places. */
unsigned jmap_email_flags(const struct jmap_email *email);
/* True when the email has this JMAP keyword ("$seen", ...). */
bool jmap_email_has_keyword(const struct jmap_email *email, struct span keyword);
/* Its keywords as an object of true. */
json_t *jmap_email_keywords(const struct jmap_email *email);
/* The flag that a keyword stands for; 0: it is a keyword of its own. */
uint32_t jmap_keyword_flag(struct span keyword);
/* RFC 8621 4.1.1: which texts may be keywords. */
bool jmap_is_keyword(struct span text);

/* The bytes of a message, with LF line ends, appended to out. 0, MS_E_NOTFOUND, -EMSGSIZE, -errno. */
int jmap_email_read(struct jmap *jmap, const struct jmap_email *email, struct buf *out);
/* The first bytes of it, at least its header when that fits. */
int jmap_email_read_front(struct jmap *jmap, const struct jmap_email *email, size_t max, struct buf *out);

/* Stores a message (any line ends) in that mailbox; keywords: an object of true, or NULL. 0 and the email's id; results as above. */
int jmap_store_message(struct jmap *jmap, struct span message, const struct jmap_mailbox *mailbox, const json_t *keywords, int64_t received,
    uint64_t *ret_id);

/* The state strings of /get, and the answer to whether `since` is covered. */
struct jmap_state {
	char text[24];
};
struct jmap_state jmap_state_text(uint64_t state);
/* A past state: true when changes since then are known; for those from before this process began the store is read. */
bool jmap_state_parse(struct jmap *jmap, struct span text, uint64_t *ret_state);

/* The Session object (RFC 8620 section 2). */
void jmap_session_object(struct jmap *jmap, struct buf *out);
/* Display name of the account, may be empty. */
struct span jmap_display_name(const struct jmap *jmap);

#endif
