/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The options of an envelope between roles. */
#include "smtpd/envelope_msg.h"

void
envelope_put_options(struct msg_writer *body, const struct envelope *envelope)
{
	msg_put_u8(body, (uint8_t)envelope->body);
	msg_put_u8(body, envelope->smtputf8);
	msg_put_u8(body, (uint8_t)envelope->ret);
	msg_put_u8(body, envelope->requiretls);
	msg_put_u8(body, (uint8_t)(envelope->priority - ENVELOPE_PRIORITY_MIN));
	msg_put_u8(body, (uint8_t)envelope->by);
	msg_put_u8(body, envelope->by_trace);
	msg_put_u64(body, (uint64_t)envelope->deliver_by);
	msg_put_u64(body, (uint64_t)envelope->release);
	msg_put_u64(body, (uint64_t)envelope->hold);
}

bool
envelope_get_options(struct msg_reader *body, struct envelope *envelope)
{
	uint8_t text = msg_get_u8(body), utf8 = msg_get_u8(body), ret = msg_get_u8(body),
		requiretls = msg_get_u8(body), priority = msg_get_u8(body), by = msg_get_u8(body),
		trace = msg_get_u8(body);
	uint64_t deliver_by = msg_get_u64(body), release = msg_get_u64(body);
	int64_t hold = (int64_t)msg_get_u64(body);

	if (body->bad || text > ENVELOPE_8BITMIME || ret > ENVELOPE_RET_HDRS ||
	    priority > ENVELOPE_PRIORITY_MAX - ENVELOPE_PRIORITY_MIN || by > ENVELOPE_BY_RETURN ||
	    deliver_by > INT64_MAX || release > INT64_MAX || hold < ENVELOPE_HOLD_UNTIL)
		return false;
	envelope->body = (enum envelope_body)text;
	envelope->smtputf8 = utf8 != 0;
	envelope->ret = (enum envelope_ret)ret;
	envelope->requiretls = requiretls != 0;
	envelope->priority = priority + ENVELOPE_PRIORITY_MIN;
	envelope->by = (enum envelope_by)by;
	envelope->by_trace = trace != 0;
	envelope->deliver_by = (int64_t)deliver_by;
	envelope->release = (int64_t)release;
	envelope->hold = hold;
	return true;
}
