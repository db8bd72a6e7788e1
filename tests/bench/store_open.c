/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Times what a session does until SELECT is answered, in a process that has done nothing before: open the account; open INBOX and learn
 * its UIDs.
 *   store_open ACCOUNT_DIR UID     prints the milliseconds of both, and how many messages INBOX has */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "libmailstore/mailstore.h"

static double
now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

int
main(int argc, char **argv)
{
	struct ms_mailbox *mailbox;
	struct ms_store *store;
	double begin, opened, selected;
	struct ms_uid_run *runs;
	size_t run_count, count;
	uid_t uid;
	int r;

	if (argc != 3)
		errx(64, "usage: store_open ACCOUNT_DIR UID");
	uid = (uid_t)strtoul(argv[2], NULL, 10);
	if (geteuid() == 0 && (setgid(uid) < 0 || setuid(uid) < 0))
		err(1, "uid %u", (unsigned)uid);
	begin = now();
	r = ms_open(argv[1], &store);
	if (r != 0)
		errx(1, "%s: %s", argv[1], ms_strerror(r));
	opened = now();
	r = ms_mailbox_open(store, "INBOX", &mailbox);
	if (r != 0)
		errx(1, "INBOX: %s", ms_strerror(r));
	r = ms_mailbox_uid_runs(mailbox, &runs, &run_count, &count);
	if (r != 0)
		errx(1, "UIDs: %s", ms_strerror(r));
	selected = now();
	(void)printf("%.3f\t%.3f\t%zu\n", opened - begin, selected - opened, count);
	free(runs);
	ms_mailbox_close(mailbox);
	ms_close(store);
	return 0;
}
