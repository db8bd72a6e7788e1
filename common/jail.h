/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The jail of a role: empty root or Landlock, its own uid, seccomp, rlimits. What is not asked for is refused with EPERM. */
#ifndef COMMON_JAIL_H
#define COMMON_JAIL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Groups of system calls a role may use beside the base (memory, descriptors it holds, its loop, clocks, exit). */
enum jail_allow {
	JAIL_ACCEPT = 1 << 0,      /* accept on listening sockets it was given */
	JAIL_CONNECT = 1 << 1,     /* make TCP and UDP sockets and connect them */
	JAIL_READ_FILES = 1 << 2,  /* open and list what Landlock lets it see */
	JAIL_WRITE_FILES = 1 << 3, /* create, rename, link, remove, sync there */
	JAIL_WATCH = 1 << 4,       /* inotify */
	JAIL_DATABASE = 1 << 5,    /* what Berkeley DB needs beside files: record locks, shared maps */
	JAIL_SOCKETPAIR = 1 << 6,  /* make socketpairs and pipes to hand over */
	JAIL_MEMFD = 1 << 7,       /* memory that is passed as a descriptor */
	JAIL_MODULES = 1 << 9,     /* load iconv's modules: see their folder, map code from files */
	JAIL_THREADS = 1 << 8,     /* clone threads (libunbound) */
};

enum jail_right { JAIL_PATH_READ, JAIL_PATH_WRITE };

#define JAIL_PATHS_MAX 8
struct jail {
	/* As root: the folder to chroot into (NULL: keep the root; Landlock confines alone). */
	const char *root;
	/* Landlock: nothing but these (paths as seen before chroot). */
	struct jail_path {
		const char *path; /* NULL or absent on this host: skipped */
		enum jail_right right;
	} paths[JAIL_PATHS_MAX];
	unsigned allow; /* enum jail_allow */
	uid_t uid;      /* taken only when started as root */
	gid_t gid;
	size_t memory_max; /* address space in bytes (RLIMIT_AS; 0: unlimited; not under sanitizers) */
	unsigned descriptors_max; /* RLIMIT_NOFILE (0: as it is) */
};

/* Enters the jail for good. Returns 0, or -errno with *ret_step naming what failed ("chroot", "landlock", "setresuid",
 * "seccomp", "rlimit"): the caller ends the process. As an ordinary user the uid and chroot steps are left out.
 * When the kernel has no Landlock: -ENOSYS unless root with a chroot. */
int jail_enter(const struct jail *jail, const char **ret_step);

/* What a role that is owned would try. From inside the jail: prints one line "refused NAME (errno)" or "allowed NAME" each to
 * fd, for: open /etc/passwd, open the other folder, write outside, connect TCP, unix socket, fork, exec, ptrace, kill, setuid 0,
 * mount, socket AF_INET listen. `other` is a folder that must stay unseen (another account), may be NULL.
 * Returns how many were allowed that `jail` did not ask for. */
unsigned jail_probe(const struct jail *jail, const char *other, int fd);

#endif
