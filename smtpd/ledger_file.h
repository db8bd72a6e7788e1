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
/* Makes the file one that remembers what this ledger does. 0 or -errno. */
int ledger_file_adopt(int fd, struct ledger *ledger);

/* Where slots are written as they change. */
struct ledger_store {
	int fd;        /* -1: nowhere */
	bool behind;   /* a write failed, and the file lacks what has changed since */
	int64_t again; /* when all is written, then */
};
#define LEDGER_FILE_AGAIN_SECONDS 60

/* Writes a slot that has changed. After a write that failed it writes nothing until LEDGER_FILE_AGAIN_SECONDS have passed, and then the whole
 * ledger; a slot of NULL does that alone. 0; 1: the file is complete again; or -errno: it is behind. */
int ledger_file_write(struct ledger_store *store, struct ledger *ledger, const struct ledger_slot *slot, int64_t now);

#endif
