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
	bool cut;                              /* some of what came late on that day was not counted */
};

/* Appends the report of one domain, which says what is missing in it. Rows that are none, as one that a power loss has torn, are left out. 0; 1 when
 * no row is left, without which there is no report (the schema has at least one record); -EMSGSIZE. */
int dmarc_report_compose(const struct dmarc_report_head *head, const struct report_domain *domain, struct buf *out);

#endif
