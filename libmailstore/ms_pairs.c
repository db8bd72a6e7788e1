/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Each pair as the distances from the one before. */
#include "libmailstore/ms_pairs.h"

#include "libmailstore/mailstore.h"
#include "libmailstore/ms_fields.h"

int
ms_pair_compare(const struct ms_pair *x, const struct ms_pair *y)
{
	if (x->a != y->a)
		return x->a < y->a ? -1 : 1;
	return (x->b > y->b) - (x->b < y->b);
}

void
ms_pairs_put(const struct ms_pair *list, size_t count, const struct ms_pair *first, enum ms_pairs_near near, struct buf *out)
{
	struct ms_pair last = *first;
	size_t from = out->len;

	(void)buf_char(out, MS_VERSION_BYTE);
	for (size_t i = 0; i < count; i++) {
		ms_put_number(out, list[i].a - last.a);
		ms_put_signed(out, (int64_t)(list[i].b - (near == MS_NEAR_OWN ? list[i].a : last.b)));
		last = list[i];
	}
	ms_seal(out, from);
}

int
ms_pairs_get(struct span record, const struct ms_pair *first, enum ms_pairs_near near, struct ms_pairs *ret)
{
	struct ms_pair last = *first, pair;
	struct ms_reader reader;

	ret->count = 0;
	if (!ms_unseal(record, &reader))
		return MS_E_CORRUPT;
	while (reader.rest.len > 0 && !reader.bad && ret->count < MS_PAIRS_MAX) {
		pair.a = last.a + ms_get_number(&reader);
		pair.b = (near == MS_NEAR_OWN ? pair.a : last.b) + (uint64_t)ms_get_signed(&reader);
		/* In order, which an overflow is not. */
		if (ms_pair_compare(&pair, &last) < (ret->count != 0))
			reader.bad = true;
		ret->list[ret->count++] = last = pair;
	}
	return reader.bad || reader.rest.len > 0 || ret->count == 0 ? MS_E_CORRUPT : 0;
}
