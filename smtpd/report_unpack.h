/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Reports out of what they come in: messages, gzip, zip, or nothing. Pure. */
#ifndef SMTPD_REPORT_UNPACK_H
#define SMTPD_REPORT_UNPACK_H

#include "common/buf.h"

/* Takes the text of what may be a report. */
typedef void (*report_found)(void *context, struct span text);

/* Calls found for each report in the bytes, unpacked: of a message for each part that looks like one, of a zip for each file in it. What is
 * unpacked has RECEIVED_REPORT_MAX bytes at most, each, 100 of them, and eight times that in all. 0; -EBADMSG: something is damaged or packed in a way that is not
 * known; -EFBIG: something would be larger than that. */
int report_unpack(struct span bytes, report_found found, void *context);

#endif
