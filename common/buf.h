/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Owned bytes that grow up to a maximum fixed when the buffer is made; there is no unlimited form. */
#ifndef COMMON_BUF_H
#define COMMON_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/span.h"

/* Invariant: len <= cap <= max + 1; data[len] is NUL whenever data is not NULL. Once `overflow` is set every later append is
 * dropped, so a caller may append many times and test once. */
struct buf {
	char *data;
	size_t len, cap, max;
	bool overflow;
};

#define BUF_INIT(maximum) ((struct buf){ NULL, 0, 0, (maximum), false })

void buf_init(struct buf *buf, size_t max);
/* Frees the bytes; the buffer is empty and may be used again with the same maximum. */
void buf_free(struct buf *buf);
/* The same, the bytes overwritten first: for passwords and keys. */
void buf_wipe(struct buf *buf);
/* Keeps the memory, forgets the bytes and the overflow. */
void buf_clear(struct buf *buf);

/* Room for `len` more bytes at data + len, to be confirmed with buf_added. NULL when that would pass the maximum. */
char *buf_reserve(struct buf *buf, size_t len);
void buf_added(struct buf *buf, size_t len);

/* What buf_put does when there is not room enough as it is. */
int buf_put_growing(struct buf *buf, const void *bytes, size_t len);
/* Each returns 0, or -EMSGSIZE when the bytes would pass the maximum (nothing of them is added). */
static inline int
buf_put(struct buf *buf, const void *bytes, size_t len)
{
	/* Answers are put together of thousands of small pieces. */
	if (len == 0 || len >= buf->cap - buf->len || buf->overflow)
		return buf_put_growing(buf, bytes, len);
	memcpy(buf->data + buf->len, bytes, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
	return 0;
}
static inline int
buf_span(struct buf *buf, struct span text)
{
	return buf_put(buf, text.ptr, text.len);
}
int buf_str(struct buf *buf, const char *text);
int buf_char(struct buf *buf, char byte);
int buf_fmt(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
int buf_vfmt(struct buf *buf, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
int buf_u64(struct buf *buf, uint64_t value);

/* Removes bytes at the front / all but `len` bytes. */
void buf_drop(struct buf *buf, size_t len);
void buf_truncate(struct buf *buf, size_t len);

/* Borrowed until the next change of buf. */
struct span buf_get(const struct buf *buf);
/* The text as a C string, never NULL. Borrowed. */
const char *buf_cstr(const struct buf *buf);
/* Hands the bytes, ended by NUL, to the caller for free(3); the buffer is empty afterwards. Never NULL. */
char *buf_take(struct buf *buf);

#endif
