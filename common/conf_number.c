/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
#include "common/conf_number.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"

/* Longer words are neither names of ours nor numbers. */
#define WORD_MAX 96

struct scan {
	FILE *file;
	int line;       /* where the next character stands */
	int word_line;  /* where the word began */
	char word[WORD_MAX];
};

static int
next(struct scan *scan)
{
	int c = getc(scan->file);

	scan->line += c == '\n';
	return c;
}

static int
peek(struct scan *scan)
{
	int c = getc(scan->file);

	return c == EOF ? EOF : ungetc(c, scan->file);
}

static void
skip_line(struct scan *scan)
{
	int c;

	do
		c = next(scan);
	while (c != '\n' && c != EOF);
}

static void
skip_comment(struct scan *scan)
{
	int former = 0, c;

	(void)next(scan); /* the star */
	while ((c = next(scan)) != EOF && !(former == '*' && c == '/'))
		former = c;
}

static void
skip_string(struct scan *scan)
{
	int c;

	while ((c = next(scan)) != EOF && c != '"')
		if (c == '\\')
			(void)next(scan);
}

/* White space and comments. The character after it, which is consumed. */
static int
skip_to_token(struct scan *scan)
{
	for (;;) {
		int c = next(scan);

		if (c == '#' || (c == '/' && peek(scan) == '/'))
			skip_line(scan);
		else if (c == '/' && peek(scan) == '*')
			skip_comment(scan);
		else if (c == EOF || !isspace(c))
			return c;
	}
}

static bool
in_word(int c)
{
	return isalnum(c) || c == '_' || c == '-' || c == '*' || c == '+' || c == '.';
}

/* Takes a word (a name, a number), a string (as '"') or another character: that, 'w' for a word, or EOF. */
static int
token(struct scan *scan)
{
	int c = skip_to_token(scan);
	size_t len = 0;

	scan->word_line = scan->line;
	if (c == '"')
		skip_string(scan);
	if (!in_word(c))
		return c;
	for (;;) {
		if (len < WORD_MAX - 1)
			scan->word[len++] = (char)c;
		c = peek(scan);
		if (!in_word(c))
			break;
		(void)next(scan);
	}
	scan->word[len] = '\0';
	return 'w';
}

/* As libconfig's scanner has it: decimal, or hexadecimal after 0x, with L or LL or without. */
static int
parse(const char *word, int64_t *ret_number)
{
	bool hexadecimal = word[0] == '0' && (word[1] == 'x' || word[1] == 'X');
	char *end;

	errno = 0;
	/* What stands for a negative number there has all bits. */
	*ret_number = hexadecimal ? (int64_t)strtoull(word, &end, 16) : (int64_t)strtoll(word, &end, 10);
	for (int i = 0; i < 2 && *end == 'L'; i++)
		end++;
	return *end == '\0' && end != word ? 0 : -EINVAL;
}

int
conf_number(const char *path, int line, const char *name, int64_t *ret_number)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_(fclosep) FILE *file = NULL;
	struct scan scan = { .line = 1 };
	struct stat st;
	int kind;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ESPIPE;
	file = fdopen(fd, "r");
	if (file == NULL)
		return -errno;
	(void)TAKE_FD(fd);
	scan.file = file;
	do
		kind = token(&scan);
	while (kind != EOF && (kind != 'w' || scan.word_line < line || strcmp(scan.word, name) != 0));
	if (kind == EOF)
		return -ENOENT;
	kind = token(&scan);
	if ((kind != '=' && kind != ':') || token(&scan) != 'w')
		return -EINVAL;
	return parse(scan.word, ret_number);
}
