/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Inside the deliver role: what its parts share. */
#ifndef SMTPD_DELIVER_H
#define SMTPD_DELIVER_H

#include "common/buf.h"
#include "common/forward.h"
#include "frame/role.h"
#include "libmailstore/mailstore.h"
#include "sieve/sieve.h"

struct delivery {
	uint64_t offset, length;
	char *queue_id, *recipient, *sender;
	int fd;
	uint32_t id; /* of the message that asks for it */
	int result;
	uint32_t uid;
	bool came_back;    /* to the account's own address, where it was before */
	bool sent_on;      /* by the account's forward, which it came back from: it stays */
	bool asked;        /* whose addresses are that its filter names: no more than once */
	bool limited;      /* the account has sent as much as it may: what would be sent on is kept, and nothing is answered */
	bool kept;         /* in a mailbox of the account's */
	bool handled;      /* by a script: all that was to be done has been */
	char *refusal;     /* the reason that a script gave (empty: none that can be told), or NULL */
};

/* What a script has seen (duplicate), in a message that it sends on: remembered once that is safe. */
struct seen {
	uint32_t id;  /* of the delivery */
	char *text;   /* NULL: free */
	size_t len;
	int64_t until;
};
#define SEEN_MAX 64 /* the last */

struct deliver {
	struct proc *proc;
	struct ms_store *store;
	struct msg_channel *channel;
	struct event *turn; /* all that came is stored at the end of the loop's turn */
	struct delivery list[MS_APPENDS_MAX];
	size_t count;
	bool alone; /* when it was asked for, no other delivery was under way */
	struct delivery waiting[MS_APPENDS_MAX]; /* until the queue has told whose addresses are */
	size_t waiting_count;
	struct own *own;
	struct scripts *scripts;
	char *script_folder; /* the account's own: its scripts, and what they are to remember */
	struct seen seen[SEEN_MAX];
	size_t seen_next;
	struct stored *stored;
	char *forward_path;
	struct forward forward;  /* of this turn; its text */
	struct buf forward_text;
};

/* --- deliver_scripts.c: Sieve scripts, compiled once while they stay as they are --- */

struct script {
	char *path;
	int64_t mtime_ns, size;
	uint64_t inode;
	struct sieve_program *program; /* NULL: it has faults, or cannot be read */
	char *faults;
	bool retired;                  /* another stands in its place */
};

/* site: the folder of the site's scripts; own: the account's; options: enum sieve_option. */
struct scripts *scripts_new(const char *site, const char *own, unsigned options);
unsigned scripts_options(const struct scripts *scripts);
/* Before each turn: forgets those that have been replaced. */
void scripts_begin(struct scripts *scripts);
enum script_place { SCRIPT_BEFORE, SCRIPT_ACTIVE, SCRIPT_AFTER };
/* Script n of a place, in order of names; NULL: there are no more. Borrowed until scripts_begin; one without a program until the next is
 * asked for. Those that cannot be opened are told as such. */
const struct script *scripts_at(struct scripts *scripts, enum script_place place, size_t n);
/* By its name: one of the account's, or of the site's folder "global". NULL: there is none. Borrowed as above. */
const struct script *scripts_named(struct scripts *scripts, bool global, struct span name);

/* --- deliver_memory.c: what was answered and seen, in the account's file sieve/remembered --- */

/* The id is remembered until after now. */
bool memory_has(const char *own, struct span id, int64_t now);
/* Remembers it until then. 0 or -errno. */
int memory_put(const char *own, struct span id, int64_t now, int64_t until);

/* --- deliver_stored.c: what was stored last, in the account's file delivered --- */

