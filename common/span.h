/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Borrowed bytes (pointer and length, no NUL assumed) and bounded scanners over them. */
#ifndef COMMON_SPAN_H
#define COMMON_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
	const char *ptr;
	size_t len;
};

#define SPAN_NULL ((struct span){ NULL, 0 })
/* A span of a string literal. */
#define SPAN(literal) ((struct span){ "" literal, sizeof(literal) - 1 })

/* The bytes of a C string; NULL gives the empty span. Borrowed from text. */
static inline struct span
span_of(const char *text)
{
	return (struct span){ text, text != NULL ? strlen(text) : 0 };
}

static inline struct span
span_make(const void *bytes, size_t len)
{
	return (struct span){ bytes, len };
}

/* Bytes equal, exactly, or with ASCII letters folded (protocol words; never the locale). */
/* By bytes, as strcmp(3) by characters: less than 0, 0, more. */
int span_compare(struct span a, struct span b);
bool span_eq(struct span a, struct span b);
bool span_ieq(struct span a, struct span b);
bool span_starts(struct span text, struct span prefix);
bool span_istarts(struct span text, struct span prefix);
bool span_ends(struct span text, struct span suffix);
bool span_iends(struct span text, struct span suffix);

/* Index of the first such byte / text, or -1. */
ptrdiff_t span_chr(struct span text, char byte);
ptrdiff_t span_rchr(struct span text, char byte);
ptrdiff_t span_find(struct span text, struct span needle);
/* The same with ASCII letters folded. */
ptrdiff_t span_ifind(struct span text, struct span needle);

/* The first `count` bytes taken off the front (fewer when there are fewer). */
struct span span_take(struct span *text, size_t count);
/* Without `count` bytes at the front. */
struct span span_skip(struct span text, size_t count);
/* Takes what stands before the first `byte` (all of it if there is none) off the front, and the byte itself. Returns
 * false, and leaves *ret_part empty, when nothing is left. */
bool span_split(struct span *text, char byte, struct span *ret_part);
/* Without spaces, tabs, CR and LF at both ends. */
struct span span_trim(struct span text);

/* Reads the whole span as decimal digits. 0, or -EINVAL (empty, other bytes), -ERANGE (above max). */
int span_to_u64(struct span text, uint64_t max, uint64_t *ret_value);
/* Reads decimal digits at the front and takes them off. The same results; nothing is taken on error. */
int span_take_u64(struct span *text, uint64_t max, uint64_t *ret_value);

/* A copy ended by NUL, for free(3). Bytes after an embedded NUL are copied but unseen by C. */
char *span_dup(struct span text);

/* True when the bytes are well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF). */
bool span_is_utf8(struct span text);
/* At most so many octets of it, and no part of a UTF-8 character at the end. */
struct span span_utf8_cut(struct span text, size_t max);
bool span_is_ascii(struct span text);
/* FNV-1a, which goes on from that start; ihash: of letters of ASCII in either case the same. Whoever hashes what comes from outside starts with a
 * secret. */
uint64_t span_hash(uint64_t start, struct span bytes);
uint64_t span_ihash(uint64_t start, struct span bytes);
/* Bytes before the first that is not ASCII. */
size_t span_ascii(struct span text);

/* ASCII only, whatever the locale. */
static inline char
ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static inline char
ascii_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}

static inline bool
ascii_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool
ascii_is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool
ascii_is_alnum(char c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c);
}

/* The value of a hexadecimal digit, or -1. */
static inline int
ascii_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

#endif
