/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Going to sleep when nothing has happened for a while (the process ends, its state waits in the login role), and waking up. */
#ifndef IMAPD_SESSION_SLEEP_H
#define IMAPD_SESSION_SLEEP_H

#include "imapd/session.h"

/* Sets the time to sleep anew; at the end of each turn. */
void session_sleep_later(struct session *session);
/* CLOCK_BOOTTIME, in seconds. */
int64_t session_now(void);
/* Takes up what another process left: true; false when that cannot be (the client must log in again). */
bool session_wake(struct session *session, struct span state);

#endif
