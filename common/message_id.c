/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Message-ID, In-Reply-To and References. */
#include "common/message_id.h"

#include <errno.h>
#include <stdlib.h>

#include "common/header.h"
#include "common/xalloc.h"

/* To the next "<" outside of comments; false at the end. A comment that is never closed hides all after it. */
static bool
find_bracket(struct span *value)
{
	size_t i = 0;
	unsigned depth = 0;

	for (; i < value->len; i++) {
		char c = value->ptr[i];

		if (c == '(')
			depth++;
		else if (c == ')' && depth > 0)
			depth--;
		else if (c == '\\' && depth > 0)
			i++;
		else if (c == '<' && depth == 0)
			break;
	}
	*value = span_skip(*value, i);
	return value->len != 0;
}

/* After the "<": appends up to the ">" and takes it off. False when it is none; *value then stands where that became plain, so that
 * the whole is read once. */
static bool
take_id(struct span *value, struct buf *out)
{
	size_t before = out->len, i = 0;
	bool quoted = false, ok = false;

	for (; i < value->len && out->len - before <= MESSAGE_ID_MAX; i++) {
		char c = value->ptr[i];

		if (c == '"') {
			quoted = !quoted;
			continue;
		}
		if (!quoted && (c == '<' || c == '>'))
			break;
		if (c == '\\' && quoted && i + 1 < value->len)
			c = value->ptr[++i];
		if ((unsigned char)c <= ' ' || c == 127)
			continue;
		if (buf_char(out, c) != 0)
			break;
	}
	ok = i < value->len && value->ptr[i] == '>' && !quoted && out->len > before && out->len - before <= MESSAGE_ID_MAX;
	*value = span_skip(*value, ok ? i + 1 : i);
	if (!ok)
		buf_truncate(out, before);
	return ok;
}

bool
message_id_next(struct span *value, struct buf *out)
{
	while (find_bracket(value)) {
		*value = span_skip(*value, 1);
		if (take_id(value, out))
			return true;
	}
	return false;
}

struct place {
	size_t at, len;
};

void
message_id_list_parse(struct span value, struct message_id_list *ret_list)
{
	const size_t ring = MESSAGE_ID_COUNT_MAX - 1; /* behind the first: the newest are the last */
	struct place *places = NULL;
	size_t total = 0, room = 0, count;

	if (value.len > HEADER_BLOCK_MAX)
		value.len = HEADER_BLOCK_MAX;
	*ret_list = (struct message_id_list){ .text = BUF_INIT(value.len) };
	for (size_t at = 0; message_id_next(&value, &ret_list->text); total++, at = ret_list->text.len) {
		if (total == room && room < MESSAGE_ID_COUNT_MAX) {
			room = room == 0 ? 10 : room * 10;
			places = xreallocarray(places, room, sizeof(*places));
		}
		places[total == 0 ? 0 : 1 + (total - 1) % ring] = (struct place){ at, ret_list->text.len - at };
	}
	count = total < MESSAGE_ID_COUNT_MAX ? total : MESSAGE_ID_COUNT_MAX;
	if (count != 0)
		ret_list->ids = xcalloc(count, sizeof(*ret_list->ids));
	for (size_t i = 0; i < count; i++) {
		const struct place *place = &places[i == 0 || total <= MESSAGE_ID_COUNT_MAX ? i : 1 + (total - 1 + i - 1) % ring];

		ret_list->ids[i] = span_make(ret_list->text.data + place->at, place->len);
	}
	ret_list->count = count;
	free(places);
}

void
message_id_list_free(struct message_id_list *list)
{
	free(list->ids);
	buf_free(&list->text);
	*list = (struct message_id_list){ 0 };
}

int
message_id_append(struct buf *out, int64_t now, const uint8_t random[static 16], struct span host)
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
	char text[64];
	size_t len = 0;

	for (int shift = 60; shift >= 0; shift -= 5)
		if (len != 0 || ((uint64_t)now >> shift & 31) != 0)
			text[len++] = digits[(uint64_t)now >> shift & 31];
	text[len++] = '.';
	for (size_t i = 0; i < 16; i++) {
		text[len++] = digits[random[i] >> 4];
		text[len++] = digits[random[i] & 15];
	}
	(void)buf_char(out, '<');
	(void)buf_put(out, text, len);
	(void)buf_char(out, '@');
	(void)buf_span(out, host);
	return buf_char(out, '>');
}
