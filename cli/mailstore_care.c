/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* mailstore check (and repair), rebuild, list, quota. */
#include <stdio.h>
#include <sysexits.h>

#include "cli/mailstore.h"
#include "cli/tool.h"
#include "libmailstore/mailstore.h"

#define NOT_MENDED NULL

struct faults {
	const char *address;
	const char *when; /* what is told now is mended, or NOT_MENDED */
	unsigned count;
};

/* ADDRESS: MAILBOX: message UID: FILE: what is wrong (repair: what is done about it) */
static void
print_fault(void *context, const struct ms_fault *fault)
{
	struct faults *faults = context;

	faults->count++;
	(void)printf("%s: ", faults->address);
	if (fault->mailbox != NULL)
		(void)printf("%s: ", fault->mailbox);
	if (fault->uid != 0)
		(void)printf("message %u: ", fault->uid);
	if (fault->file != NULL)
		(void)printf("%s: ", fault->file);
	if (faults->when == NOT_MENDED)
		(void)printf("%s (not mended)\n", fault->what);
	else
		(void)printf("%s (%s: %s)\n", fault->what, faults->when, fault->mending);
}

/* Opening mends what stands in its way. */
static struct ms_store *
open_telling(const struct mailstore_job *job, struct faults *faults)
{
	*faults = (struct faults){ job->address, "mended", 0 };
	return mailstore_open_telling(job, print_fault, faults);
}

int
mailstore_check(const struct mailstore_job *job)
{
	struct faults faults;
	struct ms_store *store = open_telling(job, &faults);
	int r;

	faults.when = "repair";
	r = ms_check(store, print_fault, &faults);
	if (r != 0)
		tool_fail(EX_IOERR, "%s: %s", job->address, ms_strerror(r));
	if (faults.count == 0)
		(void)printf("%s: no fault\n", job->address);
	else
		(void)printf("%s: %u fault(s); mailstore check --repair %s mends them one by one\n", job->address, faults.count, job->address);
	ms_close(store);
	return faults.count == 0 ? EX_OK : EXIT_FAULTS;
}

int
mailstore_repair(const struct mailstore_job *job)
{
	struct faults faults;
	struct ms_store *store = open_telling(job, &faults);
	unsigned mended;
	int r = ms_repair(store, print_fault, &faults);

	mended = faults.count;
	faults.when = NOT_MENDED;
	faults.count = 0;
	if (r == 0)
		r = ms_check(store, print_fault, &faults);
	if (r != 0)
		tool_fail(EX_IOERR, "%s: %s", job->address, ms_strerror(r));
	if (mended == 0 && faults.count == 0)
		(void)printf("%s: no fault\n", job->address);
	else if (faults.count == 0)
		(void)printf("%s: %u fault(s), all mended\n", job->address, mended);
	else
		(void)printf("%s: %u fault(s) mended, %u not; mailstore rebuild %s makes the whole index again from the mail itself\n", job->address,
		    mended, faults.count, job->address);
	ms_close(store);
	return faults.count == 0 ? EX_OK : EXIT_FAULTS;
}

int
mailstore_rebuild(const struct mailstore_job *job)
{
	struct ms_store *store = mailstore_open(job);
	int r = ms_rebuild(store);

	if (r != 0)
		tool_fail(EX_IOERR, "%s: %s", job->address, ms_strerror(r));
	(void)printf("%s: index made again\n", job->address);
	ms_close(store);
	return EX_OK;
}

/* A column: how much there is, and how much there may be. */
static void
print_amount(uint64_t amount, uint64_t limit, const char *unit)
{
	(void)printf("\t%llu", (unsigned long long)amount);
	if (limit != 0)
		(void)printf(" of %llu", (unsigned long long)limit);
	(void)printf(" %s", unit);
}

static void
print_mailbox(const struct mailstore_job *job, const struct ms_mailbox_info *info)
{
	(void)printf("%s\t%s", job->address, info->name);
	print_amount(info->messages, info->quota.messages, "messages");
	(void)printf("\t%u unseen", info->unseen);
	print_amount(info->size, info->quota.bytes, "bytes");
	(void)printf("\tUIDVALIDITY %u\tUIDNEXT %u%s\n", info->uidvalidity, info->uidnext, info->subscribed ? "" : "\tnot subscribed");
}

/* All of the account, in a line without a mailbox's name. */
static int
print_account(const struct mailstore_job *job, struct ms_store *store)
{
	struct ms_quota usage;
	int r = ms_usage(store, &usage);

	if (r != 0)
		return r;
	(void)printf("%s\t", job->address);
	print_amount(usage.messages, job->quota.messages, "messages");
	print_amount(usage.bytes, job->quota.bytes, "bytes");
	(void)printf("\n");
	return 0;
}

int
mailstore_list(const struct mailstore_job *job)
{
	struct ms_store *store = mailstore_open(job);
	struct ms_mailbox_info *boxes;
	size_t count;
	int r = ms_mailboxes(store, &boxes, &count);

	if (r != 0)
		tool_fail(EX_IOERR, "%s: %s", job->address, ms_strerror(r));
	for (size_t i = 0; i < count; i++)
		print_mailbox(job, &boxes[i]);
	if (job->quota.bytes != 0 || job->quota.messages != 0)
		r = print_account(job, store);
	if (r != 0)
		tool_fail(EX_IOERR, "%s: %s", job->address, ms_strerror(r));
	ms_mailboxes_free(boxes, count);
	ms_close(store);
	return EX_OK;
}

int
mailstore_quota(const struct mailstore_job *job)
{
	struct ms_store *store = mailstore_open(job);
	struct ms_mailbox_info info;
	int r = ms_mailbox_status(store, job->mailbox, &info);

	if (r == 0 && (job->bytes != NULL || job->messages != NULL)) {
		if (job->bytes != NULL)
			info.quota.bytes = tool_read_amount(job->bytes, true);
		if (job->messages != NULL)
			info.quota.messages = tool_read_amount(job->messages, false);
		r = ms_mailbox_set_quota(store, info.name, &info.quota);
	}
	if (r == MS_E_NOTFOUND)
		tool_fail(EX_NOINPUT, "%s has no mailbox %s", job->address, job->mailbox);
	if (r != 0)
		tool_fail(EX_IOERR, "%s: %s", job->address, ms_strerror(r));
	(void)printf("%s\t%s", job->address, info.name);
	print_amount(info.messages, info.quota.messages, "messages");
	print_amount(info.size, info.quota.bytes, "bytes");
	(void)printf("\n");
	ms_mailbox_info_clear(&info);
	ms_close(store);
	return EX_OK;
}
