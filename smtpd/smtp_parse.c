/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Lines of SMTP taken apart. */
#include "smtpd/smtp_parse.h"

#include <errno.h>

#include "common/envelope.h"

int
smtp_parse_command(struct span line, struct smtp_command *ret_command)
{
	size_t verb = 0;

	for (size_t i = 0; i < line.len; i++)
		if ((unsigned char)line.ptr[i] < ' ' && line.ptr[i] != '\t')
			return -EINVAL;
		else if (line.ptr[i] == 0x7f)
			return -EINVAL;
	while (line.len != 0 && (line.ptr[line.len - 1] == ' ' || line.ptr[line.len - 1] == '\t'))
		line.len--;
	while (verb < line.len && line.ptr[verb] != ' ' && line.ptr[verb] != '\t')
		verb++;
	for (size_t i = 0; i < verb; i++)
		if (!ascii_is_alpha(line.ptr[i]))
			return -EINVAL;
	if (verb == 0)
		return -EINVAL;
	ret_command->verb = span_make(line.ptr, verb);
	ret_command->args = span_trim(span_skip(line, verb));
	return 0;
}

bool
smtp_is_http(struct span verb)
{
	static const struct span verbs[] = {
		SPAN("GET"), SPAN("POST"), SPAN("HEAD"), SPAN("PUT"), SPAN("DELETE"), SPAN("CONNECT"), SPAN("OPTIONS"), SPAN("TRACE"),
		SPAN("PATCH"), SPAN("PRI"),
	};

	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (span_ieq(verb, verbs[i]))
			return true;
	return false;
}

bool
smtp_is_helo(struct span name)
{
	if (name.len == 0 || name.len > SMTP_DOMAIN_MAX || !span_is_utf8(name))
		return false;
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.ptr[i] <= ' ' || name.ptr[i] == 0x7f || span_chr(SPAN("()<>\"\\,;@"), name.ptr[i]) >= 0)
			return false;
	return true;
}

/* --- paths --- */

/* Where the path ends: the ">" that stands outside of a quoted string. */
static ptrdiff_t
find_end(struct span text)
{
	bool quoted = false;

	for (size_t i = 0; i < text.len; i++)
		if (quoted && text.ptr[i] == '\\')
			i++;
		else if (text.ptr[i] == '"')
			quoted = !quoted;
		else if (text.ptr[i] == '>' && !quoted)
			return (ptrdiff_t)i;
	return -1;
}

int
smtp_parse_path(struct span *args, struct span keyword, struct span *ret_mailbox)
{
	struct span rest = *args, path;
	ptrdiff_t end;

	if (!span_istarts(rest, keyword) || rest.len <= keyword.len || rest.ptr[keyword.len] != ':')
		return -EINVAL;
	rest = span_skip(rest, keyword.len + 1);
	while (rest.len != 0 && rest.ptr[0] == ' ')
		rest = span_skip(rest, 1);
	if (rest.len != 0 && rest.ptr[0] == '<') {
		rest = span_skip(rest, 1);
		end = find_end(rest);
		if (end < 0)
			return -EINVAL;
		path = span_take(&rest, (size_t)end);
		rest = span_skip(rest, 1);
		if (rest.len != 0 && rest.ptr[0] != ' ')
			return -EINVAL;
	} else {
		/* Only a plain mailbox: quoting needs the brackets. */
		end = span_chr(rest, ' ');
		path = span_take(&rest, end < 0 ? rest.len : (size_t)end);
		if (path.len == 0 || span_chr(path, '"') >= 0 || span_chr(path, '>') >= 0)
			return -EINVAL;
	}
	if (path.len != 0 && path.ptr[0] == '@') {
		ptrdiff_t colon = span_chr(path, ':');

		if (colon < 0)
			return -EINVAL;
		path = span_skip(path, (size_t)colon + 1);
	}
	if (path.len > SMTP_PATH_MAX)
		return -EMSGSIZE;
	*args = span_trim(rest);
	*ret_mailbox = path;
	return 0;
}

static bool
is_atext(unsigned char c)
{
	return c >= 0x80 || ascii_is_alnum((char)c) || (c != '\0' && span_chr(SPAN("!#$%&'*+-/=?^_`{|}~"), (char)c) >= 0);
}

static bool
is_dot_string(struct span text)
{
	bool atom = false;

	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '.' ? !atom : !is_atext((unsigned char)text.ptr[i]))
			return false;
		atom = text.ptr[i] != '.';
	}
	return atom;
}

