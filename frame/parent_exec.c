/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Starting a role: fork and exec of this same program, so that each role has a fresh address space. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frame/daemon.h"
#include "frame/parent.h"

/* Room after the arguments for the process title. */
#define TITLE_ROOM 160

static int self_fd = -1;

int
parent_exec_init(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	/* Out of the way of ROLE_PARENT_FD, which the child's end of the channel is moved to. */
	self_fd = fcntl(fd, F_DUPFD_CLOEXEC, ROLE_PARENT_FD + 1);
	(void)close(fd);
	return self_fd >= 0 ? 0 : -errno;
}

static _Noreturn void
exec_role(const struct daemon *daemon, const struct role *role, bool background, bool debug, int channel)
{
	extern char **environ;
	char room[TITLE_ROOM], name[32], role_name[32], flags[8];
	char execute[] = "-x";
	char *argv[] = { name, flags, execute, role_name, room, NULL };
	sigset_t none;

	/* As role_main does it: the parent speaks for them. */
	(void)signal(SIGHUP, SIG_IGN);
	/* The parent's loop blocks nothing, but a service manager may. */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	memset(room, ' ', sizeof(room) - 1);
	room[sizeof(room) - 1] = '\0';
	(void)snprintf(name, sizeof(name), "%s", daemon->name);
	(void)snprintf(role_name, sizeof(role_name), "%s", role->name);
	(void)snprintf(flags, sizeof(flags), "-%s%s", background ? "b" : "", debug ? "v" : "");
	if (strcmp(flags, "-") == 0) {
		argv[1] = execute;
		argv[2] = role_name;
		argv[3] = room;
		argv[4] = NULL;
	}
	if (channel == ROLE_PARENT_FD) {
		/* dup2 to itself would keep close-on-exec. */
		(void)fcntl(channel, F_SETFD, 0);
	} else if (dup2(channel, ROLE_PARENT_FD) < 0) {
		_exit(127);
	}
	(void)fexecve(self_fd, argv, environ);
	_exit(127);
}

pid_t
parent_exec(const struct role *role, const struct daemon *daemon, bool background, bool debug, int *ret_fd)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	pid = fork();
	if (pid < 0) {
		int r = -errno;

		(void)close(pair[0]);
		(void)close(pair[1]);
		return r;
	}
	if (pid == 0)
		exec_role(daemon, role, background, debug, pair[1]);
	(void)close(pair[1]);
	*ret_fd = pair[0];
	return pid;
}
