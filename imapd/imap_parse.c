/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The words of IMAP. */
#include "imapd/imap_parse.h"

#include "common/date.h"
#include "common/utf7.h"

/* A name longer than this cannot be a folder (NAME_MAX of the file system, several levels). */
#define MAILBOX_MAX 1000

bool
imap_fail(struct imap_parser *parser, const char *error)
{
	if (parser->error == NULL)
		parser->error = error;
	return false;
}

bool
imap_at_end(const struct imap_parser *parser)
{
	return parser->at == parser->end;
}

/* Spaces at the end of a line mean nothing, and some clients send them. */
bool
imap_parse_end(struct imap_parser *parser)
{
	while (imap_take_char(parser, ' '))
		continue;
	return imap_at_end(parser) || imap_fail(parser, "Unexpected text after the arguments");
}

bool
imap_take_char(struct imap_parser *parser, char byte)
{
	if (parser->at == parser->end || *parser->at != byte)
		return false;
	parser->at++;
	return true;
}

bool
imap_parse_char(struct imap_parser *parser, char byte)
{
	if (imap_take_char(parser, byte))
		return true;
	switch (byte) {
	case '(':
		return imap_fail(parser, "Expected a parenthesis");
	case ')':
		return imap_fail(parser, "Expected a closing parenthesis");
	default:
		return imap_fail(parser, "Syntax error");
	}
}

bool
imap_parse_space(struct imap_parser *parser)
{
	return imap_take_char(parser, ' ') || imap_fail(parser, "Missing argument");
}

/* RFC 3501: atom-specials. */
static bool
is_atom_char(char c)
{
	return (unsigned char)c > ' ' && (unsigned char)c < 0x7f && strchr("(){%*\"\\]", c) == NULL;
}

/* ASTRING-CHAR has "]" too; bytes beyond ASCII are what clients send that write names in UTF-8 without quotes. */
static bool
is_astring_char(char c)
{
	return is_atom_char(c) || c == ']' || (unsigned char)c >= 0x80;
}

static bool
is_list_char(char c)
{
	return is_astring_char(c) || c == '%' || c == '*';
}

static bool
is_tag_char(char c)
{
	return (is_atom_char(c) && c != '+') || c == ']';
}

static struct span
take_while(struct imap_parser *parser, bool (*accepts)(char))
{
	struct span taken = { parser->at, 0 };

	while (parser->at < parser->end && accepts(*parser->at))
		parser->at++;
	taken.len = (size_t)(parser->at - taken.ptr);
	return taken;
}

bool
imap_take_word(struct imap_parser *parser, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(parser->end - parser->at) < len || !span_ieq(span_make(parser->at, len), span_make(word, len)))
		return false;
	if (parser->at + len < parser->end && is_atom_char(parser->at[len]) && is_atom_char(word[len - 1]) &&
	    parser->at[len] != '[' && parser->at[len] != '<')
		return false;
	parser->at += len;
	return true;
}

bool
imap_parse_tag(struct imap_parser *parser, struct span *ret_tag)
{
	*ret_tag = take_while(parser, is_tag_char);
	return ret_tag->len > 0 || imap_fail(parser, "Missing tag");
}

bool
imap_parse_atom(struct imap_parser *parser, struct span *ret_atom)
{
	*ret_atom = take_while(parser, is_atom_char);
	return ret_atom->len > 0 || imap_fail(parser, "Expected an atom");
}

/* RFC 3501 section 4.3: the escapes are taken out where they stand. */
static bool
parse_quoted(struct imap_parser *parser, struct span *ret_text)
{
	char *out, c;

	parser->at++;
	out = parser->at;
	ret_text->ptr = out;
	while (parser->at < parser->end) {
		c = *parser->at++;
		if (c == '"') {
			ret_text->len = (size_t)(out - ret_text->ptr);
			return true;
		}
		if (c == '\\') {
			if (parser->at == parser->end || (*parser->at != '"' && *parser->at != '\\'))
				return imap_fail(parser, "Only \\\" and \\\\ may be escaped in a quoted string");
			c = *parser->at++;
		}
		if (c == '\r' || c == '\n' || c == '\0')
			break;
		*out++ = c;
	}
	return imap_fail(parser, "A quoted string is not closed");
}

static bool
parse_literal(struct imap_parser *parser, struct span *ret_text)
{
	struct span rest = span_make(parser->at + 1, (size_t)(parser->end - parser->at) - 1);
	uint64_t size;

	if (span_take_u64(&rest, (uint64_t)(parser->end - parser->at), &size) != 0)
		return imap_fail(parser, "A literal's size makes no sense");
	if (rest.len > 0 && (rest.ptr[0] == '+' || rest.ptr[0] == '-'))
		rest = span_skip(rest, 1);
	if (rest.len == 0 || rest.ptr[0] != '}')
		return imap_fail(parser, "A literal's header is not closed");
	rest = span_skip(rest, 1);
	if (rest.len > 0 && rest.ptr[0] == '\r')
		rest = span_skip(rest, 1);
	if (rest.len == 0 || rest.ptr[0] != '\n' || rest.len - 1 < size)
		return imap_fail(parser, "A literal must follow its header");
	rest = span_skip(rest, 1);
	*ret_text = span_make(rest.ptr, size);
	parser->at = parser->end - (rest.len - size);
	if (span_chr(*ret_text, '\0') >= 0)
		return imap_fail(parser, "NUL is not allowed in a literal");
	return true;
}

