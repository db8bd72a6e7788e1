/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A message's file, mapped. */
#include "imapd/session_message.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int
session_message_open(struct ms_mailbox *mailbox, uint32_t uid, struct session_message *ret_message)
{
	struct stat st;
	uint64_t bytes;
	void *map;
	int fd, rc = ms_message_open(mailbox, uid, &fd, &bytes);

	*ret_message = (struct session_message){ 0 };
	if (rc != 0)
		return rc;
	if (fstat(fd, &st) < 0) {
		rc = -errno;
		(void)close(fd);
		return rc;
	}
	if (st.st_size == 0) {
		(void)close(fd);
		ret_message->parts.bytes = SPAN("");
		return 0;
	}
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	rc = map == MAP_FAILED ? -errno : 0;
	(void)close(fd);
	if (rc != 0)
		return rc;
	ret_message->map = map;
	ret_message->map_len = (size_t)st.st_size;
	ret_message->parts.bytes = span_make(map, ret_message->map_len);
	return 0;
}

void
session_message_close(struct session_message *message)
{
	fetch_message_clear(&message->parts);
	if (message->map != NULL)
		(void)munmap(message->map, message->map_len);
	*message = (struct session_message){ 0 };
}
