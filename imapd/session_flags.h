/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Flags between IMAP's form and the store's. */
#ifndef IMAPD_SESSION_FLAGS_H
#define IMAPD_SESSION_FLAGS_H

#include "imapd/session.h"

/* The store's bits of the system flags. */
uint32_t session_flags(const struct imap_flags *flags);
/* The keywords as a list ended by NULL, for session_keywords_free. */
const char **session_keywords(const struct imap_flags *flags);
void session_keywords_free(const char **keywords);

#endif
