/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* LIST and LSUB (RFC 3501 section 6.3.8, 6.3.9; RFC 5258, 5819, 6154). */
#include <stdlib.h>

#include "common/xalloc.h"
#include "imapd/imap_pattern.h"
#include "imapd/session_cmds.h"
#include "imapd/session_status.h"
#include "imapd/session_use.h"

#define SUBSCRIPTIONS_MAX (8 * 1024 * 1024)

/* A name to be listed: a mailbox, a level above one that is no mailbox itself, or a subscribed name that is neither. */
struct entry {
	struct span name;
	const struct ms_mailbox_info *info; /* NULL: no mailbox */
	bool exists; /* a mailbox, or a level above one */
	bool subscribed, has_children, child_subscribed;
};

struct names {
	struct entry *entry;
	size_t count, room;
	struct buf subscriptions; /* a name a line */
};

static void
add(struct names *names, struct span name, const struct ms_mailbox_info *info, bool exists, bool subscribed)
{
	if (names->count == names->room) {
		names->room = names->room == 0 ? 32 : names->room * 2;
		names->entry = xreallocarray(names->entry, names->room, sizeof(names->entry[0]));
	}
	names->entry[names->count++] = (struct entry){
	    .name = name, .info = info, .exists = exists, .subscribed = subscribed };
}

static int
compare(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;
	size_t shorter = a->name.len < b->name.len ? a->name.len : b->name.len;
	int order = memcmp(a->name.ptr, b->name.ptr, shorter);

	if (order == 0)
		order = (a->name.len > b->name.len) - (a->name.len < b->name.len);
	/* The mailbox itself before the level that its children imply. */
	return order != 0 ? order : (a->info == NULL) - (b->info == NULL);
}

