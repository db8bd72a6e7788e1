/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Credentials for next hops. */
#include "smtpd/relay_secrets.h"

#define PASSWORD_MAX 255
#define USER_MAX 255

/* The next line that is none of comment. False at the end. */
static bool
next_line(struct span *text, unsigned *line_number, struct span *ret_line)
{
	while (span_split(text, '\n', ret_line)) {
		++*line_number;
		*ret_line = span_trim(*ret_line);
		if (ret_line->len != 0 && ret_line->ptr[0] != '#')
			return true;
	}
	return false;
}

/* A password may have spaces in it, but not before and behind it. */
static bool
split_line(struct span line, struct span *ret_label, struct credentials *ret)
{
	(void)span_split(&line, ' ', ret_label);
	line = span_trim(line);
	(void)span_split(&line, ' ', &ret->user);
	ret->password = span_trim(line);
	return ret_label->len != 0 && ret->user.len != 0 && ret->user.len <= USER_MAX && ret->password.len != 0 && ret->password.len <= PASSWORD_MAX &&
	    span_chr(ret->user, '\0') < 0 && span_chr(ret->password, '\0') < 0;
}

bool
relay_secrets_find(struct span text, struct span label, struct credentials *ret_credentials)
{
	struct span line, name;
	unsigned number = 0;

	while (next_line(&text, &number, &line))
		if (split_line(line, &name, ret_credentials) && span_eq(name, label))
			return true;
	return false;
}

void
relay_secrets_check(struct span text, const char *prefix, struct buf *errors)
{
	struct credentials credentials;
	struct span line, name;
	unsigned number = 0;

	while (next_line(&text, &number, &line))
		if (!split_line(line, &name, &credentials))
			(void)buf_fmt(errors, "%s%u: a line has a label, a user and a password\n", prefix, number);
}
