/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* SEARCH (RFC 3501 section 6.4.4; RFC 4731, 5032, 5182, 7162): the store searches, some messages in a step. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "common/xalloc.h"
#include "imapd/search_keys.h"
#include "imapd/session_cmds.h"
#include "imapd/session_mailbox.h"

struct search {
	struct session *session;
	struct ms_search *search;
	uint32_t *found;  /* sequence numbers, ascending once done */
	size_t found_count;
	struct end {
		uint32_t seq;
		uint64_t modseq;
	} min, max;       /* the first and the last of those found */
	uint64_t modseq;  /* highest of those found */
	bool wants_modseq;
};

static void
search_free(void *state)
{
	struct search *search = state;

	ms_search_free(search->search);
	free(search->found);
	free(search);
}

static int
take_found(void *context, const struct ms_message *record)
{
	struct search *search = context;
	const struct imap_view *view = &search->session->selected->view;
	uint32_t seq = imap_view_seq(view, record->uid);

	if (seq == 0 || search->found_count == view->count)
		return 0; /* the client does not know it yet */
	search->found[search->found_count++] = seq;
	if (search->found_count == 1 || seq < search->min.seq)
		search->min = (struct end){ seq, record->modseq };
	if (search->found_count == 1 || seq > search->max.seq)
		search->max = (struct end){ seq, record->modseq };
	if (record->modseq > search->modseq)
		search->modseq = record->modseq;
	return 0;
}

/* --- the answer --- */

static int
compare(const void *left, const void *right)
{
	const uint32_t *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

/* Only the first, or the last, or these two are asked for. */
static bool
is_ends_only(unsigned returns)
{
	return (returns & (IMAP_RETURN_ALL | IMAP_RETURN_COUNT)) == 0 && (returns & (IMAP_RETURN_MIN | IMAP_RETURN_MAX)) != 0;
}

/* RFC 4731 section 3.2: the highest modification sequence of those that are returned. */
static uint64_t
modseq_of(const struct search *search, unsigned returns)
{
	uint64_t min = (returns & IMAP_RETURN_MIN) != 0 ? search->min.modseq : 0, max = (returns & IMAP_RETURN_MAX) != 0 ? search->max.modseq : 0;

	return !is_ends_only(returns) ? search->modseq : min > max ? min : max;
}

/* RFC 5182: the result of the last one, for "$". With MIN or MAX and no ALL or COUNT only these are kept. */
static void
save(struct session *session, const struct search *search, unsigned returns)
{
	bool ends_only = is_ends_only(returns);
	struct imap_view *view = &session->selected->view;
	size_t i;

	session->selected->saved = true;
	imap_view_clear_all(view, IMAP_VIEW_FOUND);
	for (i = 0; i < search->found_count; i++)
		if (!ends_only || (i == 0 && (returns & IMAP_RETURN_MIN) != 0) ||
		    (i + 1 == search->found_count && (returns & IMAP_RETURN_MAX) != 0))
			imap_view_set(view, search->found[i], IMAP_VIEW_FOUND);
}

/* RFC 5182 section 2.1: after NO "$" is empty, so that what comes next, which the client may have sent already, takes no other messages. */
static void
save_nothing(struct session *session)
{
	static const struct search nothing = { .found_count = 0 };

	if ((session->command.returns & IMAP_RETURN_SAVE) != 0)
		save(session, &nothing, session->command.returns);
}

static void
put_extended(struct session *session, const struct search *search, unsigned returns)
{
	struct imap_set_text text = { .out = &session->out };
	size_t i;

	session_fmt(session, "* ESEARCH (TAG \"%.*s\")%s", (int)session->command.tag.len, session->command.tag.ptr,
	    session->command.by_uid ? " UID" : "");
	if (search->found_count > 0) {
		if ((returns & IMAP_RETURN_MIN) != 0)
			session_fmt(session, " MIN %u", (unsigned)search->found[0]);
		if ((returns & IMAP_RETURN_MAX) != 0)
			session_fmt(session, " MAX %u", (unsigned)search->found[search->found_count - 1]);
		if ((returns & IMAP_RETURN_ALL) != 0) {
			session_put(session, SPAN(" ALL "));
			for (i = 0; i < search->found_count; i++)
				imap_set_add(&text, search->found[i]);
			imap_set_end(&text);
		}
	}
	if ((returns & IMAP_RETURN_COUNT) != 0)
		session_fmt(session, " COUNT %zu", search->found_count);
	if (search->wants_modseq && search->found_count > 0)
		session_fmt(session, " MODSEQ %llu", (unsigned long long)modseq_of(search, returns));
	session_put(session, SPAN("\r\n"));
}

static void
put_plain(struct session *session, const struct search *search)
{
	size_t i;

	session_put(session, SPAN("* SEARCH"));
	for (i = 0; i < search->found_count; i++)
		session_fmt(session, " %u", (unsigned)search->found[i]);
	if (search->wants_modseq && search->found_count > 0)
		session_fmt(session, " (MODSEQ %llu)", (unsigned long long)search->modseq);
	session_put(session, SPAN("\r\n"));
}

static void
finish(struct session *session, struct search *search)
{
	const struct imap_command *command = &session->command;
	size_t i;

	if (search->found_count > 1)
		qsort(search->found, search->found_count, sizeof(search->found[0]), compare);
	if ((command->returns & IMAP_RETURN_SAVE) != 0)
		save(session, search, command->returns);
	for (i = 0; command->by_uid && i < search->found_count; i++)
		search->found[i] = imap_view_uid(&session->selected->view, search->found[i]);
	if (!command->returns_given)
		put_plain(session, search);
	else if (command->returns != IMAP_RETURN_SAVE)
		put_extended(session, search, command->returns);
	session_answer(session, "OK", "SEARCH completed");
}

static enum job_result
search_step(struct session *session, void *state)
{
	struct search *search = state;
	bool done;
	int rc = ms_search_step(search->search, take_found, search, &done);

	if (rc != 0) {
		save_nothing(session);
		session_store_failed(session, "SEARCH", rc);
	} else if (done) {
		finish(session, search);
	}
	return rc != 0 || done ? JOB_DONE : JOB_MORE;
}

static const struct session_job search_job = { search_step, search_free };

static bool
uses_modseq(const struct imap_search *key)
{
	for (; key != NULL; key = key->next)
		if (key->kind == IMAP_SEARCH_MODSEQ || uses_modseq(key->children))
			return true;
	return false;
}

void
cmd_search(struct session *session, struct imap_command *command)
{
	const struct ms_search_key *keys;
	struct search *search;
	int rc;

	if (command->bad_charset) {
		save_nothing(session);
		session_answer(session, "NO", "[BADCHARSET (UTF-8 US-ASCII)] The charset is not known");
		return;
	}
	rc = search_keys_make(command->search, &session->selected->view, time(NULL), &session->arena, &keys);
	if (rc != 0) {
		session_bad(session, rc == -ERANGE ? "There is no message with that number" : "The search is too complex");
		return;
	}
	search = xcalloc(1, sizeof(*search));
	search->session = session;
	search->wants_modseq = uses_modseq(command->search);
	if (search->wants_modseq)
		session->enabled |= SESSION_CONDSTORE;
	search->found = xcalloc(session->selected->view.count + 1, sizeof(search->found[0]));
	search->search = ms_search_new(keys);
	rc = ms_search_begin(search->search, session->selected->mailbox);
	if (rc != 0) {
		save_nothing(session);
		session_store_failed(session, "SEARCH", rc);
		search_free(search);
		return;
	}
	session_set_job(session, &search_job, search);
}
