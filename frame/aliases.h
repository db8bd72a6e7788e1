/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The aliases of a site, as the file of mailaliases(5) has them. Pure. */
#ifndef FRAME_ALIASES_H
#define FRAME_ALIASES_H

#include "common/buf.h"
#include "frame/alias_parse.h"

#define ALIASES_FILE_MAX (16u << 20)
/* Patterns are tried one after the other: so many may there be, and so long a regular expression. */
#define ALIASES_PATTERNS_MAX 1000
#define ALIASES_EXPRESSION_MAX 256

struct aliases;

struct alias {
	enum alias_kind kind;
	unsigned line;
	struct span key, targets; /* as alias_row's; the key as address_fold makes it */
};

/* Takes in the text of a file. Each fault becomes a line in errors, begun by the prefix and the number of the file's line; rows
 * without fault are taken. */
struct aliases *aliases_new(struct span text, const char *prefix, struct buf *errors);
/* NULL is allowed; returns NULL. */
struct aliases *aliases_free(struct aliases *aliases);
size_t aliases_count(const struct aliases *aliases);

/* The row with that key ("local@domain", "local", "@domain"), which address_fold has made; NULL: there is none. */
const struct alias *aliases_find(const struct aliases *aliases, struct span key);
/* The first pattern that the name matches ("local@domain", ended by NUL), or NULL; one without a domain by its local part. *ret_star becomes what the first "*" of a wildcard
 * stands for: borrowed from the name. */
const struct alias *aliases_match(const struct aliases *aliases, const char *name, struct span *ret_star);
/* Calls each for every row, in no order. */
void aliases_each(const struct aliases *aliases, void (*each)(void *context, const struct alias *alias), void *context);

#endif
