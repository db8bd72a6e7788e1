/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Hearing of changes in the account's store, from the loop. */
#ifndef FRAME_STORE_WATCH_H
#define FRAME_STORE_WATCH_H

#include <event2/event.h>

#include "frame/role.h"

struct ms_store;

/* From now on `changed` is called (it drains the watch with ms_watch_drain) when something in the account has changed. Where the system has no watch left
 * for us, the log says so (no-watch), and it is called every ten seconds, changed or not. For event_free. */
struct event *store_watch(const struct proc *proc, struct ms_store *store, event_callback_fn changed, void *context);

#endif
