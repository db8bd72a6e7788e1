/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Programs of others: what is loaded runs to its end. */
#include "sieve/sieve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sieve_host host = { .delimiter = '+', .message = SPAN("From: a@example.com\r\nSubject: x\r\nDate: Wed, 1 Jul 2026 12:59:58 +0200\r\n\r\nbody\r\n"),
		.sender = SPAN("a@example.com"), .recipient = SPAN("b+c@example.com"), .spam = 50, .steps_max = 1000000 };
	struct sieve_program *program;
	struct sieve_result result;

	if (sieve_program_load(span_make(data, size), &program) != 0)
		return 0;
	sieve_result_init(&result);
	(void)sieve_run(program, &host, &result);
	sieve_result_finish(&result);
	sieve_result_free(&result);
	(void)sieve_program_free(program);
	return 0;
}
