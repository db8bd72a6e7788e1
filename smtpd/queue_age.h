/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* How old a message is, where the clock was not right when it was taken, or has been put right since. What the queue knows without the clock is how
 * long it has known the message: by a count of seconds that nobody sets (`uptime`). Pure. */
#ifndef SMTPD_QUEUE_AGE_H
#define SMTPD_QUEUE_AGE_H

#include <stdint.h>

#include "common/envelope.h"

/* 2026-01-01: no message of this format is older, and a clock that shows less is not set yet. */
#define AGE_EPOCH 1767225600
/* The clock is taken for right when it is by so many seconds. */
#define AGE_SLACK 60

/* When a message was taken, on the count of uptime, as it looks now that it has become known: what age_right is to be told later. One that would be
 * from the future, or from before AGE_EPOCH, is taken for new. */
int64_t age_born(int64_t created, int64_t now, int64_t uptime);

/* A message cannot be from the future, and has not become older by more than the time that has passed since: otherwise `created` is moved to where it must
 * have been, and deliver_by, which was counted from it, with it. `release` is what the sender said, and stays. True when they were. While the clock
 * shows less than AGE_EPOCH nothing is held against it. */
bool age_right(struct envelope *envelope, int64_t born, int64_t now, int64_t uptime);

#endif
