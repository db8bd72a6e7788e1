/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
#include "world.h"

#include <elf.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include "common/xalloc.h"
#include "registers.h"

#define ORDER_MAX (1 << 17)
/* Of a process at its start: arguments, environment and what the kernel tells of itself are not longer. */
#define STACK_WORDS 100000

/* --- memory --- */

static uint64_t
peek(const struct world *world, uint64_t address)
{
	return (uint64_t)ptrace(PTRACE_PEEKDATA, world->pid, address, 0);
}

static void
poke(const struct world *world, uint64_t address, uint64_t value)
{
	(void)ptrace(PTRACE_POKEDATA, world->pid, address, value);
}

/* --- the clock --- */

/* Without the vDSO the C library asks by system calls, whose answers can be changed. */
void
world_begin(struct world *world)
{
	struct __ptrace_syscall_info info;
	uint64_t at, word = sizeof(word);

	if (ptrace(PTRACE_GET_SYSCALL_INFO, world->pid, sizeof(info), &info) <= 0)
		return;
	/* The count of arguments, they and a zero, the environment and a zero, then pairs. */
	at = info.stack_pointer + word * (2 + peek(world, info.stack_pointer));
	for (unsigned i = 0; i < STACK_WORDS && peek(world, at) != 0; i++)
		at += word;
	at += word;
	for (unsigned i = 0; i < STACK_WORDS && peek(world, at) != AT_NULL; i++, at += 2 * word)
		if (peek(world, at) == AT_SYSINFO_EHDR)
			poke(world, at, AT_IGNORE);
}

bool
world_is_clock(uint64_t call)
{
#ifdef SYS_time
	if (call == SYS_time)
		return true;
#endif
	return call == SYS_clock_gettime || call == SYS_gettimeofday;
}

static void
shift_clock(const struct world *world, const struct __ptrace_syscall_info *info)
{
	const uint64_t *args = (const uint64_t *)world->entry.entry.args;
	uint64_t nanoseconds;

	switch (world->entry.entry.nr) {
	case SYS_clock_gettime:
		if (args[0] == CLOCK_PROCESS_CPUTIME_ID || args[0] == CLOCK_THREAD_CPUTIME_ID)
			return;
		nanoseconds = peek(world, args[1] + 8) + world->passed % 1000 * 1000000;
		poke(world, args[1], peek(world, args[1]) + world->passed / 1000 + nanoseconds / 1000000000);
		poke(world, args[1] + 8, nanoseconds % 1000000000);
		break;
	case SYS_gettimeofday:
		poke(world, args[0], peek(world, args[0]) + world->passed / 1000);
		break;
	default:
		registers_set_result(world->pid, (long)(info->exit.rval + (int64_t)(world->passed / 1000)));
		if (args[0] != 0)
			poke(world, args[0], (uint64_t)info->exit.rval + world->passed / 1000);
		break;
	}
}

/* --- the director --- */

static void
log_line(const struct world *world, const char *order, size_t len)
{
	size_t line = strnlen(order, len);

	if (world->log == NULL || line == len)
		return;
	(void)fprintf(world->log, "%s\n", order);
	(void)fwrite(order + line + 1, 1, len - line - 1, world->data);
}

/* True: the time that was to be waited has passed. */
static bool
ask(struct world *world, const char *what)
{
	char *order = xmalloc(ORDER_MAX);
	bool passes = false, waits = send(world->director, what, strlen(what), MSG_NOSIGNAL) > 0;

	world->ended |= !waits;
	while (waits) {
		ssize_t got = recv(world->director, order, ORDER_MAX, 0);

		waits = false;
		switch (got > 0 ? order[0] : 'k') {
		case 'l': log_line(world, order + 1, (size_t)got - 1); waits = true; break;
		case 'c': world->marks = 1; waits = true; break;
		case 'u': world->marks = 2; waits = true; break;
		case 'p': passes = true; break;
		case 'g': break;
		default: world->ended = true; break;
		}
	}
	free(order);
	return passes;
}

static void
wait_for_director(struct world *world, int timeout)
{
	char what[32];

	(void)snprintf(what, sizeof(what), "wait %d", timeout);
	if (!ask(world, what))
		return;
	if (timeout > 0)
		world->passed += (unsigned long long)timeout;
	registers_set_fourth(world->pid, 0);
}

/* --- calls --- */

void
world_entry(struct world *world, const struct __ptrace_syscall_info *info)
{
	const uint64_t *args = (const uint64_t *)info->entry.args;

	world->entry = *info;
	switch (info->entry.nr) {
#ifdef SYS_epoll_wait
	case SYS_epoll_wait:
#endif
	case SYS_epoll_pwait:
		if ((int)args[3] != 0)
			wait_for_director(world, (int)args[3]);
		break;
	case SYS_prctl:
		/* Or else an ordinary user could not look at what he traces. */
		if (args[0] == PR_SET_DUMPABLE)
			registers_set_call(world->pid, -1);
		break;
	default:
		break;
	}
}

void
world_exit(struct world *world, const struct __ptrace_syscall_info *info)
{
	const uint64_t *args = (const uint64_t *)world->entry.entry.args;

	if (world->entry.entry.nr == SYS_prctl && args[0] == PR_SET_DUMPABLE)
		registers_set_result(world->pid, 0);
	if (info->exit.is_error)
		return;
	if (world_is_clock(world->entry.entry.nr))
		shift_clock(world, info);
	else if (world->entry.entry.nr == SYS_sendmsg)
		(void)ask(world, "sent");
	else if (world->entry.entry.nr == SYS_seccomp && args[0] == SECCOMP_SET_MODE_FILTER && args[2] != 0)
		(void)ask(world, "jailed");
}
