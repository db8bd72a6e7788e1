/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* "key DOMAIN SELECTOR STATE SINCE", then PEM. */
#include "smtpd/dkim_keys_parse.h"

#include <errno.h>

#include "common/date.h"
#include "smtpd/dns.h"

#define PEM_BEGIN "-----BEGIN "
#define PEM_END "-----END "

static const char *const state_names[] = { [DKIM_KEY_PUBLISHED] = "published", [DKIM_KEY_SIGNING] = "signing", [DKIM_KEY_RETIRED] = "retired" };

const char *
dkim_key_state_name(enum dkim_key_state state)
{
	return state_names[state];
}

static bool
is_label(struct span label)
{
	for (size_t i = 0; i < label.len; i++)
		if (!ascii_is_alnum(label.ptr[i]) && (label.ptr[i] != '-' || i == 0 || i + 1 == label.len))
			return false;
	return label.len != 0 && label.len <= DNS_LABEL_MAX;
}

static bool
is_dotted(struct span name, size_t max)
{
	struct span label, rest = name;

	while (span_split(&rest, '.', &label))
		if (!is_label(label))
			return false;
	return name.len != 0 && name.len <= max && name.ptr[name.len - 1] != '.';
}

bool
dkim_selector_is_valid(struct span selector)
{
	return is_dotted(selector, DKIM_SELECTOR_MAX);
}

static bool
is_domain(struct span domain)
{
	for (size_t i = 0; i < domain.len; i++)
		if (ascii_lower(domain.ptr[i]) != domain.ptr[i])
			return false;
	return is_dotted(domain, DKIM_NAME_MAX);
}

static bool
take_state(struct span word, enum dkim_key_state *ret_state)
{
	for (size_t i = 0; i < sizeof(state_names) / sizeof(*state_names); i++)
		if (span_eq(word, span_of(state_names[i]))) {
			*ret_state = (enum dkim_key_state)i;
			return true;
		}
	return false;
}

/* What is wrong with a row, or NULL. */
static const char *
take_row(struct span line, struct dkim_key_row *row)
{
	struct span word;
	struct date since;

	(void)span_split(&line, ' ', &word);
	if (!span_eq(word, SPAN("key")))
		return "a row is \"key\", a domain, a selector, a state and a time";
	(void)span_split(&line, ' ', &row->domain);
	if (!is_domain(row->domain))
		return "the domain is none, or not in lower case and ASCII";
	(void)span_split(&line, ' ', &row->selector);
	if (!dkim_selector_is_valid(row->selector))
		return "the selector is not one of letters, digits, hyphens and dots, of 63 at most";
	(void)span_split(&line, ' ', &word);
	if (!take_state(word, &row->state))
		return "the state is none of published, signing and retired";
	if (!date_parse_rfc3339(line, &since))
		return "the time is not one as 2026-11-26T12:00:00Z";
	row->since = since.utc;
	return NULL;
}

/* Takes a line off the front. */
static bool
next_line(struct span *text, unsigned *line, struct span *ret_line)
{
	if (!span_split(text, '\n', ret_line))
		return false;
	++*line;
	*ret_line = span_trim(*ret_line);
	return true;
}

/* The block of PEM that is next. */
static const char *
take_pem(struct span *text, unsigned *line, struct dkim_key_row *row)
{
	const char *start = text->ptr;
	struct span read;

	if (!next_line(text, line, &read) || !span_starts(read, SPAN(PEM_BEGIN)))
		return "a key in PEM must follow its row";
	do
		if (!next_line(text, line, &read) || span_starts(read, SPAN(PEM_BEGIN)))
			return "the key has no end";
	while (!span_starts(read, SPAN(PEM_END)));
	row->pem = span_make(start, (size_t)(read.ptr + read.len - start));
	return row->pem.len <= DKIM_PEM_MAX ? NULL : "the key is too long";
}

int
dkim_keys_next(struct span *text, unsigned *line, struct dkim_key_row *ret_row, const char **ret_fault)
{
	struct span read;

	*ret_row = (struct dkim_key_row){ .since = 0 };
	do
		if (!next_line(text, line, &read))
			return 0;
	while (read.len == 0 || read.ptr[0] == '#');
	ret_row->line = *line;
	*ret_fault = take_row(read, ret_row);
	if (*ret_fault == NULL)
		*ret_fault = take_pem(text, line, ret_row);
	return *ret_fault == NULL ? 1 : -EBADMSG;
}

int
dkim_keys_put(const struct dkim_key_row *row, struct buf *out)
{
	char since[DATE_SIZE];

	(void)date_format_rfc3339((struct date){ .utc = row->since }, since);
	(void)buf_fmt(out, "key %.*s %.*s %s %s\n", (int)row->domain.len, row->domain.ptr, (int)row->selector.len, row->selector.ptr,
	    state_names[row->state], since);
	(void)buf_span(out, row->pem);
	return buf_str(out, "\n");
}
