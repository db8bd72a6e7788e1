/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The Sender Rewriting Scheme: a reverse-path at a domain here for mail that is sent on, so that SPF does not fail at the next host, and
 * the way back for its notifications. "SRS0=hash=day=domain=local", and behind a host that does the same "SRS1=hash=host=...". Only
 * what was made here, not long ago, leads back. Pure. */
#ifndef FRAME_SRS_H
#define FRAME_SRS_H

#include <stdint.h>

#include "common/buf.h"

/* How long notifications may take, in days. */
#define SRS_DAYS 21
#define SRS_SECRETS_MAX 8
#define SRS_FILE_MAX 4096

struct srs;

/* Reads secrets, one a line, each of 16 bytes at least, "#" before comments: the first is that of now, the others still lead back. NULL
 * with *ret_fault saying why. */
struct srs *srs_new(struct span text, const char **ret_fault);
/* The secrets are overwritten. NULL is allowed; returns NULL. */
struct srs *srs_free(struct srs *srs);

/* Appends the reverse-path at the domain for mail of that sender ("local@domain"), at that time in seconds since 1970. 0; -EMSGSIZE: it
 * would be too long for an address; -EINVAL: that is no sender to come back to. */
int srs_forward(const struct srs *srs, struct span sender, struct span domain, int64_t now, struct buf *out);

/* Is the local part one that could lead back? */
bool srs_is(struct span local);
/* Appends the address that it leads back to. 0; -EINVAL: it was not made here; -ETIME: too long ago. */
int srs_reverse(const struct srs *srs, struct span local, int64_t now, struct buf *out);

#endif
