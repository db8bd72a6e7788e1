/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* mailstore backup and restore. A folder of backups has for each account a folder DOMAIN/USER, and in it one for each backup, named by its
 * time, so that names sort as times do. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "cli/mailstore.h"
#include "cli/tool.h"
#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/mailstore.h"

#define NAME_LEN 16 /* 20261126T023000Z */

static bool
is_backup(const char *name)
{
	return strlen(name) == NAME_LEN && name[8] == 'T' && name[15] == 'Z' && strspn(name, "0123456789TZ") == NAME_LEN;
}

/* The newest, or NULL. */
static char *
newest(int into_fd)
{
	int fd = openat(into_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	char *found = NULL;

	if (dir == NULL)
		tool_fail(EX_IOERR, "the folder of backups cannot be read: %s", strerror(errno));
	while ((entry = readdir(dir)) != NULL)
		if (is_backup(entry->d_name) && (found == NULL || strcmp(entry->d_name, found) > 0)) {
			free(found);
			found = xstrdup(entry->d_name);
		}
	(void)closedir(dir);
	return found;
}

int
mailstore_backup(const struct mailstore_job *job)
{
	struct ms_store *store = mailstore_open(job);
	_cleanup_(freep) char *previous = newest(job->into_fd);
	struct mailstore_left_out left_out = { job->address, 0 };
	struct ms_backup_result result;
	time_t now = time(NULL);
	char name[NAME_LEN + 1];
	struct tm tm;
	int r;

	(void)strftime(name, sizeof(name), "%Y%m%dT%H%M%SZ", gmtime_r(&now, &tm));
	r = ms_backup(store, job->into_fd, name, previous, mailstore_note_left_out, &left_out, &result);
	if (r == MS_E_EXISTS)
		tool_fail(EX_CANTCREAT, "%s: %s is there already: one backup a second is enough", job->address, name);
	if (r == MS_E_LOCKED)
		tool_fail(EX_TEMPFAIL, "%s: another backup of the account runs", job->address);
	if (r != 0)
		tool_fail(EX_IOERR, "%s: no backup was made: %s", job->address, ms_strerror(r));
	(void)printf("%s: %s: %llu messages, %llu of them as in %s\n", job->address, name, (unsigned long long)result.messages,
	    (unsigned long long)result.linked, previous != NULL ? previous : "no backup before");
	ms_close(store);
	return left_out.count == 0 ? EX_OK : EXIT_FAULTS;
}

void
mailstore_take_side(void *context, bool backup)
{
	const struct mailstore_sides *sides = context;
	int error = errno;

	if (sides->account == sides->backup)
		return;
	if (seteuid(0) < 0 || seteuid(backup ? sides->backup : sides->account) < 0)
		tool_fail(EX_OSERR, "cannot change the uid: %s", strerror(errno));
	errno = error;
}

struct mailstore_sides
mailstore_sides_of(const struct mailstore_job *job)
{
	struct mailstore_sides sides = { job->uid, job->uid };
	struct stat st;

	if (fstat(job->into_fd, &st) < 0)
		tool_fail(EX_NOINPUT, "%s: %s", job->into, strerror(errno));
	/* A folder of root's own is read with the account's rights, as all else. */
	if (getuid() == 0 && st.st_uid != 0)
		sides.backup = st.st_uid;
	return sides;
}

int
mailstore_restore(const struct mailstore_job *job)
{
	struct mailstore_sides sides = mailstore_sides_of(job);
	struct ms_backup_result result;
	int r = ms_restore(job->folder, job->into_fd, job->force, mailstore_take_side, &sides, &result);

	if (r == MS_E_NOTFOUND)
		tool_fail(EX_NOINPUT, "%s is no backup: it has no Maildir", job->into);
	if (r == MS_E_EXISTS)
		tool_fail(EX_CANTCREAT, "%s: nothing was changed: the account has mail; with -f that is set aside as %s/Maildir.before", job->address,
		    job->folder);
	if (r != 0)
		tool_fail(EX_IOERR, "%s: %s; run it again: until it has come to its end mail for the account may wait", job->address, ms_strerror(r));
	(void)printf("%s: %llu messages restored\n", job->address, (unsigned long long)result.messages);
	return EX_OK;
}