static struct entry *
find(struct names *names, struct span name)
{
	size_t low = 0, high = names->count, middle;
	struct entry wanted = { .name = name };
	int order;

	while (low < high) {
		middle = low + (high - low) / 2;
		wanted.info = names->entry[middle].info;
		order = compare(&names->entry[middle], &wanted);
		if (order == 0)
			return &names->entry[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* The names above this one, one after the other. */
static bool
parent(struct span *name)
{
	ptrdiff_t delimiter = span_rchr(*name, IMAP_DELIMITER);

	if (delimiter <= 0)
		return false;
	name->len = (size_t)delimiter;
	return true;
}

static int
take_subscription(void *context, const char *name, size_t len)
{
	struct names *names = context;

	return buf_fmt(&names->subscriptions, "%.*s\n", (int)len, name) == 0 ? 0 : MS_E_LIMIT;
}

/* Those of one name become one. */
static void
merge(struct names *names)
{
	size_t kept = 0;

	if (names->count > 1)
		qsort(names->entry, names->count, sizeof(names->entry[0]), compare);
	for (size_t i = 0; i < names->count; i++) {
		const struct entry *entry = &names->entry[i];

		if (kept == 0 || !span_eq(names->entry[kept - 1].name, entry->name)) {
			names->entry[kept++] = *entry;
		} else {
			names->entry[kept - 1].exists |= entry->exists;
			names->entry[kept - 1].subscribed |= entry->subscribed;
		}
	}
	names->count = kept;
}

/* All names in order, each once, each knowing of its children. */
static void
gather(struct names *names, const struct ms_mailbox_info *list, size_t count)
{
	struct span rest = buf_get(&names->subscriptions), above, name;
	struct entry *entry;

	for (size_t i = 0; i < count; i++) {
		above = span_of(list[i].name);
		add(names, above, &list[i], true, list[i].subscribed);
		while (parent(&above))
			add(names, above, NULL, true, false);
	}
	while (span_split(&rest, '\n', &name)) {
		if (name.len == 0)
			continue;
		add(names, name, NULL, false, true);
		while (parent(&name))
			add(names, name, NULL, false, false);
	}
	merge(names);
	for (size_t i = 0; i < names->count; i++) {
		above = names->entry[i].name;
		while (parent(&above) && (entry = find(names, above)) != NULL) {
			entry->has_children |= names->entry[i].exists;
			entry->child_subscribed |= names->entry[i].subscribed;
		}
	}
}

static bool
matches_any(const struct imap_text *patterns, struct span name)
{
	for (; patterns != NULL; patterns = patterns->next)
		if (imap_pattern_match(patterns->text, name))
			return true;
	return false;
}

static bool
is_selected(const struct imap_command *command, const struct entry *entry, bool *ret_child_info)
{
	*ret_child_info = (command->list & IMAP_LIST_SELECT_RECURSIVE) != 0 && entry->child_subscribed;
	if ((command->list & IMAP_LIST_SELECT_SPECIAL) != 0 &&
	    (entry->info == NULL || session_use_attribute(entry->info->use) == NULL))
		return false;
	return (command->list & IMAP_LIST_SELECT_SUBSCRIBED) != 0 ? entry->subscribed || *ret_child_info : entry->exists;
}

static void
put_entry(struct session *session, const char *response, const struct entry *entry, unsigned options, bool child_info)
{
	const char *use = entry->info != NULL ? session_use_attribute(entry->info->use) : NULL;

	session_fmt(session, "* %s (%s", response, entry->has_children ? "\\HasChildren" : "\\HasNoChildren");
	if (entry->info == NULL)
		session_put(session, (options & IMAP_LIST_EXTENDED) != 0 ? SPAN(" \\NonExistent") : SPAN(" \\Noselect"));
	if (use != NULL)
		session_fmt(session, " %s", use);
	if ((options & IMAP_LIST_RETURN_SUBSCRIBED) != 0 && entry->subscribed)
		session_put(session, SPAN(" \\Subscribed"));
	session_fmt(session, ") \"%c\" ", IMAP_DELIMITER);
	session_put_mailbox(session, entry->name);
	if (child_info)
		session_put(session, SPAN(" (\"CHILDINFO\" (\"SUBSCRIBED\"))"));
	session_put(session, SPAN("\r\n"));
}

static void
put_status_of(struct session *session, const struct entry *entry, unsigned items)
{
	struct ms_mailbox_info info;

	if (entry->info == NULL || ms_mailbox_status(session->store, entry->info->name, &info) != 0)
		return;
	session_put_status(session, &info, items);
	ms_mailbox_info_clear(&info);
}

static void
list(struct session *session, struct imap_command *command, bool (*put)(struct session *, struct imap_command *, const struct entry *))
{
	struct names names = { .subscriptions = BUF_INIT(SUBSCRIPTIONS_MAX) };
	struct ms_mailbox_info *infos = NULL;
	size_t count = 0, i;
	int rc = ms_mailboxes(session->store, &infos, &count);

	if (rc == 0)
		rc = ms_subscriptions(session->store, take_subscription, &names);
	if (rc != 0) {
		ms_mailboxes_free(infos, count);
		buf_free(&names.subscriptions);
		session_store_failed(session, command->cmd->name, rc);
		return;
	}
	gather(&names, infos, count);
	for (i = 0; i < names.count; i++)
		if (matches_any(command->patterns, names.entry[i].name))
			(void)put(session, command, &names.entry[i]);
	free(names.entry);
	buf_free(&names.subscriptions);
	ms_mailboxes_free(infos, count);
	session_answer(session, "OK", "%s completed", command->cmd->name);
}

static bool
put_list(struct session *session, struct imap_command *command, const struct entry *entry)
{
	bool child_info;

	if (!is_selected(command, entry, &child_info))
		return false;
	put_entry(session, "LIST", entry, command->list, child_info);
	if ((command->list & IMAP_LIST_RETURN_STATUS) != 0)
		put_status_of(session, entry, command->status);
	return true;
}

/* RFC 3501 section 6.3.9: with "%" a level above a subscribed name is listed, too, as \Noselect. */
static bool
put_lsub(struct session *session, struct imap_command *command, const struct entry *entry)
{
	struct entry level = *entry;

	if (!entry->subscribed) {
		if (!entry->child_subscribed || span_chr(command->patterns->text, '%') < 0)
			return false;
		level.info = NULL;
	}
	put_entry(session, "LSUB", &level, 0, false);
	return true;
}

void
cmd_list(struct session *session, struct imap_command *command)
{
	if (command->pattern_empty && (command->list & IMAP_LIST_EXTENDED) == 0) {
		/* RFC 3501 section 6.3.8: asks for the delimiter alone. */
		session_fmt(session, "* LIST (\\Noselect) \"%c\" \"\"\r\n", IMAP_DELIMITER);
		session_answer(session, "OK", "LIST completed");
		return;
	}
	list(session, command, put_list);
}

void
cmd_lsub(struct session *session, struct imap_command *command)
{
	list(session, command, put_lsub);
}
