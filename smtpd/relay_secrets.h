/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The credentials with which the relay role logs in at next hops: "label user password" a line. Pure. */
#ifndef SMTPD_RELAY_SECRETS_H
#define SMTPD_RELAY_SECRETS_H

#include "common/buf.h"

#define SECRETS_FILE_MAX 65536

struct credentials {
	struct span user, password;
};

/* True when the text has such a label: borrowed from it. */
bool relay_secrets_find(struct span text, struct span label, struct credentials *ret_credentials);
/* What is wrong with the text: lines in errors, begun by the prefix and the number of the line. Passwords are not told. */
void relay_secrets_check(struct span text, const char *prefix, struct buf *errors);

#endif
