/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* How many connections each network address holds. Pure. */
#ifndef FRAME_ADDRESS_TABLE_H
#define FRAME_ADDRESS_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct address_table;

/* seed: random, so that nobody can choose addresses that fall into one bucket. */
struct address_table *address_table_new(uint64_t seed);
struct address_table *address_table_free(struct address_table *table);

/* Counts one more connection of key and returns how many there are now, this one included. */
unsigned address_table_add(struct address_table *table, uint64_t key);
void address_table_remove(struct address_table *table, uint64_t key);
unsigned address_table_count(const struct address_table *table, uint64_t key);

/* The key of an address in network order, 4 or 16 bytes: an IPv4 address (mapped ones too) or the
 * /64 of an IPv6 address, which is what one customer has. */
uint64_t address_key(const uint8_t *address, size_t len);

#endif
