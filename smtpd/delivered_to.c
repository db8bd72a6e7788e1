/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Delivered-To: finding a message that goes round in a circle. */
#include "smtpd/delivered_to.h"

#include <errno.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/header.h"

/* So much of a header is looked through; a message with a larger one is refused where it comes in. */
#define HEADER_MAX (256 * 1024)

int
delivered_to_check(int fd, uint64_t offset, uint64_t length, struct span address)
{
	struct buf block = BUF_INIT(HEADER_MAX);
	size_t wanted = length < HEADER_MAX ? (size_t)length : HEADER_MAX;
	char *room = buf_reserve(&block, wanted);
	ssize_t got = pread(fd, room, wanted, (off_t)offset);
	struct header_field field;
	struct header_iter iter;
	int r = got < 0 ? -errno : 0;

	if (r == 0) {
		buf_added(&block, (size_t)got);
		header_begin(&iter, span_make(block.data, header_block_size(buf_get(&block))));
		while (r == 0 && header_next(&iter, &field))
			if (span_ieq(field.name, SPAN("Delivered-To")) && span_ieq(span_trim(field.value), address))
				r = -ELOOP;
	}
	buf_free(&block);
	return r;
}
