/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* mailuser forward: where an account has its mail sent on to. */
#ifndef CLI_MAILUSER_FORWARD_H
#define CLI_MAILUSER_FORWARD_H

#include "common/conf.h"
#include "libmailstore/mailstore.h"

struct forward_command {
	bool keep;   /* the account gets it too */
	bool remove; /* nothing is sent on any more */
	char **targets;
	size_t count; /* 0, and not to be removed: it is printed */
};

/* Ends the program, with a line, when that cannot be done. */
void mailuser_forward(const struct fourpost_conf *conf, const struct ms_account *account, const struct forward_command *command);

#endif
