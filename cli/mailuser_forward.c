/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* mailuser forward. The folder is the account's, whose processes may have put anything there: no link in it is followed. */
#include "cli/mailuser_forward.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/tool.h"
#include "common/cleanup.h"
#include "common/forward.h"
#include "common/io.h"
#include "common/xalloc.h"

#define NEW_NAME FORWARD_NAME ".new"
#define READ_MAX (FORWARD_FILE_MAX + 65536)

static _Noreturn void
fail(const struct ms_account *account)
{
	tool_fail(EX_IOERR, "%s: the file with the addresses: %s", account->address, strerror(errno));
}

static void
print(int folder, const struct ms_account *account)
{
	struct buf text = BUF_INIT(READ_MAX);
	_cleanup_(closep) int fd = openat(folder, FORWARD_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		tool_fail(EX_UNAVAILABLE, "mail for %s is not sent on", account->address);
	if (fd < 0 || io_read_all(fd, &text) < 0)
		fail(account);
	(void)fwrite(text.data, 1, text.len, stdout);
	buf_free(&text);
}

static void
compose(const struct ms_account *account, const struct forward_command *command, struct buf *text)
{
	struct forward forward;
	int r;

	for (size_t i = 0; i < command->count; i++)
		(void)buf_fmt(text, "%s\n", command->targets[i]);
	if (command->keep)
		(void)buf_str(text, "keep\n");
	r = text->overflow ? -E2BIG : forward_parse(buf_get(text), span_of(account->address), &forward);
	if (r == -E2BIG)
		tool_fail(EX_DATAERR, "there are more than %d addresses, or too long ones", FORWARD_TARGETS_MAX);
	if (r < 0)
		tool_fail(EX_DATAERR, "one of these is no address");
}

static void
write_file(int folder, const struct ms_account *account, struct span text)
{
	_cleanup_(closep) int fd = -1;

	if (unlinkat(folder, NEW_NAME, 0) < 0 && errno != ENOENT)
		fail(account);
	fd = openat(folder, NEW_NAME, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || io_write_all(fd, text) < 0 || (geteuid() == 0 && fchown(fd, account->uid, (gid_t)account->uid) < 0) || fsync(fd) < 0 ||
	    renameat(folder, NEW_NAME, folder, FORWARD_NAME) < 0 || fsync(folder) < 0)
		fail(account);
}

void
mailuser_forward(const struct fourpost_conf *conf, const struct ms_account *account, const struct forward_command *command)
{
	_cleanup_(freep) char *path = xasprintf("%s/%s", conf->accounts_dir, account->path);
	_cleanup_(closep) int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct buf text = BUF_INIT(FORWARD_FILE_MAX);

	if (folder < 0)
		tool_fail(EX_IOERR, "%s: %s", path, strerror(errno));
	if (command->remove) {
		if (unlinkat(folder, FORWARD_NAME, 0) < 0 && errno != ENOENT)
			fail(account);
		(void)printf("mail for %s is not sent on any more\n", account->address);
	} else if (command->count == 0) {
		print(folder, account);
	} else {
		compose(account, command, &text);
		write_file(folder, account, buf_get(&text));
		(void)printf("mail for %s is sent on%s\n", account->address, command->keep ? ", and kept" : "");
	}
	buf_free(&text);
}
