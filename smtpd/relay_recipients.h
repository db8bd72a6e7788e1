/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Who has a mailbox at the domains that mail is passed on to, as the file of the option relay_recipients tells: what nobody there would take
 * is refused while its sender's host is still here to hear of it, in place of a notification to whomever the envelope names. Pure. */
#ifndef SMTPD_RELAY_RECIPIENTS_H
#define SMTPD_RELAY_RECIPIENTS_H

#include "common/buf.h"
#include "common/conf.h"

#define RELAY_RECIPIENTS_FILE_MAX (16u << 20)

struct relay_recipients;

/* Takes in the text of the file. Each fault becomes a line in errors (which may be NULL), begun by the prefix and the number of the line;
 * lines without fault are taken. */
struct relay_recipients *relay_recipients_new(struct span text, const char *prefix, struct buf *errors);
/* NULL is allowed; returns NULL. */
struct relay_recipients *relay_recipients_free(struct relay_recipients *recipients);
/* Is the address, at one of the domains, among them: as it is, without its detail, or with all of its domain? postmaster always is
 * (RFC 5321 section 4.5.1). */
bool relay_recipients_have(const struct relay_recipients *recipients, struct span address, const struct conf_list *domains, char delimiter);

#endif
