/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The rows of the aliases file: "key: target, target", going on in lines that begin with white space. */
#include "frame/alias_parse.h"

#include <errno.h>

#include "common/address.h"
#include "common/buf.h"
#include "common/domain_list.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* One line, without its end. */
static struct span
take_line(struct alias_reader *reader)
{
	struct span line;

	(void)span_split(&reader->rest, '\n', &line);
	reader->line++;
	return line;
}

/* With the lines that belong to the row: those that follow and begin with white space. */
static struct span
take_row(struct alias_reader *reader, struct span row)
{
	while (reader->rest.len != 0 && is_blank(reader->rest.ptr[0])) {
		struct span more = take_line(reader);

		row.len = (size_t)(more.ptr + more.len - row.ptr);
	}
	return row;
}

bool
alias_next_target(struct span *targets, struct span *ret_target)
{
	for (;;) {
		size_t len = 0;

		while (targets->len != 0 && (is_blank(targets->ptr[0]) || targets->ptr[0] == ',' || targets->ptr[0] == '\n'))
			*targets = span_skip(*targets, 1);
		while (len < targets->len && !is_blank(targets->ptr[len]) && targets->ptr[len] != ',' && targets->ptr[len] != '\n')
			len++;
		if (len == 0)
			return false;
		*ret_target = span_take(targets, len);
		if (ret_target->ptr[0] != '#')
			return true;
		/* The rest of that line is a comment. */
		while (targets->len != 0 && targets->ptr[0] != '\n')
			*targets = span_skip(*targets, 1);
	}
}

/* An address, with "*" for a letter of it where that may be. Without a domain it is the local part of one. */
static bool
is_address(struct span text, bool stars)
{
	struct buf address = BUF_INIT(ALIAS_WORD_MAX + 2);
	struct address parsed;
	bool good;

	for (size_t i = 0; i < text.len; i++)
		(void)buf_char(&address, text.ptr[i] == '*' && stars ? 'x' : text.ptr[i]);
	if (span_chr(text, '@') < 0)
		(void)buf_str(&address, "@x");
	good = !address.overflow && (stars || span_chr(text, '*') < 0) && span_chr(text, '"') < 0 &&
	    address_parse_mailbox(buf_get(&address), ADDRESS_SMTPUTF8, &parsed) == ADDRESS_OK && (parsed.literal || domain_list_may_have(parsed.domain));
	buf_free(&address);
	return good;
}

/* A name that is compared in another form (common/domain_list.h) than it is written in must stand there whole. */
static bool
has_broken_label(struct span text)
{
	ptrdiff_t at = span_rchr(text, '@');
	struct span domain = span_skip(text, (size_t)(at + 1)), label;

	while (at >= 0 && span_split(&domain, '.', &label))
		if (span_chr(label, '*') >= 0 && !span_is_ascii(label))
			return true;
	return false;
}

static size_t
count_stars(struct span text)
{
	size_t count = 0;

	for (size_t i = 0; i < text.len; i++)
		count += text.ptr[i] == '*';
	return count;
}

static const char *
check_key(const struct alias_row *row)
{
	if (row->key.len == 0)
		return "there is nothing before the colon";
	if (row->key.len > ALIAS_WORD_MAX)
		return "what stands before the colon is too long";
	switch (row->kind) {
	case ALIAS_DOMAIN:
		return domain_list_may_have(span_skip(row->key, 1)) ? NULL : "no domain stands behind the @";
	case ALIAS_ADDRESS:
		return is_address(row->key, false) ? NULL : "what stands before the colon is no address";
	case ALIAS_WILDCARD:
		if (has_broken_label(row->key))
			return "a part of a domain that is not ASCII has a * in it: write it as xn--";
		return is_address(row->key, true) ? NULL : "what stands before the colon is no address with * in it";
	case ALIAS_EXPRESSION:
		break;
	}
	return NULL;
}

static const char *
check_target(const struct alias_row *row, struct span target)
{
	bool stars = row->kind == ALIAS_WILDCARD && count_stars(row->key) == 1;

	if (target.len > ALIAS_WORD_MAX)
		return "a target is too long";
	if (target.ptr[0] == '@') {
		if (row->kind != ALIAS_DOMAIN)
			return "only a domain can stand for a domain";
		return domain_list_may_have(span_skip(target, 1)) ? NULL : "no domain stands behind the @";
	}
	if (!stars && span_chr(target, '*') >= 0)
		return "a * among the targets wants one * before the colon";
	return span_ieq(target, ALIAS_DISCARD) || is_address(target, stars) ? NULL : "a target is no address";
}

static const char *
check_targets(const struct alias_row *row)
{
	struct span rest = row->targets, target;
	const char *fault = NULL;
	size_t count = 0;

	while (fault == NULL && alias_next_target(&rest, &target)) {
		fault = check_target(row, target);
		count++;
	}
	return fault == NULL && count == 0 ? "there is nothing behind the colon" : fault;
}

/* Splits the row at its colon. */
static const char *
split(struct span text, struct alias_row *row)
{
	ptrdiff_t end;

	if (text.ptr[0] == '/') {
		row->kind = ALIAS_EXPRESSION;
		end = span_find(span_skip(text, 1), SPAN("/:"));
		if (end < 0)
			return "a regular expression ends with /:";
		row->key = span_make(text.ptr + 1, (size_t)end);
		row->targets = span_skip(text, (size_t)end + 3);
		return NULL;
	}
	end = span_chr(text, ':');
	if (end < 0)
		return "there is no colon";
	row->key = span_trim(span_make(text.ptr, (size_t)end));
	row->targets = span_skip(text, (size_t)end + 1);
	row->kind = row->key.len != 0 && row->key.ptr[0] == '@' ? ALIAS_DOMAIN :
	    span_chr(row->key, '*') >= 0                         ? ALIAS_WILDCARD :
								   ALIAS_ADDRESS;
	return NULL;
}

int
alias_next(struct alias_reader *reader, struct alias_row *ret_row, const char **ret_fault)
{
	struct span text = SPAN_NULL;

	do {
		if (reader->rest.len == 0)
			return 1;
		*ret_row = (struct alias_row){ .line = reader->line + 1 };
		text = take_line(reader);
	} while (span_trim(text).len == 0 || text.ptr[0] == '#');
	text = take_row(reader, text);
	*ret_fault = is_blank(text.ptr[0]) ? "it begins with white space, and nothing stands before it" : split(text, ret_row);
	if (*ret_fault == NULL)
		*ret_fault = check_key(ret_row);
	if (*ret_fault == NULL)
		*ret_fault = check_targets(ret_row);
	return *ret_fault == NULL ? 0 : -EBADMSG;
}
