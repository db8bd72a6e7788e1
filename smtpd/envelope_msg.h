/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What a sender asked for beside addresses, in messages between roles: u8 envelope_body, u8 smtputf8, u8
 * envelope_ret, u8 requiretls, u8 priority (counted from the lowest), u8 envelope_by, u8 by_trace, u64 deliver_by,
 * u64 release. Pure. */
#ifndef SMTPD_ENVELOPE_MSG_H
#define SMTPD_ENVELOPE_MSG_H

#include "common/envelope.h"
#include "common/msg.h"

#define ENVELOPE_OPTIONS_LEN (7 + 8 + 8)
void envelope_put_options(struct msg_writer *body, const struct envelope *envelope);
/* Sets these fields of the envelope. False when a value is none: the message is malformed. */
bool envelope_get_options(struct msg_reader *body, struct envelope *envelope);

#endif
