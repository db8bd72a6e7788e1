/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The file with the secrets of SRS. */
#ifndef FRAME_SRS_FILE_H
#define FRAME_SRS_FILE_H

#include "frame/role.h"
#include "frame/srs.h"

/* 0 and *ret_srs; -errno, with *ret_fault NULL or saying what is wrong with the file. */
int srs_read(const char *path, struct srs **ret_srs, const char **ret_fault);

/* For a role when it starts: the secrets that the parent handed it; NULL: there are none, or a log line says why. */
struct srs *srs_load(struct proc *proc);
/* Takes those of a SECRET_FILE; the former stay, with a log line, when it cannot be used. */
void srs_renew(const struct proc *proc, int fd, struct srs **srs);

#endif
