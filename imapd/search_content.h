/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* SEARCH keys that need the message itself: header fields and text. Pure. */
#ifndef IMAPD_SEARCH_CONTENT_H
#define IMAPD_SEARCH_CONTENT_H

#include "imapd/fetch_section.h"
#include "imapd/imap_command.h"

/* One key (text, header or sent date) against one message; letters are folded, texts decoded. */
bool search_content_matches(const struct imap_search *key, struct fetch_message *message);

#endif
