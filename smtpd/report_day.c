/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Lines and their sums. */
#include "smtpd/report_day.h"

#include <errno.h>
#include <stdlib.h>

#include "common/xalloc.h"

#define BUCKETS 65536

/* --- lines --- */

static void
put_field(struct buf *out, struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		(void)buf_char(out, text.ptr[i] < ' ' || text.ptr[i] > '~' ? '?' : text.ptr[i]);
}

int
report_line_put(const struct report_line *line, struct buf *out)
{
	const struct span fields[] = { line->domain, line->addresses, line->policy, line->row };
	size_t start = out->len;

	(void)buf_u64(out, line->count);
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		(void)buf_char(out, '\t');
		put_field(out, fields[i]);
	}
	return buf_char(out, '\n') < 0 || out->len - start > REPORT_LINE_MAX ? -EMSGSIZE : 0;
}

bool
report_line_parse(struct span text, struct report_line *ret_line)
{
	struct span *const fields[] = { &ret_line->domain, &ret_line->addresses, &ret_line->policy, &ret_line->row };
	struct span number;

	if (text.len > REPORT_LINE_MAX || !span_split(&text, '\t', &number) || span_to_u64(number, UINT32_MAX, &ret_line->count) < 0)
		return false;
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		if (!span_split(&text, '\t', fields[i]))
			return false;
		for (size_t j = 0; j < fields[i]->len; j++)
			if (fields[i]->ptr[j] < ' ' || fields[i]->ptr[j] > '~')
				return false;
	}
	return text.len == 0 && ret_line->domain.len != 0 && ret_line->row.len != 0;
}

/* --- sums --- */

void
report_day_init(struct report_day *day)
{
	*day = (struct report_day){ .domains = NULL };
	day->domain_table = xcalloc(BUCKETS, sizeof(struct report_domain *));
	day->row_table = xcalloc(BUCKETS, sizeof(struct report_row *));
}

void
report_day_free(struct report_day *day)
{
	while (day->domains != NULL) {
		struct report_domain *domain = day->domains;

		day->domains = domain->next;
		while (domain->rows != NULL) {
			struct report_row *row = domain->rows;

			domain->rows = row->next;
			free(row);
		}
		free(domain->name);
		free(domain->addresses);
		free(domain->policy);
		free(domain);
	}
	free(day->domain_table);
	free(day->row_table);
	*day = (struct report_day){ .domains = NULL };
}

/* Outsiders choose the texts, but what falls together costs only the time of one report: the number of rows is bounded. */
static uint32_t
hash_of(uint32_t hash, struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		hash = (hash ^ (uint8_t)text.ptr[i]) * 16777619u;
	return hash;
}

static void
replace(char **text, struct span by)
{
	if (*text != NULL && span_eq(span_of(*text), by))
		return;
	free(*text);
	*text = span_dup(by);
}

static struct report_domain *
domain_of(struct report_day *day, struct span name, uint32_t hash)
{
	struct report_domain **at = &day->domain_table[hash % BUCKETS];

	while (*at != NULL && !span_eq(span_of((*at)->name), name))
		at = &(*at)->next_same;
	if (*at == NULL && day->domain_count < REPORT_DOMAINS_MAX) {
		*at = xcalloc(1, sizeof(**at));
		(*at)->name = span_dup(name);
		(*at)->next = day->domains;
		day->domains = *at;
		day->domain_count++;
	}
	return *at;
}

static struct report_row *
row_of(struct report_day *day, struct report_domain *domain, struct span text, uint32_t hash)
{
	struct report_row **at = &day->row_table[hash % BUCKETS], *row;

	for (row = *at; row != NULL; row = row->next_same)
		if (row->domain == domain && span_eq(span_of(row->text), text))
			return row;
	if (day->row_count >= REPORT_ROWS_MAX || domain->row_count >= REPORT_ROWS_PER_DOMAIN_MAX)
		return NULL;
	row = xcalloc(1, sizeof(*row) + text.len + 1);
	memcpy(row->text, text.ptr, text.len);
	row->domain = domain;
	row->next_same = *at;
	*at = row;
	row->next = domain->rows;
	domain->rows = row;
	domain->row_count++;
	day->row_count++;
	return row;
}

void
report_day_add(struct report_day *day, const struct report_line *line)
{
	uint32_t hash = hash_of(2166136261u, line->domain);
	struct report_domain *domain = domain_of(day, line->domain, hash);
	struct report_row *row;

	if (domain == NULL) {
		day->left_out += line->count;
		return;
	}
	replace(&domain->addresses, line->addresses);
	replace(&domain->policy, line->policy);
	row = row_of(day, domain, line->row, hash_of(hash, line->row));
	if (row != NULL)
		row->count += line->count;
	else
		domain->left_out += line->count;
}

int
report_put_xml(struct buf *out, struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		switch (text.ptr[i]) {
		case '<': (void)buf_str(out, "&lt;"); break;
		case '>': (void)buf_str(out, "&gt;"); break;
		case '&': (void)buf_str(out, "&amp;"); break;
		default: (void)buf_char(out, text.ptr[i] < ' ' || text.ptr[i] > '~' ? '?' : text.ptr[i]);
		}
	return out->overflow ? -EMSGSIZE : 0;
}
