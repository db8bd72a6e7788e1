/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The account in memory. Every change gets the store's modification sequence of the sync that found it: that is JMAP's state. A sync
 * takes in what happened up to one sequence and nothing after it: what came under a state that was told before would never be heard
 * of. What happened before this process began is read from the store when somebody asks (jmap_history.c). */
#include "webmaild/jmap_store.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "webmaild/jmap.h"

/* When there are twice as many as the store remembers, as many as it does are kept. */
#define GONE_KEPT 100000
#define GONE_MAX (2 * GONE_KEPT)
/* Attempts to list the mailboxes without anything happening meanwhile. */
#define LISTINGS_MAX 100

/* --- ids --- */

void
jmap_hex_id(char kind, uint64_t id, char *ret_text)
{
	static const char digits[] = "0123456789abcdef";

	ret_text[0] = kind;
	for (unsigned i = 0; i < 16; i++)
		ret_text[1 + i] = digits[id >> (60 - 4 * i) & 15];
	ret_text[17] = '\0';
}

void
jmap_email_id(uint64_t id, char ret_text[JMAP_ID_LEN + 1])
{
	jmap_hex_id('m', id, ret_text);
}

void
jmap_thread_id(uint64_t id, char ret_text[JMAP_ID_LEN + 1])
{
	jmap_hex_id('t', id, ret_text);
}

bool
jmap_parse_id(struct span text, char kind, uint64_t *ret_id)
{
	*ret_id = 0;
	if (text.len != JMAP_ID_LEN || text.ptr[0] != kind)
		return false;
	for (size_t i = 1; i < text.len; i++) {
		int digit = ascii_hex(text.ptr[i]);

		if (digit < 0 || (text.ptr[i] >= 'A' && text.ptr[i] <= 'F'))
			return false;
		*ret_id = *ret_id << 4 | (unsigned)digit;
	}
	return true;
}

struct jmap_state
jmap_state_text(uint64_t state)
{
	struct jmap_state text;

	(void)snprintf(text.text, sizeof(text.text), "s%llu", (unsigned long long)state);
	return text;
}

bool
jmap_state_parse(struct jmap *jmap, struct span text, uint64_t *ret_state)
{
	if (!span_starts(text, SPAN("s")) || span_to_u64(span_skip(text, 1), UINT64_MAX / 2, ret_state) != 0 || *ret_state > jmap->state)
		return false;
	/* What cannot be read is not known: the client looks at all. */
	if (*ret_state < jmap->floor)
		(void)jmap_read_history(jmap);
	return *ret_state >= jmap->floor;
}

/* --- emails --- */

static size_t
bucket_of(const struct jmap *jmap, uint64_t id)
{
	return (size_t)((id * 0x9e3779b97f4a7c15u) >> 32) & (jmap->bucket_count - 1);
}

struct jmap_email *
jmap_find_email(struct jmap *jmap, uint64_t id)
{
	struct jmap_email *email = jmap->bucket_count > 0 ? jmap->buckets[bucket_of(jmap, id)] : NULL;

	while (email != NULL && email->id != id)
		email = email->chain;
	return email;
}

static void
link_bucket(struct jmap *jmap, struct jmap_email *email)
{
	size_t bucket = bucket_of(jmap, email->id);

	email->chain = jmap->buckets[bucket];
	jmap->buckets[bucket] = email;
}

static void
grow(struct jmap *jmap)
{
	jmap->email_room = jmap->email_room != 0 ? jmap->email_room * 2 : 256;
	jmap->emails = xreallocarray(jmap->emails, jmap->email_room, sizeof(struct jmap_email *));
	free(jmap->buckets);
	jmap->bucket_count = jmap->email_room;
	jmap->buckets = xcalloc(jmap->bucket_count, sizeof(struct jmap_email *));
	for (size_t i = 0; i < jmap->email_count; i++)
		link_bucket(jmap, jmap->emails[i]);
}

struct jmap_email *
jmap_find_email_text(struct jmap *jmap, struct span text)
{
	uint64_t id;

	return jmap_parse_id(text, 'm', &id) ? jmap_find_email(jmap, id) : NULL;
}

