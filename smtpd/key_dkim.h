/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The keys of DKIM and ARC in the key role: it tells which a domain has, and signs digests. */
#ifndef SMTPD_KEY_DKIM_H
#define SMTPD_KEY_DKIM_H

#include "frame/role.h"

/* Keys of one domain that sign at once. */
#define SIGN_KEYS_MAX 8

extern const struct role_keys key_dkim;
/* Whether the file of dkim_keys can be used; appends lines to errors. */
void key_dkim_check(const char *path, struct buf *errors);

#endif
