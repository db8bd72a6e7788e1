/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The verification of a message that is being taken in, and its questions to the resolve role. */
#ifndef SMTPD_SMTP_CHECK_H
#define SMTPD_SMTP_CHECK_H

#include "smtpd/dns_client.h"
#include "smtpd/smtp_data.h"
#include "smtpd/verify_state.h"

/* Bytes of header that come of it, at most. */
#define SMTP_CHECK_FIELDS_MAX 5120

struct smtp_check;

/* Once, after smtp_check_end and not from within it: the message is taken (SMTP_FAULT_NONE) or not. */
typedef void (*smtp_check_done)(void *context, enum smtp_fault fault);

/* Begins one; queue_id is for the log. All that is pointed to stays the caller's until smtp_check_free. */
struct smtp_check *smtp_check_new(struct proc *proc, struct dns_client *dns, const struct verify_settings *settings,
    const struct verify_envelope *envelope, const char *queue_id, smtp_check_done done, void *context);
/* Forgets its questions, too; NULL is allowed. Returns NULL. */
struct smtp_check *smtp_check_free(struct smtp_check *check);
/* Bytes of the message, without our trace field. */
void smtp_check_feed(struct smtp_check *check, struct span bytes);
/* The message is whole. */
void smtp_check_end(struct smtp_check *check);
/* Borrowed. */
const struct verification *smtp_check_verification(const struct smtp_check *check);
/* After done: the fields that are to stand before the message; borrowed. */
struct span smtp_check_fields(const struct smtp_check *check);

#endif
