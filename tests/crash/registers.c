/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
#include "registers.h"

#include <elf.h>
#include <stdbool.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

static bool
get(pid_t pid, struct user_regs_struct *registers)
{
	struct iovec all = { registers, sizeof(*registers) };

	return ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &all) == 0;
}

static void
set(pid_t pid, struct user_regs_struct *registers)
{
	struct iovec all = { registers, sizeof(*registers) };

	(void)ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &all);
}

#ifdef __x86_64__
#define FOURTH r10
#define RESULT rax

void
registers_set_call(pid_t pid, long call)
{
	struct user_regs_struct registers;

	if (!get(pid, &registers))
		return;
	registers.orig_rax = (unsigned long long)call;
	set(pid, &registers);
}
#elif defined(__aarch64__)
#define FOURTH regs[3]
#define RESULT regs[0]

void
registers_set_call(pid_t pid, long call)
{
	int value = (int)call;
	struct iovec number = { &value, sizeof(value) };

	(void)ptrace(PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, &number);
}
#else
#error "registers: say here how a system call's number and result are set on this machine"
#endif

void
registers_set_fourth(pid_t pid, uint64_t value)
{
	struct user_regs_struct registers;

	if (!get(pid, &registers))
		return;
	registers.FOURTH = value;
	set(pid, &registers);
}

void
registers_set_result(pid_t pid, long result)
{
	struct user_regs_struct registers;

	if (!get(pid, &registers))
		return;
	registers.RESULT = (unsigned long long)result;
	set(pid, &registers);
}