static struct jmap_email *
email_add(struct jmap *jmap, const struct ms_message *message)
{
	struct jmap_email *email = xcalloc(1, sizeof(*email));

	if (jmap->email_count == jmap->email_room)
		grow(jmap);
	email->id = message->email_id;
	email->thread = message->thread_id;
	email->size = message->size;
	email->received = message->internal_date;
	email->has_attachment = message->has_attachment;
	email->created = jmap->state;
	email->at = jmap->email_count;
	jmap->emails[jmap->email_count++] = email;
	link_bucket(jmap, email);
	return email;
}

static void
note_gone(struct jmap *jmap, const struct jmap_gone *gone)
{
	if (jmap->gone_count == GONE_MAX) {
		/* The older half is forgotten: states before it are not explained any more, nor does the store's history of what was before
		 * this process change that. */
		jmap->forgotten = jmap->gone[GONE_MAX - GONE_KEPT - 1].state;
		if (jmap->floor < jmap->forgotten)
			jmap->floor = jmap->forgotten;
		memmove(jmap->gone, jmap->gone + GONE_MAX - GONE_KEPT, GONE_KEPT * sizeof(*jmap->gone));
		jmap->gone_count = GONE_KEPT;
	}
	if (jmap->gone_count == jmap->gone_room) {
		jmap->gone_room = jmap->gone_room != 0 ? jmap->gone_room * 2 : 64;
		jmap->gone = xreallocarray(jmap->gone, jmap->gone_room, sizeof(*jmap->gone));
	}
	jmap->gone[jmap->gone_count++] = *gone;
}

void
jmap_take_gone(struct jmap *jmap, const struct jmap_gone *gone, size_t count)
{
	jmap->gone_count = 0;
	for (size_t i = 0; i < count; i++)
		note_gone(jmap, &gone[i]);
}

static void
email_drop(struct jmap *jmap, struct jmap_email *email)
{
	struct jmap_email **at = &jmap->buckets[bucket_of(jmap, email->id)];
	struct jmap_gone gone = { .kind = JMAP_GONE_EMAIL, .id = email->id, .thread = email->thread, .created = email->created, .state = jmap->state };

	note_gone(jmap, &gone);
	jmap->email_state = jmap->thread_state = jmap->state;
	while (*at != email)
		at = &(*at)->chain;
	*at = email->chain;
	/* The last takes its place. */
	jmap->emails[email->at] = jmap->emails[--jmap->email_count];
	jmap->emails[email->at]->at = email->at;
	free(email->places);
	free(email);
}

static struct jmap_place *
find_place(const struct jmap_email *email, const struct jmap_mailbox *mailbox, uint32_t uid)
{
	for (size_t i = 0; i < email->place_count; i++)
		if (email->places[i].mailbox == mailbox && email->places[i].uid == uid)
			return &email->places[i];
	return NULL;
}

bool
jmap_email_in(const struct jmap_email *email, const struct jmap_mailbox *mailbox)
{
	for (size_t i = 0; i < email->place_count; i++)
		if (email->places[i].mailbox == mailbox)
			return true;
	return false;
}

/* --- taking in what the store says --- */

struct taking {
	struct jmap *jmap;
	struct jmap_mailbox *mailbox;
	bool all; /* the mailbox's first time: whatever it holds */
	/* UIDs that went, gathered because the callback may not look for their emails by walking the store. */
	uint32_t *gone;
	size_t gone_count, gone_room;
};

static int
take_message(void *context, const struct ms_message *message)
{
	struct taking *taking = context;
	struct jmap *jmap = taking->jmap;
	struct jmap_email *email;
	struct jmap_place *place;

	if (message->modseq > jmap->state && !taking->all)
		return 0; /* for the next sync */
	email = jmap_find_email(jmap, message->email_id);
	if (email == NULL) {
		email = email_add(jmap, message);
		jmap->thread_state = jmap->state;
	}
	place = find_place(email, taking->mailbox, message->uid);
	if (place == NULL) {
		email->places = xreallocarray(email->places, email->place_count + 1, sizeof(*email->places));
		place = &email->places[email->place_count++];
		*place = (struct jmap_place){ .mailbox = taking->mailbox, .uid = message->uid };
	} else if (place->flags == message->flags && place->keywords == message->keywords.first && !place->more && message->keywords.more_count == 0) {
		return 0;
	}
	place->flags = message->flags;
	place->keywords = message->keywords.first;
	place->more = message->keywords.more_count != 0;
	email->changed = taking->mailbox->changed = jmap->state;
	jmap->email_state = jmap->mailbox_state = jmap->state;
	return 0;
}

