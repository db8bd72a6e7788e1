/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* trace [-k N | -f N -e ERROR [-s] [-y]] [-r ROOT -l LOG] [-w FD [-t MS] -p FD] COMMAND...: runs a command of one thread and stands at each
 * system call that it makes between two marks (getsid(2), which nothing else calls).
 *   -k N       kill -9 before the Nth
 *   -f N       the Nth that ERROR can befall (-e) fails so; -s: and all after it, until the second mark; -y: only syncs count
 *   -r, -l     writes to LOG what the command did to the files below ROOT, and to LOG.data the bytes it wrote
 *   -w, -t     a director at the other end of FD (world.h) sets the marks and acts while the command waits; so much time has passed already
 *   -p         FD becomes the command's channel to its parent
 * The last line of standard error tells how many counted calls there were, and where it stopped: "calls N NAME". */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/aio_abi.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "frame/daemon.h"
#include "registers.h"
#include "world.h"

#define WRITE_MAX (1 << 20)
#define ORDERS_MAX 64

/* A sync that io_submit(2) took and io_getevents(2) has not told of: the caller's name for it, and the file. */
struct order {
	uint64_t iocb;
	struct stat st;
	bool inside; /* the folder that is looked at */
};

struct trace {
	pid_t pid;
	int memory;        /* of the traced */
	unsigned marks;
	unsigned long kill_at, fail_at, count;
	int error;
	bool sticky, syncs_only;
	bool failing;      /* the call between entry and exit is made to fail */
	const char *root;
	FILE *log, *data;
	struct __ptrace_syscall_info entry;
	char path[PATH_MAX], path2[PATH_MAX]; /* resolved at the entry */
	bool absent;       /* nothing stood under path then */
	struct stat before; /* of path, when something did */
	struct world world; /* director -1: there is none */
	int parent;         /* -1 */
	long end_of_data;   /* what the last brk(2) said: it says so again when it fails, and no error */
	struct order orders[ORDERS_MAX];
	size_t order_count;
};

/* --- which error can befall which call --- */

enum { NOSPC = 1, IO = 2, FILES = 4, MEMORY = 8, SYNC = 16 };

static const struct {
	const char *name;
	int error;
	unsigned bit;
} errors[] = { { "ENOSPC", ENOSPC, NOSPC }, { "EDQUOT", EDQUOT, NOSPC }, { "EIO", EIO, IO }, { "EMFILE", EMFILE, FILES }, { "ENOMEM", ENOMEM, MEMORY } };

static const struct {
	int call;
	unsigned errors;
} befalls[] = {
	{ SYS_openat, NOSPC | IO | FILES | MEMORY }, { SYS_read, IO }, { SYS_pread64, IO }, { SYS_write, NOSPC | IO }, { SYS_pwrite64, NOSPC | IO },
	{ SYS_fsync, NOSPC | IO | SYNC }, { SYS_fdatasync, NOSPC | IO | SYNC }, { SYS_syncfs, NOSPC | IO | SYNC }, { SYS_ftruncate, NOSPC | IO }, { SYS_fallocate, NOSPC | IO },
	{ SYS_copy_file_range, NOSPC | IO },
	{ SYS_renameat, NOSPC | IO | MEMORY }, { SYS_linkat, NOSPC | IO | MEMORY }, { SYS_unlinkat, IO | MEMORY }, { SYS_mkdirat, NOSPC | IO | MEMORY },
	{ SYS_utimensat, IO | MEMORY }, { SYS_newfstatat, IO | MEMORY }, { SYS_fstat, IO }, { SYS_getdents64, IO | MEMORY }, { SYS_mmap, MEMORY },
	{ SYS_brk, MEMORY }, { SYS_fcntl, FILES | MEMORY }, { SYS_flock, MEMORY }, { SYS_inotify_init1, FILES | MEMORY },
	{ SYS_inotify_add_watch, NOSPC | MEMORY }, { SYS_io_setup, MEMORY }, { SYS_io_submit, MEMORY }, { SYS_io_getevents, NOSPC | IO | SYNC },
#ifdef SYS_rename
	{ SYS_open, NOSPC | IO | FILES | MEMORY }, { SYS_rename, NOSPC | IO | MEMORY }, { SYS_unlink, IO | MEMORY }, { SYS_mkdir, NOSPC | IO | MEMORY },
	{ SYS_stat, IO | MEMORY },
#endif
};

