/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Stored text as the protocols show it. */
#include "common/crlf.h"

uint64_t
crlf_size(struct span text)
{
	uint64_t size = text.len;
	const char *at = text.ptr, *end = text.len != 0 ? text.ptr + text.len : text.ptr, *newline;

	while (at < end && (newline = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		size += newline == text.ptr || newline[-1] != '\r';
		at = newline + 1;
	}
	return size;
}

/* Takes at most max octets (max > 0): the CR that a LF lacks, or the bytes up to the next LF that may lack one. */
static size_t
take_run(struct crlf *crlf, size_t max, struct buf *out)
{
	size_t run = crlf->rest.len < max ? crlf->rest.len : max;
	const char *newline;

	if (crlf->rest.ptr[0] == '\n' && !crlf->after_cr) {
		crlf->after_cr = true;
		if (out != NULL)
			(void)buf_char(out, '\r');
		return 1;
	}
	newline = run > 1 ? memchr(crlf->rest.ptr + 1, '\n', run - 1) : NULL;
	if (newline != NULL)
		run = (size_t)(newline - crlf->rest.ptr);
	if (out != NULL)
		(void)buf_put(out, crlf->rest.ptr, run);
	crlf->after_cr = crlf->rest.ptr[run - 1] == '\r';
	crlf->rest = span_skip(crlf->rest, run);
	return run;
}

size_t
crlf_take(struct crlf *crlf, size_t max, struct buf *out)
{
	size_t taken = 0;

	if (max > crlf->left)
		max = (size_t)crlf->left;
	while (taken < max && crlf->rest.len != 0)
		taken += take_run(crlf, max - taken, out);
	crlf->left -= taken;
	return taken;
}

void
crlf_begin(struct crlf *crlf, struct span text, uint64_t first, uint64_t count)
{
	*crlf = (struct crlf){ .rest = text, .left = first };
	while (crlf_take(crlf, SIZE_MAX, NULL) != 0)
		continue;
	crlf->left = count;
}
