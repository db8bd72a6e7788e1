/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The folders of the spool. */
#include "smtpd/queue_folders.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/spool.h"
#include "smtpd/report_role.h"
#include "smtpd/smtpd_msg.h"

/* Into drop/ everybody may put files, nobody may list them, and each may remove only his own; new
 * ones get the queue's group, which may read them. */
#define DROP_MODE 03733
#define OWN_MODE 0700

/* 0 and a descriptor of the folder, made when missing. */
static int
make_folder(int parent, const char *name, mode_t mode, uid_t uid, gid_t gid, int *ret_fd)
{
	_cleanup_(closep) int fd = -1;
	struct stat st;

	if (mkdirat(parent, name, mode & 0777) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	/* chown may clear the set-group-id bit, so the mode comes last. */
	if (geteuid() == 0 && (st.st_uid != uid || st.st_gid != gid) && fchown(fd, uid, gid) < 0)
		return -errno;
	if ((st.st_mode & 07777) != mode && fchmod(fd, mode) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int
make_below(int parent, const char *name, mode_t mode, uid_t uid, gid_t gid)
{
	int fd, r = make_folder(parent, name, mode, uid, gid, &fd);

	if (r == 0)
		(void)close(fd);
	return r;
}

/* Gives what waits in drop/ from the group that the queue had to the one that it has: its files can be read by that group, and by nobody
 * else. Anybody may have put names there; a second one would be somebody else's file, linked here. Files of other groups were not
 * handed in. */
static int
hand_over(int drop, gid_t from, gid_t to)
{
	int copy = openat(drop, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	const struct dirent *entry;

	if (dir == NULL) {
		r = -errno;
		closep(&copy);
		return r;
	}
	while ((entry = readdir(dir)) != NULL) {
		/* Looked at, not opened: what it is is not known yet. */
		_cleanup_(closep) int fd = openat(copy, entry->d_name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		struct stat st;

		if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1 || st.st_gid != from)
			continue;
		if (fchownat(fd, "", (uid_t)-1, to, AT_EMPTY_PATH) < 0)
			log_error("drop-not-handed-over", log_str("file", entry->d_name), log_i64("uid", st.st_uid), log_errno("error", errno));
	}
	(void)closedir(dir);
	return 0;
}

static int
make_drop(int spool, uid_t uid, gid_t gid)
{
	_cleanup_(closep) int fd = openat(spool, "drop", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st = { .st_gid = gid };
	int r = 0;

	if (geteuid() == 0 && fd >= 0 && fstat(fd, &st) < 0)
		return -errno;
	/* The files come first: a crash in between leaves the folder's group to tell of it. Then those that came meanwhile. */
	if (st.st_gid != gid)
		r = hand_over(fd, st.st_gid, gid);
	if (r == 0)
		r = make_below(spool, "drop", DROP_MODE, uid, gid);
	if (r == 0 && st.st_gid != gid)
		r = hand_over(fd, st.st_gid, gid);
	return r;
}

static int
make_queue(int spool, uid_t uid, gid_t gid)
{
	int fd, r = make_folder(spool, "queue", OWN_MODE, uid, gid, &fd);

	if (r < 0)
		return r;
	for (unsigned i = 0; r == 0 && i < SPOOL_FOLDERS; i++) {
		char name[3];

		(void)snprintf(name, sizeof(name), "%02X", i);
		r = make_below(fd, name, OWN_MODE, uid, gid);
	}
	(void)close(fd);
	return r;
}

int
queue_prepare_spool(const char *spool_dir)
{
	_cleanup_(closep) int spool = -1;
	bool made = mkdir(spool_dir, 0755) == 0;

	if (!made && errno != EEXIST)
		return -errno;
	spool = open(spool_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* Past the umask: the queue and those who drop mail walk through it. */
	return spool < 0 || (made && fchmod(spool, 0755) < 0) ? -errno : 0;
}

static int
make_all(const char *spool_dir, uid_t uid, gid_t gid)
{
	_cleanup_(closep) int spool = -1;
	int r = queue_prepare_spool(spool_dir);

	if (r < 0)
		return r;
	spool = open(spool_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (spool < 0)
		return -errno;
	r = make_drop(spool, uid, gid);
	if (r == 0)
		r = make_queue(spool, uid, gid);
	if (r == 0)
		r = make_below(spool, "hold", OWN_MODE, uid, gid);
	if (r == 0)
		r = make_below(spool, "corrupt", OWN_MODE, uid, gid);
	if (r == 0)
		r = make_below(spool, "state", OWN_MODE, uid, gid);
	if (r == 0)
		r = make_below(spool, "sts", OWN_MODE, uid, gid);
	return r;
}

/* The uid and gid of the role, or our own where roles have none. */
static int
ids_of(const struct fourpost_conf *conf, const struct daemon *daemon, uint8_t role, uid_t *ret_uid, gid_t *ret_gid)
{
	*ret_uid = geteuid();
	*ret_gid = getegid();
	for (size_t i = 0; i < daemon->role_count && *ret_uid == 0; i++)
		if (daemon->roles[i].id == role)
			return role_ids(conf, daemon, &daemon->roles[i], ret_uid, ret_gid);
	return 0;
}

/* The report role's, in the spool. */
static int
make_report(const char *spool_dir, uid_t uid, gid_t gid)
{
	_cleanup_(closep) int spool = open(spool_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return spool < 0 ? -errno : make_below(spool, REPORT_FOLDER, OWN_MODE, uid, gid);
}

int
queue_prepare_folders(const void *conf, const struct daemon *daemon)
{
	const struct fourpost_conf *common = conf;
	uid_t uid;
	gid_t gid;
	int r = ids_of(common, daemon, ROLE_QUEUE, &uid, &gid);

	if (r == 0)
		r = make_all(common->spool_dir, uid, gid);
	if (r == 0)
		r = ids_of(common, daemon, ROLE_REPORT, &uid, &gid);
	if (r == 0)
		r = make_report(common->spool_dir, uid, gid);
	if (r < 0)
		log_error(
		    "spool-unusable", log_str("folder", common->spool_dir), log_errno("error", r));
	return r;
}
