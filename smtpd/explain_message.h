/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* smtpd -T: the verdict on a stored message. */
#ifndef SMTPD_EXPLAIN_MESSAGE_H
#define SMTPD_EXPLAIN_MESSAGE_H

#include "common/buf.h"

/* conf: struct smtpd_conf. Appends what the file's message is thought of; ask: the DNS is asked anew about its client. 0, -ENOENT (the
 * DNS cannot be asked, or there is nobody to ask for), or -errno. */
int explain_message(const void *conf, const char *path, bool ask, struct buf *out);

#endif
