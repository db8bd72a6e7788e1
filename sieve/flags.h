/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Sets of IMAP flags as scripts have them: words between spaces (RFC 5232 section 2). Pure. */
#ifndef SIEVE_FLAGS_H
#define SIEVE_FLAGS_H

#include "common/buf.h"
#include "sieve/sieve.h"

/* Each flag once, in any case; borrowed from the texts they came in. More than so many are left out. */
struct flag_list {
	struct span items[SIEVE_FLAGS_MAX];
	size_t count;
};

/* Adds the flags of a text; what is no flag that can be set is passed over. */
void flags_add(struct flag_list *list, struct span text);
/* Adds its words, whatever they are. */
void flags_split(struct flag_list *list, struct span text);
void flags_remove(struct flag_list *list, struct span text);
/* Appends them with spaces between. */
void flags_join(const struct flag_list *list, struct buf *out);

#endif
