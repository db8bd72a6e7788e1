/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What other filters have written, in any header. */
#include <stdint.h>
#include <stdlib.h>

#include "smtpd/filter_word_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span block = span_make(data, size);
	int spam = filter_word_spam(block), virus = filter_word_virus(block);

	if (spam < -1 || spam > 100 || virus < 0 || virus > 5)
		abort();
	return 0;
}
