/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What a recovered index is not believed. */
#include <stdlib.h>

#include "common/xalloc.h"
#include "libmailstore/ms_internal.h"

struct numbers {
	uint32_t *list;
	size_t count, room;
};

static void
add_number(void *context, uint32_t number, struct ms_mailbox_record *record)
{
	struct numbers *numbers = context;

	(void)record;
	if (numbers->count == numbers->room) {
		numbers->room = numbers->room == 0 ? 16 : 2 * numbers->room;
		numbers->list = xreallocarray(numbers->list, numbers->room, sizeof(*numbers->list));
	}
	numbers->list[numbers->count++] = number;
}

static int
forget_times(struct ms_txn *txn, uint32_t number)
{
	struct ms_mailbox_record record;
	int r = ms_mailbox_load(txn, number, &record);

	if (r != 0)
		return r;
	record.new_time = record.cur_time = (struct ms_time){ 0, 0 };
	r = ms_mailbox_save(txn, number, &record);
	ms_mailbox_record_clear(&record);
	return r;
}

int
ms_begin_anew(struct ms_txn *txn, void *context)
{
	struct numbers numbers = { .list = NULL };
	uint64_t modseq;
	int r = ms_mailbox_each(txn->bdb, txn->txn, add_number, &numbers);

	(void)context;
	for (size_t i = 0; r == 0 && i < numbers.count; i++)
		r = forget_times(txn, numbers.list[i]);
	free(numbers.list);
	return r == 0 ? ms_next_modseq(txn, &modseq) : r;
}
