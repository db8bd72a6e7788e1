/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Envelopes of any bytes: what is read and written again reads the same. */
#include <stdint.h>
#include <stdlib.h>

#include "common/drop_control.h"
#include "common/spool.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct span text = span_make(bytes, len), id;
	struct envelope envelope, again;
	struct buf out = BUF_INIT(ENVELOPE_MAX);
	enum drop_action action;
	size_t end, end_again;
	struct drop_record record;
	struct span records = text;

	while (drop_record_decode(&records, &record) == 0)
		if (record.envelope.len > len)
			abort();
	(void)drop_control_decode(text, &action, &id);
	if (envelope_decode(text, &envelope, &end, NULL) != 0)
		return 0;
	if (end > len || envelope_encode(&envelope, &out) != 0)
		abort();
	if (envelope_decode(buf_get(&out), &again, &end_again, NULL) != 0 || end_again != out.len ||
	    again.count != envelope.count)
		abort();
	for (size_t i = 0; i < again.count; i++)
		if (out.data[again.recipients[i].status_at] != again.recipients[i].status ||
		    ((const char *)bytes)[0] != 'f')
			abort();
	envelope_free(&envelope);
	envelope_free(&again);
	buf_free(&out);
	return 0;
}
