/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Small JSON files in the account's folder: what the web client's user set, and what was handed to the spool. */
#ifndef WEBMAILD_JMAP_FILE_H
#define WEBMAILD_JMAP_FILE_H

#include <jansson.h>

/* The object in the file; an empty one when there is none or it cannot be read. A new reference. */
json_t *jmap_file_load(const char *account_dir, const char *name);
/* Replaces the file, synced. 0 or -errno: -EFBIG, and the file stays, when it would be too large to be loaded again. */
int jmap_file_save(const char *account_dir, const char *name, const json_t *object);

#endif
