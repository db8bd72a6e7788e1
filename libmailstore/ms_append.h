/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What the files share that make a new message: ms_append.c, which takes its bytes, and ms_append_commit.c, which stores it. */
#ifndef LIBMAILSTORE_MS_APPEND_H
#define LIBMAILSTORE_MS_APPEND_H

#include "common/buf.h"

struct ms_store;

/* Of a message that is smaller, all is in out until it is stored. */
#define MS_APPEND_CHUNK 65536

struct ms_append {
	struct ms_store *store;
	char *unique;
	int fd;                /* of its file in tmp/, or where the commit has put it; -1: it has none yet */
	uint64_t bytes, ahead; /* written; of that, given to the disk */
	bool cr;               /* the last byte was a CR that waits for its LF */
	int error;             /* the first that met it: 0 or -errno */
	struct buf out;        /* not written yet */
};

/* Of its file, as seen from the Maildir; the caller's. */
char *ms_append_tmp_path(const struct ms_append *append);
/* No bytes will follow. */
void ms_append_end(struct ms_append *append);
/* Writes what waits into its file in tmp/, which is made when there is none. Returns append->error. */
int ms_append_flush(struct ms_append *append);

#endif
