/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What other hosts were found not to take, so that the next message does not find it out once more: it is remembered for a while, of so many
 * hosts. Pure: the time is passed in. */
#ifndef SMTPD_RELAY_HABITS_H
#define SMTPD_RELAY_HABITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A host that has changed is tried again in full then, in seconds. */
#define RELAY_HABITS_LIFETIME 3600
/* Hosts that are remembered: the one that was found out about longest ago makes room. */
#define RELAY_HABITS_MAX 500

struct relay_habit {
	size_t rcpt_max; /* recipients of one transaction, before it had too many; 0: it has not */
	bool unchunked;  /* it offers CHUNKING and does not know BDAT */
	bool silent;     /* it takes connections and says nothing */
	bool silent_tls; /* it agrees to TLS, and that is its last word */
};

struct relay_habits;

struct relay_habits *relay_habits_new(void);
/* NULL is allowed; returns NULL. */
struct relay_habits *relay_habits_free(struct relay_habits *habits);
/* All zero when nothing is known. host: any name by which it is told from others. */
struct relay_habit relay_habits_find(const struct relay_habits *habits, const char *host, int64_t now);
/* Takes what is set of `found`; what else is known of the host stays. */
void relay_habits_note(struct relay_habits *habits, const char *host, struct relay_habit found, int64_t now);
/* The host took a connection, or began TLS (tls), and said nothing in so many seconds. Less than a minute says nothing about it either. */
void relay_habits_note_silence(struct relay_habits *habits, const char *host, bool tls, int64_t patience, int64_t now);
/* The host has spoken, under TLS or not: it is silent no more. */
void relay_habits_note_voice(struct relay_habits *habits, const char *host, bool tls);

#endif
