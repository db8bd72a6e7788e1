/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What was stored last, so that it is not stored again: the queue gives a message once more when it has had no answer, since this process
 * or the queue ended in between. The account's file `delivered` has the last 1024, each 32 bytes: 16 of SHA-256 of queue id, recipient,
 * mailbox and how the message begins, u64 email id, u64 which number it was, little-endian; it stands in the place of that number modulo
 * 1024. It is written before the message is stored, and says nothing of one that the store does not have. It is locked meanwhile, and read
 * again where another process went on: that of a queue that has ended still stores what it had been given, and the next one may be given
 * the same. It is not synced: after a power failure a message may come twice. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "smtpd/deliver.h"

#define FILE_NAME "delivered"
/* A message whose other recipients take long is marked late: seconds' worth of a busy account. */
#define COUNT 1024
#define KEY_MAX 4096
/* Of the message, its beginning tells it from another that got the same queue id when the clock was set back. */
#define BEGINNING 1024

struct entry {
	struct stored_key key;
	uint64_t email_id, number;
};
_Static_assert(sizeof(struct entry) == 32, "an entry is as it stands in the file");

struct stored {
	EVP_MD *sha256; /* fetched once, as its context is made once: both take longer than the digest */
	EVP_MD_CTX *digest;
	int fd; /* -1: it cannot be had */
	bool read;
	struct entry list[COUNT];
	/* The first bytes of each one's key: for each message, all of them are looked at. */
	uint32_t tags[COUNT];
	uint64_t last;
};

static uint32_t
tag(const struct stored_key *key)
{
	uint32_t tag;

	memcpy(&tag, key->bytes, sizeof(tag));
	return tag;
}

struct stored *
stored_new(const char *account_dir)
{
	struct stored *stored = xcalloc(1, sizeof(*stored));
	_cleanup_(freep) char *path = NULL;

	stored->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	stored->digest = EVP_MD_CTX_new();
	if (stored->sha256 == NULL || stored->digest == NULL)
		abort();
	path = xasprintf("%s/" FILE_NAME, account_dir);
	stored->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return stored;
}

/* Somebody else has gone on where we were. */
static bool
has_more(const struct stored *stored)
{
	uint64_t next = stored->last + 1;
	struct entry entry;

	return pread(stored->fd, &entry, sizeof(entry), (off_t)(next % COUNT * sizeof(entry))) == (ssize_t)sizeof(entry) && le64toh(entry.number) >= next;
}

void
stored_lock(struct stored *stored)
{
	ssize_t got;

	if (stored->fd < 0)
		return;
	while (flock(stored->fd, LOCK_EX) < 0 && errno == EINTR)
		continue;
	if (stored->read && !has_more(stored))
		return;
	stored->read = true;
	stored->last = 0;
	got = pread(stored->fd, stored->list, sizeof(stored->list), 0);
	for (size_t i = 0; i < COUNT; i++) {
		struct entry *entry = &stored->list[i];

		if (got < 0 || (i + 1) * sizeof(*entry) > (size_t)got)
			*entry = (struct entry){ .number = 0 };
		entry->email_id = le64toh(entry->email_id);
		entry->number = le64toh(entry->number);
		if (entry->number % COUNT != i)
			*entry = (struct entry){ .number = 0 };
		if (entry->number > stored->last)
			stored->last = entry->number;
		stored->tags[i] = tag(&entry->key);
	}
}

void
stored_unlock(struct stored *stored)
{
	if (stored->fd >= 0)
		(void)flock(stored->fd, LOCK_UN);
}

struct stored *
stored_free(struct stored *stored)
{
	EVP_MD_CTX_free(stored->digest);
	EVP_MD_free(stored->sha256);
	if (stored->fd >= 0)
		(void)close(stored->fd);
	free(stored);
	return NULL;
}

struct stored_key
stored_key(const struct deliver *deliver, const struct delivery *delivery, const char *mailbox)
{
	size_t len = delivery->length < BEGINNING ? (size_t)delivery->length : BEGINNING;
	const struct stored *stored = deliver->stored;
	uint8_t digest[EVP_MAX_MD_SIZE], beginning[BEGINNING];
	struct buf text = BUF_INIT(KEY_MAX);
	struct stored_key key;
	ssize_t got;

	(void)buf_fmt(&text, "%s %s %s\n", delivery->queue_id, delivery->recipient, mailbox);
	got = pread(delivery->fd, beginning, len, (off_t)delivery->offset);
	if (EVP_DigestInit_ex2(stored->digest, stored->sha256, NULL) != 1 || EVP_DigestUpdate(stored->digest, text.data, text.len) != 1 ||
	    EVP_DigestUpdate(stored->digest, beginning, got > 0 ? (size_t)got : 0) != 1 || EVP_DigestFinal_ex(stored->digest, digest, NULL) != 1)
		abort();
	buf_free(&text);
	memcpy(key.bytes, digest, sizeof(key.bytes));
	return key;
}

static int
is_there(void *context, const char *mailbox, uint32_t uid)
{
	(void)mailbox, (void)uid;
	*(bool *)context = true;
	return 0;
}

bool
stored_before(const struct deliver *deliver, const struct delivery *delivery, const struct stored_key *key)
{
	const struct stored *stored = deliver->stored;
	uint32_t wanted = tag(key);
	bool there = false;

	for (size_t i = 0; i < COUNT && !there; i++)
		if (stored->tags[i] == wanted && stored->list[i].number != 0 && memcmp(&stored->list[i].key, key, sizeof(*key)) == 0)
			(void)ms_email_places(deliver->store, stored->list[i].email_id, is_there, &there);
	if (there)
		log_info("delivered-before", log_str("queue", delivery->queue_id), log_str("account", deliver->proc->account));
	return there;
}

void
stored_note(struct deliver *deliver, const struct stored_key *key, const struct ms_append *append)
{
	struct stored *stored = deliver->stored;
	struct entry *entry = &stored->list[++stored->last % COUNT], bytes;

	*entry = (struct entry){ .key = *key, .email_id = ms_append_email_id(append), .number = stored->last };
	stored->tags[stored->last % COUNT] = tag(key);
	bytes = *entry;
	bytes.email_id = htole64(bytes.email_id);
	bytes.number = htole64(bytes.number);
	/* Where it cannot be written, a message may come twice, and that is better than not at all. */
	if (stored->fd >= 0)
		(void)!pwrite(stored->fd, &bytes, sizeof(bytes), (off_t)(stored->last % COUNT * sizeof(bytes)));
}
