/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What can be wrong with an account: ms_check tells it, ms_repair and daemons mend it (ms_mend.c). */
#ifndef LIBMAILSTORE_MS_FAULT_H
#define LIBMAILSTORE_MS_FAULT_H

#include <stdbool.h>
#include <stdint.h>

struct ms_store;

enum ms_fault_kind {
#define MS_FAULT(kind, what, mending) MS_FAULT_##kind,
#include "libmailstore/ms_faults.def"
#undef MS_FAULT
};

/* Tells store->fault, if anybody listens. mailbox NULL: of the whole account; uid 0: of no single message; file: as seen from the
 * mailbox's folder, or NULL. */
void ms_tell(const struct ms_store *store, enum ms_fault_kind kind, const char *mailbox, uint32_t uid, const char *file);
/* The same of a message's file: its name, and whether it stands in cur/ or new/. */
void ms_tell_file(const struct ms_store *store, enum ms_fault_kind kind, const char *mailbox, uint32_t uid, bool in_cur, const char *name);

#endif
