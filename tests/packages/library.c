/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What a program of others does with libmailstore-dev: opens a store, puts a message in, reads it back. */
#include <mailstore.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char text[] = "From: a@example.org\r\nSubject: from a library\r\n\r\nhello\r\n";

static int
fail(const char *what, int result)
{
	fprintf(stderr, "%s: %s\n", what, ms_strerror(result));
	return 1;
}

int
main(int argc, char **argv)
{
	struct ms_store *store;
	struct ms_append *append;
	struct ms_mailbox *inbox;
	char stored[sizeof(text)];
	uint32_t uid, uidvalidity;
	uint64_t email_id, len;
	ssize_t got;
	int fd, r;

	if (argc != 2)
		return 64;
	if ((r = ms_open(argv[1], &store)) != 0)
		return fail("open", r);
	append = ms_append_begin(store);
	if ((r = ms_append_write(append, text, strlen(text))) != 0 ||
	    (r = ms_append_commit(append, "INBOX", MS_SEEN, NULL, 0, &uid, &uidvalidity, &email_id)) != 0)
		return fail("append", r);
	if ((r = ms_mailbox_open(store, "INBOX", &inbox)) != 0 || (r = ms_message_open(inbox, uid, &fd, &len)) != 0)
		return fail("read", r);
	got = read(fd, stored, sizeof(stored) - 1);
	if (got < 0 || (uint64_t)got != len)
		return 1;
	stored[got] = '\0';
	printf("%lu message, uid %lu\n%s", (unsigned long)ms_mailbox_info(inbox)->messages, (unsigned long)uid, stored);
	close(fd);
	ms_mailbox_close(inbox);
	ms_close(store);
	return 0;
}
