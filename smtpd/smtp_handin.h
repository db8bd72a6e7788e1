/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Handing messages from the smtp role to the queue: the envelope goes over the channel, the queue
 * gives an open file, the bytes go there. */
#ifndef SMTPD_SMTP_HANDIN_H
#define SMTPD_SMTP_HANDIN_H

#include "common/envelope.h"
#include "frame/role.h"
#include "smtpd/smtp_state.h"
#include "smtpd/smtpd_msg.h"

struct handins;
struct handin;

/* Each runs once at most, later, from the loop. After `opened` with anything but SMTP_STORED, and
 * after `committed`, the hand-in is freed. */
struct handin_ops {
	void (*opened)(void *context, enum smtp_stored result, struct span queue_id);
	/* verdicts: as for smtp_committed. */
	void (*committed)(void *context, enum smtp_stored result, const struct smtp_verdict *verdicts, size_t count);
	/* The queue went away while the message was being written, or could not have it read: the hand-in is freed. */
	void (*lost)(void *context);
	/* After handin_rewrite: with anything but SMTP_STORED it is freed. */
	void (*rewritten)(void *context, enum smtp_stored result);
	/* After handin_write has returned 1: the same. */
	void (*grown)(void *context, enum smtp_stored result);
	/* After handin_read: the message so far in a file of the same layout, which cannot be written; the descriptor is the callee's. Where that
	 * cannot be had, `lost` runs instead. */
	void (*readable)(void *context, int fd);
};

struct handins *handins_new(struct proc *proc, const struct handin_ops *ops);
/* Begins one; edition: of the accounts, when all recipients were looked up, or 0; client is the peer's address, account who logged in or NULL; room: handin_commit may
 * bring so many bytes of header. NULL when the queue is not there. */
struct handin *handin_open(struct handins *handins, const struct envelope *envelope,
    uint64_t edition, uint16_t room, const char *client, const char *account, void *context);
/* Writes bytes of the message. 0; 1: nothing was written, for that is more than fits into memory: `grown` tells when it can be; or -errno:
 * then only handin_abort makes sense. */
int handin_write(struct handin *handin, struct span bytes);
/* A descriptor of the message so far, borrowed, for this process alone; and where it stands in the file. 0 or -errno. */
int handin_file(const struct handin *handin, int *ret_fd, uint64_t *ret_at, uint64_t *ret_len);
/* Asks for the message so far for somebody who is not to change it: `readable` has it. 0 or -errno. */
int handin_read(struct handin *handin);
/* The message is to be another, once: `rewritten` tells when it can be written, with this envelope. It may be held. What is written
 * from there on is the new one; the old one stays readable: handin_copy appends bytes of it. 0 or -errno. */
int handin_rewrite(struct handin *handin, const struct envelope *envelope, bool held);
int handin_copy(struct handin *handin, uint64_t from);
/* The same of another file, to its end. */
int handin_copy_file(struct handin *handin, int fd);
/* All is written; fields are to stand before it: `committed` tells. first: what is to be done before it does. */
void handin_commit(struct handin *handin, struct span fields, enum message_first first);
/* Frees it; unless it is committed, nothing of it stays. No callback runs. NULL is allowed. */
void handin_abort(struct handin *handin);

/* For the role's handler table (MESSAGE_FD, MESSAGE_DONE) and its peer_gone (of the queue). */
int handins_message(struct handins *handins, struct msg *msg);
void handins_queue_gone(struct handins *handins);

#endif
