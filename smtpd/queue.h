/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Inside the queue role: what its parts share. */
#ifndef SMTPD_QUEUE_H
#define SMTPD_QUEUE_H

#include "common/drop_control.h"
#include "frame/auth_client.h"
#include "frame/srs.h"
#include "sieve/sieve.h"
#include "smtpd/queue_files.h"
#include "smtpd/queue_schedule.h"
#include "smtpd/queue_table.h"
#include "smtpd/smtpd_conf.h"
#include "smtpd/smtpd_msg.h"

struct event;
struct text_set;

/* What of an envelope is kept in memory: queue_facts.c. */
struct facts {
	int64_t uid, created, due, tell;
	char *drop;        /* or NULL */
	char *destination; /* of all open recipients, or NULL */
	uint16_t sender;
	int8_t priority;
};

struct queue {
	struct auth_client *auth;
	struct proc *proc;
	struct queue_files *files;
	struct queue_table *table;
	struct schedule *schedule;
	struct reader *reader;
	struct intake *intake;
	struct direct *directs;  /* messages that are delivered before their clients are answered */
	struct pickup *pickup;
	struct deliver_pool *deliver;
	struct relay_pool *relay;
	struct queue_ledger *ledger;
	struct wish_list *wishes; /* of the last life */
	struct srs *srs;         /* NULL: senders stay as they are */
	struct event *due;       /* the next attempt */
	int64_t latest;          /* that the clock has told */
	size_t active, active_max;
};

/* --- queue_intake.c: new messages, from smtp and from inside --- */

struct intake *intake_new(struct queue *queue);
/* MESSAGE_OPEN, _RCPT, _GROW, _REWRITE, _COMMIT, _ABORT. 0 or -EBADMSG. */
int intake_message(struct queue *queue, struct msg *msg);
/* Messages wait to be synced and named. */
bool intake_is_under_way(const struct queue *queue);
/* The smtp role is gone: what it was writing goes. */
void intake_smtp_gone(struct queue *queue);

/* Makes a complete file (of queue_files_create, with the message behind the envelope) a queued
 * message: with others in one go, done is called from the loop with 0 or -errno, before the first
 * attempt. The descriptor is taken over (or it is -errno, the result); uid, drop and release are taken from the envelope. done
 * may be NULL. */
typedef void (*intake_done)(void *context, const char *id, int result);
void intake_commit(struct queue *queue, const char *id, int fd, const struct envelope *envelope,
    intake_done done, void *context);
/* The same for one that has its entry, and is being tried: nothing is entered. */
void intake_promise(struct queue *queue, const char *id, int fd, intake_done done, void *context);

/* --- proc_queue.c --- */

int64_t queue_now(void); /* seconds since 1970 */
int64_t queue_now_us(void);
int64_t queue_uptime(void); /* seconds on a count that nobody sets */
uint32_t queue_random(void);
/* Enters a message that is on stable storage, by its facts. */
struct queue_entry *queue_enter(struct queue *queue, const char *id, const struct facts *facts, bool held);
/* The entry is to be tried then: after an attempt, or anew. */
void queue_try_at(struct queue *queue, struct queue_entry *entry, int64_t due);
/* The message is gone. */
void queue_leave(struct queue *queue, struct queue_entry *entry);
/* There is room for another attempt: looks what is due, from the loop. */
void queue_wake(struct queue *queue);

/* --- queue_start.c: reading what lies in the spool --- */

/* Lists the messages and begins to read them from the loop; then takes what lies in drop/. False after a log line. */
bool reader_start(struct queue *queue);
/* Routes have changed: finds out anew where each message goes. */
void reader_again(struct queue *queue);
/* False while messages are still being read. */
bool reader_is_done(const struct queue *queue);

/* --- queue_facts.c: what of an envelope is kept in memory --- */

void facts_of(const struct smtpd_conf *conf, const struct envelope *envelope, struct facts *ret_facts);
void facts_free(struct facts *facts);
/* Sets what may change in the life of an entry: where it goes, and when its sender is to be told. */
void facts_apply(struct queue *queue, struct queue_entry *entry, const struct facts *facts);
/* Puts the times of a message right (queue_age.h), in its file too; born: of its entry. Before anything is counted from them. */
void facts_right(const char *id, int64_t born, struct spool_file *file);
/* Where that sender's mail for this address goes next, if not to an account here: one name for a domain in all its forms (RFC 5890). For free(3). */
char *facts_destination(const struct smtpd_conf *conf, struct span sender, struct span address);
/* Is the address at one of our domains? */
bool facts_is_ours(const struct smtpd_conf *conf, struct span address);
/* Adds the address to those that get a message. False when another is there already that means the same mailbox. */
bool facts_add_to(struct text_set *seen, const struct smtpd_conf *conf, struct span address);
/* The reverse-path for what comes from another host's sender to the address `from` here, and is sent on to another host: a way back
 * (SRS) at that address's domain. False: the sender stays as it is. */
