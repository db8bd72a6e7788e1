/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What of an https URI may stand in a request of ours. Pure. */
#ifndef SMTPD_HTTPS_URI_PARSE_H
#define SMTPD_HTTPS_URI_PARSE_H

#include <stdbool.h>

#include "common/span.h"

/* A host's name of letters, digits and hyphens, with a dot: no port, no user, no address. */
bool https_is_host(struct span name);
/* Absolute, with a query perhaps; visible ASCII without "#". */
bool https_is_path(struct span path);

#endif
