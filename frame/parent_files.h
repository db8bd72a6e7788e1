/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The files that options name for single roles, as they were when the configuration was accepted: certificate and key, aliases, secrets, rules.
 * Roles get them from here whenever they start, so that one that is started again has what its predecessor had, whatever has become of the
 * files since. They are copies inside the kernel, sealed: the parent never reads a byte of them, keys least of all. */
#ifndef FRAME_PARENT_FILES_H
#define FRAME_PARENT_FILES_H

#include <sys/stat.h>

#include "frame/daemon.h"

#define PARENT_FILES_MAX 16

struct parent_files {
	struct {
		int fd;
		uint8_t role;
		uint16_t type; /* of the message that hands it over */
		size_t offset; /* of its path in the configuration */
		struct stat source;
	} file[PARENT_FILES_MAX];
	size_t count;
};

/* Memory of that name in /proc, to be written and then sealed. A descriptor, or -errno. */
int parent_memory(const char *name);
/* From now on nobody changes it. 0 or -errno. */
int parent_seal(int fd);

/* Copies all that the configuration names for roles that the daemon has. A file that cannot be copied, and is not optional, becomes a line in errors,
 * and the result -errno; the others are there. For parent_files_drop in any case. */
int parent_files_take(const struct daemon *daemon, const void *conf, struct parent_files *ret, struct buf *errors);
void parent_files_drop(struct parent_files *files);
/* Whether under their names stand still the files that were copied, so that what has been checked since by these names is what they are. Each that
 * does not becomes a line in errors. */
bool parent_files_stand(const struct parent_files *files, const void *conf, struct buf *errors);
/* Hands that role its own. 0 or -errno. */
int parent_files_send(const struct parent_files *files, uint8_t role, struct msg_channel *channel);

#endif
