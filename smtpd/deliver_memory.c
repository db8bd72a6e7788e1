/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What vacation has answered and duplicate has seen: the file sieve/remembered of the account, replaced by rename, of at most so many
 * records: "SVRM" u32 version, then for each 16 bytes of SHA-256 of an id and an i64, little-endian, until when. It is no loss to
 * anybody when it is removed, so it is not synced. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/xalloc.h"
#include "smtpd/deliver.h"

#define RECORDS_MAX 8192 /* RFC 5230 section 4.2 wants at least 1000 */
#define HEAD "SVRM\1\0\0\0"
#define HEAD_LEN 8

struct record {
	uint8_t key[16];
	int64_t until;
};
_Static_assert(sizeof(struct record) == 24, "a record is as it stands in the file");

static void
key_of(struct span id, uint8_t key[static 16])
{
	uint8_t digest[EVP_MAX_MD_SIZE];

	if (EVP_Digest(id.ptr != NULL ? id.ptr : "", id.len, digest, NULL, EVP_sha256(), NULL) != 1)
		abort();
	memcpy(key, digest, 16);
}

/* Those of the file that have not run out. For free(3). */
static struct record *
load(const char *own, int64_t now, size_t *ret_count)
{
	_cleanup_(freep) char *path = xasprintf("%s/remembered", own);
	/* A pipe that its owner put there is not waited for. */
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct record *records = xcalloc(RECORDS_MAX + 1, sizeof(*records));
	char head[HEAD_LEN];
	ssize_t got;

	*ret_count = 0;
	if (fd < 0 || read(fd, head, HEAD_LEN) != HEAD_LEN || memcmp(head, HEAD, HEAD_LEN) != 0)
		return records;
	got = read(fd, records, RECORDS_MAX * sizeof(*records));
	for (size_t i = 0; got > 0 && i < (size_t)got / sizeof(*records); i++) {
		struct record record = records[i];

		record.until = (int64_t)le64toh((uint64_t)record.until);
		if (record.until > now)
			records[(*ret_count)++] = record;
	}
	return records;
}

static struct record *
find(struct record *records, size_t count, struct span id)
{
	uint8_t key[16];

	key_of(id, key);
	for (size_t i = 0; i < count; i++)
		if (memcmp(records[i].key, key, sizeof(key)) == 0)
			return &records[i];
	return NULL;
}

bool
memory_has(const char *own, struct span id, int64_t now)
{
	size_t count;
	_cleanup_(freep) struct record *records = load(own, now, &count);

	return find(records, count, id) != NULL;
}

int
memory_put(const char *own, struct span id, int64_t now, int64_t until)
{
	size_t count;
	_cleanup_(freep) struct record *records = load(own, now, &count);
	_cleanup_(freep) char *path = xasprintf("%s/remembered", own), *temporary = xasprintf("%s/remembered.tmp", own);
	_cleanup_(closep) int fd = -1;
	struct record *record = find(records, count, id);
	int r;

	if (record == NULL && count == RECORDS_MAX) /* the oldest goes (RFC 5230 section 4.2) */
		memmove(records, records + 1, --count * sizeof(*records));
	if (record == NULL) {
		record = &records[count++];
		key_of(id, record->key);
	}
	record->until = until;
	for (size_t i = 0; i < count; i++)
		records[i].until = (int64_t)htole64((uint64_t)records[i].until);
	if (mkdir(own, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0)
		return -errno;
	r = io_write_all(fd, span_make(HEAD, HEAD_LEN));
	if (r == 0)
		r = io_write_all(fd, span_make(records, count * sizeof(*records)));
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	return r;
}
