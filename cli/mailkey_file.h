/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The file of keys, read and replaced as a whole. */
#ifndef CLI_MAILKEY_FILE_H
#define CLI_MAILKEY_FILE_H

#include "common/buf.h"
#include "smtpd/dkim_key.h"
#include "smtpd/dkim_keys_parse.h"

struct key_file {
	const char *path;
	int folder;      /* locked until the end */
	struct buf text; /* what the rows point into */
	struct dkim_key_row *rows;
	size_t count;
};

/* Reads it, and keeps other mailkeys out when it is to be changed; one that is not there has no keys. On a fault it ends the program. */
void key_file_read(const char *path, bool to_change, struct key_file *ret_file);
/* Writes the rows as they are now to a new file, which takes the old one's place, owner and mode. Ends the program on a fault. */
void key_file_write(const struct key_file *file);
void key_file_free(struct key_file *file);

/* The key, or NULL. */
struct dkim_key_row *key_file_find(const struct key_file *file, struct span domain, struct span selector);
/* Adds one that is complete, for from now on it is found; its texts stay the caller's. */
struct dkim_key_row *key_file_add(struct key_file *file, const struct dkim_key_row *row);
void key_file_remove(struct key_file *file, struct dkim_key_row *row);
/* The private key of a row; ends the program when there is none. */
struct dkim_private *key_file_load(const struct key_file *file, const struct dkim_key_row *row);

#endif