static int
take_expunged(void *context, uint32_t uid, uint64_t modseq)
{
	struct taking *taking = context;

	if (modseq > taking->jmap->state)
		return 0; /* for the next sync */
	if (taking->gone_count == taking->gone_room) {
		taking->gone_room = taking->gone_room != 0 ? taking->gone_room * 2 : 64;
		taking->gone = xreallocarray(taking->gone, taking->gone_room, sizeof(*taking->gone));
	}
	taking->gone[taking->gone_count++] = uid;
	return 0;
}

static int
compare_uids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Removes the places in a mailbox whose UIDs are on the list (sorted); NULL: all of them. */
static void
remove_places(struct jmap *jmap, struct jmap_mailbox *mailbox, const uint32_t *uids, size_t count)
{
	for (size_t i = jmap->email_count; i-- > 0;) {
		struct jmap_email *email = jmap->emails[i];
		size_t kept = 0;

		for (size_t p = 0; p < email->place_count; p++) {
			const struct jmap_place *place = &email->places[p];

			if (place->mailbox != mailbox ||
			    (uids != NULL && bsearch(&place->uid, uids, count, sizeof(*uids), compare_uids) == NULL))
				email->places[kept++] = *place;
		}
		if (kept == email->place_count)
			continue;
		email->place_count = kept;
		email->changed = mailbox->changed = jmap->state;
		jmap->email_state = jmap->mailbox_state = jmap->state;
		jmap->orphans = jmap->orphans || kept == 0;
	}
}

/* Once all mailboxes have been looked at: what moved stands in another by now. */
static void
drop_orphans(struct jmap *jmap)
{
	for (size_t i = jmap->email_count; jmap->orphans && i-- > 0;)
		if (jmap->emails[i]->place_count == 0)
			email_drop(jmap, jmap->emails[i]);
	jmap->orphans = false;
}

static int
take_uid(void *context, const struct ms_message *message)
{
	int r = take_message(context, message);

	return r != 0 ? r : take_expunged(context, message->uid, 0);
}

/* What left is not known, as after the index was made anew, with numbers below those that we know when the clock was put back meanwhile: whatever
 * stands nowhere in the mailbox has left. */
static int
compare_all(struct taking *taking)
{
	struct jmap *jmap = taking->jmap;
	uint32_t *present;
	size_t count;
	int r;

	taking->all = true;
	taking->gone_count = 0;
	r = ms_messages(taking->mailbox->open, 1, UINT32_MAX, take_uid, taking);
	if (r != 0)
		return r;
	present = TAKE_PTR(taking->gone);
	count = taking->gone_count;
	taking->gone_count = taking->gone_room = 0;
	for (size_t i = 0; i < jmap->email_count; i++)
		for (size_t p = 0; p < jmap->emails[i]->place_count; p++) {
			const struct jmap_place *place = &jmap->emails[i]->places[p];

			if (place->mailbox == taking->mailbox && bsearch(&place->uid, present, count, sizeof(*present), compare_uids) == NULL)
				(void)take_expunged(taking, place->uid, 0);
		}
	free(present);
	return 0;
}

