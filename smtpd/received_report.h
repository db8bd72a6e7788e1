/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Reports that others send about our domains: aggregate reports of DMARC (RFC 7489 appendix C) and of TLS (RFC 8460 section 4.4), read into
 * one form for people. Pure. */
#ifndef SMTPD_RECEIVED_REPORT_H
#define SMTPD_RECEIVED_REPORT_H

#include "common/buf.h"

/* Bounds: of a report's text, of a word that is kept of it (longer ones are cut), of entries. */
#define RECEIVED_REPORT_MAX (64u << 20)
#define RECEIVED_TEXT_MAX 253
#define RECEIVED_ENTRIES_MAX 50000

/* Texts are printable ASCII: all other bytes became "?". */
struct received_entry {
	char domain[RECEIVED_TEXT_MAX + 1]; /* of From; the policy's, for TLS */
	char source[RECEIVED_TEXT_MAX + 1]; /* the address that sent; or who was sent to, for TLS */
	char result[RECEIVED_TEXT_MAX + 1]; /* "dkim=pass spf=fail"; "success", or what failed */
	char action[RECEIVED_TEXT_MAX + 1]; /* what was done: "none", "quarantine", "reject"; the kind of policy, for TLS */
	uint64_t count;                     /* messages; sessions, for TLS */
	bool good;
};

struct received_report {
	bool tls;
	char organization[RECEIVED_TEXT_MAX + 1], contact[RECEIVED_TEXT_MAX + 1], id[RECEIVED_TEXT_MAX + 1], domain[RECEIVED_TEXT_MAX + 1];
	int64_t begin, end; /* seconds since 1970 */
	struct received_entry *entries;
	size_t count;
};

/* Reads a report of that kind. 0 and *ret_report (received_report_free); -EBADMSG: it is none, and *ret_fault says why; -E2BIG: it has more
 * entries than are read. */
int dmarc_report_parse(struct span xml, struct received_report *ret_report, const char **ret_fault);
int tls_report_parse(struct span json, struct received_report *ret_report, const char **ret_fault);
/* Whichever it looks like. */
int received_report_parse(struct span text, struct received_report *ret_report, const char **ret_fault);
void received_report_free(struct received_report *report);

/* For the parsers: keeps a text, cut and made printable. */
void received_keep(char out[static RECEIVED_TEXT_MAX + 1], struct span text);
/* A new entry at the end, zeroed; NULL when there are too many. Others may move. */
struct received_entry *received_add(struct received_report *report);

#endif
