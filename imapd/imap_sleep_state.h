/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What is left of a session while its process is gone: enough that another one answers as if nothing had happened. Pure.
 *
 * The bytes wait in the login role, which does not read them; the session that gets them back trusts nothing in them but that
 * its account is its own. */
#ifndef IMAPD_IMAP_SLEEP_STATE_H
#define IMAPD_IMAP_SLEEP_STATE_H

#include "common/buf.h"
#include "imapd/imap_view_state.h"

#define IMAP_SLEEP_MAX 8192
#define IMAP_SLEEP_TAG_MAX 1024
#define IMAP_SLEEP_NAME_MAX 2048

struct imap_sleep {
	bool idle;            /* in IDLE, else it waits for a command */
	struct span tag;      /* IDLE's */
	struct span mailbox;  /* UTF-8; empty: none is selected */
	bool read_only;
	uint8_t enabled, bad;
	uint32_t validity;
	uint32_t last;        /* the highest UID the client knows */
	uint64_t modseq;      /* the client knows everything up to here */
	uint32_t count, digest; /* of the view */
	uint16_t keywords;    /* in the last FLAGS */
	int64_t silent_until; /* CLOCK_BOOTTIME in seconds: then the client has said nothing for too long */
};

/* A sum of the view's UIDs: tells whether it was put together again. */
uint32_t imap_sleep_digest(const struct imap_view *view);

/* Appends the state. 0, or -EMSGSIZE. */
int imap_sleep_put(const struct imap_sleep *sleep, struct buf *out);
/* True when these bytes are a state, and not the tag of somebody who has just logged in. */
bool imap_sleep_is(struct span bytes);
/* 0 or -EINVAL. The spans are borrowed from bytes. */
int imap_sleep_get(struct span bytes, struct imap_sleep *ret_sleep);

#endif
