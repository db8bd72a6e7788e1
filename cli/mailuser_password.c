/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Asking for a password. */
#include "cli/mailuser_password.h"

#include <crypt.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <termios.h>

#include "cli/tool.h"
#include "common/xalloc.h"

#define PASSWORD_MAX 512

/* --- the terminal --- */

static const int ends[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
#define ENDS (sizeof(ends) / sizeof(*ends))
static struct termios before;
static int quiet_fd;

/* The terminal stays as it is set when a program ends. */
static void
on_end(int number)
{
	(void)tcsetattr(quiet_fd, TCSAFLUSH, &before);
	(void)raise(number); /* once more, for whom it ends the program: SA_RESETHAND */
}

/* False when it is no terminal. */
static bool
be_quiet(int fd, struct sigaction former[ENDS])
{
	struct sigaction action = { .sa_handler = on_end, .sa_flags = (int)SA_RESETHAND };
	struct termios quiet;

	if (tcgetattr(fd, &before) < 0)
		return false;
	quiet_fd = fd;
	quiet = before;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	for (size_t i = 0; i < ENDS; i++) {
		(void)sigaction(ends[i], NULL, &former[i]);
		if (former[i].sa_handler != SIG_IGN) /* as nohup(1) wants it */
			(void)sigaction(ends[i], &action, NULL);
	}
	(void)tcsetattr(fd, TCSAFLUSH, &quiet);
	return true;
}

static void
be_loud(const struct sigaction former[ENDS])
{
	(void)tcsetattr(quiet_fd, TCSAFLUSH, &before);
	for (size_t i = 0; i < ENDS; i++)
		(void)sigaction(ends[i], &former[i], NULL);
}

/* --- a password --- */

/* One line, without its end, which the caller wipes. NULL, or what is wrong with it, and the status for that. */
static const char *
read_line(FILE *from, char password[PASSWORD_MAX], int *ret_status)
{
	size_t len;

	*ret_status = EX_NOINPUT;
	if (fgets(password, PASSWORD_MAX, from) == NULL)
		return "no password was given";
	*ret_status = EX_DATAERR;
	len = strcspn(password, "\n");
	if (password[len] != '\n' && len == PASSWORD_MAX - 1)
		return "the password is too long";
	password[len] = '\0';
	if (len != 0 && password[len - 1] == '\r')
		password[--len] = '\0';
	return len == 0 ? "the password is empty" : NULL;
}

static void
prompt(FILE *terminal, const char *question, char password[PASSWORD_MAX])
{
	struct sigaction former[ENDS];
	const char *complaint;
	int status;

	if (!be_quiet(fileno(terminal), former))
		tool_fail(EX_NOINPUT, "not a terminal: use -p to give the password on standard input");
	(void)fputs(question, terminal);
	(void)fflush(terminal);
	complaint = read_line(terminal, password, &status);
	be_loud(former);
	(void)fputc('\n', terminal);
	if (complaint != NULL)
		tool_fail(status, "%s", complaint);
}

static void
ask(char password[PASSWORD_MAX])
{
	FILE *terminal = fopen("/dev/tty", "r+e");
	char again[PASSWORD_MAX];

	if (terminal == NULL)
		tool_fail(EX_NOINPUT, "no terminal: use -p to give the password on standard input");
	prompt(terminal, "New password: ", password);
	prompt(terminal, "Once more: ", again);
	(void)fclose(terminal);
	if (strcmp(password, again) != 0)
		tool_fail(EX_DATAERR, "the two are not the same");
	explicit_bzero(again, sizeof(again));
}

char *
mailuser_hash_password(bool from_input)
{
	char password[PASSWORD_MAX], setting[CRYPT_GENSALT_OUTPUT_SIZE];
	struct crypt_data *data = xcalloc(1, sizeof(*data));
	const char *hash, *complaint;
	char *copy;
	int status;

	if (!from_input)
		ask(password);
	else if ((complaint = read_line(stdin, password, &status)) != NULL)
		tool_fail(status, "%s", complaint);
	/* yescrypt at its own default cost; the salt comes from the kernel. */
	if (crypt_gensalt_rn("$y$", 0, NULL, 0, setting, sizeof(setting)) == NULL)
		tool_fail(EX_OSERR, "no salt: %s", strerror(errno));
	hash = crypt_r(password, setting, data);
	if (hash == NULL || hash[0] == '*')
		tool_fail(EX_OSERR, "the password cannot be hashed: %s", strerror(errno));
	copy = xstrdup(hash);
	explicit_bzero(password, sizeof(password));
	explicit_bzero(data, sizeof(*data));
	free(data);
	return copy;
}