/* Where it cannot be opened, nothing is remembered but by this process. */
struct stored *stored_new(const char *account_dir);
/* Returns NULL. */
struct stored *stored_free(struct stored *stored);
/* Around the rest: waits for another process that stores in the account, and reads what it has stored. */
void stored_lock(struct stored *stored);
void stored_unlock(struct stored *stored);
/* What tells the message in that mailbox from all others. */
struct stored_key {
	uint8_t bytes[16];
};
struct stored_key stored_key(const struct deliver *deliver, const struct delivery *delivery, const char *mailbox);
/* The store has it, there or moved elsewhere: it was given to us before. The log tells. */
bool stored_before(const struct deliver *deliver, const struct delivery *delivery, const struct stored_key *key);
/* To be called before it is stored. */
void stored_note(struct deliver *deliver, const struct stored_key *key, const struct ms_append *append);

/* --- deliver_own.c: which addresses are the account's --- */

struct own *own_new(void);
/* For struct sieve_host; context: struct deliver. What is not known is not the account's, but may be asked. */
enum sieve_own own_of(void *context, struct span address);
/* Before what a message's filter sends is looked at. may_ask: own_of notes what it does not know, for own_ask. */
void own_begin(struct deliver *deliver, bool may_ask);
/* Asks the queue. True when there is something to wait for. */
bool own_ask(struct deliver *deliver);
/* OWN_IS. 1: nothing is waited for any more; 0; or -EBADMSG. */
int own_told(struct deliver *deliver, const struct msg *msg);

/* --- deliver_filter.c: running them --- */

/* Runs the scripts on a message. */
enum filtered {
	FILTERED_NOT,   /* it is to be stored in INBOX as it is */
	FILTERED_LOOP,  /* nothing has been done: it came back, and no script of the account's sends it on */
	FILTERED_DONE,  /* what they wanted has been done, result and refusal are set */
	FILTERED_WAITS, /* nothing has been done: again once own_told says so */
};
enum filtered deliver_filter(struct deliver *deliver, struct delivery *delivery);

/* --- deliver_seen.c: what they have seen --- */

bool seen_has(const struct deliver *deliver, struct span id);
/* What the scripts of that delivery have seen, which did all of this: remembered at once, or, where it is sent on, once that is safe. */
void seen_remember(struct deliver *deliver, uint32_t id, const struct sieve_result *result, int64_t now);
/* SENT: it is, or it was never seen. */
void seen_sent(struct deliver *deliver, uint32_t id, bool safe);

/* --- deliver_store.c: what they want stored --- */

/* Does the actions keep and fileinto of a result. 0, MS_E_*, -errno: some may have been done. */
int deliver_store(struct deliver *deliver, struct delivery *delivery, struct span message, const struct sieve_result *result);
/* A mailbox with that use (or MS_USE_NONE: attribute unknown); its name for free(3), or NULL. */
char *deliver_special_use(struct deliver *deliver, struct span attribute, struct span preferred);
/* Puts a text of ours into INBOX. */
int deliver_note(struct deliver *deliver, struct span text);

/* --- deliver_send.c: what they want sent --- */

/* Looks at whose addresses that would ask about. */
void deliver_foresee(const struct deliver *deliver, const struct sieve_host *host, const struct sieve_result *result);

/* Hands the message on to that address, as it is. 0 or -errno. */
int deliver_redirect(struct deliver *deliver, const struct delivery *delivery, struct span recipient);
/* Hands redirected messages, vacation responses and notifications to the queue. 0 or -errno. */
int deliver_send(struct deliver *deliver, const struct delivery *delivery, const struct sieve_host *host, const struct sieve_result *result);

/* True for an address of our domains that has had the message: an alias that would only bring it round. */
bool deliver_has_been(const struct deliver *deliver, const struct delivery *delivery, struct span address);

/* --- deliver_forward.c: the account's file `forward` --- */

/* Before each turn: sets deliver->forward; without such a file, or with one that cannot be used, mail is kept. */
void forward_load(struct deliver *deliver);
/* It has been at one of those that stand there: that one does not get it again, and the account does get it. */
bool forward_goes_round(const struct deliver *deliver, const struct delivery *delivery);
/* Hands the message on to all others that stand there. 0 or -errno. */
int forward_send(struct deliver *deliver, const struct delivery *delivery);

#endif