bool facts_sends_on(const struct queue *queue, struct span sender, struct span from, struct buf *ret_sender);
/* True for what another host handed in, though an account or alias may have sent it on. */
bool facts_is_from_outside(const struct envelope *envelope);
/* Whose word the message is, so by whose keys it may be signed; the domain of SIGN_ACCOUNT and SIGN_FORWARDER is borrowed. */
enum sign_as facts_sign_as(const struct envelope *envelope, struct span *ret_domain);
/* When counting of its time began: the message was handed in, or due to be sent. */
int64_t facts_since(const struct envelope *envelope);

/* --- queue_ledger.c: what is remembered of who brings and who sends mail --- */

/* Before the jail, with the spool's folders open. Never NULL: without its file it remembers until the end of the process. */
struct queue_ledger *queue_ledger_open(struct queue *queue);
/* GREYLIST. 0 or -EBADMSG. */
int greylist_message(struct queue *queue, const struct msg *msg);
/* Whether the account may ever send to so many recipients at once. */
bool account_could_send(const struct queue *queue, size_t recipients);
/* What an account sends, counted apart by the same limits: who writes to it decides how much comes of the mail that it gets, and must not use up
 * what its user may send. */
enum account_mail {
	ACCOUNT_SUBMITS,  /* its user, who has logged in or drops it */
	ACCOUNT_SENDS_ON, /* its scripts and its forward, of a message that it gets */
};

/* Takes a message to so many recipients from what the account may send. False: it has sent enough, and who cares is told. */
bool account_may_send(struct queue *queue, struct span account, enum account_mail mail, size_t recipients);
/* Takes the same from what its user may send even when that is not enough, which is told in the same way. Returns when it may go: now, or later. */
int64_t account_sends_at(struct queue *queue, struct span account, size_t recipients);
/* What either of them took is put back: the message was not taken. */
void account_sent_nothing(struct queue *queue, struct span account, enum account_mail mail, size_t recipients);
/* Do any limits of accounts stand? */
bool account_is_limited(const struct queue *queue);

/* --- queue_alert.c --- */

/* Tells the postmaster that an account has reached a limit. */
struct limit;
void alert_submit(struct queue *queue, const struct limit *limit, struct span account, enum account_mail mail);

/* --- queue_copy.c --- */

/* Queues a message that this daemon has written, under that id, or NULL: any. As bounce_submit. */
int queue_submit_text(struct queue *queue, const char *id, struct envelope *envelope, struct span text, intake_done done, void *context);

/* May it stand in the queue's files? Not with a NUL, a line end other than CRLF, or none at the end. */
bool queue_text_is_clean(struct span text);
/* Appends those bytes of a file to another. 0; -EBADMSG: they are not clean; or -errno. */
int queue_copy_message(int from, uint64_t offset, uint64_t length, int to);

/* --- queue_control.c: requests of owners and operators --- */

/* Carries out a request of that uid about a message (by queue id or name in drop/), or about all
 * (SPAN_NULL), and appends the answer to `answer` (room for DROP_ANSWER_MAX). */
void queue_control(struct queue *queue, enum drop_action action, struct span name, int64_t uid,
    struct buf *answer);
/* The same for what was asked during an attempt and waits for its end; its rights were checked
 * then. What fails is still wanted; otherwise the entry may be gone afterwards. */
void queue_control_late(struct queue *queue, struct queue_entry *entry);
/* The same for a message that was found at the start, and of which that was asked before: it may be gone afterwards. */
void queue_control_found(struct queue *queue, struct queue_entry *entry);
/* What was asked of a message and waits for the end of an attempt has been done, or needs not be: it is forgotten. */
void queue_control_forget(struct queue *queue, struct queue_entry *entry);

/* --- queue_wish.c: what waits for the end of an attempt, on stable storage --- */

/* Keeps, or drops, that a message is to be removed, held or requeued. Keep: 0 or -errno. */
int wish_keep(struct queue *queue, enum drop_action action, const char *id);
void wish_drop(struct queue *queue, enum drop_action action, const char *id);
/* At the start, before any message is read: those that were left. 0 or -errno. */
int wishes_load(struct queue *queue);
/* Takes one about that message off them. False: there is none. */
bool wish_take(struct queue *queue, const char *id, enum drop_action *ret_action);
/* When all messages have been read: drops the rest, whose messages are gone. */
void wishes_forget(struct queue *queue);

/* --- queue_drop.c: spool/drop --- */

