/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* IMAP before login (RFC 3501 section 6.1 and 6.2), as the engine of frame/login.h drives it. Pure. */
#ifndef IMAPD_IMAP_LOGIN_STATE_H
#define IMAPD_IMAP_LOGIN_STATE_H

#include "frame/login.h"

/* A command before login: its line and its literals (user and password). */
#define IMAP_LOGIN_LINE_MAX 8192
#define IMAP_LOGIN_LITERAL_MAX 1024
#define IMAP_LOGIN_COMMAND_MAX 16384
/* Commands that make no sense before the connection is closed: something that is no IMAP client. */
#define IMAP_LOGIN_BAD_MAX 10

extern const struct login_protocol imap_login;

#endif
