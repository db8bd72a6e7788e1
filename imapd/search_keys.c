/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* SEARCH's keys as the store's. */
#include "imapd/search_keys.h"

#include <errno.h>
#include <stdlib.h>

#define DAY 86400

struct maker {
	const struct imap_view *view;
	int64_t now;
	struct imap_arena *arena;
	int result; /* 0 until something went wrong */
};

static struct ms_search_key *
make_list(struct maker *maker, const struct imap_search *keys);

static void *
take(struct maker *maker, size_t count, size_t size)
{
	void *memory = imap_arena_get(maker->arena, count, size);

	if (memory == NULL)
		maker->result = -ENOMEM;
	return memory;
}

/* --- messages by number --- */

static void
set_uids(struct maker *maker, const struct imap_search *key, struct ms_search_key *made)
{
	struct ms_search_range *ranges;
	struct imap_span_list list;
	int r = imap_view_resolve(maker->view, &key->set, key->kind == IMAP_SEARCH_UID, &list);

	if (r != 0) {
		maker->result = r;
		return;
	}
	ranges = take(maker, list.count + 1, sizeof(*ranges));
	for (size_t i = 0; ranges != NULL && i < list.count; i++)
		ranges[i] = (struct ms_search_range){ imap_view_uid(maker->view, list.span[i].first), imap_view_uid(maker->view, list.span[i].last) };
	made->kind = MS_SEARCH_UIDS;
	made->uids = ranges;
	made->uid_count = list.count;
	free(list.span);
}

static void
set_recent(struct maker *maker, struct ms_search_key *made)
{
	const struct imap_view *view = maker->view;
	struct ms_search_range *ranges;
	size_t runs = 0, run = 0;

	for (size_t i = 0; i < view->count; i++)
		runs += (view->bits[i] & IMAP_VIEW_RECENT) != 0 && (i == 0 || (view->bits[i - 1] & IMAP_VIEW_RECENT) == 0);
	ranges = take(maker, runs + 1, sizeof(*ranges));
	for (size_t i = 0; ranges != NULL && i < view->count; i++) {
		if ((view->bits[i] & IMAP_VIEW_RECENT) == 0)
			continue;
		if (i == 0 || (view->bits[i - 1] & IMAP_VIEW_RECENT) == 0)
			ranges[run++].first = imap_view_uid(view, (uint32_t)i + 1);
		ranges[run - 1].last = imap_view_uid(view, (uint32_t)i + 1);
	}
	made->kind = MS_SEARCH_UIDS;
	made->uids = ranges;
	made->uid_count = runs;
}

/* --- the others --- */

static uint32_t
store_flag(unsigned flag)
{
	switch (flag) {
	case IMAP_FLAG_ANSWERED: return MS_ANSWERED;
	case IMAP_FLAG_FLAGGED: return MS_FLAGGED;
	case IMAP_FLAG_DELETED: return MS_DELETED;
	case IMAP_FLAG_SEEN: return MS_SEEN;
	default: return MS_DRAFT;
	}
}

static void
set_keyword(struct span name, struct ms_search_key *made)
{
	if (span_ieq(name, SPAN("$Forwarded"))) {
		made->kind = MS_SEARCH_FLAGS;
		made->flags = MS_FORWARDED;
		return;
	}
	made->kind = MS_SEARCH_KEYWORD;
	made->text = name.ptr;
	made->text_len = name.len;
}

static void
set_times(struct ms_search_key *made, enum ms_search_kind kind, int64_t from, int64_t to)
{
	made->kind = kind;
	made->from = from;
	made->to = to;
}

static void
set_numbers(struct ms_search_key *made, enum ms_search_kind kind, uint64_t low, uint64_t high)
{
	made->kind = kind;
	made->low = low;
	made->high = high;
}

/* RFC 8474: the identifiers as FETCH gives them; any other text is nobody's. */
static void
set_object(struct ms_search_key *made, enum ms_search_kind kind, struct span text, char prefix)
{
	uint64_t id = 0;

	made->kind = MS_SEARCH_OR;
	if (text.len != MS_ID_LEN + 1 || text.ptr[0] != prefix)
		return;
	for (size_t i = 1; i < text.len; i++) {
		if (ascii_hex(text.ptr[i]) < 0 || ascii_lower(text.ptr[i]) != text.ptr[i])
			return;
		id = id << 4 | (unsigned)ascii_hex(text.ptr[i]);
	}
	set_numbers(made, kind, id, id);
}

static void
set_text(struct ms_search_key *made, unsigned where, struct span text, struct span field)
{
	made->kind = MS_SEARCH_TEXT;
	made->where = where;
	made->text = text.ptr;
	made->text_len = text.len;
	made->field = field.ptr;
	made->field_len = field.len;
}

