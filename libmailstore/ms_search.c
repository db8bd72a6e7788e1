/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Searching a mailbox: records first, in bulk; bytes of those messages about which records do not decide. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/file_map.h"
#include "common/xalloc.h"
#include "libmailstore/ms_set.h"
#include "libmailstore/ms_text_index.h"

/* In one step: records looked at, bytes of messages read. */
#define RECORDS 1000
#define STEP_BYTES (1u << 20)
/* Files up to this size are read, greater ones mapped. */
#define READ_MAX (128u << 10)
/* More candidates than one in so many messages are met on a walk over all records sooner than by looking each up. */
#define LOOK_UP_SHARE 32
#define LOOK_UP_MIN 200
/* Messages whose files' names are looked up at once. */
#define NAMES 64

struct ms_search {
	struct ms_match *match;
	struct ms_mailbox *mailbox;
	uint32_t next;   /* UID of the next record to look at */
	bool all_seen;
	struct ms_message *open; /* those that the records leave open */
	size_t open_count, open_next;
	struct ms_message_record names[NAMES]; /* of some of them, from open_next on */
	size_t name_count, name_next;
	char *bytes;
	bool asked, all_may; /* the text index; it has nothing to say */
	bool by_uid;         /* candidates are so few that each is looked up */
	uint64_t *emails;    /* what it says: who may match, ascending */
	size_t email_count;
	uint32_t *uids;      /* of them, of this mailbox, ascending */
	size_t uid_count, uid_next, uid_read;

	/* of a step */
	size_t looked_at;
	ms_message_fn each;
	void *context;
};

struct ms_search *
ms_search_new(const struct ms_search_key *keys)
{
	struct ms_search *search = xcalloc(1, sizeof(*search));

	search->match = ms_match_new(keys);
	search->open = xcalloc(RECORDS, sizeof(search->open[0]));
	search->bytes = xmalloc(READ_MAX);
	return search;
}

void
ms_search_free(struct ms_search *search)
{
	if (search == NULL)
		return;
	ms_match_free(search->match);
	free(search->open);
	free(search->bytes);
	free(search->emails);
	free(search->uids);
	free(search);
}

static const char *
keyword_name(void *context, unsigned n)
{
	return ms_keyword(context, n);
}

/* --- the text index --- */

static int
ask_index(struct ms_search *search, struct ms_store *store)
{
	int r;

	free(search->emails);
	search->emails = NULL;
	search->email_count = 0;
	r = ms_text_candidates(store, search->match, &search->emails, &search->email_count);
	search->asked = r == 0 || r == MS_E_NOTFOUND;
	search->all_may = r == MS_E_NOTFOUND;
	return search->asked ? 0 : r;
}

static int
take_uid(void *context, uint64_t email, uint64_t place)
{
	struct ms_search *search = context;

	(void)email;
	if (place >> 32 != search->mailbox->number)
		return 0;
	if ((search->uid_count & (search->uid_count - 1)) == 0)
		search->uids = xreallocarray(search->uids, search->uid_count == 0 ? 1 : 2 * search->uid_count, sizeof(search->uids[0]));
	search->uids[search->uid_count++] = (uint32_t)place;
	return 0;
}

static int
find_uids(struct bdb *bdb, void *context)
{
	struct ms_search *search = context;
	int r = 0;

	search->uid_count = 0;
	for (size_t i = 0; i < search->email_count && r == 0; i++)
		r = ms_set_each(bdb, NULL, &ms_set_places, (struct ms_pair){ search->emails[i], MS_PLACE(search->mailbox->number, 0) }, search->emails[i], take_uid, search);
	return r;
}

static int
compare_uids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

int
ms_search_begin(struct ms_search *search, struct ms_mailbox *mailbox)
{
	int r;

	search->mailbox = mailbox;
	search->next = 1;
	search->all_seen = false;
	search->open_count = search->open_next = search->name_count = search->name_next = 0;
	search->uid_count = search->uid_next = 0;
	ms_match_keywords(search->match, keyword_name, mailbox);
	r = ms_ensure(mailbox->store);
	if (r == 0)
		r = ms_mailbox_follow(mailbox);
	if (r == 0)
		r = ask_index(search, mailbox->store);
	search->by_uid = !search->all_may && search->email_count <= LOOK_UP_MIN + mailbox->record.messages / LOOK_UP_SHARE;
	if (r != 0 || !search->by_uid)
		return r;
	r = ms_read(mailbox->store, find_uids, search);
	if (search->uid_count > 1)
		qsort(search->uids, search->uid_count, sizeof(search->uids[0]), compare_uids);
	return r;
}

