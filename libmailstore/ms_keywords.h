/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The keywords of a message, as a set of numbers of its mailbox, and as its file's name tells them. Pure. */
#ifndef LIBMAILSTORE_MS_KEYWORDS_H
#define LIBMAILSTORE_MS_KEYWORDS_H

#include "common/buf.h"
#include "libmailstore/mailstore.h"
#include "libmailstore/ms_name.h"

#define MS_KEYWORDS_FIRST 64u /* below it a keyword is a bit */

/* 0, or MS_E_LIMIT: the set stays as it was. */
int ms_keywords_add(struct ms_keywords *set, unsigned n);
void ms_keywords_remove(struct ms_keywords *set, unsigned n);
bool ms_keywords_equal(const struct ms_keywords *a, const struct ms_keywords *b);
bool ms_keywords_none(const struct ms_keywords *set);
/* The set after the operation. 0 or MS_E_LIMIT. */
int ms_keywords_combine(enum ms_store_op op, const struct ms_keywords *before, const struct ms_keywords *given, struct ms_keywords *ret);

/* The first 26 keywords have a letter each in a name, the others two digits each in its field "K=", lower numbers first. */
/* Puts them into *name, which borrows the digits from *digits: an empty buffer for buf_free. */
void ms_keywords_to_name(const struct ms_keywords *set, struct ms_name *name, struct buf *digits);
/* The set that a name tells. What is not below count is left out, and so is what makes no sense. */
void ms_keywords_from_name(const struct ms_name *name, unsigned count, struct ms_keywords *ret);
/* True when the name tells of a keyword that is not below count. */
bool ms_keywords_name_exceeds(const struct ms_name *name, unsigned count);

#endif
