/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Scripts: whatever the bytes are, they are compiled or refused with a reason; what was compiled is loaded again, and runs to its end on
 * the same bytes as a message. */
#include <stdlib.h>

#include "sieve/sieve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sieve_host host = { .delimiter = '+', .message = span_make(data, size), .sender = SPAN("a@example.com"), .recipient = SPAN("b@example.com"),
		.spam = 50, .options = SIEVE_EDITHEADER, .steps_max = 1000000 };
	struct buf errors = BUF_INIT(1 << 20);
	struct sieve_program *program, *again;
	struct sieve_result result;

	if (sieve_compile(span_make(data, size), SIEVE_EDITHEADER, &program, &errors) != 0) {
		if (errors.len == 0)
			abort();
		buf_free(&errors);
		return 0;
	}
	if (sieve_program_load(sieve_program_bytes(program), &again) != 0)
		abort();
	sieve_result_init(&result);
	if (sieve_run(again, &host, &result) != 0 && result.error[0] == '\0')
		abort();
	sieve_result_finish(&result);
	sieve_result_free(&result);
	(void)sieve_program_free(program);
	(void)sieve_program_free(again);
	buf_free(&errors);
	return 0;
}
