/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Asking for a password. */
#ifndef CLI_MAILUSER_PASSWORD_H
#define CLI_MAILUSER_PASSWORD_H

#include <stdbool.h>

/* Asks for a password on the terminal, twice, or reads a line of standard input, and returns its hash, for free(3). Ends the program where
 * there is none; the terminal shows what is typed again, however that ends. */
char *mailuser_hash_password(bool from_input);

#endif
