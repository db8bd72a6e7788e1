/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A sender to come back to, and a way back that somebody made up. */
#include <stdint.h>
#include <stdlib.h>

#include "frame/srs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_make(data, size), back;
	struct buf there = BUF_INIT(400), again = BUF_INIT(400);
	const char *fault;
	struct srs *srs = srs_new(SPAN("0123456789abcdef"), &fault);

	if (srs_forward(srs, text, SPAN("a.test"), 1795423737, &there) == 0) {
		back = span_make(there.data, (size_t)span_rchr(buf_get(&there), '@'));
		/* Of what came over several hosts, the way leads to the first. */
		if (srs_reverse(srs, back, 1795423737, &again) == 0 ? !span_istarts(text, SPAN("SRS1")) && !span_ieq(buf_get(&again), text) :
								       !span_istarts(text, SPAN("SRS1")))
			abort();
	}
	buf_clear(&again);
	(void)srs_reverse(srs, text, 1795423737, &again);
	(void)srs_free(srs);
	(void)srs_free(srs_new(text, &fault));
	buf_free(&there);
	buf_free(&again);
	return 0;
}
