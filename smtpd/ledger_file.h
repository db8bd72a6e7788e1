/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A ledger in a file (mailspool(5)): a head, then its slots as they are in memory. */
#ifndef SMTPD_LEDGER_FILE_H
#define SMTPD_LEDGER_FILE_H

#include "smtpd/ledger.h"

#define LEDGER_FILE_HEAD 32

/* Reads a ledger of so many rows; an empty file becomes one. 0, -EBADMSG (it is none, or of another size), or -errno. */
int ledger_file_load(int fd, size_t rows, struct ledger **ret_ledger);
/* Makes the file one that remembers nothing. 0 or -errno. */
int ledger_file_begin(int fd, size_t rows, struct ledger **ret_ledger);

#endif
