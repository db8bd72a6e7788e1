/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Headers of the PROXY protocol: the end of one lies within the input. */
#include <stdint.h>
#include <stdlib.h>

#include "smtpd/proxy_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct proxy_header header;
	size_t used;

	if (proxy_parse(span_make(bytes, len), &header, &used) == 0 &&
	    (used == 0 || used > len || used > PROXY_HEADER_MAX))
		abort();
	return 0;
}
