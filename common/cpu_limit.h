/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* An end for what computes too long: the process's. */
#ifndef COMMON_CPU_LIMIT_H
#define COMMON_CPU_LIMIT_H

/* Gives this process so many seconds of a processor from now on, one less at times; the kernel ends it (SIGXCPU) when they are used up. 0: as
 * many as it had before any limit. In a jail too. */
void cpu_limit(unsigned seconds);

#endif