static bool
is_quoted_string(struct span text)
{
	if (text.len < 2 || text.ptr[0] != '"' || text.ptr[text.len - 1] != '"')
		return false;
	for (size_t i = 1; i + 1 < text.len; i++) {
		if (text.ptr[i] == '"')
			return false;
		if (text.ptr[i] == '\\' && ++i + 1 >= text.len)
			return false;
		if ((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f)
			return false;
	}
	return true;
}

static bool
is_domain(struct span text)
{
	struct span label;

	if (text.len == 0 || text.ptr[text.len - 1] == '.')
		return false;
	while (span_split(&text, '.', &label)) {
		if (label.len == 0 || label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
			return false;
		for (size_t i = 0; i < label.len; i++)
			if (!ascii_is_alnum(label.ptr[i]) && label.ptr[i] != '-' && label.ptr[i] != '_' && (unsigned char)label.ptr[i] < 0x80)
				return false;
	}
	return true;
}

static bool
is_literal(struct span text)
{
	if (text.len < 3 || text.ptr[0] != '[' || text.ptr[text.len - 1] != ']')
		return false;
	for (size_t i = 1; i + 1 < text.len; i++)
		if (!ascii_is_alnum(text.ptr[i]) && span_chr(SPAN(".:-"), text.ptr[i]) < 0)
			return false;
	return true;
}

/* The "@" before the domain: the last one, as a domain holds none. */
enum smtp_mailbox
smtp_check_mailbox(struct span mailbox, struct span *ret_local, struct span *ret_domain)
{
	ptrdiff_t at = span_rchr(mailbox, '@');
	struct span local = mailbox, domain = SPAN_NULL;
	bool utf8 = false;

	if (mailbox.len > SMTP_PATH_MAX)
		return SMTP_MAILBOX_TOO_LONG;
	if (at >= 0 && mailbox.ptr[mailbox.len - 1] == '"')
		at = -1; /* within a quoted string */
	if (at >= 0) {
		local = span_make(mailbox.ptr, (size_t)at);
		domain = span_skip(mailbox, (size_t)at + 1);
	}
	for (size_t i = 0; i < mailbox.len; i++)
		utf8 |= (unsigned char)mailbox.ptr[i] >= 0x80;
	if ((!is_dot_string(local) && !is_quoted_string(local)) || (utf8 && !span_is_utf8(mailbox)))
		return SMTP_MAILBOX_BAD;
	if (local.len > SMTP_LOCAL_MAX || domain.len > SMTP_DOMAIN_MAX)
		return SMTP_MAILBOX_TOO_LONG;
	if (at >= 0 && !is_domain(domain) && !is_literal(domain))
		return SMTP_MAILBOX_BAD;
	if (ret_local != NULL)
		*ret_local = local;
	if (ret_domain != NULL)
		*ret_domain = domain;
	if (at < 0)
		return SMTP_MAILBOX_LOCAL;
	return utf8 ? SMTP_MAILBOX_UTF8 : SMTP_MAILBOX_ASCII;
}

/* --- parameters --- */

bool
smtp_next_parameter(struct span *args, struct span *ret_key, struct span *ret_value)
{
	struct span word;
	ptrdiff_t equals;

	*args = span_trim(*args);
	*ret_key = *ret_value = SPAN_NULL;
	if (!span_split(args, ' ', &word))
		return false;
	equals = span_chr(word, '=');
	if (equals >= 0) {
		*ret_value = span_skip(word, (size_t)equals + 1);
		word.len = (size_t)equals;
		if (ret_value->len == 0)
			return true;
	}
	for (size_t i = 0; i < word.len; i++)
		if (!ascii_is_alnum(word.ptr[i]) && word.ptr[i] != '-')
			return true;
	*ret_key = word;
	return true;
}

bool
smtp_is_xtext(struct span text, size_t max)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c < '!' || c > '~' || c == '=')
			return false;
		if (c == '+') {
			/* RFC 3461 section 4: "+" and two upper-case digits; what it stands for may be any octet. */
			if (text.len - i < 3 || ascii_hex(text.ptr[i + 1]) < 0 || ascii_hex(text.ptr[i + 2]) < 0)
				return false;
			i += 2;
		}
	}
	return text.len != 0 && text.len <= max;
}

int
smtp_parse_notify(struct span value, uint8_t *ret_notify)
{
	static const struct {
		struct span word;
		uint8_t bit;
	} words[] = { { SPAN("SUCCESS"), ENVELOPE_SUCCESS }, { SPAN("FAILURE"), ENVELOPE_FAILURE }, { SPAN("DELAY"), ENVELOPE_DELAY } };
	uint8_t bits = 0;
	struct span word;

	*ret_notify = ENVELOPE_NEVER;
	if (span_ieq(value, SPAN("NEVER")))
		return 0;
	if (value.len != 0 && value.ptr[value.len - 1] == ',')
		return -EINVAL;
	while (span_split(&value, ',', &word)) {
		uint8_t bit = 0;

		for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
			if (span_ieq(word, words[i].word))
				bit = words[i].bit;
		if (bit == 0)
			return -EINVAL;
		bits |= bit;
	}
	*ret_notify = bits;
	return bits != 0 ? 0 : -EINVAL;
}

bool
smtp_is_orcpt(struct span value)
{
	struct span type;
	bool utf8;

	if (value.len > ENVELOPE_XTEXT_MAX || span_chr(value, ';') <= 0)
		return false;
	(void)span_split(&value, ';', &type);
	for (size_t i = 0; i < type.len; i++)
		if (!ascii_is_alnum(type.ptr[i]) && type.ptr[i] != '-')
			return false;
	utf8 = span_ieq(type, SPAN("utf-8"));
	if (!utf8)
		return smtp_is_xtext(value, ENVELOPE_XTEXT_MAX);
	/* RFC 6533 section 3: xtext, or UTF-8 with \x{HEX} for what cannot stand for itself. */
	for (size_t i = 0; i < value.len; i++)
		if ((unsigned char)value.ptr[i] <= ' ' || value.ptr[i] == 0x7f)
			return false;
	return value.len != 0 && span_is_utf8(value);
}
