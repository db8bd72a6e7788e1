/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Printing what is queued. Addresses and reasons come from outside: whatever could steer a terminal
 * is not printed. */
#include "cli/queue_print.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "cli/tool.h"
#include "common/cleanup.h"

static bool
is_plural(uint64_t count)
{
	return count != 1;
}

static void
print_time(int64_t seconds, bool whole)
{
	time_t time = (time_t)seconds;
	char text[64];
	struct tm tm;

	if (localtime_r(&time, &tm) == NULL ||
	    (whole ? strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S %z", &tm) :
		     strftime(text, sizeof(text), "%b %e %H:%M", &tm)) == 0)
		(void)snprintf(text, sizeof(text), "%" PRId64, seconds);
	(void)fputs(text, stdout);
}

static void
print_duration(int64_t seconds)
{
	static const struct {
		int64_t seconds;
		const char *name;
	} units[] = { { 86400, "d" }, { 3600, "h" }, { 60, "m" }, { 1, "s" } };
	size_t i = 0;

	while (i < 3 && seconds < 2 * units[i].seconds)
		i++;
	(void)printf("%" PRId64 "%s", seconds / units[i].seconds, units[i].name);
}

static void
print_when(const struct queued *queued)
{
	const struct envelope *envelope = queued->envelope;
	const struct envelope_progress *progress = &envelope->progress;
	int64_t now = (int64_t)time(NULL), due = progress->due > envelope->release ? progress->due : envelope->release;

	if (queued->held)
		(void)printf("held until it is released");
	else if (due > now) {
		(void)printf("%s in ", envelope->release > now && envelope->release == due ? "to be sent" : "next attempt");
		print_duration(due - now);
	} else {
		(void)printf("due now");
	}
	if (progress->attempts != 0)
		(void)printf(", %" PRIu32 " attempt%s so far", progress->attempts, is_plural(progress->attempts) ? "s" : "");
	if (progress->reason[0] != '\0') {
		(void)printf(": ");
		tool_print(stdout, span_of(progress->reason), "");
	}
}

static void
print_sender(const struct envelope *envelope)
{
	if (envelope->sender[0] == '\0')
		(void)printf("<> (a notification)");
	else
		tool_print(stdout, span_of(envelope->sender), "");
}

struct listing {
	const struct queue_selection *selection;
	size_t count;
	int64_t now;
	struct queue_counts counts;
};

static void
print_queued(void *context, const struct queued *queued)
{
	const struct envelope *envelope = queued->envelope;
	struct listing *listing = context;

	if (!queue_select_match(listing->selection, envelope))
		return;
	listing->count++;
	if (listing->count == 1)
		(void)printf("%-16s %10s  %-12s  %s\n", "Queue id", "Size", "Arrived", "From, when, to");
	(void)printf("%s %10" PRIu64 "  ", queued->id, queued->length);
	print_time(envelope->created, false);
	(void)printf("  ");
	print_sender(envelope);
	(void)printf("\n%43s", "");
	print_when(queued);
	(void)putchar('\n');
	for (size_t i = 0; i < envelope->count; i++)
		if (envelope_is_open(&envelope->recipients[i])) {
			(void)printf("%43s", "");
			tool_print(stdout, span_of(envelope->recipients[i].address), "");
			(void)putchar('\n');
		}
}

static void
print_summary(const struct queue_summary *summary)
{
	if (summary->messages == 0)
		(void)printf("%s\n", summary->asked ? "You have no mail in the queue." : "The queue is empty.");
	else
		(void)printf("%zu message%s, %zu held, %" PRIu64 " bytes\n", summary->messages,
		    is_plural(summary->messages) ? "s" : "", summary->held, summary->bytes);
	if (summary->cut)
		(void)printf("There are more than could be told.\n");
	if (summary->arriving != 0)
		(void)printf("%zu message%s in drop/ not taken by smtpd yet\n", summary->arriving,
		    is_plural(summary->arriving) ? "s" : "");
	if (summary->corrupt != 0)
		(void)printf("%zu file%s in corrupt/: see mailspool(5)\n", summary->corrupt,
		    is_plural(summary->corrupt) ? "s" : "");
}

int
queue_complain(int error, const char *spool_dir, const char *about)
{
	switch (error) {
	case -ENOENT:
		if (about == NULL)
			tool_warn("%s: there is no spool: has smtpd ever run?", spool_dir);
		else
			tool_warn("%s: there is no such message", about);
		return EX_UNAVAILABLE;
	case -EPERM:
	case -EACCES:
		tool_warn("%s: %s", about != NULL ? about : spool_dir, about != NULL ? "not your message" : strerror(-error));
		return EX_NOPERM;
	case -ETIMEDOUT:
		tool_warn("smtpd does not answer: does it run?");
		return EX_TEMPFAIL;
	case -ENOSPC:
	case -EDQUOT:
		/* A request is a file. */
		tool_warn("%s: %s: smtpd was not asked; make room for files and names there (df, df -i), and try again", spool_dir, strerror(-error));
		return EX_TEMPFAIL;
	default:
		tool_warn("%s: %s", about != NULL ? about : spool_dir, strerror(-error));
		return EX_IOERR;
	}
}

