/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The kernel counts inotify instances by uid, 128 of them by default: those of many sessions of one account, or of all accounts under one uid. */
#include "frame/store_watch.h"

#include <stdlib.h>

#include "common/log.h"
#include "libmailstore/mailstore.h"

/* How often we look where the kernel does not tell us. */
#define LOOK_SECONDS 10

struct event *
store_watch(const struct proc *proc, struct ms_store *store, event_callback_fn changed, void *context)
{
	static const struct timeval look = { LOOK_SECONDS, 0 };
	int fd = ms_watch_fd(store);
	struct event *watch = event_new(proc->base, fd < 0 ? -1 : fd, (short)((fd < 0 ? 0 : EV_READ) | EV_PERSIST), changed, context);

	if (watch == NULL)
		abort();
	if (fd < 0)
		log_warning("no-watch", log_str("account", proc->account), log_errno("error", fd),
		    log_str("hint", "clients hear of mail some seconds later; raise fs.inotify.max_user_instances and max_user_watches"));
	(void)event_add(watch, fd < 0 ? &look : NULL);
	return watch;
}
