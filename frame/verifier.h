/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Checking passwords, one at a time: a bounded queue, a limit on failures, and late answers to
 * wrong ones. */
#ifndef FRAME_VERIFIER_H
#define FRAME_VERIFIER_H

#include <stdint.h>

#include "common/buf.h"
#include "frame/frame_msg.h"

/* Requests that wait for their turn; more are answered AUTH_LIMITED. */
#define VERIFIER_QUEUE_MAX 200
/* A crypt(3) hash. */
#define VERIFIER_HASH_MAX 384

struct event_base;
struct verifier;

struct verifier_ops {
	/* Turns what a client calls itself into an account's name. False when it cannot be one. */
	bool (*account_of)(void *context, struct span user, struct buf *account);
	/* The account's hash. 0, 1 when there is no such account (or it may not log in), -errno. */
	int (*find_hash)(void *context, struct span account, struct buf *hash);
	/* The answer to the request of that role and id. When the result is AUTH_OK, account is the name, and hash what the password was right for,
	 * which may not be the account's any more; else they are empty. */
	void (*done)(void *context, uint8_t role, uint32_t id, enum auth_result result,
	    struct span account, struct span hash);
};

struct verifier_limits {
	unsigned failures_max;   /* of one client address, and for one account */
	int64_t failure_window;  /* seconds */
	int64_t failure_delay;   /* seconds */
};

/* limits is read at each request, and belongs to the caller. NULL when crypt(3) makes no hash. */
struct verifier *verifier_new(struct event_base *base, const struct verifier_limits *limits,
    const struct verifier_ops *ops, void *context);
/* Each request is answered once, at once or later from the loop; the answer to a wrong password
 * comes failure_delay late. */
void verifier_add(struct verifier *verifier, uint8_t role, uint32_t id, struct span user,
    struct span password, struct span client_address);
/* That role is gone: nobody waits for its answers any more. */
void verifier_forget(struct verifier *verifier, uint8_t role);
struct verifier *verifier_free(struct verifier *verifier);

#endif
