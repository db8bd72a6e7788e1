/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Setting libunbound up. */
#ifndef SMTPD_RESOLVE_UNBOUND_H
#define SMTPD_RESOLVE_UNBOUND_H

#include "smtpd/smtpd_conf.h"

struct ub_ctx;

/* Whom it asks and what it validates with: the trust anchors in that file, which is what dnssec_anchor names or a copy; NULL where there is none. It is
 * read at the first question. False, after a log line, when it does not take that. */
bool resolve_configure(struct ub_ctx *unbound, const struct smtpd_conf *conf, const char *anchor);
/* Looks at the file of dnssec_anchor: appends a sentence when it is one that libunbound cannot read. None, an empty one or a folder is no fault. */
void resolve_check_anchor(const char *path, struct buf *errors);
/* Whether a result of libunbound is good; logs what it was about when not. */
bool resolve_worked(int r, const char *what, const char *about);

#endif