int
queue_print_list(const char *spool_dir, const struct queue_selection *selection)
{
	struct listing listing = { .selection = selection };
	struct queue_summary summary;
	int r = queue_read(spool_dir, print_queued, &listing, &summary);

	if (r < 0)
		return queue_complain(r, spool_dir, NULL);
	if (!queue_select_any(selection) && summary.messages != 0)
		(void)printf("%zu of ", listing.count);
	print_summary(&summary);
	return EX_OK;
}

/* --- by domain --- */

static void
count_queued(void *context, const struct queued *queued)
{
	struct listing *listing = context;

	if (queue_select_match(listing->selection, queued->envelope))
		queue_counts_add(&listing->counts, queued->envelope, listing->now);
}

static void
print_counts(const struct queue_counts *counts)
{
	(void)printf("%10s", "Total");
	for (size_t age = 0; age < QUEUE_AGES; age++)
		(void)printf(" %8s", queue_age_names[age]);
	(void)printf("  Domain\n");
	for (size_t i = 0; i < counts->count; i++) {
		(void)printf("%10zu", counts->items[i].total);
		for (size_t age = 0; age < QUEUE_AGES; age++)
			(void)printf(" %8zu", counts->items[i].by_age[age]);
		(void)printf("  ");
		tool_print(stdout, span_of(counts->items[i].domain), "");
		(void)putchar('\n');
	}
}

int
queue_print_summary(const char *spool_dir, const struct queue_selection *selection)
{
	struct listing listing = { .selection = selection, .now = (int64_t)time(NULL) };
	struct queue_summary summary;
	int r = queue_read(spool_dir, count_queued, &listing, &summary);

	if (r == 0) {
		queue_counts_finish(&listing.counts);
		if (listing.counts.count != 0)
			print_counts(&listing.counts);
		print_summary(&summary);
	}
	queue_counts_free(&listing.counts);
	if (r < 0)
		return queue_complain(r, spool_dir, NULL);
	return EX_OK;
}

/* --- one message --- */

static void
print_recipient(const struct envelope_recipient *recipient)
{
	const char *status = recipient->status == ENVELOPE_WARNED ? "waits, the sender was told of the delay" :
	    recipient->status == ENVELOPE_DELIVERED              ? "delivered" :
	    recipient->status == ENVELOPE_HALF                   ? "handed on to accounts here that the alias names, not yet to others" :
	    recipient->status == ENVELOPE_EXPANDED               ? "handed on to those that the alias names" :
	    recipient->status == ENVELOPE_RELAYED                ? "relayed" :
	    recipient->status == ENVELOPE_FAILED                 ? "failed" :
								   "waits";

	(void)printf("To:       ");
	tool_print(stdout, span_of(recipient->address), "");
	(void)printf(" (%s)\n", status);
}

static void
print_field(const char *name, const char *value)
{
	if (value == NULL)
		return;
	(void)printf("%-10s", name);
	tool_print(stdout, span_of(value), "");
	(void)putchar('\n');
}

static void
print_envelope(const struct queued *queued)
{
	const struct envelope *envelope = queued->envelope;

	(void)printf("Queue id: %s\nSize:     %" PRIu64 " bytes\nArrived:  ", queued->id, queued->length);
	print_time(envelope->created, true);
	(void)printf("\nState:    ");
	print_when(queued);
	(void)printf("\nFrom:     ");
	print_sender(envelope);
	(void)putchar('\n');
	for (size_t i = 0; i < envelope->count; i++)
		print_recipient(&envelope->recipients[i]);
	print_field("Account:", envelope->account);
	print_field("Forwarder:", envelope->forwarder);
	print_field("Kept by:", envelope->kept);
	print_field("About:", envelope->about);
	print_field("Client:", envelope->client);
	if (envelope->uid >= 0)
		(void)printf("User id:  %" PRId64 "\n", envelope->uid);
	print_field("Drop:", envelope->drop);
}

/* The message with the line ends of this system. To a terminal, without what could steer it. */
static int
print_text(const struct spool_file *file)
{
	bool terminal = isatty(STDOUT_FILENO) == 1;
	char chunk[16384];
	uint64_t at = 0;

	while (at < file->length) {
		ssize_t got = pread(file->fd, chunk, sizeof(chunk), (off_t)(file->offset + at));
		size_t kept = 0;

		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		at += (uint64_t)got;
		for (ssize_t i = 0; i < got; i++)
			if (chunk[i] != '\r') /* stands before LF alone */
				chunk[kept++] = chunk[i];
		if (terminal)
			tool_print(stdout, span_make(chunk, kept), "\n\t");
		else
			(void)fwrite(chunk, 1, kept, stdout);
	}
	return 0;
}

int
queue_print_message(const char *spool_dir, const char *id)
{
	struct spool_file file;
	struct queued queued = { .id = id, .envelope = &file.envelope };
	int r = queue_read_one(spool_dir, id, &file, &queued.held);

	if (r < 0)
		return queue_complain(r, spool_dir, id);
	queued.length = file.length;
	print_envelope(&queued);
	if (file.fd >= 0) {
		(void)putchar('\n');
		r = print_text(&file);
	}
	spool_close(&file);
	return r < 0 ? queue_complain(r, spool_dir, id) : EX_OK;
}
