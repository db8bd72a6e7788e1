/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The AUTHORIZATION state of POP3 (RFC 1939 section 4, 2449, 2595, 5034) for the engine of
 * frame/login.h. Pure. */
#ifndef POP3D_POP3_LOGIN_STATE_H
#define POP3D_POP3_LOGIN_STATE_H

#include "frame/login.h"

/* Commands that make no sense, after which the connection ends. */
#define POP3_LOGIN_ERRORS_MAX 10

extern const struct login_protocol pop3_login;

#endif
