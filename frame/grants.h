/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What the auth role has granted: a random number stands for "this connection has logged in as this
 * account, with the password that it had then". Pure. */
#ifndef FRAME_GRANTS_H
#define FRAME_GRANTS_H

#include <stddef.h>
#include <stdint.h>

#include "common/span.h"

/* More than any front has connections. */
#define GRANTS_MAX 131072

struct grants;

struct grants *grants_new(void);
struct grants *grants_free(struct grants *grants);

/* number: random, not 0; mark: of the password. 0; -EEXIST when it is taken; -ENOBUFS when there are GRANTS_MAX. */
int grants_add(struct grants *grants, uint64_t number, struct span account, uint64_t mark);
/* The account, borrowed until the grant is dropped, and the mark; or an empty span. */
struct span grants_find(const struct grants *grants, uint64_t number, uint64_t *ret_mark);
void grants_drop(struct grants *grants, uint64_t number);
/* All of them: the front that held them is gone. */
void grants_clear(struct grants *grants);
size_t grants_count(const struct grants *grants);

#endif
