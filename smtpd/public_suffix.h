/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Under which names domains are registered: the Public Suffix List. */
#ifndef SMTPD_PUBLIC_SUFFIX_H
#define SMTPD_PUBLIC_SUFFIX_H

#include "common/span.h"

/* Reads the list of this host, which may be newer than the one that libpsl was built with: before the jail. */
void public_suffix_load(void);
/* The organizational domain (RFC 7489 section 3.2) of a name in lower case, as A-labels: borrowed from it, for its end is one. */
const char *public_suffix_organization(const char *domain);

#endif
