/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Names of message files. What stands in a name survives the loss of the index. */
#include "libmailstore/ms_name.h"

#include <errno.h>

#include "libmailstore/mailstore.h"

#define HEX "0123456789abcdef"

static const struct {
	char letter;
	uint32_t flag;
} flag_letters[] = {
	/* In the order that Maildir wants: of ASCII. */
	{ 'D', MS_DRAFT }, { 'F', MS_FLAGGED }, { 'P', MS_FORWARDED }, { 'R', MS_ANSWERED }, { 'S', MS_SEEN }, { 'T', MS_DELETED },
};

/* Digits, then a dot and four hex digits, or not. */
static void
parse_uid(struct span text, struct ms_name *name)
{
	uint64_t uid;
	uint16_t folder = 0;

	if (span_take_u64(&text, UINT32_MAX, &uid) < 0 || (text.len != 0 && (text.len != 5 || text.ptr[0] != '.')))
		return;
	for (size_t i = 1; i < text.len; i++) {
		ptrdiff_t digit = span_chr(SPAN(HEX), text.ptr[i]);

		if (digit < 0)
			return;
		folder = (uint16_t)(folder << 4 | (unsigned)digit);
	}
	name->uid = (uint32_t)uid;
	name->folder = folder;
}

static void
parse_field(struct span field, struct ms_name *name)
{
	uint64_t value;
	char key;

	if (field.len < 3 || field.ptr[1] != '=')
		return;
	key = field.ptr[0];
	if (key == 'K')
		name->beyond = span_skip(field, 2);
	else if (key == 'U')
		parse_uid(span_skip(field, 2), name);
	else if (span_to_u64(span_skip(field, 2), UINT64_MAX / 2, &value) < 0)
		return;
	else if (key == 'S')
		name->bytes = value;
	else if (key == 'W')
		name->size = value;
}

void
ms_name_get_flags(struct span text, uint32_t *ret_flags, uint32_t *ret_letters)
{
	*ret_flags = *ret_letters = 0;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (c >= 'a' && c < 'a' + MS_LETTERS)
			*ret_letters |= 1u << (c - 'a');
		for (size_t k = 0; k < sizeof(flag_letters) / sizeof(*flag_letters); k++)
			if (flag_letters[k].letter == c)
				*ret_flags |= flag_letters[k].flag;
	}
}

bool
ms_name_parse(struct span text, struct ms_name *ret)
{
	struct span base, rest, field, info = SPAN_NULL;
	ptrdiff_t colon = span_chr(text, ':');

	*ret = (struct ms_name){ .bytes = 0 };
	if (text.len == 0 || text.len > MS_NAME_MAX || text.ptr[0] == '.' || span_chr(text, '/') >= 0 || span_chr(text, '\0') >= 0)
		return false;
	base = colon >= 0 ? span_make(text.ptr, (size_t)colon) : text;
	if (colon >= 0)
		info = span_skip(text, (size_t)colon + 1);
	if (span_starts(info, SPAN("2,")))
		ms_name_get_flags(span_skip(info, 2), &ret->flags, &ret->letters);
	rest = base;
	(void)span_split(&rest, ',', &ret->unique);
	while (span_split(&rest, ',', &field))
		parse_field(field, ret);
	return ret->unique.len != 0;
}

void
ms_name_put_flags(uint32_t flags, uint32_t letters, struct buf *out)
{
	for (size_t k = 0; k < sizeof(flag_letters) / sizeof(*flag_letters); k++)
		if ((flags & flag_letters[k].flag) != 0)
			(void)buf_char(out, flag_letters[k].letter);
	for (unsigned i = 0; i < MS_LETTERS; i++)
		if ((letters & 1u << i) != 0)
			(void)buf_char(out, (char)('a' + i));
}

int
ms_name_format(const struct ms_name *name, bool info, struct buf *out)
{
	(void)buf_span(out, name->unique);
	(void)buf_str(out, ",S=");
	(void)buf_u64(out, name->bytes);
	(void)buf_str(out, ",W=");
	(void)buf_u64(out, name->size);
	if (name->uid != 0) {
		(void)buf_str(out, ",U=");
		(void)buf_u64(out, name->uid);
		if (name->folder != 0)
			(void)buf_fmt(out, ".%04x", name->folder);
	}
	if (name->beyond.len != 0) {
		(void)buf_str(out, ",K=");
		(void)buf_span(out, name->beyond);
	}
	if (info) {
		(void)buf_str(out, ":2,");
		ms_name_put_flags(name->flags, name->letters, out);
	}
	return out->overflow ? -EMSGSIZE : 0;
}

uint16_t
ms_name_folder(uint32_t mailbox)
{
	uint16_t low = (uint16_t)mailbox;

	return low != 0 ? low : 1;
}

uint64_t
ms_name_hash(struct span text)
{
	/* FNV-1a, then mixed (the finisher of splitmix64), for unique parts differ in few digits. */
	uint64_t hash = 0xcbf29ce484222325u;

	for (size_t i = 0; i < text.len; i++)
		hash = (hash ^ (uint8_t)text.ptr[i]) * 0x100000001b3u;
	hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9u;
	hash = (hash ^ hash >> 27) * 0x94d049bb133111ebu;
	hash ^= hash >> 31;
	return hash != 0 ? hash : 1;
}

uint64_t
ms_name_email_id(struct span unique)
{
	uint64_t hash = ms_name_hash(unique), seconds = 0;
	size_t digits = 0;

	while (digits < unique.len && digits < 11 && ascii_is_digit(unique.ptr[digits]))
		seconds = seconds * 10 + (uint64_t)(unique.ptr[digits++] - '0');
	/* Mail that comes one after the other then stands side by side in the index. */
	return digits >= 9 && seconds <= UINT32_MAX ? seconds << 32 | (hash & UINT32_MAX) : hash;
}

/* Where "+uid.folder" begins at its end, or its length. */
static size_t
changed_at(struct span unique)
{
	struct ms_name name = { .uid = 0 };
	size_t at = unique.len;

	while (at > 0 && unique.ptr[at - 1] != '+')
		at--;
	if (at == 0)
		return unique.len;
	parse_uid(span_skip(unique, at), &name);
	return name.uid != 0 && name.folder != 0 ? at - 1 : unique.len;
}

void
ms_name_changed(struct span unique, uint32_t uid, uint16_t folder, char ret[MS_NAME_CHANGED_MAX + 1])
{
	struct buf out = BUF_INIT(MS_NAME_CHANGED_MAX);
	size_t len = changed_at(unique);

	/* What is behind it makes up for what is cut off. */
	(void)buf_put(&out, unique.ptr, len < MS_NAME_CHANGED_MAX - 16 ? len : MS_NAME_CHANGED_MAX - 16);
	(void)buf_fmt(&out, "+%u.%04x", uid, folder);
	memcpy(ret, buf_cstr(&out), out.len + 1);
	buf_free(&out);
}
