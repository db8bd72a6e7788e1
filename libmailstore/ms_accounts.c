/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The accounts database: one Berkeley DB file, replaced whole. Readers need no environment, no lock and no write access. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/address_fold.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/bdb.h"
#include "libmailstore/mailstore.h"
#include "libmailstore/ms_record.h"

#define ADDRESS_MAX 320
#define FIELD_MAX 1024
#define RECORD_MAX (4 * FIELD_MAX + 256)
#define ACCOUNT_VERSION 2
/* Keys: 'a' and the address; "uid": the highest uid ever given. */
#define UID_KEY "uid"

struct ms_accounts {
	char *path;
	struct bdb_file *file;
	struct stat st;
};

void
ms_account_clear(struct ms_account *account)
{
	free(account->address);
	if (account->password != NULL)
		explicit_bzero(account->password, strlen(account->password));
	free(account->password);
	free(account->path);
	free(account->name);
	*account = (struct ms_account){ .address = NULL };
}

/* --- records: fields in order, numbers big-endian, texts with a length of four bytes --- */

static void
put_text(struct buf *out, const char *text)
{
	uint8_t len[4];

	ms_key_u32(len, (uint32_t)strlen(text));
	(void)buf_put(out, len, sizeof(len));
	(void)buf_str(out, text);
}

static void
put_number(struct buf *out, uint64_t number)
{
	uint8_t bytes[8];

	ms_key_u64(bytes, number);
	(void)buf_put(out, bytes, sizeof(bytes));
}

static void
put_account(const struct ms_account *account, struct buf *out)
{
	(void)buf_char(out, ACCOUNT_VERSION);
	(void)buf_char(out, account->enabled ? 1 : 0);
	put_number(out, account->uid);
	put_number(out, account->quota.bytes);
	put_number(out, account->quota.messages);
	put_number(out, (uint64_t)account->created);
	put_text(out, account->password);
	put_text(out, account->path);
	put_text(out, account->name);
}

static bool
get_number(struct span *rest, uint64_t *ret)
{
	if (rest->len < 8)
		return false;
	*ret = ms_key_get_u64((const uint8_t *)rest->ptr);
	*rest = span_skip(*rest, 8);
	return true;
}

static bool
get_text(struct span *rest, char **ret)
{
	uint32_t len;

	if (rest->len < 4)
		return false;
	len = ms_key_get_u32((const uint8_t *)rest->ptr);
	*rest = span_skip(*rest, 4);
	if (len > FIELD_MAX || rest->len < len)
		return false;
	*ret = span_dup(span_take(rest, len));
	return true;
}

static int
get_account(struct span key, struct span bytes, struct ms_account *ret)
{
	uint64_t uid, created;
	bool counted;

	*ret = (struct ms_account){ .address = NULL };
	if (bytes.len < 2 || bytes.ptr[0] < 1 || bytes.ptr[0] > ACCOUNT_VERSION)
		return MS_E_CORRUPT;
	counted = bytes.ptr[0] > 1; /* version 1 had no quota in messages */
	ret->enabled = bytes.ptr[1] == 1;
	bytes = span_skip(bytes, 2);
	if (!get_number(&bytes, &uid) || uid > UINT32_MAX || !get_number(&bytes, &ret->quota.bytes) || (counted && !get_number(&bytes, &ret->quota.messages)) ||
	    !get_number(&bytes, &created) ||
	    !get_text(&bytes, &ret->password) || !get_text(&bytes, &ret->path) || !get_text(&bytes, &ret->name) || bytes.len != 0) {
		ms_account_clear(ret);
		return MS_E_CORRUPT;
	}
	ret->uid = (uint32_t)uid;
	ret->created = (int64_t)created;
	ret->address = span_dup(span_skip(key, 1));
	return 0;
}

/* --- reading --- */

int
ms_accounts_open(const char *path, struct ms_accounts **ret)
{
	struct ms_accounts *accounts = xcalloc(1, sizeof(*accounts));

	accounts->path = xstrdup(path);
	*ret = accounts;
	return 0;
}

void
ms_accounts_close(struct ms_accounts *accounts)
{
	if (accounts == NULL)
		return;
	bdb_file_close(accounts->file);
	free(accounts->path);
	free(accounts);
}

