/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The words for each fault. */
#include "libmailstore/ms_fault.h"

#include <stdlib.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/ms_internal.h"

static const struct {
	const char *what, *mending;
} faults[] = {
#define MS_FAULT(kind, what, mending) [MS_FAULT_##kind] = { what, mending },
#include "libmailstore/ms_faults.def"
#undef MS_FAULT
};

void
ms_tell(const struct ms_store *store, enum ms_fault_kind kind, const char *mailbox, uint32_t uid, const char *file)
{
	struct ms_fault fault = { .mailbox = mailbox, .uid = uid, .file = file, .what = faults[kind].what, .mending = faults[kind].mending };

	if (store->fault != NULL)
		store->fault(store->fault_context, &fault);
}

void
ms_tell_file(const struct ms_store *store, enum ms_fault_kind kind, const char *mailbox, uint32_t uid, bool in_cur, const char *name)
{
	_cleanup_(freep) char *file = xasprintf("%s/%s", in_cur ? "cur" : "new", name);

	ms_tell(store, kind, mailbox, uid, file);
}
