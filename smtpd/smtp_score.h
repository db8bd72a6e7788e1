/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The verdict on a message from outside: what is thought of its client, and what its verification found. */
#ifndef SMTPD_SMTP_SCORE_H
#define SMTPD_SMTP_SCORE_H

#include "smtpd/defence_state.h"
#include "smtpd/rules.h"
#include "smtpd/smtp_data.h"
#include "smtpd/verify_state.h"

/* rules: what the site's rules say, or NULL. hears_everybody: all recipients do, and no score is too much. One line of the log, and the header fields that tell, appended to fields. verification: NULL, or one that is done. Returns
 * SMTP_FAULT_NONE, or why the message is refused. */
enum smtp_fault
smtp_score_message(const struct defence *defence, const struct verification *verification, const struct rules_outcome *rules,
    bool hears_everybody, const char *queue_id, struct buf *fields);

#endif
