/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The lexer. Lines end with CRLF, as RFC 5228 has it, or with LF, as editors do. */
#include "sieve/lex.h"

#include "sieve/sieve.h"

void
sieve_lexer_init(struct sieve_lexer *lexer, struct span script)
{
	*lexer = (struct sieve_lexer){ .rest = script, .line = 1, .strings = BUF_INIT(SIEVE_SCRIPT_MAX) };
	(void)buf_reserve(&lexer->strings, script.len);
}

void
sieve_lexer_free(struct sieve_lexer *lexer)
{
	buf_free(&lexer->strings);
}

/* Takes bytes off the front, counting lines. */
static struct span
take(struct sieve_lexer *lexer, size_t len)
{
	struct span text = span_take(&lexer->rest, len);

	for (size_t i = 0; i < text.len; i++)
		lexer->line += text.ptr[i] == '\n';
	return text;
}

static bool
starts(const struct sieve_lexer *lexer, const char *text)
{
	return span_starts(lexer->rest, span_of(text));
}

static void
skip_line(struct sieve_lexer *lexer)
{
	ptrdiff_t end = span_chr(lexer->rest, '\n');

	(void)take(lexer, end < 0 ? lexer->rest.len : (size_t)end + 1);
}

/* White space and comments. False when a comment does not end. */
static bool
skip_space(struct sieve_lexer *lexer)
{
	while (lexer->rest.len != 0) {
		char c = lexer->rest.ptr[0];

		if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
			(void)take(lexer, 1);
		} else if (c == '#') {
			skip_line(lexer);
		} else if (starts(lexer, "/*")) {
			ptrdiff_t end = span_find(span_skip(lexer->rest, 2), SPAN("*/"));

			if (end < 0)
				return false;
			(void)take(lexer, (size_t)end + 4);
		} else {
			break;
		}
	}
	return true;
}

static void
bad(struct sieve_lexer *lexer, struct sieve_token *token, const char *error)
{
	token->kind = TOKEN_BAD;
	lexer->error = error;
	lexer->rest.len = 0;
}

static bool
is_word(char c, bool first)
{
	return ascii_is_alpha(c) || c == '_' || (!first && ascii_is_digit(c));
}

static struct span
take_word(struct sieve_lexer *lexer)
{
	size_t len = 0;

	while (len < lexer->rest.len && is_word(lexer->rest.ptr[len], len == 0))
		len++;
	return take(lexer, len);
}

/* RFC 5228 section 2.4.1: K, M and G count in powers of 1024. */
static void
take_number(struct sieve_lexer *lexer, struct sieve_token *token)
{
	unsigned shift = 0;

	token->kind = TOKEN_NUMBER;
	if (span_take_u64(&lexer->rest, SIEVE_NUMBER_MAX, &token->number) < 0) {
		bad(lexer, token, "the number is too large");
		return;
	}
	if (lexer->rest.len != 0) {
		switch (ascii_upper(lexer->rest.ptr[0])) {
		case 'K': shift = 10; break;
		case 'M': shift = 20; break;
		case 'G': shift = 30; break;
		default: break;
		}
		(void)take(lexer, shift != 0);
	}
	if (token->number > SIEVE_NUMBER_MAX >> shift)
		bad(lexer, token, "the number is too large");
	token->number <<= shift;
	if (token->kind == TOKEN_NUMBER && lexer->rest.len != 0 && is_word(lexer->rest.ptr[0], false))
		bad(lexer, token, "a number may be followed by K, M or G alone");
}

static void
take_quoted(struct sieve_lexer *lexer, struct sieve_token *token)
{
	size_t from = lexer->strings.len, i = 1;
	struct span rest = lexer->rest;

	for (; i < rest.len && rest.ptr[i] != '"'; i++) {
		if (rest.ptr[i] == '\\' && i + 1 < rest.len)
			i++;
		(void)buf_char(&lexer->strings, rest.ptr[i]);
	}
	if (i >= rest.len) {
		bad(lexer, token, "the string has no end: a \" is missing");
		return;
	}
	(void)take(lexer, i + 1);
	token->kind = TOKEN_STRING;
	token->text = span_skip(buf_get(&lexer->strings), from);
}

/* What stands between "text:" and the line that is one dot; nothing but a comment may stand behind the word. */
static void
take_multi_line(struct sieve_lexer *lexer, struct sieve_token *token)
{
	size_t from = lexer->strings.len;

	while (lexer->rest.len != 0 && (lexer->rest.ptr[0] == ' ' || lexer->rest.ptr[0] == '\t'))
		(void)take(lexer, 1);
	if (lexer->rest.len == 0 || (lexer->rest.ptr[0] != '#' && !starts(lexer, "\n") && !starts(lexer, "\r\n"))) {
		bad(lexer, token, "the text begins on the line after text:");
		return;
	}
	skip_line(lexer);
	while (!starts(lexer, ".\n") && !starts(lexer, ".\r\n") && !span_eq(lexer->rest, SPAN("."))) {
		ptrdiff_t end = span_chr(lexer->rest, '\n');

		if (end < 0) {
			bad(lexer, token, "the text has no end: a line with one dot is missing");
			return;
		}
		if (starts(lexer, "..")) {
			(void)take(lexer, 1);
			end--;
		}
		(void)buf_span(&lexer->strings, take(lexer, (size_t)end + 1));
	}
	(void)take(lexer, 1);
	token->kind = TOKEN_STRING;
	token->text = span_skip(buf_get(&lexer->strings), from);
}

void
sieve_lexer_next(struct sieve_lexer *lexer, struct sieve_token *token)
{
	bool space = skip_space(lexer);
	char c;

	*token = (struct sieve_token){ .kind = TOKEN_END, .line = lexer->line };
	if (!space) {
		bad(lexer, token, "the comment has no end: */ is missing");
		return;
	}
	if (lexer->rest.len == 0)
		return;
	c = lexer->rest.ptr[0];
	if (ascii_is_digit(c)) {
		take_number(lexer, token);
	} else if (c == '"') {
		take_quoted(lexer, token);
	} else if (is_word(c, true)) {
		token->kind = TOKEN_IDENTIFIER;
		token->text = take_word(lexer);
		if (span_ieq(token->text, SPAN("text")) && starts(lexer, ":")) {
			(void)take(lexer, 1);
			take_multi_line(lexer, token);
		}
	} else if (c == ':') {
		(void)take(lexer, 1);
		token->kind = TOKEN_TAG;
		token->text = take_word(lexer);
		if (token->text.len == 0)
			bad(lexer, token, "a word must follow the colon");
	} else if (strchr("()[]{},;", c) != NULL && c != '\0') {
		token->kind = TOKEN_SPECIAL;
		token->text = take(lexer, 1);
	} else {
		bad(lexer, token, "that character has no meaning here");
	}
}
