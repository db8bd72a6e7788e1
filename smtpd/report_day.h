/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What was counted on one day, by the domain that wants to be told: lines of text as they stand in the report role's files, and their sums.
 * What a row says only its kind of report knows (dmarc_report.h); equal rows are one. Pure. */
#ifndef SMTPD_REPORT_DAY_H
#define SMTPD_REPORT_DAY_H

#include "common/buf.h"

/* Kinds of reports: another is a row of the table in report_send.c, and messages REPORT_COUNT of that kind. */
enum report_kind { REPORT_DMARC, REPORT_TLS, REPORT_KINDS };

/* Bounds: of a line; of what one day is summed to. */
#define REPORT_LINE_MAX 8192
#define REPORT_DOMAINS_MAX 20000
#define REPORT_ROWS_MAX 200000
#define REPORT_ROWS_PER_DOMAIN_MAX 10000

struct report_line {
	struct span domain;    /* whose policy it is */
	struct span addresses; /* rua=, as the domain has it */
	struct span policy;    /* words of the kind: the same for all rows of a report; the last one seen counts */
	struct span row;       /* words of the kind */
	uint64_t count;
};

/* Appends the line; bytes that no line can hold become "?". 0 or -EMSGSIZE. */
int report_line_put(const struct report_line *line, struct buf *out);
/* Reads one, without its LF. False when it is none. Borrowed. */
bool report_line_parse(struct span text, struct report_line *ret_line);

struct report_domain;

struct report_row {
	struct report_row *next;      /* of that domain */
	struct report_row *next_same; /* within */
	const struct report_domain *domain;
	uint64_t count;
	char text[];
};

struct report_domain {
	struct report_domain *next; /* of that day */
	struct report_domain *next_same; /* within */
	char *name, *addresses, *policy;
	struct report_row *rows;
	size_t row_count;
	uint64_t left_out;          /* counted, but not in a row: there are too many */
};

struct report_day {
	struct report_domain *domains;
	size_t domain_count, row_count;
	uint64_t left_out;          /* counted, but not for a domain: there are too many */
	bool cut;                   /* its file is full: some of what came later was not counted */
	struct report_domain **domain_table; /* within */
	struct report_row **row_table;
};

/* Zeroes and makes the tables. */
void report_day_init(struct report_day *day);
void report_day_free(struct report_day *day);
void report_day_add(struct report_day *day, const struct report_line *line);

/* Appends text as XML has it between tags: with entities, and "?" for what no XML may hold. */
int report_put_xml(struct buf *out, struct span text);

#endif
