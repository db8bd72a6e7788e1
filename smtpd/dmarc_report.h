/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Aggregate reports of DMARC (RFC 7489 section 7.2): what a verification counts for, and the XML of a day. Pure. */
#ifndef SMTPD_DMARC_REPORT_H
#define SMTPD_DMARC_REPORT_H

#include "smtpd/report_day.h"
#include "smtpd/verify_state.h"

/* The policy as it was found, and the row of one message. The texts of the line are appended to the buffers. False when nothing is to be
 * reported: there is no policy, nobody wants to know, or the message was put off. */
bool dmarc_report_line(const struct verification *verification, const struct verify_envelope *envelope, struct buf *policy, struct buf *row,
    struct report_line *ret_line);

struct dmarc_report_head {
	struct span organization, contact, id; /* who reports, his address, the report's name */
	int64_t begin, end;                    /* seconds since 1970, both within */
};

/* Appends the report of one domain. 0 or -EMSGSIZE. */
int dmarc_report_compose(const struct dmarc_report_head *head, const struct report_domain *domain, struct buf *out);

#endif
