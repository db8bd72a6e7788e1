/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The system's root certificates, which the parent hands to roles that see no file: before their start, and at each reload. */
#ifndef SMTPD_ROOTS_H
#define SMTPD_ROOTS_H

#include "frame/role.h"

struct ssl_ctx_st;

/* A client context that verifies against those that came before the start. NULL, after a warning with that hint, when there are none. */
struct ssl_ctx_st *roots_of_start(struct proc *proc, const char *hint);
/* The same of ROOTS, at a reload. NULL, after a warning: the former context stays in use. */
struct ssl_ctx_st *roots_of_message(const struct msg *msg);

#endif
