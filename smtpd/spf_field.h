/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The field that tells what SPF said (RFC 7208 section 9.1). Pure. */
#ifndef SMTPD_SPF_FIELD_H
#define SMTPD_SPF_FIELD_H

#include "smtpd/spf_state.h"

/* Appends "Received-SPF: ..." with its CRLF, folded. client is the address as text. What the sender chose stands in quoted strings,
 * cut, without control bytes; receiver is this host's name. 0 or -EMSGSIZE. */
int spf_put_field(const struct spf_outcome *outcome, struct span client, struct span helo, struct span sender, struct span receiver,
    struct buf *out);

#endif