/* The file of now: opened again when another stands under the name. */
static int
refresh(struct ms_accounts *accounts)
{
	struct stat st;
	int r;

	if (stat(accounts->path, &st) < 0) {
		if (errno != ENOENT)
			return -errno;
		bdb_file_close(accounts->file);
		accounts->file = NULL;
		return MS_E_NOTFOUND;
	}
	if (accounts->file != NULL && st.st_ino == accounts->st.st_ino && st.st_mtim.tv_sec == accounts->st.st_mtim.tv_sec &&
	    st.st_mtim.tv_nsec == accounts->st.st_mtim.tv_nsec)
		return 0;
	bdb_file_close(accounts->file);
	accounts->file = NULL;
	r = bdb_file_open(accounts->path, true, &accounts->file);
	if (r > 0)
		return MS_E_CORRUPT;
	accounts->st = st;
	return r;
}

bool
ms_accounts_is_there(const struct ms_accounts *accounts)
{
	return accounts->file != NULL;
}

uint64_t
ms_accounts_edition(const struct ms_accounts *accounts)
{
	const struct timespec *changed = &accounts->st.st_mtim;

	return accounts->file == NULL ? 0 : (uint64_t)changed->tv_sec * UINT64_C(1000000000) + (uint64_t)changed->tv_nsec + accounts->st.st_ino;
}

/* 0 when it is no address that could be there. */
static size_t
make_key(const char *address, size_t len, char key[ADDRESS_MAX + 1])
{
	struct buf folded = BUF_INIT(ADDRESS_MAX);
	size_t key_len = 0;

	if (len != 0 && len <= ADDRESS_MAX && address_fold(span_make(address, len), &folded) == 0) {
		key[0] = 'a';
		memcpy(key + 1, folded.data, folded.len);
		key_len = folded.len + 1;
	}
	buf_free(&folded);
	return key_len;
}

int
ms_accounts_get(struct ms_accounts *accounts, const char *address, size_t len, struct ms_account *ret)
{
	char key[ADDRESS_MAX + 1];
	size_t key_len = make_key(address, len, key), value_len;
	void *value;
	int r = key_len == 0 ? MS_E_NOTFOUND : refresh(accounts);

	if (r != 0)
		return r;
	r = bdb_file_get(accounts->file, key, key_len, &value, &value_len);
	if (r != 0)
		return r == BDB_NONE ? MS_E_NOTFOUND : r > 0 ? MS_E_CORRUPT : r;
	r = get_account(span_make(key, key_len), span_make(value, value_len), ret);
	explicit_bzero(value, value_len);
	free(value);
	return r;
}

struct each {
	ms_account_fn each;
	void *context;
};

static int
hand_on(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	struct each *each = context;
	struct ms_account account;
	int r;

	if (key_len < 2 || key[0] != 'a' || get_account(span_make(key, key_len), span_make(value, len), &account) != 0)
		return 0;
	r = each->each(each->context, &account);
	ms_account_clear(&account);
	return r;
}

int
ms_accounts_each(struct ms_accounts *accounts, ms_account_fn each, void *context)
{
	struct each both = { each, context };
	int r = refresh(accounts);

	if (r != 0)
		return r == MS_E_NOTFOUND ? 0 : r;
	return bdb_file_scan(accounts->file, hand_on, &both);
}

/* --- writing --- */

struct writer {
	const char *path;
	char *temporary;
	int lock;
	struct bdb_file *file;
};

static int
copy_record(void *context, const uint8_t *key, size_t key_len, const uint8_t *value, size_t len)
{
	return bdb_file_put(context, key, key_len, value, len);
}

