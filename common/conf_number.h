/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Whole numbers of a configuration file as they are written: libconfig takes those without an L modulo 2^32, and does not tell. */
#ifndef COMMON_CONF_NUMBER_H
#define COMMON_CONF_NUMBER_H

#include <stdint.h>

/* The number that `name` is given in the file, whose name stands in that line (from 1) or is the first such after its beginning. What is
 * below or above all numbers of 64 bits is the least or the greatest. 0; or -errno: it is none, or cannot be read again, as a pipe. */
int conf_number(const char *path, int line, const char *name, int64_t *ret_number);

#endif
