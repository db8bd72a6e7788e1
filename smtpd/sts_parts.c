/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* All parts of a text are sent in one go, on a channel that keeps their order: what comes is that of one text. */
#include "smtpd/sts_parts.h"

#include <errno.h>

#include "frame/role.h"

struct span
sts_parts_send(struct proc *proc, uint8_t role, uint16_t type, uint32_t id, struct span text)
{
	struct msg_writer body;

	while (text.len > STS_PART_MAX) {
		msg_writer_init(&body);
		msg_put_span(&body, span_take(&text, STS_PART_MAX));
		(void)proc_send(proc, role, type, id, &body, -1);
	}
	return text;
}

int
sts_parts_take(struct buf *parts, const struct msg *msg)
{
	struct msg_reader body = msg_read(msg);
	struct span part = msg_get_span(&body);

	return !msg_done(&body) || buf_span(parts, part) < 0 ? -EBADMSG : 0;
}

int
sts_parts_end(struct buf *parts, struct span *text)
{
	if (parts->len == 0)
		return 0;
	if (buf_span(parts, *text) < 0)
		return -EBADMSG;
	*text = buf_get(parts);
	return 0;
}