static int
writer_open(const char *path, struct writer *ret)
{
	_cleanup_(freep) char *lock = xasprintf("%s.lock", path);
	struct bdb_file *old = NULL;
	struct stat st;
	int r;

	*ret = (struct writer){ .path = path, .temporary = xasprintf("%s.new", path) };
	ret->lock = open(lock, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (ret->lock < 0 || flock(ret->lock, LOCK_EX) < 0)
		return -errno;
	if (unlink(ret->temporary) < 0 && errno != ENOENT)
		return -errno;
	r = bdb_file_open(ret->temporary, false, &ret->file);
	if (r == 0 && stat(path, &st) == 0) {
		r = bdb_file_open(path, true, &old);
		if (r == 0)
			r = bdb_file_scan(old, copy_record, ret->file);
		bdb_file_close(old);
	}
	return r > 0 ? MS_E_CORRUPT : r;
}

/* Synced, readable to the auth roles' group, and put in place of the old one. */
static int
writer_commit(struct writer *writer, gid_t group)
{
	_cleanup_(freep) char *folder = xstrdup(writer->path);
	_cleanup_(closep) int fd = -1, dir = -1;
	int r = bdb_file_close(writer->file);

	writer->file = NULL;
	if (r != 0)
		return -EIO;
	fd = open(writer->temporary, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fchmod(fd, 0640) < 0 || (group != (gid_t)-1 && fchown(fd, (uid_t)-1, group) < 0) || fsync(fd) < 0 ||
	    rename(writer->temporary, writer->path) < 0)
		return -errno;
	if (strrchr(folder, '/') != NULL)
		*strrchr(folder, '/') = '\0';
	dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 || fsync(dir) < 0 ? -errno : 0;
}

static void
writer_close(struct writer *writer)
{
	if (writer->file != NULL)
		(void)bdb_file_close(writer->file);
	(void)unlink(writer->temporary); /* not there after a commit */
	if (writer->lock >= 0)
		(void)close(writer->lock);
	free(writer->temporary);
}

static int
take_account_uid(struct bdb_file *file, uint32_t low, uint32_t high, uint32_t *ret)
{
	uint8_t value[8];
	void *bytes;
	size_t len;
	uint64_t next = low;
	int r = bdb_file_get(file, UID_KEY, sizeof(UID_KEY) - 1, &bytes, &len);

	if (r == 0) {
		if (len == 8 && ms_key_get_u64(bytes) >= low)
			next = ms_key_get_u64(bytes) + 1;
		free(bytes);
	} else if (r != BDB_NONE) {
		return r > 0 ? MS_E_CORRUPT : r;
	}
	if (next > high)
		return MS_E_LIMIT;
	*ret = (uint32_t)next;
	ms_key_u64(value, next);
	r = bdb_file_put(file, UID_KEY, sizeof(UID_KEY) - 1, value, sizeof(value));
	return r > 0 ? MS_E_CORRUPT : r;
}

static int
put_locked(struct writer *writer, struct ms_account *account, bool create, uint32_t low, uint32_t high)
{
	struct buf bytes = BUF_INIT(RECORD_MAX);
	char key[ADDRESS_MAX + 1];
	size_t key_len = make_key(account->address, strlen(account->address), key), old_len;
	void *old;
	int r = key_len == 0 ? MS_E_BADNAME : bdb_file_get(writer->file, key, key_len, &old, &old_len);

	if (r == 0)
		free(old);
	if (r == 0 && create)
		return MS_E_EXISTS;
	if (r == BDB_NONE && !create)
		return MS_E_NOTFOUND;
	if (r != 0 && r != BDB_NONE)
		return r > 0 ? MS_E_CORRUPT : r;
	r = create && account->uid == 0 ? take_account_uid(writer->file, low, high, &account->uid) : 0;
	if (r == 0) {
		if (create && account->created == 0)
			account->created = time(NULL);
		put_account(account, &bytes);
		r = bytes.overflow ? MS_E_LIMIT : bdb_file_put(writer->file, key, key_len, bytes.data, bytes.len);
	}
	buf_wipe(&bytes);
	return r;
}

int
ms_accounts_put(const char *path, struct ms_account *account, bool create, uint32_t low, uint32_t high, gid_t group)
{
	struct writer writer;
	int r = writer_open(path, &writer);

	if (r == 0)
		r = put_locked(&writer, account, create, low, high);
	if (r == 0)
		r = writer_commit(&writer, group);
	writer_close(&writer);
	return r;
}

int
ms_accounts_remove(const char *path, const char *address, gid_t group)
{
	char key[ADDRESS_MAX + 1];
	size_t key_len = make_key(address, strlen(address), key);
	struct writer writer;
	int r = writer_open(path, &writer);

	if (r == 0)
		r = key_len == 0 ? MS_E_NOTFOUND : bdb_file_del(writer.file, key, key_len);
	if (r == BDB_NONE)
		r = MS_E_NOTFOUND;
	if (r == 0)
		r = writer_commit(&writer, group);
	writer_close(&writer);
	return r;
}
