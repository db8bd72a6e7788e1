/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The mailbox a session has selected, and the news about it. */
#ifndef IMAPD_SESSION_MAILBOX_H
#define IMAPD_SESSION_MAILBOX_H

#include "imapd/session.h"

struct session_mailbox {
	struct ms_mailbox *mailbox;
	bool read_only;
	bool deleted;          /* the mailbox is gone: nothing works but leaving it */
	struct imap_view view;
	uint32_t first_unseen; /* its sequence number when the mailbox was opened, or 0 */
	bool saved;            /* "$" means something */
	bool has_new;          /* a change names a message that the view has not */
	uint64_t modseq;       /* everything up to here is in the view */
	struct ms_flags_apart own; /* the last STORE: what others changed before it is in the view, and its own changes are no news */
	size_t keywords_told;  /* in the last FLAGS */
};

/* Opens the mailbox and fills the view. 0, an enum ms_result, -errno; nothing is selected then. */
int session_mailbox_open(struct session *session, struct span name, bool read_only);
/* Leaves it; session->selected is NULL afterwards. */
void session_mailbox_close(struct session *session);
bool session_mailbox_read_only(const struct session *session);

/* Takes what has changed in the store into the view; nothing is sent. */
void session_mailbox_refresh(struct session *session);
/* To be told, by ms_store_flags_apart, what others changed: goes into the view. What that changes itself the next refresh leaves out. */
struct ms_flags_apart *session_mailbox_apart(struct session *session);
/* Sends what the client does not know yet, as far as the command in work allows. Nothing when no mailbox is selected. */
void session_news(struct session *session);
/* "* FLAGS" and "* OK [PERMANENTFLAGS". */
void session_put_flags_known(struct session *session);

/* "(\Seen keyword)" of a message; recent adds \Recent. */
void session_put_flags(struct session *session, const struct ms_message *message, bool recent);

#endif
