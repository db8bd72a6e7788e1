/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What happened before this process began, as far as the store knows it: read when the first client asks for it. */
#include <stdlib.h>

#include "common/xalloc.h"
#include "webmaild/jmap_store.h"

#define STANDS UINT64_MAX

/* A message in one mailbox, from its coming to its leaving. */
struct stay {
	uint64_t email, thread;
	uint64_t came, left; /* STANDS: it has not */
	uint64_t changed;
};

/* An email without a gap: the last of its runs, each stay of which begins before the others have ended. */
struct run {
	uint64_t email, thread;
	uint64_t begin, end, changed;
};

struct history {
	struct jmap *jmap;
	struct stay *stays;
	size_t stay_count, stay_room;
	struct run *runs;         /* by email */
	size_t run_count;
	struct jmap_gone *gone;
	size_t gone_count, gone_room;
};

static void
add_gone(struct history *history, const struct jmap_gone *gone)
{
	if (history->gone_count == history->gone_room) {
		history->gone_room = history->gone_room != 0 ? history->gone_room * 2 : 64;
		history->gone = xreallocarray(history->gone, history->gone_room, sizeof(*history->gone));
	}
	history->gone[history->gone_count++] = *gone;
}

static int
take_event(void *context, const struct ms_event *event)
{
	struct history *history = context;
	struct stay stay = { .email = event->email_id, .thread = event->thread_id, .came = event->came, .left = STANDS, .changed = event->modseq };

	if (event->kind == MS_EVENT_MAILBOX_LEFT) {
		struct jmap_gone gone = { .kind = JMAP_GONE_MAILBOX, .created = event->came, .state = event->modseq };

		jmap_hex_id('b', event->email_id, gone.mailbox);
		if (event->modseq <= history->jmap->began)
			add_gone(history, &gone);
		return 0;
	}
	if (event->came > history->jmap->began)
		return 0; /* this process has seen it come */
	if (event->kind == MS_EVENT_LEFT)
		stay.left = event->modseq;
	if (history->stay_count == history->stay_room) {
		history->stay_room = history->stay_room != 0 ? history->stay_room * 2 : 256;
		history->stays = xreallocarray(history->stays, history->stay_room, sizeof(*history->stays));
	}
	history->stays[history->stay_count++] = stay;
	return 0;
}

static int
compare_stays(const void *a, const void *b)
{
	const struct stay *x = a, *y = b;

	if (x->email != y->email)
		return x->email < y->email ? -1 : 1;
	return (x->came > y->came) - (x->came < y->came);
}

static void
make_runs(struct history *history)
{
	struct run *run = NULL;

	if (history->stay_count == 0)
		return;
	qsort(history->stays, history->stay_count, sizeof(*history->stays), compare_stays);
	history->runs = xcalloc(history->stay_count, sizeof(*history->runs));
	for (size_t i = 0; i < history->stay_count; i++) {
		const struct stay *stay = &history->stays[i];
		bool same = run != NULL && run->email == stay->email;

		if (!same)
			run = &history->runs[history->run_count++];
		/* A move ends one stay and begins another with the same number. */
		if (!same || stay->came > run->end)
			*run = (struct run){ .email = stay->email, .begin = stay->came };
		if (stay->left > run->end)
			run->end = stay->left;
		if (stay->thread != 0)
			run->thread = stay->thread;
		if (stay->changed > run->changed && stay->changed <= history->jmap->began)
			run->changed = stay->changed;
	}
}

static int
compare_runs(const void *a, const void *b)
{
	const struct run *x = a, *y = b;

	return (x->email > y->email) - (x->email < y->email);
}

static const struct run *
find_run(const struct history *history, uint64_t email)
{
	struct run wanted = { .email = email };

	return history->run_count != 0 ? bsearch(&wanted, history->runs, history->run_count, sizeof(wanted), compare_runs) : NULL;
}

static int
compare_gone(const void *a, const void *b)
{
	const struct jmap_gone *x = a, *y = b;

	return (x->state > y->state) - (x->state < y->state);
}

/* Emails that were there when this process began have no past in it yet, whether they are still there or not. */
static void
apply(struct history *history)
{
	struct jmap *jmap = history->jmap;

	for (size_t i = 0; i < jmap->email_count; i++) {
		struct jmap_email *email = jmap->emails[i];
		const struct run *run = email->created == 0 ? find_run(history, email->id) : NULL;

		if (run == NULL)
			continue;
		email->created = run->begin;
		if (email->changed == 0)
			email->changed = run->changed;
	}
	for (size_t i = 0; i < history->run_count; i++) {
		const struct run *run = &history->runs[i];
		struct jmap_gone gone = { .kind = JMAP_GONE_EMAIL, .id = run->email, .thread = run->thread, .created = run->begin, .state = run->end };

		if (run->end <= jmap->began)
			add_gone(history, &gone);
	}
	if (history->gone_count != 0)
		qsort(history->gone, history->gone_count, sizeof(*history->gone), compare_gone);
	for (size_t i = 0; i < jmap->gone_count; i++) {
		struct jmap_gone gone = jmap->gone[i];
		const struct run *run = gone.kind == JMAP_GONE_EMAIL && gone.created == 0 ? find_run(history, gone.id) : NULL;

		if (run != NULL)
			gone.created = run->begin;
		add_gone(history, &gone);
	}
}

int
jmap_read_history(struct jmap *jmap)
{
	struct history history = { .jmap = jmap };
	uint64_t floor;
	int r;

	if (jmap->has_history)
		return 0;
	r = ms_account_history(jmap->store, take_event, &history, &floor);
	if (r == 0) {
		jmap->has_history = true;
		/* An index that was made since knows nothing from before; what was forgotten since is none of what is read here. */
		if (floor < jmap->forgotten)
			floor = jmap->forgotten;
		if (floor < jmap->floor) {
			make_runs(&history);
			apply(&history);
			jmap->floor = floor;
			jmap_take_gone(jmap, history.gone, history.gone_count);
		}
	}
	free(history.stays);
	free(history.runs);
	free(history.gone);
	return r;
}
