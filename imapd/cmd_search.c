/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* SEARCH (RFC 3501 section 6.4.4; RFC 4731, 5032, 5182, 7162). First what the index knows, in bulk; only messages about which
 * that does not decide are opened, one in a step. */
#include <stdlib.h>
#include <time.h>

#include "common/xalloc.h"
#include "imapd/search_content.h"
#include "imapd/session_cmds.h"
#include "imapd/session_mailbox.h"
#include "imapd/session_message.h"

/* Records looked at in one step. */
#define BATCH 1000
#define DAY 86400

enum verdict { NO, YES, UNKNOWN };

struct search {
	struct session *session;
	const struct imap_search *keys;
	int64_t now;
	size_t next;      /* index into the view of the first message not looked at */
	uint32_t *open;   /* UIDs that the index does not decide */
	size_t open_count, open_next;
	uint32_t *found;  /* sequence numbers, ascending once done */
	size_t found_count;
	uint64_t modseq;  /* highest of those found */
	bool wants_modseq;

	/* the message in work */
	const struct ms_message *record;
	uint32_t seq;
	struct fetch_message *content;
};

static void
search_free(void *state)
{
	struct search *search = state;

	free(search->open);
	free(search->found);
	free(search);
}

/* --- sets: once, before the first message --- */

/* Replaces the sets of all keys by sequence numbers in order. False when one names a message that is not there. */
static bool
resolve_sets(struct session *session, struct imap_search *key)
{
	struct imap_span_list list;
	size_t i;

	for (; key != NULL; key = key->next) {
		if (!resolve_sets(session, key->children))
			return false;
		if (key->kind != IMAP_SEARCH_SET && key->kind != IMAP_SEARCH_UID)
			continue;
		if (imap_view_resolve(&session->selected->view, &key->set, key->kind == IMAP_SEARCH_UID, &list) != 0)
			return false;
		key->set.range = imap_arena_get(&session->arena, list.count + 1, sizeof(key->set.range[0]));
		for (i = 0; key->set.range != NULL && i < list.count; i++)
			key->set.range[i] = (struct imap_range){ list.span[i].first, list.span[i].last };
		key->set.count = list.count;
		free(list.span);
		if (key->set.range == NULL)
			return false;
	}
	return true;
}

static bool
in_set(const struct imap_set *set, uint32_t seq)
{
	size_t low = 0, high = set->count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (set->range[middle].high < seq)
			low = middle + 1;
		else
			high = middle;
	}
	return low < set->count && set->range[low].low <= seq;
}

/* --- one key --- */

static bool
has_flag(const struct search *search, unsigned flag)
{
	static const uint32_t flags[] = {
		[IMAP_FLAG_ANSWERED] = MS_ANSWERED, [IMAP_FLAG_FLAGGED] = MS_FLAGGED, [IMAP_FLAG_DELETED] = MS_DELETED,
		[IMAP_FLAG_SEEN] = MS_SEEN, [IMAP_FLAG_DRAFT] = MS_DRAFT,
	};

	return (search->record->flags & flags[flag]) != 0;
}

static bool
has_keyword(const struct search *search, struct span name)
{
	const char *keyword;
	unsigned n;

	if (span_ieq(name, SPAN("$Forwarded")))
		return (search->record->flags & MS_FORWARDED) != 0;
	for (n = 0; n < 64 && (keyword = ms_keyword(search->session->selected->mailbox, n)) != NULL; n++)
		if (span_ieq(name, span_of(keyword)))
			return (search->record->keywords >> n & 1) != 0;
	return false;
}

/* RFC 3501: "disregarding time and timezone": both are taken in UTC. */
static bool
on_day(int64_t time, int64_t day)
{
	return time >= day && time < day + DAY;
}

/* RFC 8474: the identifiers as FETCH gives them. */
static bool
is_object(struct span text, char prefix, uint64_t id)
{
	struct buf whole = BUF_INIT(32);
	bool same;

	(void)buf_fmt(&whole, "%c%016llx", prefix, (unsigned long long)id);
	same = span_eq(buf_get(&whole), text);
	buf_free(&whole);
	return same;
}

static enum verdict evaluate_all(struct search *search, const struct imap_search *keys);

static enum verdict
evaluate(struct search *search, const struct imap_search *key)
{
	const struct ms_message *record = search->record;
	enum verdict left, right;

	switch (key->kind) {
	case IMAP_SEARCH_ALL:
		return YES;
	case IMAP_SEARCH_AND:
		return evaluate_all(search, key->children);
	case IMAP_SEARCH_OR:
		left = evaluate(search, key->children);
		if (left == YES)
			return YES;
		right = evaluate(search, key->children->next);
		return right == YES ? YES : left == UNKNOWN || right == UNKNOWN ? UNKNOWN : NO;
	case IMAP_SEARCH_NOT:
		left = evaluate(search, key->children);
		return left == UNKNOWN ? UNKNOWN : left == YES ? NO : YES;
	case IMAP_SEARCH_SET:
	case IMAP_SEARCH_UID:
		return in_set(&key->set, search->seq);
	case IMAP_SEARCH_FLAG:
		return has_flag(search, key->flags) != key->negated;
	case IMAP_SEARCH_KEYWORD:
		return has_keyword(search, key->text) != key->negated;
	case IMAP_SEARCH_RECENT:
		return ((search->session->selected->view.bits[search->seq - 1] & IMAP_VIEW_RECENT) != 0) != key->negated;
	case IMAP_SEARCH_BEFORE:
		return record->internal_date < key->day;
	case IMAP_SEARCH_ON:
		return on_day(record->internal_date, key->day);
	case IMAP_SEARCH_SINCE:
		return record->internal_date >= key->day;
	case IMAP_SEARCH_SAVEDBEFORE:
		return record->save_date < key->day;
	case IMAP_SEARCH_SAVEDON:
		return on_day(record->save_date, key->day);
	case IMAP_SEARCH_SAVEDSINCE:
		return record->save_date >= key->day;
	case IMAP_SEARCH_YOUNGER:
		return record->internal_date >= search->now - (int64_t)key->number;
	case IMAP_SEARCH_OLDER:
		return record->internal_date <= search->now - (int64_t)key->number;
	case IMAP_SEARCH_LARGER:
		return record->size > key->number;
	case IMAP_SEARCH_SMALLER:
		return record->size < key->number;
	case IMAP_SEARCH_MODSEQ:
		return record->modseq >= key->number;
	case IMAP_SEARCH_EMAILID:
		return is_object(key->text, 'M', record->email_id);
	case IMAP_SEARCH_THREADID:
		return is_object(key->text, 'T', record->thread_id);
	default:
		if (search->content == NULL)
			return UNKNOWN;
		return search_content_matches(key, search->content);
	}
}

