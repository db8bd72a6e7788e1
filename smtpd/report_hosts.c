/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
#include "smtpd/report_hosts.h"

#include <stdlib.h>

#include "common/xalloc.h"

struct entry {
	struct entry *next;
	char *host;
	uint16_t port;
	int64_t pause, until;
};

struct report_hosts {
	struct entry *first;
	size_t count;
};

struct report_hosts *
report_hosts_new(void)
{
	return xcalloc(1, sizeof(struct report_hosts));
}

static struct entry **
find(const struct report_hosts *hosts, struct span host, uint16_t port)
{
	struct entry **at = (struct entry **)(uintptr_t)&hosts->first;

	while (*at != NULL && ((*at)->port != port || !span_ieq(span_of((*at)->host), host)))
		at = &(*at)->next;
	return at;
}

static void
drop(struct report_hosts *hosts, struct entry **at)
{
	struct entry *entry = *at;

	*at = entry->next;
	free(entry->host);
	free(entry);
	hosts->count--;
}

struct report_hosts *
report_hosts_free(struct report_hosts *hosts)
{
	while (hosts != NULL && hosts->first != NULL)
		drop(hosts, &hosts->first);
	free(hosts);
	return NULL;
}

bool
report_hosts_rests(const struct report_hosts *hosts, struct span host, uint16_t port, int64_t now)
{
	const struct entry *entry = *find(hosts, host, port);

	/* A clock that was put back keeps nobody waiting for longer than the pause. */
	return entry != NULL && now < entry->until && entry->until - now <= entry->pause;
}

void
report_hosts_worked(struct report_hosts *hosts, struct span host, uint16_t port)
{
	struct entry **at = find(hosts, host, port);

	if (*at != NULL)
		drop(hosts, at);
}

static void
make_room(struct report_hosts *hosts)
{
	struct entry **soonest = &hosts->first;

	if (hosts->count < REPORT_HOSTS_MAX)
		return;
	for (struct entry **at = &hosts->first; *at != NULL; at = &(*at)->next)
		if ((*at)->until < (*soonest)->until)
			soonest = at;
	drop(hosts, soonest);
}

void
report_hosts_failed(struct report_hosts *hosts, struct span host, uint16_t port, int64_t now)
{
	struct entry *entry = *find(hosts, host, port);

	if (entry == NULL) {
		make_room(hosts);
		entry = xcalloc(1, sizeof(*entry));
		entry->host = span_dup(host);
		entry->port = port;
		entry->next = hosts->first;
		hosts->first = entry;
		hosts->count++;
	}
	entry->pause = entry->pause == 0 ? REPORT_PAUSE_MIN : entry->pause * 2 < REPORT_PAUSE_MAX ? entry->pause * 2 : REPORT_PAUSE_MAX;
	entry->until = now + entry->pause;
}
