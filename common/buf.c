/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Owned bytes that grow up to a fixed maximum. */
#include "common/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"

#define FIRST_CAPACITY 128

void
buf_init(struct buf *buf, size_t max)
{
	*buf = BUF_INIT(max);
}

void
buf_free(struct buf *buf)
{
	size_t max = buf->max;

	free(buf->data);
	buf_init(buf, max);
}

void
buf_wipe(struct buf *buf)
{
	if (buf->data != NULL)
		explicit_bzero(buf->data, buf->cap);
	buf_free(buf);
}

void
buf_clear(struct buf *buf)
{
	buf->overflow = false;
	buf_truncate(buf, 0);
}

char *
buf_reserve(struct buf *buf, size_t len)
{
	size_t want;

	if (buf->overflow || len > buf->max - buf->len) {
		buf->overflow = true;
		return NULL;
	}
	want = buf->len + len + 1;
	if (want > buf->cap) {
		size_t cap = buf->cap != 0 ? buf->cap : FIRST_CAPACITY;

		while (cap < want)
			cap = cap <= SIZE_MAX / 2 ? cap * 2 : want;
		if (cap > buf->max + 1)
			cap = buf->max + 1;
		buf->data = xreallocarray(buf->data, cap, 1);
		buf->cap = cap;
		buf->data[buf->len] = '\0';
	}
	return buf->data + buf->len;
}

void
buf_added(struct buf *buf, size_t len)
{
	if (len == 0)
		return;
	buf->len += len;
	buf->data[buf->len] = '\0';
}

int
buf_put_growing(struct buf *buf, const void *bytes, size_t len)
{
	char *room = buf_reserve(buf, len);

	if (room == NULL)
		return -EMSGSIZE;
	if (len != 0)
		memcpy(room, bytes, len);
	buf_added(buf, len);
	return 0;
}

int
buf_str(struct buf *buf, const char *text)
{
	return buf_put(buf, text, strlen(text));
}

int
buf_char(struct buf *buf, char byte)
{
	return buf_put(buf, &byte, 1);
}

int
buf_vfmt(struct buf *buf, const char *format, va_list args)
{
	size_t free_len = buf->overflow ? 0 : buf->cap - buf->len;
	va_list again;
	char *room;
	int len;

	/* Most of it fits where there is room already; else its length is known then. */
	va_copy(again, args);
	len = vsnprintf(free_len != 0 ? buf->data + buf->len : NULL, free_len, format, again);
	va_end(again);
	if (len < 0 || (size_t)len >= free_len) {
		if (free_len != 0)
			buf->data[buf->len] = '\0';
		if (len < 0)
			return -EINVAL;
		room = buf_reserve(buf, (size_t)len);
		if (room == NULL)
			return -EMSGSIZE;
		(void)vsnprintf(room, (size_t)len + 1, format, args);
	}
	buf_added(buf, (size_t)len);
	return 0;
}

int
buf_fmt(struct buf *buf, const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = buf_vfmt(buf, format, args);
	va_end(args);
	return r;
}

int
buf_u64(struct buf *buf, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value != 0);
	return buf_put(buf, digits + at, sizeof(digits) - at);
}

void
buf_drop(struct buf *buf, size_t len)
{
	if (len >= buf->len) {
		buf_truncate(buf, 0);
		return;
	}
	memmove(buf->data, buf->data + len, buf->len - len);
	buf_truncate(buf, buf->len - len);
}

void
buf_truncate(struct buf *buf, size_t len)
{
	if (buf->data == NULL || len > buf->len)
		return;
	buf->len = len;
	buf->data[len] = '\0';
}

struct span
buf_get(const struct buf *buf)
{
	return span_make(buf->data, buf->len);
}

const char *
buf_cstr(const struct buf *buf)
{
	return buf->data != NULL ? buf->data : "";
}

char *
buf_take(struct buf *buf)
{
	char *data = buf->data != NULL ? buf->data : xstrdup("");
	size_t max = buf->max;

	buf_init(buf, max);
	return data;
}