static int
sync_emails(struct jmap *jmap, struct jmap_mailbox *mailbox)
{
	struct taking taking = { .jmap = jmap, .mailbox = mailbox, .all = mailbox->modseq == 0 };
	uint64_t since = mailbox->modseq, now;
	int r;

	if (mailbox->open == NULL)
		r = ms_mailbox_open(jmap->store, mailbox->info.name, &mailbox->open);
	else
		r = ms_mailbox_sync(mailbox->open);
	if (r != 0)
		return r;
	now = ms_mailbox_info(mailbox->open)->modseq;
	if (now > jmap->state)
		now = jmap->state;
	if (taking.all)
		r = ms_messages(mailbox->open, 1, UINT32_MAX, take_message, &taking);
	else if (now > since)
		r = ms_changes(mailbox->open, since, take_message, take_expunged, &taking);
	if (r == MS_E_FORGOTTEN || (r == 0 && now < since))
		r = compare_all(&taking);
	if (r == 0)
		mailbox->modseq = now;
	if (taking.gone_count > 0) {
		qsort(taking.gone, taking.gone_count, sizeof(*taking.gone), compare_uids);
		remove_places(jmap, mailbox, taking.gone, taking.gone_count);
	}
	free(taking.gone);
	return r;
}

/* --- mailboxes --- */

struct jmap_mailbox *
jmap_find_mailbox(struct jmap *jmap, struct span id)
{
	for (size_t i = 0; i < jmap->mailbox_count; i++)
		if (span_eq(span_of(jmap->mailboxes[i]->id), id))
			return jmap->mailboxes[i];
	return NULL;
}

struct jmap_mailbox *
jmap_find_use(struct jmap *jmap, enum ms_use use)
{
	for (size_t i = 0; i < jmap->mailbox_count; i++)
		if (jmap->mailboxes[i]->info.use == use)
			return jmap->mailboxes[i];
	return NULL;
}

/* Takes the strings of info over. */
static void
mailbox_listed(struct jmap *jmap, struct ms_mailbox_info *info)
{
	char id[JMAP_ID_LEN + 1];
	struct jmap_mailbox *mailbox;
	bool renamed;

	(void)snprintf(id, sizeof(id), "b%s", info->id);
	mailbox = jmap_find_mailbox(jmap, span_of(id));
	if (mailbox == NULL) {
		mailbox = xcalloc(1, sizeof(*mailbox));
		memcpy(mailbox->id, id, sizeof(id));
		mailbox->created = mailbox->changed = mailbox->renamed = jmap->mailbox_state = jmap->state;
		jmap->mailboxes = xreallocarray(jmap->mailboxes, jmap->mailbox_count + 1, sizeof(struct jmap_mailbox *));
		jmap->mailboxes[jmap->mailbox_count++] = mailbox;
	} else {
		renamed = strcmp(mailbox->info.name, info->name) != 0;
		if (renamed || mailbox->info.subscribed != info->subscribed || mailbox->info.use != info->use)
			mailbox->changed = mailbox->renamed = jmap->mailbox_state = jmap->state;
		/* The open mailbox knows itself by its name. */
		if (renamed && mailbox->open != NULL) {
			ms_mailbox_close(mailbox->open);
			mailbox->open = NULL;
		}
		ms_mailbox_info_clear(&mailbox->info);
	}
	mailbox->info = *info;
	mailbox->present = true;
	memset(info, 0, sizeof(*info));
}

static void
mailbox_drop(struct jmap *jmap, struct jmap_mailbox *mailbox)
{
	struct jmap_gone gone = { .kind = JMAP_GONE_MAILBOX, .created = mailbox->created, .state = jmap->state };

	remove_places(jmap, mailbox, NULL, 0);
	memcpy(gone.mailbox, mailbox->id, sizeof(gone.mailbox));
	note_gone(jmap, &gone);
	jmap->mailbox_state = jmap->state;
	if (mailbox->open != NULL)
		ms_mailbox_close(mailbox->open);
	ms_mailbox_info_clear(&mailbox->info);
	free(mailbox);
}

static int
compare_mailboxes(const void *a, const void *b)
{
	const struct jmap_mailbox *x = *(struct jmap_mailbox *const *)a, *y = *(struct jmap_mailbox *const *)b;

	return strcmp(x->info.name, y->info.name);
}

