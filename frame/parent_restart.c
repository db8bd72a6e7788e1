/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Permanent roles that ended are started again: at once, and later and later when they end soon after their start. */
#include <event2/event.h>
#include <signal.h>
#include <sysexits.h>

#include "common/log.h"
#include "frame/parent_internal.h"

/* One that never worked since the daemon was started cannot work: the daemon stops and says so, while somebody looks. */
#define FIRST_ENDS_MAX 8
/* One that has worked is given three minutes to do so again, for its fault may be one of a moment: a disk that fails, no more descriptors
 * or processes. The others go on meanwhile and answer that they cannot now. */
#define EARLY_ENDS_MAX 12

/* After so many early ends in a row, the last of these from then on. */
static const unsigned pauses_ms[] = { 0, 100, 500, 1000, 2000, 5000, 10000, 20000, 30000 };

static unsigned
pause_of(const struct parent_comeback *comeback)
{
	size_t last = sizeof(pauses_ms) / sizeof(*pauses_ms) - 1;

	return !comeback->worked ? 0 : pauses_ms[comeback->early_ends < last ? comeback->early_ends : last];
}

static void come_back(struct parent_comeback *comeback);

static void
start_again(struct parent_comeback *comeback)
{
	struct parent *parent = comeback->parent;
	struct child *child = parent_start_child(parent, comeback->role);
	int r = child != NULL ? child_wire(parent, child) : 0;

	if (child == NULL) {
		comeback->early_ends++;
		come_back(comeback);
	} else if (r < 0) {
		log_error("not-joined", log_str("role", comeback->role->name), log_errno("error", r));
		(void)kill(child->pid, SIGKILL); /* SIGCHLD restarts it, as when it has ended already */
	} else {
		(void)child_send_start(parent, child);
	}
}

static void
on_pause_over(evutil_socket_t fd, short what, void *context)
{
	struct parent_comeback *comeback = context;

	(void)fd, (void)what;
	if (!comeback->parent->stopping)
		start_again(comeback);
}

static void
come_back(struct parent_comeback *comeback)
{
	unsigned pause = pause_of(comeback);
	struct timeval patience = { pause / 1000, (suseconds_t)(pause % 1000) * 1000 };

	if (comeback->early_ends > (comeback->worked ? EARLY_ENDS_MAX : FIRST_ENDS_MAX)) {
		log_error("role-keeps-ending", log_str("role", comeback->role->name), log_str("hint", "the daemon stops; see the lines above"));
		parent_stop(comeback->parent, EX_SOFTWARE);
		return;
	}
	if (pause == 0) {
		start_again(comeback);
		return;
	}
	if (comeback->timer == NULL)
		comeback->timer = evtimer_new(comeback->parent->base, on_pause_over, comeback);
	if (comeback->timer == NULL || event_add(comeback->timer, &patience) < 0) {
		parent_stop(comeback->parent, EX_OSERR);
		return;
	}
	log_warning("role-waits", log_str("role", comeback->role->name), log_u64("milliseconds", pause), log_str("hint", "it ended soon after its start, and is started again then"));
}

void
parent_restart(struct parent *parent, const struct role *role, bool early)
{
	struct parent_comeback *comeback = &parent->comebacks[role->id];

	comeback->parent = parent;
	comeback->role = role;
	comeback->worked |= !early;
	comeback->early_ends = early ? comeback->early_ends + 1 : 0;
	come_back(comeback);
}

void
parent_restart_waiting(struct parent *parent)
{
	for (size_t i = 0; i < ROLE_MAX; i++) {
		struct parent_comeback *comeback = &parent->comebacks[i];

		if (comeback->timer == NULL || !event_pending(comeback->timer, EV_TIMEOUT, NULL))
			continue;
		(void)event_del(comeback->timer);
		comeback->early_ends = 0;
		start_again(comeback);
	}
}
