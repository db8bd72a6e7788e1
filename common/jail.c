/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The jail of a role. The order matters: rlimits and Landlock while paths are still seen, then the empty root, then the uid,
 * and the system-call filter last because it forbids all the others. */
#include "common/jail.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <grp.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/sanitizer.h"
#include "common/xalloc.h"

/* --- rlimits --- */

static int
set_limit(int resource, rlim_t value)
{
	struct rlimit limit = { value, value };

	return setrlimit((__rlimit_resource_t)resource, &limit) == 0 ? 0 : -errno;
}

static int
set_limits(const struct jail *jail)
{
	int r = set_limit(RLIMIT_CORE, 0); /* a core file would hold mail, passwords or keys */

	if (r == 0 && jail->descriptors_max != 0)
		r = set_limit(RLIMIT_NOFILE, jail->descriptors_max);
	if (r == 0 && jail->memory_max != 0 && !UNDER_SANITIZER)
		r = set_limit(RLIMIT_AS, jail->memory_max);
	return r;
}

/* --- Landlock --- */

#define READ_RIGHTS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE_RIGHTS \
	(READ_RIGHTS | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | \
	    LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG)
#define FILE_RIGHTS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE)
/* What kernels newer than the build's headers know; numbers of the kernel's interface, given here so that an old header does
 * not weaken the jail. */
#define ACCESS_FS_REFER (1ULL << 13)
#define ACCESS_FS_TRUNCATE (1ULL << 14)
#define ACCESS_NET_BIND_TCP (1ULL << 0)
#define ACCESS_NET_CONNECT_TCP (1ULL << 1)

struct ruleset_attr {
	uint64_t handled_access_fs;
	uint64_t handled_access_net;
};

static int
allow_path(int ruleset, const struct jail_path *path, uint64_t handled)
{
	_cleanup_(closep) int fd = -1;
	struct landlock_path_beneath_attr rule;
	struct stat st;

	fd = open(path->path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	rule.parent_fd = fd;
	rule.allowed_access = path->right == JAIL_PATH_WRITE ? WRITE_RIGHTS | ACCESS_FS_REFER | ACCESS_FS_TRUNCATE : READ_RIGHTS;
	if (!S_ISDIR(st.st_mode))
		rule.allowed_access &= FILE_RIGHTS | ACCESS_FS_TRUNCATE;
	rule.allowed_access &= handled;
	return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0 ? 0 : -errno;
}

/* iconv's modules stand beside the C library that is in use. */
static int
allow_modules(int ruleset, uint64_t handled)
{
	_cleanup_(freep) char *path = NULL;
	const char *file;
	Dl_info libc;

	if (dladdr((const void *)(uintptr_t)gnu_get_libc_version, &libc) == 0 || (file = strrchr(libc.dli_fname, '/')) == NULL)
		return 0;
	path = xasprintf("%.*s/gconv", (int)(file - libc.dli_fname), libc.dli_fname);
	return allow_path(ruleset, &(struct jail_path){ path, JAIL_PATH_READ }, handled);
}

static int
enter_landlock(const struct jail *jail)
{
	_cleanup_(closep) int ruleset = -1;
	/* Everything the first version knew (bits 0 to 12), then what later ones added. */
	struct ruleset_attr attr = { .handled_access_fs = (1ULL << 13) - 1 };
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	size_t size = sizeof(attr.handled_access_fs);

	if (version < 0)
		return -ENOSYS;
	if (version >= 2)
		attr.handled_access_fs |= ACCESS_FS_REFER;
	if (version >= 3)
		attr.handled_access_fs |= ACCESS_FS_TRUNCATE;
	if (version >= 4) {
		attr.handled_access_net = ACCESS_NET_BIND_TCP;
		if ((jail->allow & JAIL_CONNECT) == 0)
			attr.handled_access_net |= ACCESS_NET_CONNECT_TCP;
		size = sizeof(attr);
	}
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (ruleset < 0)
		return -errno;
	for (size_t i = 0; i < JAIL_PATHS_MAX; i++) {
		int r = jail->paths[i].path != NULL ? allow_path(ruleset, &jail->paths[i], attr.handled_access_fs) : 0;

		if (r < 0)
			return r;
	}
	if ((jail->allow & JAIL_MODULES) != 0) {
		int r = allow_modules(ruleset, attr.handled_access_fs);

		if (r < 0)
			return r;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return syscall(SYS_landlock_restrict_self, ruleset, 0) == 0 ? 0 : -errno;
}

/* --- root and uid --- */

static int
enter_root(const char *root)
{
	return chroot(root) == 0 && chdir("/") == 0 ? 0 : -errno;
}

static int
become(uid_t uid, gid_t gid)
{
	uid_t real, effective, saved;

	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	if (getresuid(&real, &effective, &saved) < 0 || real != uid || effective != uid || saved != uid || setuid(0) == 0)
		return -EPERM;
	return 0;
}

/* --- system calls --- */

#define CALLS(...) (const char *const[]){ __VA_ARGS__, NULL }

static const struct {
	unsigned allow; /* 0: the base */
	const char *const *calls;
} call_groups[] = {
	/* Descriptors that are already there. */
	{ 0, CALLS("read", "readv", "pread64", "write", "writev", "pwrite64", "close", "fstat", "lseek", "dup", "shutdown", "fcntl", "recvmsg",
		"recvfrom", "sendmsg", "sendto", "getsockopt", "ioctl", "poll", "ppoll", "sendfile", "copy_file_range") },
	/* The loop, clocks, randomness. */
	{ 0, CALLS("epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "timerfd_settime", "clock_gettime", "clock_nanosleep",
		"clock_getres", "gettimeofday", "time", "nanosleep", "getrandom", "eventfd2") },
	/* Memory. No executable memory is made: see the rule on PROT_EXEC. */
	{ 0, CALLS("brk", "munmap", "mremap", "madvise", "futex", "membarrier", "rseq") },
	/* Signals to itself, identity, the end. */
	{ 0, CALLS("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall", "getpid", "gettid", "getuid", "geteuid", "getgid",
		"getegid", "getrlimit", "prlimit64", "getrusage", "sched_yield", "sched_getaffinity", "sysinfo", "uname", "exit", "exit_group", "umask") },
	{ JAIL_ACCEPT, CALLS("accept", "accept4", "getpeername", "getsockname", "setsockopt") },
	{ JAIL_CONNECT, CALLS("connect", "bind", "getpeername", "getsockname", "setsockopt") },
	{ JAIL_READ_FILES, CALLS("open", "openat", "openat2", "access", "faccessat", "faccessat2", "stat", "lstat", "newfstatat", "statx", "getdents64",
		"readlink", "readlinkat", "getcwd", "fadvise64", "statfs", "fstatfs", "chdir", "fchdir") },
	{ JAIL_WRITE_FILES, CALLS("rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "ftruncate",
		"truncate", "fsync", "fdatasync", "sync_file_range", "io_setup", "io_submit", "io_getevents", "fallocate", "fchmod", "chmod", "fchmodat", "utimensat",
		"flock", "syncfs") },
	{ JAIL_WATCH, CALLS("inotify_init1", "inotify_add_watch", "inotify_rm_watch") },
	{ JAIL_DATABASE, CALLS("msync", "flock", "sched_getparam", "sched_getscheduler", "select", "pselect6") },
	{ JAIL_SOCKETPAIR, CALLS("socketpair", "pipe2", "setsockopt") },
	{ JAIL_MEMFD, CALLS("memfd_create", "ftruncate") },
	{ JAIL_THREADS, CALLS("clone3", "clone", "set_robust_list", "rseq") },
#if UNDER_SANITIZER
	/* The sanitizers read /proc, map shadow memory and stop their own threads to look for leaks. */
	{ 0, CALLS("open", "openat", "readlink", "stat", "newfstatat", "getdents64", "clone", "clone3", "set_robust_list", "wait4", "prctl", "ptrace",
		"process_vm_readv", "set_tid_address", "getppid", "tgkill", "kill", "sched_getparam", "sched_getscheduler", "mprotect", "pipe2", "pipe") },
#endif
};

static int
allow_call(scmp_filter_ctx filter, const char *name)
{
	int call = seccomp_syscall_resolve_name(name);
	int r;

	if (call == __NR_SCMP_ERROR)
		return 0; /* this libseccomp does not know it yet, so nothing can be allowed */
	r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0);
	/* -EDOM: there is no such call on this architecture (open on arm64). */
	return r == -EEXIST || r == -EDOM ? 0 : r;
}

/* No memory becomes executable, but for a file's mapped so from the start, never writable: iconv's modules. */
static int
allow_memory(scmp_filter_ctx filter, const struct jail *jail)
{
	int r;

	if (UNDER_SANITIZER)
		return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 0);
	r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (r == 0 && (jail->allow & JAIL_MODULES) != 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_WRITE | PROT_EXEC, PROT_EXEC),
		    SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, 0));
	return r;
}

