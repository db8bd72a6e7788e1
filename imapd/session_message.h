/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A message's file, mapped: as big as it is, it costs no memory of ours. */
#ifndef IMAPD_SESSION_MESSAGE_H
#define IMAPD_SESSION_MESSAGE_H

#include "imapd/fetch_section.h"
#include "libmailstore/mailstore.h"

struct session_message {
	struct fetch_message parts; /* parts.bytes: the file */
	struct file_map *map;
};

/* 0, MS_E_NOTFOUND when it is gone, -errno. */
int session_message_open(struct ms_mailbox *mailbox, uint32_t uid, struct session_message *ret_message);
/* Not all of it was there when it was read: another program has cut it short, or the disk has lost it. */
bool session_message_is_torn(const struct session_message *message);
/* Nothing when it is not open. */
void session_message_close(struct session_message *message);

#endif
