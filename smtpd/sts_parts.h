/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A policy that has no room in one message between roles: what does not fit goes before it, in messages of another type, and whoever takes them
 * puts it together. */
#ifndef SMTPD_STS_PARTS_H
#define SMTPD_STS_PARTS_H

#include "common/buf.h"
#include "common/msg.h"

struct proc;

/* Bytes of it in one message, beside a domain. */
#define STS_PART_MAX 15360

/* Sends all of the text but the end that fits into the message itself, which is returned. When the peer is not there, that message fails as well. */
struct span sts_parts_send(struct proc *proc, uint8_t role, uint16_t type, uint32_t id, struct span text);
/* One of them: appends it. Their maximum is that of `parts`. 0 or -EBADMSG. */
int sts_parts_take(struct buf *parts, const struct msg *msg);
/* The message itself, with the end of the text: *text becomes all of it, borrowed from `parts` where there were any, which the caller then frees.
 * 0 or -EBADMSG. */
int sts_parts_end(struct buf *parts, struct span *text);

#endif
