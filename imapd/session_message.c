/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A message's file, mapped. */
#include "imapd/session_message.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file_map.h"

int
session_message_open(struct ms_mailbox *mailbox, uint32_t uid, struct session_message *ret_message)
{
	struct stat st;
	uint64_t bytes;
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
	rc = file_map_open(fd, (size_t)st.st_size, &ret_message->map);
	(void)close(fd);
	if (rc == 0)
		ret_message->parts.bytes = file_map_bytes(ret_message->map);
	return rc;
}

bool
session_message_is_torn(const struct session_message *message)
{
	return message->map != NULL && file_map_is_torn(message->map);
}

void
session_message_close(struct session_message *message)
{
	fetch_message_clear(&message->parts);
	file_map_close(message->map);
	*message = (struct session_message){ 0 };
}
