/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Address lists, written. */
#include <errno.h>

#include "common/address.h"
#include "common/address_list.h"
#include "common/encoded_word.h"

#define LINE_MAX_LEN 78

/* Atoms between single spaces (RFC 5322 section 3.2.3): a phrase that needs no quotes. */
static bool
is_phrase(struct span text)
{
	bool space = true;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (c == ' ' ? space : !ascii_is_alnum(c) && (c == '\0' || strchr("!#$%&'*+-/=?^_`{|}~", c) == NULL))
			return false;
		space = c == ' ';
	}
	return !space;
}

/* Labels or a literal; what the resolver makes of it is not asked here. */
static bool
is_domain(struct span domain)
{
	bool literal = span_starts(domain, SPAN("[")) && span_ends(domain, SPAN("]"));

	if (literal)
		domain = span_make(domain.ptr + 1, domain.len - 2);
	for (size_t i = 0; i < domain.len; i++) {
		char c = domain.ptr[i];

		if (c <= ' ' ? ((unsigned char)c & 0x80) == 0 : c == 127 || strchr("()<>[]\\,;\"@", c) != NULL || (c == ':' && !literal))
			return false;
		if (!literal && c == '.' && (i == 0 || i + 1 == domain.len || domain.ptr[i - 1] == '.'))
			return false;
	}
	return domain.len != 0 && span_is_utf8(domain);
}

int
address_spec_append(struct buf *out, struct span local, struct span domain)
{
	size_t before = out->len;
	int r;

	if (local.len == 0 || !is_domain(domain) || !span_is_utf8(local))
		return -EINVAL;
	r = address_local_quote(local, out);
	if (r == 0)
		r = buf_char(out, '@');
	if (r == 0)
		r = buf_span(out, domain);
	if (r != 0)
		buf_truncate(out, before);
	return r;
}

static void
append_quoted(struct buf *out, struct span text)
{
	(void)buf_char(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		char c = (unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 127 ? ' ' : text.ptr[i];

		if (c == '"' || c == '\\')
			(void)buf_char(out, '\\');
		(void)buf_char(out, c);
	}
	(void)buf_char(out, '"');
}

/* Moves to a new line when `len` characters would pass this one; the column of a line that holds only its white space is 1. */
static void
fold_for(struct buf *out, size_t len, size_t *column)
{
	if (*column > 1 && *column + len > LINE_MAX_LEN) {
		(void)buf_str(out, "\r\n ");
		*column = 1;
	}
}

/* keep_words: encoded words in the name are what they are, not text to encode again. */
static void
append_name(struct buf *out, struct span name, bool keep_words, size_t *column)
{
	size_t before;

	if (!span_is_ascii(name) || (!keep_words && span_find(name, SPAN("=?")) >= 0) || name.len > LINE_MAX_LEN * 2) {
		struct buf shown = BUF_INIT(4 * name.len);

		/* Encoded words that cannot stay are not encoded once more. */
		(void)(keep_words ? encoded_word_decode(name, &shown) : buf_span(&shown, name));
		(void)encoded_word_encode(buf_get(&shown), ENCODED_WORD_PHRASE, column, out);
		buf_free(&shown);
		return;
	}
	fold_for(out, name.len + 2, column);
	before = out->len;
	if (is_phrase(name))
		(void)buf_span(out, name);
	else
		append_quoted(out, name);
	*column += out->len - before;
}

static int
append_mailbox(struct buf *out, struct span name, bool keep_words, struct span local, struct span domain, size_t *column)
{
	struct buf spec = BUF_INIT(2 * local.len + domain.len + 3);
	int r = address_spec_append(&spec, local, domain);

	if (r != 0) {
		buf_free(&spec);
		return r;
	}
	if (name.len != 0) {
		append_name(out, name, keep_words, column);
		if (*column + spec.len + 3 > LINE_MAX_LEN) {
			(void)buf_str(out, "\r\n ");
			*column = 1;
		} else {
			(void)buf_char(out, ' ');
			++*column;
		}
		(void)buf_char(out, '<');
		(void)buf_span(out, buf_get(&spec));
		(void)buf_char(out, '>');
		*column += spec.len + 2;
	} else {
		fold_for(out, spec.len, column);
		(void)buf_span(out, buf_get(&spec));
		*column += spec.len;
	}
	buf_free(&spec);
	return out->overflow ? -EMSGSIZE : 0;
}

int
address_append(struct buf *out, struct span name, struct span local, struct span domain, size_t *column)
{
	return append_mailbox(out, name, false, local, domain, column);
}

int
address_list_append(struct buf *out, const struct address_list *list, size_t *column)
{
	bool comma = false;
	int r = 0;

	for (size_t i = 0; i < list->count && r == 0; i++) {
		const struct address_entry *entry = &list->entries[i];

		if (entry->kind == ADDRESS_KIND_GROUP_END) {
			r = buf_char(out, ';');
			++*column;
			comma = true;
			continue;
		}
		if (comma) {
			(void)buf_str(out, ", ");
			*column += 2;
		}
		if (entry->kind == ADDRESS_KIND_GROUP) {
			append_name(out, entry->name.len != 0 ? entry->name : SPAN("Group"), true, column);
			r = buf_str(out, ": ");
			*column += 2;
		} else {
			r = append_mailbox(out, entry->name, true, entry->local, entry->domain, column);
		}
		comma = entry->kind == ADDRESS_KIND_MAILBOX;
	}
	return r;
}
