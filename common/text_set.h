/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A set of texts. Of addresses it holds the keys that tell them apart (account_name_key). Pure. */
#ifndef COMMON_TEXT_SET_H
#define COMMON_TEXT_SET_H

#include "common/span.h"

struct text_set;

/* seed: random where outsiders choose the texts, so that they cannot make them fall together. */
struct text_set *text_set_new(uint64_t seed);
/* NULL is allowed; returns NULL. */
struct text_set *text_set_free(struct text_set *set);

/* Adds a copy. False when it is there already. How many there may be is for the caller to bound. */
bool text_set_add(struct text_set *set, struct span text);
bool text_set_has(const struct text_set *set, struct span text);

#endif