bool
imap_parse_string(struct imap_parser *parser, struct span *ret_text)
{
	*ret_text = SPAN_NULL;
	if (parser->at < parser->end && *parser->at == '"')
		return parse_quoted(parser, ret_text);
	if (parser->at < parser->end && *parser->at == '{')
		return parse_literal(parser, ret_text);
	return imap_fail(parser, "Expected a string");
}

bool
imap_parse_nstring(struct imap_parser *parser, struct span *ret_text)
{
	if (imap_take_word(parser, "NIL")) {
		*ret_text = SPAN_NULL;
		return true;
	}
	return imap_parse_string(parser, ret_text);
}

static bool
parse_string_or(struct imap_parser *parser, bool (*accepts)(char), struct span *ret_text)
{
	if (parser->at < parser->end && (*parser->at == '"' || *parser->at == '{'))
		return imap_parse_string(parser, ret_text);
	*ret_text = take_while(parser, accepts);
	return ret_text->len > 0 || imap_fail(parser, "Expected a string or an atom");
}

bool
imap_parse_astring(struct imap_parser *parser, struct span *ret_text)
{
	return parse_string_or(parser, is_astring_char, ret_text);
}

/* To UTF-8. Names that are UTF-8 already stay as they are: "&" starts nothing there, as RFC 6855 has it. */
static bool
decode_mailbox(struct imap_parser *parser, struct span *name)
{
	struct buf decoded = BUF_INIT(MAILBOX_MAX);
	char *copy;

	if (name->len > MAILBOX_MAX)
		return imap_fail(parser, "The mailbox name is too long");
	if (span_ieq(*name, SPAN("INBOX"))) {
		*name = SPAN("INBOX");
		return true;
	}
	if (!span_is_ascii(*name))
		return span_is_utf8(*name) || imap_fail(parser, "The mailbox name is neither UTF-7 nor UTF-8");
	if (span_chr(*name, '&') < 0)
		return true;
	if (utf7_decode(*name, &decoded) != 0 || (copy = imap_arena_get(parser->arena, decoded.len + 1, 1)) == NULL) {
		buf_free(&decoded);
		return imap_fail(parser, "The mailbox name is not modified UTF-7");
	}
	memcpy(copy, buf_cstr(&decoded), decoded.len);
	*name = span_make(copy, decoded.len);
	buf_free(&decoded);
	return true;
}

/* RFC 3501 section 5.1: "INBOX" in any case, also as the first level of a longer name. */
static bool
parse_mailbox(struct imap_parser *parser, bool (*accepts)(char), struct span *ret_name)
{
	size_t at;
	char *first;

	if (!parse_string_or(parser, accepts, ret_name) || !decode_mailbox(parser, ret_name))
		return false;
	for (at = 0; at < ret_name->len; at++)
		if ((unsigned char)ret_name->ptr[at] < ' ' || ret_name->ptr[at] == 0x7f)
			return imap_fail(parser, "Control characters are not allowed in a mailbox name");
	if (ret_name->len > 6 && span_istarts(*ret_name, SPAN("INBOX/")) && !span_starts(*ret_name, SPAN("INBOX/"))) {
		first = imap_arena_get(parser->arena, ret_name->len, 1);
		if (first == NULL)
			return imap_fail(parser, "The command is too complex");
		memcpy(first, ret_name->ptr, ret_name->len);
		memcpy(first, "INBOX", 5);
		ret_name->ptr = first;
	}
	return true;
}

bool
imap_parse_mailbox(struct imap_parser *parser, struct span *ret_name)
{
	return parse_mailbox(parser, is_astring_char, ret_name);
}

bool
imap_parse_list_mailbox(struct imap_parser *parser, struct span *ret_name)
{
	return parse_mailbox(parser, is_list_char, ret_name);
}

bool
imap_parse_number(struct imap_parser *parser, uint64_t max, uint64_t *ret_number)
{
	struct span rest = span_make(parser->at, (size_t)(parser->end - parser->at));

	if (span_take_u64(&rest, max, ret_number) != 0)
		return imap_fail(parser, "Expected a number");
	parser->at = parser->end - rest.len;
	return true;
}

bool
imap_parse_nz_number(struct imap_parser *parser, uint32_t *ret_number)
{
	uint64_t number;

	if (!imap_parse_number(parser, UINT32_MAX, &number))
		return false;
	*ret_number = (uint32_t)number;
	return number != 0 || imap_fail(parser, "Expected a number other than 0");
}

