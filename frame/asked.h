/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What a role has asked another and waits for, found by the number that the answer bears. */
#ifndef FRAME_ASKED_H
#define FRAME_ASKED_H

#include <stdint.h>

#define ASKED_BUCKETS 256

/* The first member of whatever is asked; its memory is the asker's. */
struct asked {
	struct asked *next;
	uint32_t id;
};

struct asked_table {
	uint32_t last_id;
	struct asked *buckets[ASKED_BUCKETS];
};

/* Numbers begin anywhere: a late answer to a predecessor of this process does not fit. */
void asked_init(struct asked_table *table);
/* Enters it under a number that is not 0 and not in use, and returns that. */
uint32_t asked_add(struct asked_table *table, struct asked *asked);
/* Enters it again, under the number that it had. */
void asked_put(struct asked_table *table, struct asked *asked);
/* What has that number, or NULL. It stays. */
struct asked *asked_find(const struct asked_table *table, uint32_t id);
/* The same, and it is removed. */
struct asked *asked_take(struct asked_table *table, uint32_t id);
/* Removes one, whichever; NULL: there is none. */
struct asked *asked_take_any(struct asked_table *table);
/* For a list of such: as asked_take. */
struct asked *asked_take_from(struct asked **list, uint32_t id);

#endif
