/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The selected mailbox as the client knows it: sequence numbers, UIDs, and what it has not been told yet. Pure.
 *
 * A message stays in the view from the EXISTS that counts it to the EXPUNGE that names it, whatever the store holds meanwhile
 * (RFC 3501 section 7.4.1: sequence numbers move only when the client is told). */
#ifndef IMAPD_IMAP_VIEW_STATE_H
#define IMAPD_IMAP_VIEW_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "imapd/imap_command.h"
#include "libmailstore/mailstore.h"

enum imap_view_bit {
	IMAP_VIEW_RECENT = 1 << 0,   /* \Recent in this session */
	IMAP_VIEW_GONE = 1 << 1,     /* expunged in the store, EXPUNGE not sent */
	IMAP_VIEW_CHANGED = 1 << 2,  /* flags changed by somebody else, FETCH not sent */
	IMAP_VIEW_PRESENT = 1 << 4,  /* seen in the store just now: of use while view and store are compared */
	IMAP_VIEW_FOUND = 1 << 3,    /* in the result of the last SEARCH with SAVE (RFC 5182) */
};

struct imap_view {
	struct ms_uid_run *runs; /* UIDs that follow each other: most do */
	size_t run_count, run_room;
	uint32_t last;           /* the highest UID, 0 when empty */
	uint8_t *bits;           /* of each message */
	size_t count, room;
	size_t recent;  /* messages with that bit */
	size_t gone;
	size_t changed;
};

/* Frees and zeroes. */
void imap_view_free(struct imap_view *view);
/* Appends a message; its UID must be above all others, else it is passed over (false). */
bool imap_view_add(struct imap_view *view, uint32_t uid, uint8_t bits);
/* Begins an empty view with these messages, without bits; the runs (ms_mailbox_uid_runs) are taken over, for free(3). */
void imap_view_begin(struct imap_view *view, struct ms_uid_run *runs, size_t run_count, size_t count);
/* The UID of a message by its sequence number, which is in the view. */
uint32_t imap_view_uid(const struct imap_view *view, uint32_t seq);
/* All UIDs in order: begin with { .view = view }. 0 at the end. */
struct imap_view_walk {
	const struct imap_view *view;
	size_t run, at; /* of the next */
};
uint32_t imap_view_next(struct imap_view_walk *walk);
/* The sequence number of a UID, 0 when the view has none such. */
uint32_t imap_view_seq(const struct imap_view *view, uint32_t uid);
/* The highest UID, 0 when empty. */
uint32_t imap_view_last(const struct imap_view *view);
/* Sets or clears bits of the message with this sequence number. */
void imap_view_set(struct imap_view *view, uint32_t seq, uint8_t bits);
void imap_view_clear(struct imap_view *view, uint32_t seq, uint8_t bits);
void imap_view_clear_all(struct imap_view *view, uint8_t bits);

/* Takes the GONE messages out and writes what tells the client: "* n EXPUNGE" lines, or with vanished one
 * "* VANISHED set" (RFC 7162 section 3.2.10). */
void imap_view_expunge(struct imap_view *view, bool vanished, struct buf *out);

/* Turns the view of now into that of a client that knew messages up to UID `last`, of which these (in any order, for the
 * function to sort) have been expunged since: they are GONE. Bits of the others are cleared. */
void imap_view_rewind(struct imap_view *view, uint32_t last, uint32_t *expunged, size_t count);

/* Sequence numbers, inclusive, ascending and apart. */
struct imap_span_list {
	struct imap_seq_span {
		uint32_t first, last;
	} *span;
	size_t count;
};
/* What a set names in this view. Returns 0, or -ERANGE when a sequence number is beyond the last message (RFC 9051 section
 * 9, seq-number; UIDs that do not exist are passed over). "$" is the saved result. The list is for free(3) of span. */
int imap_view_resolve(const struct imap_view *view, const struct imap_set *set, bool by_uid, struct imap_span_list *ret_list);

/* Appends a UID or number to a sequence set as text, "1:3,5": call for ascending numbers, then once with imap_set_end. */
struct imap_set_text {
	struct buf *out;
	uint32_t first, last; /* the open run; 0: none */
	bool any;
};
void imap_set_add(struct imap_set_text *text, uint32_t number);
void imap_set_end(struct imap_set_text *text);

#endif
