/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Handing mail and requests to the queue through spool/drop: a file is written under a name that
 * begins with "tmp.", synced, and renamed. Anybody who may write into the folder may do so; the
 * queue sees the owner's uid. */
#ifndef COMMON_DROP_H
#define COMMON_DROP_H

#include "common/envelope.h"

/* A message being written. */
struct drop;

/* Opens spool_dir/drop once: the descriptor for the calls below (and for use behind a jail).
 * -errno. */
int drop_open_folder(const char *spool_dir);

/* Begins a message: writes the envelope (at least one recipient; release may be set). 0 and
 * *ret_drop, or -errno. */
int drop_begin(int folder, struct envelope *envelope, struct drop **ret_drop);
/* Appends to the message. Lines may end with LF or CRLF; the file gets CRLF, a bare CR becomes one
 * too. 0, -EINVAL (NUL), -errno (then the message cannot be finished any more, only dropped). */
int drop_write(struct drop *drop, struct span bytes);
/* The message turns out to need SMTPUTF8 (RFC 6531): that is written into the envelope, which was begun with smtputf8_open or has it already.
 * 0 or -errno. */
int drop_needs_smtputf8(struct drop *drop);
/* Syncs and renames: after 0 the message is the queue's. drop is freed in any case, and on -errno
 * nothing stays. ret_name, if not NULL, receives the name of the file (at least DROP_NAME_MAX
 * bytes): for drop_control (common/drop_control.h). */
#define DROP_NAME_MAX 64
int drop_commit(struct drop *drop, char *ret_name);
/* Removes what was written. NULL is allowed. */
void drop_abandon(struct drop *drop);

/* The name the file will have; borrowed. */
const char *drop_name(const struct drop *drop);

/* What a name in drop/ is for. */
enum drop_kind { DROP_IS_TEMPORARY, DROP_IS_MESSAGE, DROP_IS_CONTROL, DROP_IS_OTHER };
enum drop_kind drop_kind(const char *name);

#endif
