/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The files of the spool. Order of a new message: write, sync the file, rename, sync the folder;
 * only then is it promised. */
#include "smtpd/queue_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/io.h"
#include "common/io_sync.h"
#include "common/xalloc.h"

/* A file of which nothing was to stay, and that could not be removed. */
struct unwanted {
	struct unwanted *next;
	char path[SPOOL_PATH_MAX];
};
/* From the number of `created` to the end of that of `by`: there are only short lines and the sender in between. */
#define REDATE_MAX 1024
#define UNWANTED_MAX 10000

struct queue_files {
	int spool, hold;
	int folders[SPOOL_FOLDERS]; /* queue/XX, opened when first synced; -1 */
	uint64_t last_us; /* the latest that was given a name */
	uint64_t latest_us; /* that names a file, as far as is known; UINT64_MAX before they are listed */
	struct unwanted *unwanted;
	size_t unwanted_count;
	uint64_t set_aside; /* the last number of a name in corrupt/ */
};

static int
open_folder(int parent, const char *path)
{
	int fd = openat(parent, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int
queue_files_open(const char *spool_dir, struct queue_files **ret_files)
{
	struct queue_files *files = xcalloc(1, sizeof(*files));
	int r = open_folder(AT_FDCWD, spool_dir);

	for (size_t i = 0; i < SPOOL_FOLDERS; i++)
		files->folders[i] = -1;
	files->hold = -1;
	files->latest_us = UINT64_MAX;
	files->spool = r;
	if (r >= 0)
		r = files->hold = open_folder(files->spool, "hold");
	if (r < 0) {
		(void)queue_files_close(files);
		return r;
	}
	*ret_files = files;
	return 0;
}

struct queue_files *
queue_files_close(struct queue_files *files)
{
	for (size_t i = 0; i < SPOOL_FOLDERS; i++)
		closep(&files->folders[i]);
	closep(&files->hold);
	closep(&files->spool);
	while (files->unwanted != NULL) {
		struct unwanted *first = files->unwanted;

		files->unwanted = first->next;
		free(first);
	}
	free(files);
	return NULL;
}

int
queue_files_folder(const struct queue_files *files)
{
	return files->spool;
}

static unsigned
folder_of(const char *id)
{
	return (unsigned)(ascii_hex(id[7]) << 4 | ascii_hex(id[8]));
}

static int
sync_folder(struct queue_files *files, unsigned number)
{
	int *fd = &files->folders[number];

	if (*fd < 0) {
		char path[16];

		(void)snprintf(path, sizeof(path), "queue/%02X", number & 0xff);
		*fd = open_folder(files->spool, path);
		if (*fd < 0)
			return *fd;
	}
	return fsync(*fd) == 0 ? 0 : -errno;
}

/* --- a new message --- */

/* Those who hand in messages append to them, and read them again when they are to be changed. */
#define CREATE_FLAGS (O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC)

static bool
is_taken(const struct queue_files *files, const char *id)
{
	static const enum spool_place places[] = { SPOOL_QUEUE, SPOOL_HOLD, SPOOL_QUEUE_TMP };
	char path[SPOOL_PATH_MAX];

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		spool_path(places[i], id, path);
		if (faccessat(files->spool, path, F_OK, 0) == 0)
			return true;
	}
	return false;
}

int
queue_files_name(struct queue_files *files, int64_t now_us, char ret_id[SPOOL_ID_LEN + 1])
{
	/* A clock that stands still or goes back repeats no id of this run; one of an earlier run
	 * is met as an existing file, but for which nothing is later than what lay there at the start. */
	if ((uint64_t)now_us <= files->last_us)
		now_us = (int64_t)files->last_us + 1;
	for (unsigned number = 0; number < 256; number++) {
		spool_id_make((uint64_t)now_us, (uint8_t)number, ret_id);
		if ((uint64_t)now_us > files->latest_us || !is_taken(files, ret_id)) {
			files->last_us = (uint64_t)now_us;
			return 0;
		}
	}
	return -EEXIST;
}

int
queue_files_name_behind(const struct queue_files *files, const char *id, char ret_id[SPOOL_ID_LEN + 1])
{
	for (unsigned number = spool_id_number(id) + 1u; number < 256; number++) {
		spool_id_make(spool_id_time(id), (uint8_t)number, ret_id);
		if (!is_taken(files, ret_id))
			return 0;
	}
	return -EEXIST;
}

static int
put_room(struct buf *text, size_t room)
{
	char *gap = buf_reserve(text, room);

	if (gap == NULL)
		return -EMSGSIZE;
	memset(gap, ' ', room);
	buf_added(text, room);
	return 0;
}

int
queue_files_head(struct envelope *envelope, struct buf *ret_text)
{
	int r;

	envelope->has_progress = true;
	r = envelope_encode(envelope, ret_text);
	return r == 0 && envelope->room != 0 ? put_room(ret_text, envelope->room) : r;
}

int
queue_files_recreate(struct queue_files *files, struct envelope *envelope, const char *id)
{
	struct buf text = BUF_INIT(ENVELOPE_MAX);
	char path[SPOOL_PATH_MAX];
	int r = queue_files_head(envelope, &text), fd = -1;

	spool_path(SPOOL_QUEUE_TMP, id, path);
	if (r == 0) {
		fd = openat(files->spool, path, CREATE_FLAGS, 0600);
		if (fd < 0 && errno == EEXIST && unlinkat(files->spool, path, 0) == 0)
			fd = openat(files->spool, path, CREATE_FLAGS, 0600);
		r = fd < 0 ? -errno : io_write_all(fd, buf_get(&text));
	}
	buf_free(&text);
	if (r < 0 && fd >= 0) {
		(void)close(fd);
		queue_files_discard(files, id);
	}
	return r < 0 ? r : fd;
}

int
queue_files_create(struct queue_files *files, struct envelope *envelope, int64_t now_us, char ret_id[SPOOL_ID_LEN + 1])
{
	int r = queue_files_name(files, now_us, ret_id);

	return r == 0 ? queue_files_recreate(files, envelope, ret_id) : r;
}

int
queue_files_put_fields(int fd, struct envelope *envelope, struct span fields)
{
	struct buf text = BUF_INIT(ENVELOPE_MAX);
	char room[ENVELOPE_ROOM_LEN];
	size_t message;
	int r;

	if (fields.len > envelope->room)
		return -EMSGSIZE;
	r = envelope_encode(envelope, &text);
	message = text.len + envelope->room;
	buf_free(&text);
	if (r < 0)
		return r;
	envelope->room = (uint16_t)(envelope->room - fields.len);
	envelope_encode_room(envelope->room, room);
	if (pwrite(fd, fields.ptr, fields.len, (off_t)(message - fields.len)) != (ssize_t)fields.len ||
	    pwrite(fd, room, sizeof(room), (off_t)envelope->room_at) != (ssize_t)sizeof(room))
		return -errno;
	return 0;
}

int
queue_files_edit(struct queue_files *files, const char *id)
{
	char path[SPOOL_PATH_MAX];
	int fd;

	spool_path(SPOOL_QUEUE_TMP, id, path);
	fd = openat(files->spool, path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static void
forget_unwanted(struct queue_files *files, struct unwanted **at)
{
	struct unwanted *unwanted = *at;

	*at = unwanted->next;
	files->unwanted_count--;
	free(unwanted);
}

/* Nothing of what was refused must stay, for its client comes again: tried again with the next commits. */
static void
refuse(struct queue_files *files, enum spool_place place, const char *id)
{
	char path[SPOOL_PATH_MAX];
	struct unwanted **at = &files->unwanted;
	bool gone;

	spool_path(place, id, path);
	gone = unlinkat(files->spool, path, 0) == 0 || errno == ENOENT;
	while (*at != NULL && strcmp((*at)->path, path) != 0)
		at = &(*at)->next;
	if (gone && *at != NULL) {
		forget_unwanted(files, at);
	} else if (!gone && *at == NULL && files->unwanted_count < UNWANTED_MAX) {
		*at = xcalloc(1, sizeof(**at));
		memcpy((*at)->path, path, sizeof(path));
		files->unwanted_count++;
	}
}

static void
remove_unwanted(struct queue_files *files)
{
	while (files->unwanted != NULL && (unlinkat(files->spool, files->unwanted->path, 0) == 0 || errno == ENOENT))
		forget_unwanted(files, &files->unwanted);
}

void
queue_files_discard(struct queue_files *files, const char *id)
{
	refuse(files, SPOOL_QUEUE_TMP, id);
}

/* After a sync that failed the kernel may have dropped the bytes: never tried again and believed. */
static void
sync_files(struct queue_commit *const *commits, size_t count)
{
	struct io_sync *syncs = xcalloc(count, sizeof(*syncs));

	size_t files = 0;

	for (size_t i = 0; i < count; i++)
		if (commits[i]->fd >= 0)
			syncs[files++] = (struct io_sync){ .fd = commits[i]->fd };
	io_sync_same(syncs, files);
	files = 0;
	for (size_t i = 0; i < count; i++)
		commits[i]->result = commits[i]->fd >= 0 ? syncs[files++].result : commits[i]->fd;
	free(syncs);
}

static void
give_name(struct queue_files *files, struct queue_commit *commit)
{
	char from[SPOOL_PATH_MAX], to[SPOOL_PATH_MAX];

	spool_path(SPOOL_QUEUE_TMP, commit->id, from);
	spool_path(commit->held ? SPOOL_HOLD : SPOOL_QUEUE, commit->id, to);
	if (commit->result == 0 && renameat(files->spool, from, files->spool, to) < 0)
		commit->result = -errno;
	if (commit->result < 0)
		queue_files_discard(files, commit->id);
	closep(&commit->fd);
	commit->fd = -1;
}

void
queue_files_commit(struct queue_files *files, struct queue_commit *const *commits, size_t count)
{
	int8_t synced[SPOOL_FOLDERS] = { 0 };
	int errors[SPOOL_FOLDERS], hold_error = 0;
	bool hold_synced = false;

	remove_unwanted(files);
	sync_files(commits, count);
	for (size_t i = 0; i < count; i++)
		give_name(files, commits[i]);
	for (size_t i = 0; i < count; i++) {
		unsigned folder = folder_of(commits[i]->id);

		if (commits[i]->result < 0)
			continue;
		if (commits[i]->held) {
			/* Once for all: after a sync that failed the next one may succeed, without what the first lost. */
			if (!hold_synced)
				hold_error = fsync(files->hold) == 0 ? 0 : -errno;
			hold_synced = true;
			commits[i]->result = hold_error;
			if (hold_error < 0)
				refuse(files, SPOOL_HOLD, commits[i]->id);
			continue;
		}
		if (synced[folder] == 0) {
			errors[folder] = sync_folder(files, folder);
			synced[folder] = 1;
		}
		commits[i]->result = errors[folder];
		if (errors[folder] < 0)
			refuse(files, SPOOL_QUEUE, commits[i]->id);
	}
}

/* --- a message that is there --- */

static void
path_of(const char *id, bool held, char path[SPOOL_PATH_MAX])
{
	spool_path(held ? SPOOL_HOLD : SPOOL_QUEUE, id, path);
}

int
queue_files_load(struct queue_files *files, enum spool_place place, const char *id, struct spool_file *ret_file)
{
	char path[SPOOL_PATH_MAX];

	spool_path(place, id, path);
	return spool_open(files->spool, path, O_RDWR, ret_file);
}

int
queue_files_reopen(struct queue_files *files, enum spool_place place, const char *id)
{
	char path[SPOOL_PATH_MAX];
	int fd;

	spool_path(place, id, path);
	fd = openat(files->spool, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int
queue_files_mark(const struct spool_file *file, size_t recipient)
{
	const struct envelope_recipient *marked = &file->envelope.recipients[recipient];

	return pwrite(file->fd, &marked->status, 1, (off_t)marked->status_at) == 1 ? 0 : -errno;
}

int
queue_files_update(const struct spool_file *file, bool sync)
{
	const struct envelope *envelope = &file->envelope;

	for (size_t i = 0; i < envelope->count; i++) {
		int r = queue_files_mark(file, i);

		if (r < 0)
			return r;
	}
	if (envelope->has_progress) {
		char text[ENVELOPE_PROGRESS_LEN];

		envelope_encode_progress(&envelope->progress, text);
		if (pwrite(file->fd, text, sizeof(text), (off_t)envelope->progress_at) !=
		    (ssize_t)sizeof(text))
			return -errno;
	}
	return sync && fdatasync(file->fd) < 0 ? -errno : 0;
}

int
queue_files_redate(const struct spool_file *file)
{
	const struct envelope *envelope = &file->envelope;
	char text[REDATE_MAX];
	size_t at = envelope->created_at, end = envelope->by_at != 0 ? envelope->by_at + envelope->by_len : at + envelope->created_len;
	ssize_t len;

	if (at == 0 || end < at || end - at > sizeof(text))
		return -EINVAL; /* written by somebody else */
	len = pread(file->fd, text, end - at, (off_t)at);
	if (len < 0)
		return -errno;
	if ((size_t)len != end - at || !envelope_encode_time(envelope->created, envelope->created_len, text) ||
	    (envelope->by_at != 0 && !envelope_encode_time(envelope->deliver_by, envelope->by_len, text + (envelope->by_at - at))))
		return -EINVAL;
	return pwrite(file->fd, text, (size_t)len, (off_t)at) == len ? 0 : -errno;
}

int
queue_files_remove(struct queue_files *files, const char *id, bool held)
{
	char path[SPOOL_PATH_MAX];

	path_of(id, held, path);
	return unlinkat(files->spool, path, 0) == 0 ? 0 : -errno;
}

int
queue_files_remove_for_good(struct queue_files *files, const char *id, bool held)
{
	int r = queue_files_remove(files, id, held);

	if (r < 0)
		return r;
	if (held)
		return fsync(files->hold) == 0 ? 0 : -errno;
	return sync_folder(files, folder_of(id));
}

/* rename(2) is one step, so the message is never in both places or in none. */
static int
move(struct queue_files *files, const char *id, bool to_hold)
{
	char from[SPOOL_PATH_MAX], to[SPOOL_PATH_MAX];
	int r;

	spool_path(to_hold ? SPOOL_QUEUE : SPOOL_HOLD, id, from);
	spool_path(to_hold ? SPOOL_HOLD : SPOOL_QUEUE, id, to);
	if (renameat(files->spool, from, files->spool, to) < 0)
		return -errno;
	r = fsync(files->hold) == 0 ? 0 : -errno;
	if (r == 0)
		r = sync_folder(files, folder_of(id));
	/* Where even that fails it has been moved, though a power loss may undo it: what is known of it must be where it is. */
	if (r < 0 && renameat(files->spool, to, files->spool, from) < 0)
		r = 0;
	return r;
}

int
queue_files_hold(struct queue_files *files, const char *id)
{
	return move(files, id, true);
}

int
queue_files_release(struct queue_files *files, const char *id)
{
	return move(files, id, false);
}

/* Names of drop/ are anybody's choice. Nobody else writes in corrupt/, so what is not there now is not there at the rename either (and not
 * every file system knows RENAME_NOREPLACE). */
static int
set_aside(struct queue_files *files, int folder, const char *from, const char *name)
{
	char wanted[SPOOL_PATH_MAX], to[SPOOL_PATH_MAX + 24];
	struct stat st;

	spool_path(SPOOL_CORRUPT, name, wanted);
	(void)snprintf(to, sizeof(to), "%s", wanted);
	/* No number is tried twice: the same name a thousand times is a thousand looks. */
	while (fstatat(files->spool, to, &st, AT_SYMLINK_NOFOLLOW) == 0)
		(void)snprintf(to, sizeof(to), "%s.%llu", wanted, (unsigned long long)++files->set_aside);
	if (errno != ENOENT)
		return -errno;
	return renameat(folder, from, files->spool, to) == 0 ? 0 : -errno;
}

int
queue_files_set_aside(struct queue_files *files, const char *id, bool held)
{
	char from[SPOOL_PATH_MAX];

	path_of(id, held, from);
	return set_aside(files, files->spool, from, id);
}

int
queue_files_set_aside_from(struct queue_files *files, int folder, const char *name)
{
	return set_aside(files, folder, name, name);
}

/* --- starting --- */

static int
scan_folder(
    struct queue_files *files, const char *path, bool held, queue_found found, void *context)
{
	int fd = open_folder(files->spool, path);
	const struct dirent *entry;
	DIR *dir;
	int r;

	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (dir == NULL) {
		r = -errno;
		(void)close(fd);
		return r;
	}
	errno = 0;
	while ((entry = readdir(dir)) != NULL) {
		if (!held && span_starts(span_of(entry->d_name), SPAN("tmp."))) {
			(void)unlinkat(fd, entry->d_name,
			    0); /* was being written, and nobody has been promised anything */
		} else if (spool_id_valid(span_of(entry->d_name))) {
			if (spool_id_time(entry->d_name) > files->latest_us)
				files->latest_us = spool_id_time(entry->d_name);
			found(context, entry->d_name, held);
		}
		errno = 0;
	}
	r = -errno;
	(void)closedir(dir);
	return r;
}

int
queue_files_scan(struct queue_files *files, queue_found found, void *context)
{
	int r;

	files->latest_us = 0;
	r = scan_folder(files, "hold", true, found, context);
	for (unsigned i = 0; i < SPOOL_FOLDERS; i++) {
		char path[16];
		int r2;

		(void)snprintf(path, sizeof(path), "queue/%02X", i & 0xff);
		r2 = scan_folder(files, path, false, found, context);
		if (r == 0)
			r = r2;
	}
	if (r < 0)
		files->latest_us = UINT64_MAX;
	return r;
}
