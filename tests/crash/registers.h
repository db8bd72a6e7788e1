/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The registers of a traced process that stands at a system call. */
#ifndef TESTS_CRASH_REGISTERS_H
#define TESTS_CRASH_REGISTERS_H

#include <stdint.h>
#include <sys/types.h>

/* At the entry: which call it is to be; -1: none. */
void registers_set_call(pid_t pid, long call);
/* At the entry: its fourth argument. */
void registers_set_fourth(pid_t pid, uint64_t value);
/* At the end: what it returns. */
void registers_set_result(pid_t pid, long result);

#endif