/* Opens and watches the folder: before the jail. NULL after a log line. */
struct pickup *pickup_new(struct queue *queue);
/* The ids of the messages, or the names that they were dropped under, that are to be removed or held by requests that lie there. NULL: none. */
struct text_set *pickup_asked_about(const struct queue *queue);
/* Takes what lies there, and from there on what comes. */
void pickup_start(struct queue *queue);
/* The message that was dropped under that name is done with: its file, should a crash have left it, must not be found and queued once more. */
void pickup_forget(struct queue *queue, const char *name);

/* --- queue_attempt.c: one try at delivering a message --- */

/* The entry is active until it ends. */
void attempt_start(struct queue *queue, struct queue_entry *entry);
/* The same before the message is promised, for queue_direct.c; from the next turn of the loop on. memory: its file, where that is in memory, borrowed; or -1.
 * NULL: its file cannot be read. */
struct direct;
struct attempt *attempt_start_direct(struct queue *queue, struct queue_entry *entry, int memory, uint64_t edition, struct direct *direct);
/* It has been promised: what waited for that goes on. */
void attempt_go_on(struct attempt *attempt);
/* It could not be promised, and nothing of it stays. */
void attempt_give_up(struct attempt *attempt);

/* Whether a delivery sent the message on, and what its sender hears of that (RFC 3461 section 5.2.7). */
enum sent_on {
	SENT_ON_NOT,
	SENT_ON_ALONE,  /* to one other address and nowhere else, which tells for itself */
	SENT_ON_TOO,    /* as to several behind an alias */
	SENT_ON_OTHERS, /* an alias's one address has it as another's, whose sender hears what that one's wishes say */
};

#define OUTCOME_BREAKS_MAX 15

/* What became of one recipient. */
struct outcome {
	enum verdict verdict;
	enum { NOT_EXPANDED, EXPANDED_ONE, EXPANDED_MANY, EXPANDED_LIST } expanded; /* an alias's mail is on its way to so many */
	enum sent_on sent_on;
	bool ours;           /* a fault of this daemon's: try again soon, and do not count it */
	bool remote;         /* another host has it, or refused it */
	enum relay_reach reach;
	bool untried;        /* nothing was tried: its destination is down, or has too much to do */
	bool dsn;            /* that host takes over delivery status notifications */
	bool by;             /* and the time of delivery (RFC 2852) */
	uint16_t code;
	char status[VERDICT_STATUS_MAX];
	char text[VERDICT_TEXT_MAX]; /* one line */
	uint16_t breaks[OUTCOME_BREAKS_MAX]; /* of what was said in several lines: where those behind the first begin in it */
	uint8_t break_count;
	char host[VERDICT_HOST_MAX];
	char tls[VERDICT_TLS_MAX]; /* what TLS the connection to it had, for the log */
};
/* A text of several lines has LF between them. */
void
outcome_set(struct outcome *outcome, enum verdict verdict, const char *status, struct span text);

/* --- queue_sts.c: policies of MTA-STS --- */

/* STS_LOAD, STS_KEEP_PART, STS_KEEP: 0 or -EBADMSG. */
int queue_sts_load(struct queue *queue, const struct msg *msg);
int queue_sts_keep_part(const struct msg *msg);
int queue_sts_keep(struct queue *queue, const struct msg *msg);
/* policy is gone: so is what it was telling. */
void queue_sts_policy_gone(void);

/* --- queue_deliver.c: accounts here --- */

struct attempt;
struct deliver_pool *deliver_pool_new(struct queue *queue);
/* The configuration is another, or an account: processes end as soon as they have nothing to do, for they keep what they began with. */
void deliver_renew(struct queue *queue);
/* Delivers to one recipient: attempt_outcome is called later. */
void
deliver_submit(struct queue *queue, struct attempt *attempt, size_t recipient, struct span account);

/* What the address it has asked about is (enum sieve_own or OWN_UNKNOWN), to the process of the account of that address, if it is there. */
void deliver_tell_own(struct queue *queue, struct span address, struct span asked, uint8_t own);

/* --- queue_own.c: whose an address is --- */

/* OWN from the process of that account: deliver_tell_own is called later. 0 or -EBADMSG. */
int queue_own(struct queue *queue, struct span account, const struct msg *msg);

/* --- queue_relay.c: other hosts --- */

struct relay_pool *relay_pool_new(struct queue *queue);
/* Relays to some recipients of one destination, which is released once it has no more jobs: attempt_outcome is called later for each. */
void relay_submit(struct queue *queue, struct attempt *attempt, struct destination *destination,
    const size_t *recipients, size_t count);
/* Sends what may be sent: when jobs were added, and when the relay role is there. */
void relay_run(struct queue *queue);
int relay_message(struct queue *queue, struct msg *msg);
void relay_gone(struct queue *queue);
/* Is the relay role to tell of any job? */
bool relay_is_under_way(const struct queue *queue);
/* True when so many jobs wait for that destination that another would only take room. */
bool relay_is_crowded(struct queue *queue, const struct destination *destination);

