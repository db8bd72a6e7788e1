/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The INBOX of one account. The lock is a file of its own beside the store: it holds for POP3
 * alone, and the kernel lets go of it however the session ends. */
#include "pop3d/maildrop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/mailstore.h"

struct maildrop {
	int lock;
	struct ms_store *store;
	struct ms_mailbox *inbox;
	struct pop3_message *messages;
	size_t count, room;
};

static int
take_lock(struct maildrop *drop, const char *account_dir)
{
	_cleanup_(freep) char *path = xasprintf("%s/pop3.lock", account_dir);

	drop->lock = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (drop->lock < 0)
		return -errno;
	if (flock(drop->lock, LOCK_EX | LOCK_NB) == 0)
		return 0;
	return errno == EWOULDBLOCK ? MS_E_LOCKED : -errno;
}

static int
add_message(void *context, const struct ms_message *message)
{
	struct maildrop *drop = context;

	if (drop->count == drop->room) {
		drop->room = drop->room != 0 ? drop->room * 2 : 64;
		drop->messages = xreallocarray(drop->messages, drop->room, sizeof(*drop->messages));
	}
	drop->messages[drop->count++] =
	    (struct pop3_message){ .uid = message->uid, .size = message->size };
	return 0;
}

int
maildrop_open(const char *account_dir, struct maildrop **ret_drop, struct pop3_state *state)
{
	struct maildrop *drop = xcalloc(1, sizeof(*drop));
	int r;

	drop->lock = -1;
	r = take_lock(drop, account_dir);
	if (r == 0)
		r = ms_open(account_dir, &drop->store);
	if (r == 0)
		r = ms_mailbox_open(drop->store, "INBOX", &drop->inbox);
	if (r == 0)
		r = ms_messages(drop->inbox, 1, UINT32_MAX, add_message, drop);
	if (r != 0) {
		(void)maildrop_close(drop);
		return r;
	}
	*state = (struct pop3_state){
		.messages = drop->messages,
		.count = drop->count,
		.uidvalidity = ms_mailbox_info(drop->inbox)->uidvalidity,
	};
	*ret_drop = drop;
	return 0;
}

struct maildrop *
maildrop_close(struct maildrop *drop)
{
	if (drop == NULL)
		return NULL;
	if (drop->inbox != NULL)
		ms_mailbox_close(drop->inbox);
	if (drop->store != NULL)
		ms_close(drop->store);
	if (drop->lock >= 0)
		(void)close(drop->lock); /* and with it the lock */
	free(drop->messages);
	free(drop);
	return NULL;
}

int
maildrop_open_message(struct maildrop *drop, const struct pop3_message *message, int *ret_fd)
{
	uint64_t bytes;

	return ms_message_open(drop->inbox, message->uid, ret_fd, &bytes);
}

/* The UIDs of messages that are to be removed, or of those that stay and were retrieved. The array
 * has room for all. */
static size_t
select_uids(const struct pop3_state *state, bool deleted, uint32_t *uids)
{
	size_t count = 0;

	for (size_t i = 0; i < state->count; i++)
		if (deleted ? state->messages[i].deleted :
			      !state->messages[i].deleted && state->messages[i].retrieved)
			uids[count++] = state->messages[i].uid;
	return count;
}

int
maildrop_update(struct maildrop *drop, const struct pop3_state *state, size_t *ret_removed)
{
	_cleanup_(freep) uint32_t *uids = xcalloc(state->count + 1, sizeof(*uids));
	size_t count = select_uids(state, false, uids);
	int r = 0, seen = 0;

	*ret_removed = 0;
	if (count != 0)
		seen = ms_store_flags(drop->inbox, uids, count, MS_FLAGS_ADD, MS_SEEN, NULL, 0,
		    NULL, NULL);
	count = select_uids(state, true, uids);
	if (count != 0)
		r = ms_expunge(drop->inbox, uids, count);
	if (r == 0)
		*ret_removed = count;
	return r != 0 ? r : seen;
}
