/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Names that people log in by: folded twice they are what they were folded once, and no longer than is told. */
#include <errno.h>
#include <stdlib.h>

#include "common/address_fold.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct span text = span_make(bytes, len < 1000 ? len : 1000);
	struct buf once = BUF_INIT(ADDRESS_FOLD_ROOM(text.len)), again = BUF_INIT(ADDRESS_FOLD_ROOM(3 * text.len));
	int r = address_fold(text, &once);

	if (r != 0 && r != -EINVAL)
		abort();
	if (r == 0 && (address_fold(buf_get(&once), &again) != 0 || !span_eq(buf_get(&once), buf_get(&again))))
		abort();
	(void)local_part_is_account(text);
	buf_free(&once);
	buf_free(&again);
	return 0;
}
