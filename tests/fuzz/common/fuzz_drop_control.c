/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A request in drop/, which any user may put there, and an answer to one: what is understood is written again as it was meant. */
#include <stdlib.h>

#include "common/drop_control.h"
#include "common/spool.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void
check_request(struct span text)
{
	struct buf again = BUF_INIT(DROP_CONTROL_MAX);
	enum drop_action action, second;
	struct span ids, ids_again;

	if (drop_control_decode(text, &action, &ids) < 0)
		return;
	if (drop_control_encode(action, ids, &again) < 0 || drop_control_decode(buf_get(&again), &second, &ids_again) < 0 || second != action ||
	    !span_eq(ids, ids_again))
		abort();
	buf_free(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct span text = span_make(bytes, len);
	struct drop_record record;
	enum drop_answer answer;

	check_request(text);
	while (drop_answer_decode(&text, &answer) == 0)
		while (drop_record_decode(&text, &record) == 0)
			if (!spool_id_valid(record.id))
				abort();
	return 0;
}
