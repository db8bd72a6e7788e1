/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Delivered-To: finding a message that goes round in a circle. */
#include "smtpd/delivered_to.h"

#include <errno.h>
#include <unistd.h>

#include "common/address.h"
#include "common/buf.h"
#include "common/header.h"

/* So much of a header is looked through; a message with a larger one is refused where it comes in. */
#define HEADER_MAX (256 * 1024)
#define MOST_HEADERS 8192

static int
look_through(struct span header, struct span address)
{
	struct header_field field;
	struct header_iter iter;

	header_begin(&iter, header);
	while (header_next(&iter, &field))
		if (span_ieq(field.name, SPAN("Delivered-To")) && address_equal(span_trim(field.value), address))
			return DELIVERED_BEFORE;
	return 0;
}

static bool
ends_with_empty_line(struct span block)
{
	const char *end = block.ptr + block.len;

	return (block.len >= 2 && end[-1] == '\n' && end[-2] == '\n') || (block.len >= 3 && end[-1] == '\n' && end[-2] == '\r' && end[-3] == '\n');
}

int
delivered_to_check(int fd, uint64_t offset, uint64_t length, struct span address)
{
	char beginning[MOST_HEADERS];
	struct buf block = BUF_INIT(HEADER_MAX);
	size_t wanted = length < HEADER_MAX ? (size_t)length : HEADER_MAX;
	ssize_t got = pread(fd, beginning, wanted < sizeof(beginning) ? wanted : sizeof(beginning), (off_t)offset);
	size_t size = got > 0 ? header_block_size(span_make(beginning, (size_t)got)) : 0;
	char *room;
	int r;

	if (got < 0)
		return -errno;
	if (wanted <= sizeof(beginning) || ends_with_empty_line(span_make(beginning, size)))
		return look_through(span_make(beginning, size), address);
	room = buf_reserve(&block, wanted);
	got = pread(fd, room, wanted, (off_t)offset);
	r = got < 0 ? -errno : 0;
	if (r == 0) {
		buf_added(&block, (size_t)got);
		r = look_through(span_make(block.data, header_block_size(buf_get(&block))), address);
	}
	buf_free(&block);
	return r;
}