static int
allow_conditional(scmp_filter_ctx filter, const struct jail *jail)
{
	static const int families[] = { AF_INET, AF_INET6 };
	int r;

	/* A role may abort itself, and signal nobody else. */
	r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0));
	if (r == 0 || r == -EEXIST)
		r = allow_memory(filter, jail);
	if ((jail->allow & JAIL_CONNECT) == 0)
		return r;
	for (size_t i = 0; r == 0 && i < sizeof(families) / sizeof(*families); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i], 0));
	return r;
}

static int
enter_filter(const struct jail *jail)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = 0;

	if (filter == NULL)
		return -ENOMEM;
	for (size_t g = 0; r == 0 && g < sizeof(call_groups) / sizeof(*call_groups); g++) {
		if (call_groups[g].allow != 0 && (jail->allow & call_groups[g].allow) == 0)
			continue;
		for (size_t i = 0; r == 0 && call_groups[g].calls[i] != NULL; i++)
			r = allow_call(filter, call_groups[g].calls[i]);
	}
	if (r == 0)
		r = allow_conditional(filter, jail);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

int
jail_enter(const struct jail *jail, const char **ret_step)
{
	bool root = geteuid() == 0;
	int r;

	*ret_step = "rlimit";
	r = set_limits(jail);
	if (r < 0)
		return r;
	*ret_step = "landlock";
	r = enter_landlock(jail);
	if (r < 0 && !(r == -ENOSYS && root && jail->root != NULL))
		return r;
	if (root) {
		*ret_step = "chroot";
		r = jail->root != NULL ? enter_root(jail->root) : 0;
		if (r < 0)
			return r;
		*ret_step = "setresuid";
		r = become(jail->uid, jail->gid);
		if (r < 0)
			return r;
	}
	/* Nobody of the same uid may look into the process. */
	*ret_step = "prctl";
	if (prctl(PR_SET_DUMPABLE, UNDER_SANITIZER, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	*ret_step = "seccomp";
	return enter_filter(jail);
}