static void
set_key(struct maker *maker, const struct imap_search *key, struct ms_search_key *made)
{
	int64_t day = key->day, next = key->day + DAY, ago = maker->now - (int64_t)key->number;

	switch (key->kind) {
	case IMAP_SEARCH_ALL: made->kind = MS_SEARCH_AND; break;
	case IMAP_SEARCH_AND: made->kind = MS_SEARCH_AND; made->children = make_list(maker, key->children); break;
	case IMAP_SEARCH_OR: made->kind = MS_SEARCH_OR; made->children = make_list(maker, key->children); break;
	case IMAP_SEARCH_NOT: made->kind = MS_SEARCH_NOT; made->children = make_list(maker, key->children); break;
	case IMAP_SEARCH_SET:
	case IMAP_SEARCH_UID: set_uids(maker, key, made); break;
	case IMAP_SEARCH_FLAG: made->kind = MS_SEARCH_FLAGS; made->flags = store_flag(key->flags); break;
	case IMAP_SEARCH_KEYWORD: set_keyword(key->text, made); break;
	case IMAP_SEARCH_RECENT: set_recent(maker, made); break;
	case IMAP_SEARCH_BEFORE: set_times(made, MS_SEARCH_RECEIVED, INT64_MIN, day); break;
	case IMAP_SEARCH_ON: set_times(made, MS_SEARCH_RECEIVED, day, next); break;
	case IMAP_SEARCH_SINCE: set_times(made, MS_SEARCH_RECEIVED, day, INT64_MAX); break;
	case IMAP_SEARCH_SENTBEFORE: set_times(made, MS_SEARCH_SENT, INT64_MIN, day); break;
	case IMAP_SEARCH_SENTON: set_times(made, MS_SEARCH_SENT, day, next); break;
	case IMAP_SEARCH_SENTSINCE: set_times(made, MS_SEARCH_SENT, day, INT64_MAX); break;
	case IMAP_SEARCH_SAVEDBEFORE: set_times(made, MS_SEARCH_SAVED, INT64_MIN, day); break;
	case IMAP_SEARCH_SAVEDON: set_times(made, MS_SEARCH_SAVED, day, next); break;
	case IMAP_SEARCH_SAVEDSINCE: set_times(made, MS_SEARCH_SAVED, day, INT64_MAX); break;
	case IMAP_SEARCH_YOUNGER: set_times(made, MS_SEARCH_RECEIVED, ago, INT64_MAX); break;
	case IMAP_SEARCH_OLDER: set_times(made, MS_SEARCH_RECEIVED, INT64_MIN, ago + 1); break;
	case IMAP_SEARCH_BCC: set_text(made, MS_IN_FIELD, key->text, SPAN("Bcc")); break;
	case IMAP_SEARCH_CC: set_text(made, MS_IN_FIELD, key->text, SPAN("Cc")); break;
	case IMAP_SEARCH_FROM: set_text(made, MS_IN_FIELD, key->text, SPAN("From")); break;
	case IMAP_SEARCH_TO: set_text(made, MS_IN_FIELD, key->text, SPAN("To")); break;
	case IMAP_SEARCH_SUBJECT: set_text(made, MS_IN_FIELD, key->text, SPAN("Subject")); break;
	case IMAP_SEARCH_HEADER: set_text(made, MS_IN_FIELD, key->text, key->field); break;
	case IMAP_SEARCH_BODY: set_text(made, MS_IN_BODY, key->text, SPAN("")); break;
	case IMAP_SEARCH_TEXT: set_text(made, MS_IN_HEADER | MS_IN_BODY, key->text, SPAN("")); break;
	case IMAP_SEARCH_LARGER: set_numbers(made, MS_SEARCH_SIZE, key->number + 1, key->number == UINT64_MAX ? 0 : UINT64_MAX); break;
	case IMAP_SEARCH_SMALLER: set_numbers(made, MS_SEARCH_SIZE, key->number == 0 ? 1 : 0, key->number == 0 ? 0 : key->number - 1); break;
	case IMAP_SEARCH_MODSEQ: set_numbers(made, MS_SEARCH_MODSEQ, key->number, UINT64_MAX); break;
	case IMAP_SEARCH_EMAILID: set_object(made, MS_SEARCH_EMAIL, key->text, 'M'); break;
	case IMAP_SEARCH_THREADID: set_object(made, MS_SEARCH_THREAD, key->text, 'T'); break;
	}
}

static struct ms_search_key *
make_key(struct maker *maker, const struct imap_search *key)
{
	struct ms_search_key *made = take(maker, 1, sizeof(*made)), *not_made;

	if (made == NULL)
		return NULL;
	set_key(maker, key, made);
	if (!key->negated)
		return made;
	not_made = take(maker, 1, sizeof(*not_made));
	if (not_made == NULL)
		return NULL;
	not_made->kind = MS_SEARCH_NOT;
	not_made->children = made;
	return not_made;
}

/* The parser bounds how deep it goes. */
static struct ms_search_key *
make_list(struct maker *maker, const struct imap_search *keys)
{
	struct ms_search_key *first = NULL, *last = NULL;

	for (; keys != NULL && maker->result == 0; keys = keys->next) {
		struct ms_search_key *made = make_key(maker, keys);

		if (made == NULL)
			break;
		if (last == NULL)
			first = made;
		else
			last->next = made;
		last = made;
	}
	return first;
}

int
search_keys_make(const struct imap_search *keys, const struct imap_view *view, int64_t now, struct imap_arena *arena,
    const struct ms_search_key **ret)
{
	struct maker maker = { .view = view, .now = now, .arena = arena };

	*ret = make_list(&maker, keys);
	return maker.result;
}
