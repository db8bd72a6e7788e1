/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Where an account has its mail sent on to: the file `forward` in its folder, an address a line, "keep" when the account gets it too,
 * "#" before comments. Pure. */
#ifndef COMMON_FORWARD_H
#define COMMON_FORWARD_H

#include "common/span.h"

#define FORWARD_NAME "forward"
#define FORWARD_TARGETS_MAX 10
#define FORWARD_FILE_MAX 8192

struct forward {
	bool keep;
	size_t count;
	struct span targets[FORWARD_TARGETS_MAX]; /* borrowed from the text */
};

/* 0; -EBADMSG: a line is no address; -E2BIG: there are too many. An address of the account's own is "keep", and so is
 * nothing at all. */
int forward_parse(struct span text, struct span account, struct forward *ret);

#endif