/* --- an attempt as the pools see it --- */

const struct spool_file *attempt_file(const struct attempt *attempt);
const char *attempt_id(const struct attempt *attempt);
/* Its file, which nobody can write by it, for another role. Or -errno. */
int attempt_reopen(const struct attempt *attempt);
/* Its file, which is in memory and is to be promised, goes to queue/XX/tmp.ID. A descriptor that appends to that, or -errno. */
int attempt_store(struct attempt *attempt);
/* What became of a recipient so far; NULL: he was not tried, or that is not known yet. */
const struct outcome *attempt_outcome_of(const struct attempt *attempt, size_t recipient);
void attempt_outcome(struct attempt *attempt, size_t recipient, const struct outcome *outcome);
/* Of that alias accounts here have theirs for certain, and others are to be tried again: noted at once. */
void attempt_half(struct attempt *attempt, size_t recipient);
/* The same while it is found out who the recipients are: never ends the attempt. */
void attempt_outcome_now(struct attempt *attempt, size_t recipient, const struct outcome *outcome);

/* --- queue_expand.c: aliases --- */

/* An alias among the recipients. */
struct expand {
	size_t recipient;
	struct span owner;   /* of a list, or empty */
	struct span members; /* each ended by LF */
};
/* Queues what goes to the members of all aliases of an attempt, but not to those in `seen`, to which they are added, and which is freed. Each is
 * made by expand_add; expand_end has all of it committed, or nothing. attempt_outcome is called for each alias, once all is on stable storage
 * or something cannot be; where there is nothing to wait for attempt_outcome_now is, within expand_end. */
struct expand_group *expand_begin(struct queue *queue, struct attempt *attempt, struct text_set *seen);
void expand_add(struct expand_group *group, const struct expand *expand);
void expand_end(struct expand_group *group);

/* Of a message that goes on to others (RFC 3461 section 5.2.7.3): the address that the sender wrote, for their notifications, or nothing;
 * and what he wants to hear of them, but success. */
void expand_put_orcpt(struct buf *out, const struct envelope_recipient *recipient);
uint8_t expand_notify(const struct envelope_recipient *recipient);

/* --- queue_direct.c: delivering before the client is answered --- */

#define DIRECT_RECIPIENTS_MAX 100
/* result: 0 or -errno. told: NULL, and the message is queued; or its attempt, whose outcomes are all that is left of it. */
struct attempt;
typedef void (*direct_done)(void *context, const char *id, int result, const struct attempt *told);
/* Tries a complete file whose recipients have accounts here, as they were found at that edition of the accounts (or 0). False when it is to be queued at once: then nothing has happened. The
 * descriptor is taken over; done is called from the loop. */
bool direct_start(struct queue *queue, const char *id, int fd, bool in_memory, const struct envelope *envelope, bool each,
    uint64_t edition, direct_done done, void *context);
/* The message is to be queued, whatever comes of the attempt. */
void direct_promise(struct direct *direct);
/* The same of all, when the queue stops. */
void direct_promise_all(struct queue *queue);
bool direct_is_promised(const struct direct *direct);
/* All outcomes are known. */
enum direct_end {
	DIRECT_QUEUED, /* it goes on like any other attempt; `direct` is freed */
	DIRECT_WAITS,  /* for attempt_go_on or attempt_give_up */
	DIRECT_TOLD,   /* nothing is left of it; `direct` is freed */
};
enum direct_end direct_end(struct direct *direct);

/* --- queue_bounce.c: telling senders --- */

/* Which recipients the sender is to be told of, and how. */
struct report {
	size_t recipient;
	int action; /* enum dsn_action */
	const struct outcome *outcome;
	const struct envelope_recipient *behind; /* the alias that the sender knows him by, who wants to hear of that one alone; or NULL */
};
/* Whether its sender wants to hear that: one of ENVELOPE_SUCCESS and so on. */
bool recipient_wants(const struct envelope_recipient *recipient, uint8_t bit);
/* Writes a notification into the queue, for the sender or, when the message is one itself, for postmaster: done is called from the loop. 0, or -errno (done will not
 * be called). statuses: of all recipients of the message, as they are once it has been told. foreign: the file is none of the queue's, and its owner may
 * be writing to it: -EBADMSG when what has been read of it, to be sent back, is not clean. */
int bounce_submit(struct queue *queue, const char *id, const struct spool_file *file,
    const struct report *reports, size_t count, const char *statuses, bool foreign, intake_done done, void *context);
/* Whom a notification about that message goes to; borrowed. */
const char *addressee(const struct queue *queue, const struct spool_file *file);
/* A notification was found at the start, before the message that it is about: should the last life have ended between writing it and noting
 * so, that is noted now. */
void bounce_found(struct queue *queue, const struct envelope *envelope);

#endif
