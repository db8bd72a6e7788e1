/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Lines of SMTP taken apart. */
#include "smtpd/smtp_parse.h"

#include <errno.h>

#include "common/envelope.h"

/* A control character of ASCII but the tab, or one of U+0080 to U+009F in UTF-8. */
static bool
is_control(struct span text)
{
	unsigned char c = (unsigned char)text.ptr[0];

	return (c < ' ' && c != '\t') || c == 0x7f ||
	    (c == 0xc2 && text.len > 1 && (unsigned char)text.ptr[1] < 0xa0);
}

int
smtp_parse_command(struct span line, struct smtp_command *ret_command)
{
	size_t verb = 0;

	while (line.len != 0 && (line.ptr[line.len - 1] == ' ' || line.ptr[line.len - 1] == '\t'))
		line.len--;
	while (verb < line.len && line.ptr[verb] != ' ' && line.ptr[verb] != '\t')
		verb++;
	for (size_t i = 0; i < verb; i++)
		if (!ascii_is_alpha(line.ptr[i]))
			return -EINVAL;
	if (verb == 0)
		return -EINVAL;
	for (size_t i = verb; i < line.len; i++)
		if (is_control(span_skip(line, i)))
			return -EILSEQ;
	ret_command->verb = span_make(line.ptr, verb);
	ret_command->args = span_trim(span_skip(line, verb));
	return 0;
}

bool
smtp_is_http(struct span verb)
{
	static const struct span verbs[] = {
		SPAN("GET"),
		SPAN("POST"),
		SPAN("HEAD"),
		SPAN("PUT"),
		SPAN("DELETE"),
		SPAN("CONNECT"),
		SPAN("OPTIONS"),
		SPAN("TRACE"),
		SPAN("PATCH"),
		SPAN("PRI"),
	};

	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (span_ieq(verb, verbs[i]))
			return true;
	return false;
}

bool
smtp_is_helo(struct span name)
{
	if (name.len == 0 || name.len > ADDRESS_DOMAIN_MAX || !span_is_ascii(name))
		return false;
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.ptr[i] <= ' ' || name.ptr[i] == 0x7f ||
		    span_chr(SPAN("()<>\"\\,;@"), name.ptr[i]) >= 0)
			return false;
	return true;
}

enum address_result
smtp_parse_path(struct span *args, struct span keyword, unsigned flags, struct address *ret_address)
{
	struct span rest = *args, word;
	enum address_result result;
	ptrdiff_t space;

	if (!span_istarts(rest, keyword) || rest.len <= keyword.len || rest.ptr[keyword.len] != ':')
		return ADDRESS_SYNTAX;
	rest = span_skip(rest, keyword.len + 1);
	while (rest.len != 0 && rest.ptr[0] == ' ')
		rest = span_skip(rest, 1);
	if (span_starts(rest, SPAN("<"))) {
		result = address_parse_path(&rest, flags | ADDRESS_SMTPUTF8, ret_address);
	} else {
		space = span_chr(rest, ' ');
		word = span_take(&rest, space < 0 ? rest.len : (size_t)space);
		result = address_parse_mailbox(word, ADDRESS_SMTPUTF8, ret_address);
	}
	if (result != ADDRESS_OK)
		return result;
	if (rest.len != 0 && rest.ptr[0] != ' ')
		return ADDRESS_SYNTAX;
	*args = span_trim(rest);
	return ADDRESS_OK;
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

int
smtp_parse_bdat(struct span args, uint64_t *ret_len, bool *ret_last)
{
	struct span digits;

	(void)span_split(&args, ' ', &digits);
	args = span_trim(args);
	*ret_last = span_ieq(args, SPAN("LAST"));
	if ((args.len != 0 && !*ret_last) || digits.len > 20 ||
	    span_to_u64(digits, UINT64_MAX, ret_len) < 0)
		return -EINVAL;
	return 0;
}

int
smtp_parse_priority(struct span value, int *ret_priority)
{
	bool below = span_starts(value, SPAN("-"));
	struct span digits = span_skip(value, below);
	uint64_t number;

	if (digits.len != 1 || span_to_u64(digits, ENVELOPE_PRIORITY_MAX, &number) < 0 ||
	    (below && number == 0))
		return -EINVAL;
	*ret_priority = below ? -(int)number : (int)number;
	return 0;
}

int
smtp_parse_by(struct span value, int64_t *ret_seconds, enum envelope_by *ret_by, bool *ret_trace)
{
	struct span digits, mode = value;
	bool below;
	uint64_t seconds;

	if (!span_split(&mode, ';', &digits))
		return -EINVAL;
	below = span_starts(digits, SPAN("-"));
	if (below || span_starts(digits, SPAN("+")))
		digits = span_skip(digits, 1);
	if (digits.len > 9 || span_to_u64(digits, 999999999, &seconds) < 0)
		return -EINVAL;
	*ret_seconds = below ? -(int64_t)seconds : (int64_t)seconds;
	*ret_trace = mode.len == 2 && ascii_upper(mode.ptr[1]) == 'T';
	if (mode.len != 1 && !*ret_trace)
		return -EINVAL;
	*ret_by = ascii_upper(mode.ptr[0]) == 'R' ? ENVELOPE_BY_RETURN : ENVELOPE_BY_NOTIFY;
	if (*ret_by == ENVELOPE_BY_RETURN)
		return *ret_seconds > 0 ? 0 : -EINVAL;
	return ascii_upper(mode.ptr[0]) == 'N' ? 0 : -EINVAL;
}

bool
smtp_is_xtext(struct span text, size_t max)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c < '!' || c > '~' || c == '=')
			return false;
		if (c == '+') {
			/* RFC 3461 section 4: "+" and two upper-case digits; what it stands for may
			 * be any octet. Those who write small letters mean the same, and others (Postfix,
			 * for one) take them. */
			if (text.len - i < 3 || ascii_hex(text.ptr[i + 1]) < 0 ||
			    ascii_hex(text.ptr[i + 2]) < 0)
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
	} words[] = { { SPAN("SUCCESS"), ENVELOPE_SUCCESS }, { SPAN("FAILURE"), ENVELOPE_FAILURE },
		{ SPAN("DELAY"), ENVELOPE_DELAY } };
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
