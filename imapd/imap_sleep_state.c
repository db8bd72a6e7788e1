/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What is left of a session while its process is gone. */
#include "imapd/imap_sleep_state.h"

#include <errno.h>

#include "common/msg.h"

/* No tag begins with it. */
#define MARK 0
#define FORM 2

uint32_t
imap_sleep_digest(const struct imap_view *view)
{
	uint32_t digest = 2166136261u; /* FNV-1a over the runs of UIDs, and where the last ends */

	for (size_t i = 0; i < view->run_count; i++) {
		digest = (digest ^ view->runs[i].first) * 16777619u;
		digest = (digest ^ view->runs[i].before) * 16777619u;
	}
	return (digest ^ (uint32_t)view->count) * 16777619u;
}

int
imap_sleep_put(const struct imap_sleep *sleep, struct buf *out)
{
	struct msg_writer body;

	if (sleep->tag.len > IMAP_SLEEP_TAG_MAX || sleep->mailbox.len > IMAP_SLEEP_NAME_MAX)
		return -EMSGSIZE;
	msg_writer_init(&body);
	msg_put_u8(&body, MARK);
	msg_put_u8(&body, FORM);
	msg_put_u8(&body, sleep->idle);
	msg_put_span(&body, sleep->tag);
	msg_put_span(&body, sleep->mailbox);
	msg_put_u8(&body, sleep->read_only);
	msg_put_u8(&body, sleep->enabled);
	msg_put_u8(&body, sleep->bad);
	msg_put_u32(&body, sleep->validity);
	msg_put_u32(&body, sleep->last);
	msg_put_u64(&body, sleep->modseq);
	msg_put_u32(&body, sleep->count);
	msg_put_u32(&body, sleep->digest);
	msg_put_u16(&body, sleep->keywords);
	msg_put_u64(&body, (uint64_t)sleep->silent_until);
	return body.overflow ? -EMSGSIZE : buf_put(out, body.bytes, body.len);
}

bool
imap_sleep_is(struct span bytes)
{
	return bytes.len > 0 && bytes.ptr[0] == MARK;
}

int
imap_sleep_get(struct span bytes, struct imap_sleep *ret_sleep)
{
	struct msg_reader body = msg_read_span(bytes);
	bool marked = msg_get_u8(&body) == MARK, known = msg_get_u8(&body) == FORM;

	*ret_sleep = (struct imap_sleep){ 0 };
	ret_sleep->idle = msg_get_u8(&body) != 0;
	ret_sleep->tag = msg_get_span(&body);
	ret_sleep->mailbox = msg_get_span(&body);
	ret_sleep->read_only = msg_get_u8(&body) != 0;
	ret_sleep->enabled = msg_get_u8(&body);
	ret_sleep->bad = msg_get_u8(&body);
	ret_sleep->validity = msg_get_u32(&body);
	ret_sleep->last = msg_get_u32(&body);
	ret_sleep->modseq = msg_get_u64(&body);
	ret_sleep->count = msg_get_u32(&body);
	ret_sleep->digest = msg_get_u32(&body);
	ret_sleep->keywords = msg_get_u16(&body);
	ret_sleep->silent_until = (int64_t)msg_get_u64(&body);
	if (!marked || !known || !msg_done(&body) || ret_sleep->tag.len > IMAP_SLEEP_TAG_MAX ||
	    ret_sleep->mailbox.len > IMAP_SLEEP_NAME_MAX || span_chr(ret_sleep->mailbox, '\0') >= 0 ||
	    span_chr(ret_sleep->tag, '\r') >= 0 || span_chr(ret_sleep->tag, '\n') >= 0)
		return -EINVAL;
	return 0;
}
