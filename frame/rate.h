/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Counting failures of keys (addresses, accounts) over a window of time, in memory that never
 * grows. Pure. */
#ifndef FRAME_RATE_H
#define FRAME_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/span.h"

struct rate;

/* seed: random, so that nobody can choose keys that push out each other. */
struct rate *rate_new(uint64_t seed);
struct rate *rate_free(struct rate *rate);

/* A key from any bytes; `kind` keeps keys of different things apart. */
uint64_t rate_key(const struct rate *rate, char kind, struct span bytes);

/* Counts one more at `now` (seconds of any clock that does not go back). Returns how many there are
 * within the window, which begins with a key's first failure. When the table is full where the key
 * belongs, the key with the least count there is forgotten. */
unsigned rate_add(struct rate *rate, uint64_t key, int64_t now, int64_t window);
unsigned rate_count(const struct rate *rate, uint64_t key, int64_t now, int64_t window);
void rate_forget(struct rate *rate, uint64_t key);

#endif