static int
compare_emails(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Whether the index leaves it open that the email matches. */
static bool
may_match(const struct ms_search *search, uint64_t email)
{
	return search->all_may ||
	    (search->email_count > 0 && bsearch(&email, search->emails, search->email_count, sizeof(email), compare_emails) != NULL);
}

/* --- bytes --- */

static int
match_mapped(struct ms_search *search, const struct ms_message *message, int fd, uint64_t size, bool *ret)
{
	struct file_map *map;
	int r = size > SIZE_MAX ? -EFBIG : file_map_open(fd, (size_t)size, &map);

	if (r != 0)
		return r;
	/* What is cut short while it is looked at will be another message, if it is one at all. */
	*ret = ms_match_bytes(search->match, message, file_map_bytes(map)) && !file_map_is_torn(map);
	file_map_close(map);
	return 0;
}

static int
match_opened(struct ms_search *search, const struct ms_message *message, int fd, uint64_t size, bool *ret)
{
	size_t len = 0;
	ssize_t got = 1;

	if (size > READ_MAX)
		return match_mapped(search, message, fd, size, ret);
	while (got > 0 && len < size) {
		got = read(fd, search->bytes + len, (size_t)size - len);
		if (got < 0)
			return -errno;
		len += (size_t)got;
	}
	*ret = ms_match_bytes(search->match, message, span_make(search->bytes, len));
	return 0;
}

/* Nobody knows whether a message matches that cannot be read, and the others are to be found: it does not. */
static int
pass_over(int r, bool *ret)
{
	if (!ms_is_unreadable(r))
		return r;
	*ret = false;
	return 0;
}

/* *ret_size: what was read. MS_E_NOTFOUND. */
static int
match_file(struct ms_search *search, struct ms_mailbox *mailbox, const struct ms_message *message, uint64_t *ret_size, bool *ret)
{
	_cleanup_(closep) int fd = -1;
	int r = ms_message_open(mailbox, message->uid, &fd, ret_size);

	*ret = false;
	if (r != 0)
		*ret_size = 0;
	else
		r = match_opened(search, message, fd, *ret_size, ret);
	return pass_over(r, ret);
}

/* The same by its name, in a folder that is open. One that is not there any more is looked for. */
static int
match_named(struct ms_search *search, int folder, const struct ms_message_record *record, uint64_t *ret_size, bool *ret)
{
	_cleanup_(closep) int fd = -1;
	char path[MS_NAME_MAX + 5];
	struct stat st;

	*ret = false;
	(void)snprintf(path, sizeof(path), "%s/%s", record->in_cur ? "cur" : "new", record->name);
	fd = openat(folder, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return match_file(search, search->mailbox, &record->message, ret_size, ret);
	*ret_size = (uint64_t)st.st_size;
	return pass_over(match_opened(search, &record->message, fd, *ret_size, ret), ret);
}

int
ms_search_message(struct ms_search *search, struct ms_mailbox *mailbox, uint32_t uid, bool *ret)
{
	struct ms_message message;
	uint64_t size;
	int r = ms_message_get(mailbox, uid, &message);

	*ret = false;
	if (r != 0)
		return r;
	if (!search->asked && (r = ask_index(search, mailbox->store)) != 0)
		return r;
	if (!may_match(search, message.email_id))
		return 0;
	ms_match_keywords(search->match, keyword_name, mailbox);
	switch (ms_match_record(search->match, &message)) {
	case MS_NO:
		return 0;
	case MS_YES:
		*ret = true;
		return 0;
	case MS_OPEN:
		break;
	}
	return match_file(search, mailbox, &message, &size, ret);
}

/* --- steps --- */

static int
look_at_record(void *context, const struct ms_message *message)
{
	struct ms_search *search = context;

	switch (may_match(search, message->email_id) ? ms_match_record(search->match, message) : MS_NO) {
	case MS_YES:
		if (search->each(search->context, message) != 0)
			return 1;
		break;
	case MS_OPEN:
		search->open[search->open_count++] = *message;
		break;
	case MS_NO:
		break;
	}
	search->next = message->uid + 1;
	return ++search->looked_at == RECORDS || search->next == 0;
}

static int
read_candidates(struct bdb *bdb, void *context)
{
	struct ms_search *search = context;
	struct ms_txn txn = { .bdb = bdb };
	int r = 0;

	search->open_count = 0;
	for (search->uid_read = search->uid_next; r == 0 && search->uid_read < search->uid_count && search->open_count < RECORDS; search->uid_read++) {
		struct ms_message_record record;

		r = ms_message_load(&txn, search->mailbox->number, search->uids[search->uid_read], &record);
		if (r == 0)
			search->open[search->open_count++] = record.message;
		else if (r == MS_E_NOTFOUND)
			r = 0;
	}
	return r;
}

static int
look_at_candidates(struct ms_search *search)
{
	size_t count, i = 0;
	int r = ms_read(search->mailbox->store, read_candidates, search);

	count = search->open_count;
	search->open_count = 0;
	if (r != 0)
		return r;
	for (bool more = true; more && i < count; i++) {
		struct ms_message message = search->open[i];

		while (search->uids[search->uid_next] < message.uid)
			search->uid_next++;
		search->uid_next++;
		more = look_at_record(search, &message) == 0;
	}
	if (i == count)
		search->uid_next = search->uid_read;
	search->all_seen = search->uid_next == search->uid_count;
	return 0;
}

static int
look_at_records(struct ms_search *search)
{
	int r = ms_ensure(search->mailbox->store);

	search->looked_at = 0;
	search->open_count = search->open_next = search->name_count = search->name_next = 0;
	if (r == 0)
		r = ms_mailbox_follow(search->mailbox);
	if (r != 0)
		return r;
	if (search->by_uid)
		return look_at_candidates(search);
	r = ms_messages(search->mailbox, search->next, UINT32_MAX, look_at_record, search);
	search->all_seen = search->looked_at < RECORDS || search->next == 0;
	return r;
}

static int
read_names(struct bdb *bdb, void *context)
{
	struct ms_search *search = context;
	struct ms_txn txn = { .bdb = bdb };
	size_t next = search->open_next;
	int r = 0;

	for (search->name_count = 0; r == 0 && search->name_count < NAMES && next < search->open_count; next++) {
		struct ms_message_record *record = &search->names[search->name_count++];

		r = ms_message_load(&txn, search->mailbox->number, search->open[next].uid, record);
		if (r != 0)
			*record = (struct ms_message_record){ .name = "" };
		record->message = search->open[next]; /* as it was when its record was looked at */
		if (r == MS_E_NOTFOUND)
			r = 0;
	}
	return r;
}

/* The next of those that are open, by name, as ms_message_load has it. */
static int
next_open(struct ms_search *search, const struct ms_message_record **ret)
{
	int r = 0;

	if (search->name_next == search->name_count) {
		search->name_next = search->name_count = 0;
		r = ms_ensure(search->mailbox->store);
		if (r == 0)
			r = ms_mailbox_follow(search->mailbox);
		if (r == 0)
			r = ms_read(search->mailbox->store, read_names, search);
	}
	if (r != 0)
		return r;
	*ret = &search->names[search->name_next++];
	search->open_next++;
	return 0;
}

static int
look_at_bytes(struct ms_search *search)
{
	_cleanup_(closep) int folder = -1;
	uint64_t budget = STEP_BYTES, size = 0;
	int r = ms_folder_open(search->mailbox->store, search->mailbox->record.name, &folder);

	if (r == MS_E_NOTFOUND)
		r = 0; /* each message's own way finds out why */
	while (r == 0 && search->open_next < search->open_count) {
		const struct ms_message_record *record;
		bool matches = false;

		r = next_open(search, &record);
		if (r == 0)
			r = match_named(search, folder, record, &size, &matches);
		if (r == MS_E_NOTFOUND) {
			r = 0;
			continue;
		}
		if (r == 0 && matches)
			r = search->each(search->context, &record->message);
		if (r != 0 || size >= budget)
			return r;
		budget -= size;
	}
	return r;
}

int
ms_search_step(struct ms_search *search, ms_message_fn each, void *context, bool *ret_done)
{
	int r;

	search->each = each;
	search->context = context;
	r = search->open_next < search->open_count ? look_at_bytes(search) : search->all_seen ? 0 : look_at_records(search);
	*ret_done = search->all_seen && search->open_next == search->open_count;
	return r;
}