/* All of a list; a NO ends it, whatever the others would cost. */
static enum verdict
evaluate_all(struct search *search, const struct imap_search *keys)
{
	enum verdict all = YES, one;

	for (; keys != NULL; keys = keys->next) {
		one = evaluate(search, keys);
		if (one == NO)
			return NO;
		if (one == UNKNOWN)
			all = UNKNOWN;
	}
	return all;
}

/* --- all messages --- */

static void
take_found(struct search *search)
{
	search->found[search->found_count++] = search->seq;
	if (search->record->modseq > search->modseq)
		search->modseq = search->record->modseq;
}

static int
look_at_record(void *context, const struct ms_message *record)
{
	struct search *search = context;

	search->record = record;
	search->seq = imap_view_seq(&search->session->selected->view, record->uid);
	if (search->seq == 0)
		return 0; /* the client does not know it yet */
	switch (evaluate(search, search->keys)) {
	case YES:
		take_found(search);
		break;
	case UNKNOWN:
		search->open[search->open_count++] = record->uid;
		break;
	case NO:
		break;
	}
	return 0;
}

static int
look_at_content(struct search *search, uint32_t uid)
{
	struct session_message message;
	struct ms_message record;
	int rc = ms_message_get(search->session->selected->mailbox, uid, &record);

	if (rc == 0)
		rc = session_message_open(search->session->selected->mailbox, uid, &message);
	if (rc != 0)
		return rc == MS_E_NOTFOUND ? 0 : rc;
	search->record = &record;
	search->seq = imap_view_seq(&search->session->selected->view, uid);
	search->content = &message.parts;
	if (search->seq != 0 && evaluate(search, search->keys) == YES)
		take_found(search);
	search->content = NULL;
	session_message_close(&message);
	return 0;
}

/* --- the answer --- */

static int
compare(const void *left, const void *right)
{
	const uint32_t *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

/* RFC 5182: the result of the last one, for "$". With MIN or MAX and no ALL or COUNT only these are kept. */
static void
save(struct session *session, const struct search *search, unsigned returns)
{
	bool ends_only = (returns & (IMAP_RETURN_ALL | IMAP_RETURN_COUNT)) == 0 && (returns & (IMAP_RETURN_MIN | IMAP_RETURN_MAX)) != 0;
	struct imap_view *view = &session->selected->view;
	size_t i;

	session->selected->saved = true;
	imap_view_clear_all(view, IMAP_VIEW_FOUND);
	for (i = 0; i < search->found_count; i++)
		if (!ends_only || (i == 0 && (returns & IMAP_RETURN_MIN) != 0) ||
		    (i + 1 == search->found_count && (returns & IMAP_RETURN_MAX) != 0))
			imap_view_set(view, search->found[i], IMAP_VIEW_FOUND);
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
		session_fmt(session, " MODSEQ %llu", (unsigned long long)search->modseq);
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
		search->found[i] = session->selected->view.uids[search->found[i] - 1];
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
	const struct imap_view *view = &session->selected->view;
	size_t last;
	int rc;

	if (search->next < view->count) {
		last = search->next + BATCH < view->count ? search->next + BATCH : view->count;
		rc = ms_messages(session->selected->mailbox, view->uids[search->next], view->uids[last - 1], look_at_record, search);
		search->next = last;
	} else if (search->open_next < search->open_count) {
		rc = look_at_content(search, search->open[search->open_next++]);
	} else {
		finish(session, search);
		return JOB_DONE;
	}
	if (rc == 0)
		return JOB_MORE;
	session_store_failed(session, "SEARCH", rc);
	return JOB_DONE;
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
	struct search *search;

	if (command->bad_charset) {
		session_answer(session, "NO", "[BADCHARSET (UTF-8 US-ASCII)] The charset is not known");
		return;
	}
	if (!resolve_sets(session, command->search)) {
		session_bad(session, "There is no message with that number");
		return;
	}
	search = xcalloc(1, sizeof(*search));
	search->session = session;
	search->keys = command->search;
	search->now = time(NULL);
	search->wants_modseq = uses_modseq(command->search);
	if (search->wants_modseq)
		session->enabled |= SESSION_CONDSTORE;
	search->open = xcalloc(session->selected->view.count + 1, sizeof(search->open[0]));
	search->found = xcalloc(session->selected->view.count + 1, sizeof(search->found[0]));
	session_set_job(session, &search_job, search);
}
