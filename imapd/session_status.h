/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* "* STATUS" lines, for STATUS and for LIST with RETURN (STATUS ...). */
#ifndef IMAPD_SESSION_STATUS_H
#define IMAPD_SESSION_STATUS_H

#include "imapd/session.h"

/* Writes the line with the items (enum imap_status_item) that were asked for. */
void session_put_status(struct session *session, const struct ms_mailbox_info *info, unsigned items);

#endif
