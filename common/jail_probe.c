/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What a role that is owned would try, tried from inside its jail. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/charset.h"
#include "common/jail.h"
#include "common/sanitizer.h"

static int
try_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	(void)close(fd);
	return 0;
}

static int
try_connect(int family)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(25), .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

	if (fd < 0)
		return -errno;
	r = family == AF_UNIX ? connect(fd, (struct sockaddr *)&un, sizeof(un)) : connect(fd, (struct sockaddr *)&in, sizeof(in));
	r = r < 0 ? -errno : 0;
	(void)close(fd);
	/* "Nobody listens" is the far side's answer, not the jail's. */
	return r == -ECONNREFUSED || r == -ENOENT ? 0 : r;
}

static int
try_listen(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

	if (fd < 0)
		return -errno;
	r = bind(fd, (struct sockaddr *)&in, sizeof(in)) == 0 && listen(fd, 1) == 0 ? 0 : -errno;
	(void)close(fd);
	return r;
}

static int
try_fork(void)
{
	/* A raw fork: the child ends at once. */
	long pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid == 0)
		_exit(0);
	return pid < 0 ? -errno : 0;
}

static int
try_exec(void)
{
	char name[] = "true";
	char *const argv[] = { name, NULL };

	(void)execv("/bin/true", argv);
	return -errno;
}

static int
try_writable_code(void)
{
	void *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (code == MAP_FAILED)
		return -errno;
	(void)munmap(code, 4096);
	return 0;
}

/* Every charset that mail names, as the first message that needs it would load it. */
static int
try_charsets(void)
{
	return charset_preload() == 0 ? 0 : -ELIBACC;
}

static int
result(long r)
{
	return r < 0 ? -errno : 0;
}

unsigned
jail_probe(const struct jail *jail, const char *other, int fd)
{
	bool connects = (jail->allow & JAIL_CONNECT) != 0;
	const struct {
		const char *name;
		bool granted; /* asked for by the role: no fault */
		int r;
	} tries[] = {
		{ "open-passwd", false, try_open("/etc/passwd", O_RDONLY) },
		{ "open-shadow", false, try_open("/etc/shadow", O_RDONLY) },
		{ "open-other-account", false, other != NULL ? try_open(other, O_RDONLY | O_DIRECTORY) : -ENOENT },
		{ "create-in-tmp", false, try_open("/tmp/fourpost-jail-probe", O_WRONLY | O_CREAT) },
		{ "create-in-root", false, try_open("/fourpost-jail-probe", O_WRONLY | O_CREAT) },
		{ "list-root", false, try_open("/", O_RDONLY | O_DIRECTORY) },
		{ "connect-tcp", connects, try_connect(AF_INET) },
		{ "connect-unix", false, try_connect(AF_UNIX) },
		{ "listen-tcp", false, try_listen() },
		{ "raw-socket", false, result(socket(AF_PACKET, SOCK_RAW, 0)) },
		{ "fork", (jail->allow & JAIL_THREADS) != 0 || UNDER_SANITIZER, try_fork() },
		{ "ptrace-parent", UNDER_SANITIZER, result(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL)) },
		{ "signal-parent", UNDER_SANITIZER, result(kill(getppid(), 0)) },
		{ "become-root", false, result(syscall(SYS_setresuid, 0, 0, 0)) },
		{ "chroot", false, result(chroot("/")) },
		{ "mount", false, result(mount("none", "/", "tmpfs", 0, NULL)) },
		{ "keyctl", false, result(syscall(SYS_keyctl, 0, 0, 0, 0, 0)) },
		{ "bpf", false, result(syscall(SYS_bpf, 0, NULL, 0)) },
		{ "load-charsets", (jail->allow & JAIL_MODULES) != 0 || UNDER_SANITIZER, try_charsets() },
		{ "writable-code", UNDER_SANITIZER, try_writable_code() },
		{ "exec", false, try_exec() },
	};
	unsigned faults = 0;

	for (size_t i = 0; i < sizeof(tries) / sizeof(*tries); i++) {
		bool refused = tries[i].r < 0;

		if (refused)
			(void)dprintf(fd, "refused %s (%s)\n", tries[i].name, strerrorname_np(-tries[i].r));
		else
			(void)dprintf(fd, "%s %s\n", tries[i].granted ? "granted" : "ALLOWED", tries[i].name);
		faults += !refused && !tries[i].granted;
	}
	return faults;
}
