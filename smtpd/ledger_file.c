/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The file of a ledger. Its numbers are of this machine's byte order: what moves to another begins anew. */
#include "smtpd/ledger_file.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static const char magic[16] = "fourpost ledger1";

struct head {
	char magic[sizeof(magic)];
	uint64_t seed, rows;
};
_Static_assert(sizeof(struct head) == LEDGER_FILE_HEAD, "the head has no holes");

/* Slots that were never used are holes. */
static int
write_empty(int fd, uint64_t seed, size_t rows)
{
	struct head head = { .seed = seed, .rows = rows };
	off_t size = LEDGER_FILE_HEAD + (off_t)(rows * LEDGER_WAYS * sizeof(struct ledger_slot));

	memcpy(head.magic, magic, sizeof(magic));
	if (ftruncate(fd, 0) < 0 || pwrite(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) || ftruncate(fd, size) < 0)
		return errno != 0 ? -errno : -EIO;
	return 0;
}

int
ledger_file_begin(int fd, size_t rows, struct ledger **ret_ledger)
{
	uint64_t seed;
	int r;

	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		return -EIO;
	r = write_empty(fd, seed, rows);
	if (r == 0)
		*ret_ledger = ledger_new(seed, rows);
	return r;
}

static int
read_slots(int fd, struct ledger *ledger)
{
	char *bytes = (char *)ledger_at(ledger, 0);
	size_t len = ledger_slots(ledger) * sizeof(struct ledger_slot), at = 0;

	while (at < len) {
		ssize_t got = pread(fd, bytes + at, len - at, LEDGER_FILE_HEAD + (off_t)at);

		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		at += (size_t)got;
	}
	return 0;
}

int
ledger_file_load(int fd, size_t rows, struct ledger **ret_ledger)
{
	struct head head;
	struct stat st;
	ssize_t got;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size == 0)
		return ledger_file_begin(fd, rows, ret_ledger);
	got = pread(fd, &head, sizeof(head), 0);
	if (got < 0)
		return -errno;
	if (got != (ssize_t)sizeof(head) || memcmp(head.magic, magic, sizeof(magic)) != 0 || head.rows != rows ||
	    st.st_size != LEDGER_FILE_HEAD + (off_t)(rows * LEDGER_WAYS * sizeof(struct ledger_slot)))
		return -EBADMSG;
	*ret_ledger = ledger_new(head.seed, rows);
	r = read_slots(fd, *ret_ledger);
	if (r < 0)
		*ret_ledger = ledger_free(*ret_ledger);
	return r;
}

/* --- writing --- */

static int
write_slots(int fd, struct ledger *ledger, size_t first, size_t count)
{
	const struct ledger_slot *slots = ledger_at(ledger, first);
	size_t len = count * sizeof(*slots);
	ssize_t put = pwrite(fd, slots, len, LEDGER_FILE_HEAD + (off_t)(first * sizeof(*slots)));

	return put == (ssize_t)len ? 0 : put < 0 ? -errno : -ENOSPC;
}

/* Rows that were never used stay holes. */
static int
write_rows(int fd, struct ledger *ledger)
{
	int r = 0;

	for (size_t row = 0; r == 0 && row < ledger_slots(ledger); row += LEDGER_WAYS)
		for (size_t i = 0; i < LEDGER_WAYS; i++)
			if (ledger_at(ledger, row + i)->key != 0) {
				r = write_slots(fd, ledger, row, LEDGER_WAYS);
				break;
			}
	return r;
}

int
ledger_file_adopt(int fd, struct ledger *ledger)
{
	int r = write_empty(fd, ledger_seed(ledger), ledger_slots(ledger) / LEDGER_WAYS);

	return r == 0 ? write_rows(fd, ledger) : r;
}

int
ledger_file_write(struct ledger_store *store, struct ledger *ledger, const struct ledger_slot *slot, int64_t now)
{
	bool was_behind = store->behind;
	int r;

	if (store->fd < 0 || (!was_behind && slot == NULL))
		return 0;
	/* A clock that was set back makes nobody wait for longer. */
	if (was_behind && now < store->again && store->again - now <= LEDGER_FILE_AGAIN_SECONDS)
		return 0;
	r = was_behind ? write_rows(store->fd, ledger) : write_slots(store->fd, ledger, ledger_number(ledger, slot), 1);
	store->behind = r < 0;
	store->again = now + LEDGER_FILE_AGAIN_SECONDS;
	return r < 0 ? r : was_behind;
}
