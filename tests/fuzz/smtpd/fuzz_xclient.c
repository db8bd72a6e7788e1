/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The attributes of XCLIENT: what is taken holds no control byte. */
#include <stdint.h>
#include <stdlib.h>

#include "smtpd/xclient_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void
check_text(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f)
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct xclient xclient;

	if (xclient_parse(span_make(bytes, len), &xclient) < 0)
		return 0;
	check_text(buf_get(&xclient.helo));
	check_text(buf_get(&xclient.login));
	check_text(span_of(xclient.address));
	xclient_free(&xclient);
	return 0;
}