bool
imap_parse_modseq(struct imap_parser *parser, uint64_t *ret_modseq)
{
	return imap_parse_number(parser, INT64_MAX, ret_modseq) || imap_fail(parser, "Expected a mod-sequence");
}

static bool
parse_set_number(struct imap_parser *parser, uint32_t *ret_number)
{
	if (imap_take_char(parser, '*')) {
		*ret_number = IMAP_STAR;
		return true;
	}
	return imap_parse_nz_number(parser, ret_number);
}

static bool
is_set_char(char c)
{
	return ascii_is_digit(c) || c == '*' || c == ':' || c == ',';
}

bool
imap_parse_set(struct imap_parser *parser, struct imap_set *ret_set)
{
	size_t ranges = 1;
	struct imap_range *range;
	const char *at;

	*ret_set = (struct imap_set){ 0 };
	if (imap_take_char(parser, '$')) {
		ret_set->saved = true;
		return true;
	}
	for (at = parser->at; at < parser->end && is_set_char(*at); at++)
		ranges += *at == ',';
	ret_set->range = imap_arena_get(parser->arena, ranges, sizeof(*ret_set->range));
	if (ret_set->range == NULL)
		return imap_fail(parser, "The set is too long");
	do {
		range = &ret_set->range[ret_set->count++];
		if (!parse_set_number(parser, &range->low))
			return imap_fail(parser, "Expected a message set");
		range->high = range->low;
		if (imap_take_char(parser, ':') && !parse_set_number(parser, &range->high))
			return imap_fail(parser, "Expected a message set");
	} while (imap_take_char(parser, ','));
	return true;
}

bool
imap_text_add(struct imap_parser *parser, struct imap_text ***tail, struct span text)
{
	struct imap_text *added = imap_arena_get(parser->arena, 1, sizeof(*added));

	if (added == NULL)
		return imap_fail(parser, "The command is too complex");
	added->text = text;
	**tail = added;
	*tail = &added->next;
	return true;
}

static const struct {
	const char *name;
	enum imap_flag flag;
} system_flags[] = {
	{ "Answered", IMAP_FLAG_ANSWERED },
	{ "Flagged", IMAP_FLAG_FLAGGED },
	{ "Deleted", IMAP_FLAG_DELETED },
	{ "Seen", IMAP_FLAG_SEEN },
	{ "Draft", IMAP_FLAG_DRAFT },
	{ "Recent", IMAP_FLAG_RECENT },
};

bool
imap_parse_flag(struct imap_parser *parser, struct imap_flags *flags)
{
	struct imap_text **tail = &flags->keywords;
	struct span word;
	size_t i;

	if (!imap_take_char(parser, '\\')) {
		if (!imap_parse_atom(parser, &word))
			return imap_fail(parser, "Expected a flag");
		while (*tail != NULL) {
			if (span_ieq((*tail)->text, word))
				return true;
			tail = &(*tail)->next;
		}
		return imap_text_add(parser, &tail, word);
	}
	if (!imap_parse_atom(parser, &word))
		return imap_fail(parser, "Expected a flag");
	for (i = 0; i < sizeof(system_flags) / sizeof(system_flags[0]); i++)
		if (span_ieq(word, span_of(system_flags[i].name))) {
			flags->system |= system_flags[i].flag;
			return true;
		}
	return imap_fail(parser, "There is no such system flag");
}

bool
imap_parse_flag_list(struct imap_parser *parser, struct imap_flags *flags)
{
	if (!imap_parse_char(parser, '('))
		return false;
	if (imap_take_char(parser, ')'))
		return true;
	do {
		if (!imap_parse_flag(parser, flags))
			return false;
	} while (imap_take_char(parser, ' '));
	return imap_parse_char(parser, ')');
}

bool
imap_parse_flags(struct imap_parser *parser, struct imap_flags *flags)
{
	if (parser->at < parser->end && *parser->at == '(')
		return imap_parse_flag_list(parser, flags);
	do {
		if (!imap_parse_flag(parser, flags))
			return false;
	} while (imap_take_char(parser, ' '));
	return true;
}

static bool
is_date_char(char c)
{
	return ascii_is_alnum(c) || c == '-';
}

bool
imap_parse_date(struct imap_parser *parser, int64_t *ret_day)
{
	struct span text;

	if (parser->at < parser->end && *parser->at == '"') {
		if (!parse_quoted(parser, &text))
			return false;
	} else {
		text = take_while(parser, is_date_char);
	}
	return date_parse_imap_date(text, ret_day) || imap_fail(parser, "Expected a date");
}

bool
imap_parse_date_time(struct imap_parser *parser, int64_t *ret_time)
{
	struct span text;
	struct date date;

	if (parser->at == parser->end || *parser->at != '"' || !parse_quoted(parser, &text) || !date_parse_imap(text, &date))
		return imap_fail(parser, "Expected a date and time");
	*ret_time = date.utc;
	return true;
}