/* The mailboxes as they are at one modification sequence. */
static int
list_mailboxes(struct jmap *jmap, uint64_t *ret_modseq, struct ms_mailbox_info **ret, size_t *ret_count)
{
	uint64_t before = 0;
	int r = ms_modseq(jmap->store, &before);

	for (unsigned tries = 0; r == 0 && tries < LISTINGS_MAX; tries++) {
		r = ms_mailboxes(jmap->store, ret, ret_count);
		if (r != 0)
			break;
		r = ms_modseq(jmap->store, ret_modseq);
		if (r == 0 && *ret_modseq == before)
			return 0;
		before = *ret_modseq;
		ms_mailboxes_free(*ret, *ret_count);
	}
	return r == 0 ? -EAGAIN : r;
}

/* *ret_fell: the store's sequence is below ours. */
static int
sync_mailboxes(struct jmap *jmap, bool *ret_fell)
{
	struct ms_mailbox_info *list;
	size_t count, kept = 0;
	uint64_t modseq = 0;
	int r = list_mailboxes(jmap, &modseq, &list, &count);

	if (r != 0)
		return r;
	*ret_fell = modseq < jmap->state;
	jmap->state = modseq;
	for (size_t i = 0; i < jmap->mailbox_count; i++)
		jmap->mailboxes[i]->present = false;
	for (size_t i = 0; i < count; i++)
		mailbox_listed(jmap, &list[i]);
	ms_mailboxes_free(list, count);
	for (size_t i = 0; i < jmap->mailbox_count; i++) {
		if (jmap->mailboxes[i]->present)
			jmap->mailboxes[kept++] = jmap->mailboxes[i];
		else
			mailbox_drop(jmap, jmap->mailboxes[i]);
	}
	jmap->mailbox_count = kept;
	if (kept > 0)
		qsort(jmap->mailboxes, kept, sizeof(struct jmap_mailbox *), compare_mailboxes);
	return 0;
}

/* What was there when this process began is neither new nor changed, as long as nobody asks what was before. */
static void
begin(struct jmap *jmap)
{
	for (size_t i = 0; i < jmap->mailbox_count; i++) {
		struct jmap_mailbox *mailbox = jmap->mailboxes[i];

		mailbox->created = mailbox->info.created;
		mailbox->changed = mailbox->info.modseq < jmap->state ? mailbox->info.modseq : jmap->state;
		mailbox->renamed = mailbox->info.named;
	}
	for (size_t i = 0; i < jmap->email_count; i++)
		jmap->emails[i]->created = jmap->emails[i]->changed = 0;
	jmap->email_state = jmap->thread_state = jmap->mailbox_state = jmap->began = jmap->floor = jmap->state;
}

int
jmap_sync(struct jmap *jmap)
{
	bool fell = false;
	int r, first;

	ms_watch_drain(jmap->store);
	first = sync_mailboxes(jmap, &fell);
	for (size_t i = 0; i < jmap->mailbox_count; i++) {
		/* A mailbox that went just now is found gone by the next sync. */
		r = sync_emails(jmap, jmap->mailboxes[i]);
		if (r != 0 && r != MS_E_STALE && r != MS_E_NOTFOUND && first == 0)
			first = r;
	}
	if (first == 0)
		drop_orphans(jmap);
	/* Clients know states that are still to come: they read anew, as after a new start of this process. */
	if (fell) {
		jmap->gone_count = 0;
		jmap->forgotten = jmap->counted = 0;
		jmap->has_history = false;
		begin(jmap);
	}
	return first;
}

int
jmap_open(struct session *session, struct jmap **ret_jmap)
{
	struct jmap *jmap = xcalloc(1, sizeof(*jmap));
	uint64_t hash = 14695981039346656037u; /* FNV-1a: the id only has to be the same each time */
	int r;

	jmap->session = session;
	for (const char *c = session->proc->account; *c != '\0'; c++)
		hash = (hash ^ (unsigned char)*c) * 1099511628211u;
	jmap_hex_id('a', hash, jmap->account_id);
	r = ms_open(session->proc->account_dir, &jmap->store);
	if (r == 0) {
		ms_set_quota(jmap->store, &session->proc->quota);
		r = jmap_sync(jmap);
	}
	begin(jmap);
	*ret_jmap = jmap;
	return r;
}
