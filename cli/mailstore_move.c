/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* mailstore import and export. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/mailstore.h"
#include "cli/tool.h"
#include "common/cleanup.h"
#include "common/xalloc.h"
#include "libmailstore/mailstore.h"

static void
print_note(void *context, const char *mailbox, const char *note)
{
	const struct mailstore_job *job = context;

	tool_warn("%s: %s%s%s", job->address, mailbox != NULL ? mailbox : "", mailbox != NULL ? ": " : "", note);
}

void
mailstore_note_left_out(void *context, const char *mailbox, const char *note)
{
	struct mailstore_left_out *left_out = context;

	left_out->count++;
	tool_warn("%s: %s: %s", left_out->address, mailbox, note);
}

static int
report_import(const struct mailstore_job *job, const char *maildir, int r, const struct ms_import_result *result)
{
	if (r == MS_E_NOTFOUND)
		tool_fail(EX_NOINPUT, "%s: neither Dovecot nor Courier has kept %s: there is no dovecot-uidlist and no courierimapuiddb in it", job->address, maildir);
	if (r == MS_E_EXISTS)
		tool_fail(EX_CANTCREAT, "%s: nothing was changed: clients may know the account's mail by its UIDs of now; with -f %s", job->address,
		    job->into != NULL ? "it is set aside" : "they are given up for those of the lists");
	if (r == MS_E_DENIED)
		tool_fail(EX_DATAERR, "%s: nothing was changed: not all of its mail can be read", job->address);
	if (r != 0)
		tool_fail(EX_IOERR, "%s: %s; mail for the account waits until this command has come to its end: run it again", job->address, ms_strerror(r));
	(void)printf("%s: %u mailboxes and %llu messages taken over with their UIDs", job->address, result->mailboxes, (unsigned long long)result->messages);
	if (result->unknown != 0)
		(void)printf(", %llu that had none got one", (unsigned long long)result->unknown);
	if (result->skipped != 0)
		(void)printf(", %llu lines of the lists made no sense", (unsigned long long)result->skipped);
	(void)printf("\n");
	return EX_OK;
}

int
mailstore_import(const struct mailstore_job *job)
{
	_cleanup_(freep) char *maildir = xasprintf("%s/Maildir", job->folder);
	struct mailstore_job copy = *job;
	struct ms_import_result result;
	int r = ms_import(job->folder, job->force, print_note, &copy, &result);

	return report_import(job, maildir, r, &result);
}

int
mailstore_import_from(const struct mailstore_job *job)
{
	struct mailstore_sides sides = mailstore_sides_of(job);
	struct mailstore_job copy = *job;
	struct ms_import_result result;
	int r = ms_import_from(job->folder, job->into_fd, job->force, mailstore_take_side, &sides, print_note, &copy, &result);

	return report_import(job, job->into, r, &result);
}

int
mailstore_import_mbox(const struct mailstore_job *job)
{
	struct ms_store *store = mailstore_open(job);
	struct mailstore_job copy = *job;
	uint64_t count;
	int r = ms_mbox_import(store, job->file_fd, job->mailbox, print_note, &copy, &count);

	if (r == MS_E_CORRUPT)
		tool_fail(EX_DATAERR, "%s is no mbox file: it does not begin with a line \"From \"", job->file);
	if (r == MS_E_BADNAME)
		tool_fail(EX_USAGE, "%s cannot be a mailbox's name", job->mailbox);
	if (r != 0)
		tool_fail(EX_IOERR, "%s: %s: after %llu messages, which are in: %s", job->address, job->mailbox, (unsigned long long)count, ms_strerror(r));
	(void)printf("%s: %llu messages came into %s\n", job->address, (unsigned long long)count, job->mailbox);
	ms_close(store);
	return EX_OK;
}

int
mailstore_export_mbox(const struct mailstore_job *job)
{
	struct mailstore_left_out left_out = { job->address, 0 };
	struct ms_store *store = mailstore_open(job);
	uint64_t count;
	int r = ms_mbox_export(store, job->mailbox, job->file_fd, mailstore_note_left_out, &left_out, &count);

	if (r == MS_E_NOTFOUND)
		tool_fail(EX_NOINPUT, "%s has no mailbox %s", job->address, job->mailbox);
	if (r == 0 && fsync(job->file_fd) < 0 && errno != EINVAL && errno != EROFS)
		r = -errno;
	if (r != 0)
		tool_fail(EX_IOERR, "%s: after %llu messages: %s", job->file, (unsigned long long)count, ms_strerror(r));
	if (strcmp(job->file, "-") != 0)
		(void)printf("%s: %llu messages of %s are in %s\n", job->address, (unsigned long long)count, job->mailbox, job->file);
	ms_close(store);
	return left_out.count == 0 ? EX_OK : EXIT_FAULTS;
}