static bool
can_befall(const struct trace *trace, uint64_t call)
{
	unsigned wanted = trace->syncs_only ? SYNC : 0;

	/* Giving up a lock takes nothing. */
	if (call == SYS_flock && trace->entry.entry.args[1] == LOCK_UN)
		return false;
	/* The outcome itself is told on standard output. */
	if ((call == SYS_write || call == SYS_writev) && trace->entry.entry.args[0] <= 2)
		return false;
	for (size_t i = 0; !trace->syncs_only && i < sizeof(errors) / sizeof(*errors); i++)
		if (errors[i].error == trace->error)
			wanted = errors[i].bit;
	/* No space is needed to open what is there. */
	if (call == SYS_openat && (wanted & NOSPC) != 0 && (trace->entry.entry.args[2] & O_CREAT) == 0)
		return false;
	for (size_t i = 0; i < sizeof(befalls) / sizeof(*befalls); i++)
		if ((uint64_t)befalls[i].call == call)
			return (befalls[i].errors & wanted) != 0;
	return false;
}

/* --- paths --- */

static bool
inside(const struct trace *trace, const char *path)
{
	size_t len = strlen(trace->root);

	return strncmp(path, trace->root, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

static void
resolve_fd(const struct trace *trace, long fd, char ret[PATH_MAX])
{
	char *link = (int)fd == AT_FDCWD ? xasprintf("/proc/%ld/cwd", (long)trace->pid) : xasprintf("/proc/%ld/fd/%ld", (long)trace->pid, fd);
	ssize_t got = readlink(link, ret, PATH_MAX - 1);

	ret[got < 0 ? 0 : got] = '\0';
	free(link);
}

static void
resolve(const struct trace *trace, long fd, uint64_t address, char ret[PATH_MAX])
{
	char name[PATH_MAX] = "", folder[PATH_MAX] = "";
	ssize_t got = pread(trace->memory, name, sizeof(name) - 1, (off_t)address);

	name[got < 0 ? 0 : got] = '\0';
	if (name[0] != '/')
		resolve_fd(trace, fd, folder);
	(void)!snprintf(ret, PATH_MAX, "%.2000s%s%.2000s", folder, name[0] != '/' ? "/" : "", name);
}

static void
log_time(const struct trace *trace, const struct stat *st)
{
	(void)fprintf(trace->log, "\t%lld%09ld", (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
}

/* The folder that an entry stands in: its inode, the entry's name, the folder's time. */
static void
log_entry(const struct trace *trace, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = xasprintf("%.*s", (int)(slash - path), path);
	struct stat st = { .st_ino = 0 };

	(void)stat(folder, &st);
	(void)fprintf(trace->log, "\t%llu\t%s", (unsigned long long)st.st_ino, slash + 1);
	log_time(trace, &st);
	free(folder);
}

static void
log_file(const struct trace *trace, const char *what, const char *path)
{
	struct stat st = { .st_ino = 0 };

	(void)lstat(path, &st);
	(void)fprintf(trace->log, "%s\t%llu", what, (unsigned long long)st.st_ino);
	log_entry(trace, path);
	(void)fputc('\n', trace->log);
}

/* What the descriptor is of. */
static bool
stat_fd(const struct trace *trace, long fd, struct stat *ret)
{
	char path[PATH_MAX], *link = xasprintf("/proc/%ld/fd/%ld", (long)trace->pid, fd);
	bool good;

	resolve_fd(trace, fd, path);
	good = inside(trace, path) && stat(link, ret) == 0;
	free(link);
	return good;
}

static long long
position(const struct trace *trace, long fd)
{
	char *path = xasprintf("/proc/%ld/fdinfo/%ld", (long)trace->pid, fd);
	FILE *file = fopen(path, "re");
	long long at = 0;

	free(path);
	if (file != NULL) {
		if (fscanf(file, "pos: %lld", &at) != 1)
			at = 0;
		(void)fclose(file);
	}
	return at;
}

/* --- the log --- */

static void
log_bytes(const struct trace *trace, const struct stat *st, const char *bytes, long len, long long offset)
{
	(void)fprintf(trace->log, "write\t%llu\t%lld\t%ld", (unsigned long long)st->st_ino, offset, len);
	log_time(trace, st);
	(void)fputc('\n', trace->log);
	(void)fwrite(bytes, 1, (size_t)len, trace->data);
}

static void
log_write(const struct trace *trace, long fd, uint64_t address, long len, long long offset)
{
	char *bytes = xmalloc(WRITE_MAX);
	struct stat st;

	if (len > WRITE_MAX || pread(trace->memory, bytes, (size_t)len, (off_t)address) != len)
		(void)fprintf(trace->log, "unknown\twrite\n");
	else if (fd == STDOUT_FILENO)
		for (const char *line = bytes, *end; (end = memchr(line, '\n', (size_t)(bytes + len - line))) != NULL; line = end + 1)
			(void)fprintf(trace->log, "said\t%.*s\n", (int)(end - line), line);
	else if (stat_fd(trace, fd, &st))
		log_bytes(trace, &st, bytes, len, offset);
	free(bytes);
}

/* What the kernel copied stands in the file already. */
static void
log_copied(const struct trace *trace, long fd, long len)
{
	char *link = xasprintf("/proc/%ld/fd/%ld", (long)trace->pid, fd), *bytes = xmalloc(WRITE_MAX);
	long long offset = position(trace, fd) - len;
	int copy = open(link, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (copy < 0 || len > WRITE_MAX || pread(copy, bytes, (size_t)len, offset) != len)
		(void)fprintf(trace->log, "unknown\tcopy\n");
	else if (stat_fd(trace, fd, &st))
		log_bytes(trace, &st, bytes, len, offset);
	if (copy >= 0)
		(void)close(copy);
	free(bytes);
	free(link);
}

static void
log_stat(const struct trace *trace, const char *what, const struct stat *st)
{
	(void)fprintf(trace->log, "%s\t%llu\t%lld", what, (unsigned long long)st->st_ino, (long long)st->st_size);
	log_time(trace, st);
	(void)fputc('\n', trace->log);
}

static void
log_fd(const struct trace *trace, const char *what, long fd)
{
	struct stat st;

	if (stat_fd(trace, fd, &st))
		log_stat(trace, what, &st);
}

/* --- syncs that are under way together --- */

/* So many of those that the call named were taken. */
static void
note_orders(struct trace *trace, long taken)
{
	for (long i = 0; i < taken; i++) {
		struct order *order = &trace->orders[trace->order_count];
		struct iocb iocb;

		if (trace->order_count == ORDERS_MAX ||
		    pread(trace->memory, &order->iocb, 8, (off_t)(trace->entry.entry.args[2] + 8 * (uint64_t)i)) != 8 ||
		    pread(trace->memory, &iocb, sizeof(iocb), (off_t)order->iocb) != sizeof(iocb) ||
		    (iocb.aio_lio_opcode != IOCB_CMD_FSYNC && iocb.aio_lio_opcode != IOCB_CMD_FDSYNC)) {
			(void)fprintf(trace->log, "unknown\tio_submit\n");
			return;
		}
		order->inside = stat_fd(trace, (long)iocb.aio_fildes, &order->st);
		trace->order_count++;
	}
}

static void
log_order(struct trace *trace, const struct io_event *event)
{
	for (size_t i = 0; i < trace->order_count; i++) {
		if (trace->orders[i].iocb != event->obj)
			continue;
		if (trace->orders[i].inside)
			log_stat(trace, event->res == 0 ? "sync" : "lose", &trace->orders[i].st);
		trace->orders[i] = trace->orders[--trace->order_count];
		return;
	}
}

/* So many are told of, and have failed where they are to. */
static void
reap_orders(struct trace *trace, long count)
{
	for (long i = 0; i < count; i++) {
		off_t at = (off_t)(trace->entry.entry.args[3] + (uint64_t)i * sizeof(struct io_event));
		struct io_event event;

		if (pread(trace->memory, &event, sizeof(event), at) != sizeof(event))
			continue;
		if (trace->failing)
			event.res = -trace->error;
		(void)!pwrite(trace->memory, &event, sizeof(event), at);
		if (trace->log != NULL)
			log_order(trace, &event);
	}
}

static void
look_before(struct trace *trace)
{
	const uint64_t *args = (const uint64_t *)trace->entry.entry.args;

	trace->path[0] = trace->path2[0] = '\0';
	switch (trace->entry.entry.nr) {
	case SYS_openat: case SYS_mkdirat: case SYS_unlinkat: case SYS_utimensat:
		if (args[1] != 0)
			resolve(trace, (int)args[0], args[1], trace->path);
		break;
	case SYS_renameat: case SYS_linkat:
		resolve(trace, (int)args[0], args[1], trace->path);
		resolve(trace, (int)args[2], args[3], trace->path2);
		break;
#ifdef SYS_rename
	case SYS_open: case SYS_mkdir: case SYS_unlink:
		resolve(trace, AT_FDCWD, args[0], trace->path);
		break;
	case SYS_rename:
		resolve(trace, AT_FDCWD, args[0], trace->path);
		resolve(trace, AT_FDCWD, args[1], trace->path2);
		break;
#endif
	default:
		break;
	}
	trace->absent = lstat(trace->path, &trace->before) != 0;
}

static void
log_open(const struct trace *trace, uint64_t flags)
{
	if (trace->absent && (flags & O_CREAT) != 0)
		log_file(trace, "make", trace->path);
	else if ((flags & O_TRUNC) != 0)
		(void)fprintf(trace->log, "truncate\t%llu\t0\t0\n", (unsigned long long)trace->before.st_ino);
}

/* After a call that went well. */
static void
log_call(struct trace *trace, long result)
{
	const uint64_t *args = (const uint64_t *)trace->entry.entry.args;
	struct stat st;

	if (trace->path[0] != '\0' && !inside(trace, trace->path))
		return;
	switch (trace->entry.entry.nr) {
	case SYS_openat: log_open(trace, args[2]); break;
	case SYS_mkdirat: log_file(trace, "makedir", trace->path); break;
	case SYS_unlinkat: log_file(trace, "remove", trace->path); break;
#ifdef SYS_rename
	case SYS_open: log_open(trace, args[1]); break;
	case SYS_mkdir: log_file(trace, "makedir", trace->path); break;
	case SYS_unlink: log_file(trace, "remove", trace->path); break;
	case SYS_rename:
#endif
	case SYS_renameat:
	case SYS_linkat:
		(void)fprintf(trace->log, "%s\t%llu", trace->entry.entry.nr == SYS_linkat ? "link" : "rename", (unsigned long long)trace->before.st_ino);
		log_entry(trace, trace->path);
		log_entry(trace, trace->path2);
		(void)fputc('\n', trace->log);
		break;
	case SYS_write: log_write(trace, (long)args[0], args[1], result, position(trace, (long)args[0]) - result); break;
	case SYS_pwrite64: log_write(trace, (long)args[0], args[1], result, (long long)args[3]); break;
	case SYS_copy_file_range:
		if (result != 0)
			log_copied(trace, (long)args[2], result);
		break;
	case SYS_ftruncate: case SYS_fallocate: log_fd(trace, "truncate", (long)args[0]); break;
	case SYS_fsync: case SYS_fdatasync: log_fd(trace, "sync", (long)args[0]); break;
	case SYS_syncfs: (void)fputs("syncfs\n", trace->log); break;
	case SYS_io_submit: note_orders(trace, result); break;
	case SYS_utimensat:
		if (args[1] == 0) {
			log_fd(trace, "times", (long)args[0]);
		} else if (stat(trace->path, &st) == 0) {
			(void)fprintf(trace->log, "times\t%llu\t0", (unsigned long long)st.st_ino);
			log_time(trace, &st);
			(void)fputc('\n', trace->log);
		}
		break;
	/* What would change files in a way that this log cannot tell; sync_file_range(2) promises nothing. */
	case SYS_writev: case SYS_pwritev: case SYS_sendfile: case SYS_renameat2:
		(void)fprintf(trace->log, "unknown\t%llu\n", (unsigned long long)trace->entry.entry.nr);
		break;
	default: break;
	}
}

/* --- the loop --- */

/* False: it was killed. */
static bool
at_entry(struct trace *trace)
{
	uint64_t call = trace->entry.entry.nr;
	bool counts;

	if (trace->log != NULL)
		look_before(trace);
	if (trace->world.director >= 0) {
		world_entry(&trace->world, &trace->entry);
		trace->marks = trace->world.marks;
		if (trace->world.ended)
			return false;
		if (world_is_clock(call))
			return true;
	}
	if (call == SYS_getsid)
		trace->marks++;
	if (trace->marks != 1 || call == SYS_getsid)
		return true;
	counts = trace->error == 0 || can_befall(trace, call);
	trace->count += counts;
	if (trace->kill_at != 0 && trace->count == trace->kill_at)
		return false;
	trace->failing = counts && trace->fail_at != 0 && (trace->count == trace->fail_at || (trace->sticky && trace->count > trace->fail_at));
	/* What io_getevents tells of is made to fail, not the telling. */
	if (trace->failing && call != SYS_io_getevents)
		registers_set_call(trace->pid, -1);
	return true;
}

static void
at_exit(struct trace *trace, const struct __ptrace_syscall_info *info)
{
	if (trace->entry.entry.nr == SYS_brk && !trace->failing)
		trace->end_of_data = (long)info->exit.rval;
	if (trace->entry.entry.nr == SYS_io_getevents) {
		reap_orders(trace, info->exit.is_error ? 0 : (long)info->exit.rval);
	} else if (trace->failing) {
		registers_set_result(trace->pid, trace->entry.entry.nr == SYS_brk ? trace->end_of_data : -trace->error);
		/* What a failed sync did not write is lost, whatever the next one says. */
		if (trace->log != NULL && (trace->entry.entry.nr == SYS_fsync || trace->entry.entry.nr == SYS_fdatasync))
			log_fd(trace, "lose", (long)trace->entry.entry.args[0]);
	} else if (trace->log != NULL && !info->exit.is_error) {
		log_call(trace, (long)info->exit.rval);
	}
	if (trace->world.director >= 0 && !trace->failing) {
		world_exit(&trace->world, info);
		trace->marks = trace->world.marks;
	}
	trace->failing = false;
}

static int
run(struct trace *trace)
{
	struct __ptrace_syscall_info info;
	int status, signal = 0;

	while (ptrace(PTRACE_SYSCALL, trace->pid, 0, signal) == 0 && waitpid(trace->pid, &status, 0) == trace->pid && WIFSTOPPED(status)) {
		signal = 0;
		if (WSTOPSIG(status) != (SIGTRAP | 0x80)) {
			signal = WSTOPSIG(status);
			continue;
		}
		if (ptrace(PTRACE_GET_SYSCALL_INFO, trace->pid, sizeof(info), &info) <= 0)
			continue;
		if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
			trace->entry = info;
			if (!at_entry(trace)) {
				(void)kill(trace->pid, SIGKILL);
				(void)waitpid(trace->pid, &status, 0);
				break;
			}
		} else if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
			at_exit(trace, &info);
		}
	}
	return status;
}

static void
options(struct trace *trace, int argc, char **argv)
{
	const char *log = NULL;

	for (int option; (option = getopt(argc, argv, "+k:f:e:syr:l:w:t:p:")) != -1;)
		switch (option) {
		case 'k': trace->kill_at = strtoul(optarg, NULL, 10); break;
		case 'f': trace->fail_at = strtoul(optarg, NULL, 10); break;
		case 'e':
			for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
				if (strcmp(errors[i].name, optarg) == 0)
					trace->error = errors[i].error;
			break;
		case 's': trace->sticky = true; break;
		case 'y': trace->syncs_only = true; break;
		case 'r': trace->root = optarg; break;
		case 'l': log = optarg; break;
		case 'w': trace->world.director = (int)strtol(optarg, NULL, 10); break;
		case 't': trace->world.passed = strtoull(optarg, NULL, 10); break;
		case 'p': trace->parent = (int)strtol(optarg, NULL, 10); break;
		default: exit(64);
		}
	if (optind == argc || (log != NULL) != (trace->root != NULL) || (trace->fail_at != 0 && trace->error == 0)) {
		(void)fprintf(stderr, "usage: trace [-k N | -f N -e ERROR [-s] [-y]] [-r ROOT -l LOG] [-w FD [-t MS] -p FD] COMMAND...\n");
		exit(64);
	}
	if (log != NULL) {
		char *data = xasprintf("%s.data", log);

		trace->log = fopen(log, "we");
		trace->data = fopen(data, "we");
		free(data);
		if (trace->log == NULL || trace->data == NULL) {
			perror(log);
			exit(1);
		}
	}
}

/* The two take turns at each call: from one processor to the other that takes four times as long as on one. */
static void
stay_on_one_processor(void)
{
	int here = sched_getcpu();
	cpu_set_t set;

	CPU_ZERO(&set);
	if (here < 0 || here >= CPU_SETSIZE)
		return;
	CPU_SET(here, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
}

int
main(int argc, char **argv)
{
	struct trace trace = { .memory = -1, .parent = -1, .world = { .director = -1 } };
	char *path, *name;
	int status;

	options(&trace, argc, argv);
	stay_on_one_processor();
	trace.pid = fork();
	if (trace.pid == 0) {
		if (trace.world.director >= 0)
			(void)fcntl(trace.world.director, F_SETFD, FD_CLOEXEC);
		if (trace.parent >= 0 && (trace.parent == ROLE_PARENT_FD ? fcntl(trace.parent, F_SETFD, 0) : dup2(trace.parent, ROLE_PARENT_FD)) < 0)
			_exit(127);
		(void)ptrace(PTRACE_TRACEME, 0, 0, 0);
		(void)execv(argv[optind], argv + optind);
		_exit(127);
	}
	if (trace.pid < 0 || waitpid(trace.pid, &status, 0) != trace.pid || !WIFSTOPPED(status))
		return 127;
	(void)ptrace(PTRACE_SETOPTIONS, trace.pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
	trace.world.pid = trace.pid;
	trace.world.log = trace.log;
	trace.world.data = trace.data;
	if (trace.world.director >= 0)
		world_begin(&trace.world);
	path = xasprintf("/proc/%ld/mem", (long)trace.pid);
	trace.memory = open(path, O_RDWR | O_CLOEXEC);
	free(path);
	status = run(&trace);
	name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)trace.entry.entry.nr);
	(void)fprintf(stderr, "calls %lu %s\n", trace.count, name != NULL ? name : "?");
	free(name);
	if (trace.log != NULL)
		(void)!(fclose(trace.log) | fclose(trace.data));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
