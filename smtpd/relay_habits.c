/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A table of a fixed size, looked through from one end to the other: once for each connection. */
#include "smtpd/relay_habits.h"

#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"

#define SILENCE_SECONDS 60

struct row {
	char *host; /* NULL: free */
	int64_t noted;
	struct relay_habit habit;
};

struct relay_habits {
	struct row rows[RELAY_HABITS_MAX];
};

struct relay_habits *
relay_habits_new(void)
{
	return xcalloc(1, sizeof(struct relay_habits));
}

struct relay_habits *
relay_habits_free(struct relay_habits *habits)
{
	for (size_t i = 0; habits != NULL && i < RELAY_HABITS_MAX; i++)
		free(habits->rows[i].host);
	free(habits);
	return NULL;
}

static bool
is_of(const struct row *row, const char *host)
{
	return row->host != NULL && strcmp(row->host, host) == 0;
}

static bool
is_fresh(const struct row *row, int64_t now)
{
	return now - row->noted < RELAY_HABITS_LIFETIME;
}

struct relay_habit
relay_habits_find(const struct relay_habits *habits, const char *host, int64_t now)
{
	for (size_t i = 0; i < RELAY_HABITS_MAX; i++)
		if (is_of(&habits->rows[i], host))
			return is_fresh(&habits->rows[i], now) ? habits->rows[i].habit : (struct relay_habit){ 0 };
	return (struct relay_habit){ 0 };
}

/* The host's row, or the one that makes room for it: a free one, or the oldest. */
static struct row *
row_for(struct relay_habits *habits, const char *host)
{
	struct row *oldest = &habits->rows[0];

	for (size_t i = 0; i < RELAY_HABITS_MAX; i++) {
		struct row *row = &habits->rows[i];

		if (is_of(row, host))
			return row;
		if (oldest->host != NULL && (row->host == NULL || row->noted < oldest->noted))
			oldest = row;
	}
	free(oldest->host);
	*oldest = (struct row){ .host = xstrdup(host) };
	return oldest;
}

void
relay_habits_note(struct relay_habits *habits, const char *host, struct relay_habit found, int64_t now)
{
	struct row *row = row_for(habits, host);

	if (!is_fresh(row, now))
		row->habit = (struct relay_habit){ 0 };
	row->noted = now;
	if (found.rcpt_max != 0)
		row->habit.rcpt_max = found.rcpt_max;
	row->habit.unchunked |= found.unchunked;
	row->habit.silent |= found.silent;
	row->habit.silent_tls |= found.silent_tls;
}

void
relay_habits_note_silence(struct relay_habits *habits, const char *host, bool tls, int64_t patience, int64_t now)
{
	if (patience >= SILENCE_SECONDS)
		relay_habits_note(habits, host, (struct relay_habit){ .silent = !tls, .silent_tls = tls }, now);
}

void
relay_habits_note_voice(struct relay_habits *habits, const char *host, bool tls)
{
	for (size_t i = 0; i < RELAY_HABITS_MAX; i++)
		if (is_of(&habits->rows[i], host)) {
			habits->rows[i].habit.silent = false;
			habits->rows[i].habit.silent_tls &= !tls;
		}
}
