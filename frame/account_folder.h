/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The folder of an account: found or made under accounts_dir without following a link that somebody may have put there. */
#ifndef FRAME_ACCOUNT_FOLDER_H
#define FRAME_ACCOUNT_FOLDER_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/span.h"

/* The account's folder, made when missing: <accounts_dir>/<relative>, mode 0700, the account's (as root). No symbolic link is
 * followed below accounts_dir. 0 and the absolute path (for free(3)); -EINVAL for a path that is none of ours, -EPERM when the
 * folder is another uid's, -errno. Takes as long as the file system does, which may be for ever: only a process that serves this
 * account alone may wait for that. */
int account_folder(const char *accounts_dir, struct span relative, uid_t uid, bool as_root, char **ret_path);

#endif
