/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The system's root certificates, which the parent hands to roles that see no file: before their start, and at each reload. */
#ifndef SMTPD_ROOTS_H
#define SMTPD_ROOTS_H

#include "common/buf.h"

struct ssl_ctx_st;

#define ROOTS_FILE_MAX (16u << 20)

/* A client context that verifies against what was read, with that result; frees the text. NULL, after a warning with that hint, when there are no
 * roots: the former context stays in use. */
struct ssl_ctx_st *roots_context(int r, struct buf *text, const char *hint);

#endif
