/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Answers of the resolve role as the body of a message. */
#include "smtpd/resolve.h"

#include <errno.h>

void
resolve_put(struct msg_writer *body, const struct resolve_answer *answer)
{
	msg_put_u8(body, (uint8_t)answer->result);
	msg_put_u8(body, answer->secure);
	msg_put_span(body, span_of(answer->text));
	msg_put_span(body, span_of(answer->alias_of));
	msg_put_u8(body, answer->count);
	for (size_t i = 0; i < answer->count; i++) {
		const struct resolve_host *host = &answer->hosts[i];

		msg_put_span(body, span_of(host->name));
		msg_put_span(body, span_of(host->alias_of));
		msg_put_u16(body, host->preference);
		msg_put_u8(body, host->secure);
		msg_put_u8(body, host->count);
		for (size_t a = 0; a < host->count; a++)
			msg_put_span(body, span_make(host->addresses[a].bytes, host->addresses[a].len));
	}
}

static bool
get_text(struct msg_reader *body, char *text, size_t size)
{
	struct span from = msg_get_span(body);

	if (from.len >= size || span_chr(from, '\0') >= 0)
		return false;
	if (from.len != 0)
		memcpy(text, from.ptr, from.len);
	text[from.len] = '\0';
	return true;
}

static bool
get_host(struct msg_reader *body, struct resolve_host *host)
{
	if (!get_text(body, host->name, sizeof(host->name)) || !get_text(body, host->alias_of, sizeof(host->alias_of)))
		return false;
	host->preference = msg_get_u16(body);
	host->secure = msg_get_u8(body) != 0;
	host->count = msg_get_u8(body);
	if (host->count > RESOLVE_ADDRESSES_MAX)
		return false;
	for (size_t a = 0; a < host->count; a++) {
		struct span bytes = msg_get_span(body);

		if (bytes.len != 4 && bytes.len != 16)
			return false;
		host->addresses[a].len = (uint8_t)bytes.len;
		memcpy(host->addresses[a].bytes, bytes.ptr, bytes.len);
	}
	return true;
}

int
resolve_get(struct msg_reader *body, struct resolve_answer *ret_answer)
{
	uint8_t result = msg_get_u8(body), count;

	*ret_answer = (struct resolve_answer){ .result = (enum resolve_result)result, .secure = msg_get_u8(body) != 0 };
	if (result > RESOLVE_FAILED || !get_text(body, ret_answer->text, sizeof(ret_answer->text)) ||
	    !get_text(body, ret_answer->alias_of, sizeof(ret_answer->alias_of)))
		return -EBADMSG;
	count = msg_get_u8(body);
	if (count > RESOLVE_HOSTS_MAX || (result == RESOLVE_OK) != (count != 0))
		return -EBADMSG;
	ret_answer->count = count;
	for (size_t i = 0; i < count; i++)
		if (!get_host(body, &ret_answer->hosts[i]) || ret_answer->hosts[i].count == 0)
			return -EBADMSG;
	return msg_done(body) ? 0 : -EBADMSG;
}
