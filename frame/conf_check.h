/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What an option's row cannot say of its value: names, addresses, paths, files. */
#ifndef FRAME_CONF_CHECK_H
#define FRAME_CONF_CHECK_H

#include "frame/role.h"

/* Reads the configuration into *conf (zeroed, with room for the daemon's options), fills what has no default, and checks all of
 * it. Each fault, of whatever kind, becomes a line in errors. Returns as conf_load: after a fault of
 * syntax, which leaves nothing but defaults, no other is looked for. The values belong to conf: conf_free. */
int conf_load_checked(const struct daemon *daemon, const char *path, void *conf, struct buf *errors);

/* Options that a daemon which runs cannot take anew, since its roles hold what they name, or are who they say: one that differs from the former
 * becomes a line in errors. */
void conf_check_reload(const struct fourpost_conf *former, const struct fourpost_conf *conf, struct buf *errors);

/* Options that are read at the start alone, and harm nothing by another value until the next: a line of name and value for each, in an order that depends
 * on the daemon alone. Appended to out. */
void conf_of_start(const struct daemon *daemon, const void *conf, struct buf *out);

/* Logs a warning when others than the owner, and the group for reading, may read or write the file that the option names. An empty path, and a file
 * that is not there, are nobody's. */
void conf_warn_of_secret(const char *option, const char *path);

/* What the configuration names on this host. Whether the certificate and the key can be read, can be used, and belong together
 * (they are read by a child process, so that the caller never holds the key); whether folders that are not made by themselves
 * are there, and the users of the roles. Only what this daemon needs. Running: it is a reload, and accounts_dir, which cannot change then, is not
 * looked at; else it is by a child process, for a few seconds at most. Appends lines to errors. */
void conf_check_files(const struct daemon *daemon, const struct fourpost_conf *conf, bool running, struct buf *errors);

#endif
