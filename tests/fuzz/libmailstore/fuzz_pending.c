/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The file of flags that names do not tell yet, and its records in the index, any bytes: what is understood is told again the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "libmailstore/ms_pending.h"

#define VALIDITY 1700000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The fuzzer need not find checksums: each line of its bytes gets the one that fits. */
static void
sign(struct span text, struct buf *out)
{
	struct span line;

	(void)buf_fmt(out, "fourpost-flags 1 %u\n", VALIDITY);
	while (span_split(&text, '\n', &line))
		(void)buf_fmt(out, "%.*s %016llx\n", (int)line.len, line.ptr, (unsigned long long)ms_name_hash(line));
}

static void
again(struct span text)
{
	struct ms_pending_list list = { .list = NULL }, back = { .list = NULL };
	struct buf out = BUF_INIT(MS_PENDING_TEXT_MAX);

	ms_pending_parse(text, VALIDITY, &list);
	ms_pending_format(&list, VALIDITY, &out);
	ms_pending_parse(buf_get(&out), VALIDITY, &back);
	if (back.count != list.count)
		abort();
	for (size_t i = 0; i < list.count; i++) {
		struct ms_message message = { .uid = list.list[i].n * MS_UIDS_EACH };

		if (memcmp(list.list[i].map, back.list[i].map, MS_UIDS_BYTES) != 0 || list.list[i].n != back.list[i].n ||
		    list.list[i].op != back.list[i].op || list.list[i].flags != back.list[i].flags || list.list[i].letters != back.list[i].letters)
			abort();
		if (i > 0 && list.list[i - 1].n > list.list[i].n)
			abort();
		while (!ms_pending_has(list.list[i].map, message.uid))
			message.uid++;
		if (!ms_pending_apply(&list, &message))
			abort();
	}
	ms_pending_clear(&list);
	ms_pending_clear(&back);
	buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf text = BUF_INIT(1 << 20);
	struct ms_pending pending;

	if (size == 0 || size > 20000)
		return 0;
	again(span_make(data, size));
	sign(span_make(data, size), &text);
	again(buf_get(&text));
	buf_free(&text);
	(void)ms_pending_record_get(span_make(data, size), &pending);
	return 0;
}
