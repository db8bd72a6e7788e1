/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* mailreport(1): shows reports of DMARC and TLS that others have sent. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/tool.h"
#include "common/cleanup.h"
#include "common/date.h"
#include "common/io.h"
#include "common/xalloc.h"
#include "smtpd/received_report.h"
#include "smtpd/report_unpack.h"

/* Room for entries that are summed, of all reports together. */
#define SUM_MAX (1u << 18)

struct reader {
	bool failures, sums;      /* -f, -s */
	const char *path;         /* what is being read */
	struct received_entry *entries; /* to be summed */
	size_t entry_count, room;
	size_t reports, faults;
	uint64_t good[2], bad[2]; /* messages, sessions */
};

static _Noreturn void
usage(void)
{
	(void)fputs("usage: mailreport [-fs] [file ...]\n", stderr);
	exit(EX_USAGE);
}

static void
print_entry(const struct received_entry *entry)
{
	(void)printf("%9llu  %-39s  %-22s  %-12s  %s\n", (unsigned long long)entry->count, entry->source, entry->result,
	    entry->action[0] != '\0' ? entry->action : "-", entry->domain);
}

static void
print_report(const struct reader *reader, const struct received_report *report)
{
	char begin[DATE_SIZE], end[DATE_SIZE];

	(void)date_format_rfc3339((struct date){ .utc = report->begin }, begin);
	(void)date_format_rfc3339((struct date){ .utc = report->end }, end);
	(void)printf("%s of %s by %s <%s>\n  %s to %s, id %s\n", report->tls ? "TLS" : "DMARC", report->domain, report->organization, report->contact, begin, end,
	    report->id);
	for (size_t i = 0; i < report->count; i++)
		if (!reader->failures || !report->entries[i].good)
			print_entry(&report->entries[i]);
	(void)putchar('\n');
}

/* --- sums --- */

/* Orders those that are summed together beside each other. */
static int
by_words(const void *a, const void *b)
{
	const struct received_entry *left = a, *right = b;
	int order = strcmp(left->domain, right->domain);

	if (order == 0)
		order = strcmp(left->source, right->source);
	if (order == 0)
		order = strcmp(left->result, right->result);
	return order != 0 ? order : strcmp(left->action, right->action);
}

static int
by_count(const void *a, const void *b)
{
	const struct received_entry *left = a, *right = b;

	if (left->count != right->count)
		return left->count > right->count ? -1 : 1;
	return by_words(a, b);
}

/* Makes one of those that are equal. */
static void
merge(struct reader *reader)
{
	size_t last = 0;

	if (reader->entry_count == 0)
		return;
	qsort(reader->entries, reader->entry_count, sizeof(*reader->entries), by_words);
	for (size_t i = 1; i < reader->entry_count; i++)
		if (by_words(&reader->entries[last], &reader->entries[i]) == 0)
			reader->entries[last].count += reader->entries[i].count;
		else
			reader->entries[++last] = reader->entries[i];
	reader->entry_count = last + 1;
}

static void
make_room(struct reader *reader)
{
	merge(reader);
	if (reader->entry_count < reader->room / 2)
		return;
	if (reader->room >= SUM_MAX)
		tool_fail(EX_DATAERR, "there are more than %u different entries to sum", SUM_MAX / 2);
	reader->room = reader->room == 0 ? 1024 : 2 * reader->room;
	reader->entries = xreallocarray(reader->entries, reader->room, sizeof(*reader->entries));
}

static void
keep(struct reader *reader, const struct received_report *report)
{
	for (size_t i = 0; i < report->count; i++) {
		if (reader->failures && report->entries[i].good)
			continue;
		if (reader->entry_count == reader->room)
			make_room(reader);
		reader->entries[reader->entry_count++] = report->entries[i];
	}
}

static void
on_found(void *context, struct span text)
{
	struct reader *reader = context;
	struct received_report report;
	const char *fault;

	if (received_report_parse(text, &report, &fault) < 0) {
		tool_warn("%s: %s", reader->path, fault);
		reader->faults++;
		return;
	}
	reader->reports++;
	for (size_t i = 0; i < report.count; i++)
		*(report.entries[i].good ? &reader->good[report.tls] : &reader->bad[report.tls]) += report.entries[i].count;
	if (reader->sums)
		keep(reader, &report);
	else
		print_report(reader, &report);
	received_report_free(&report);
}

static void
read_one(struct reader *reader, const char *path)
{
	bool input = strcmp(path, "-") == 0;
	_cleanup_(closep) int fd = input ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	struct buf bytes = BUF_INIT(RECEIVED_REPORT_MAX + 65536);
	size_t before = reader->reports + reader->faults;
	int r = fd < 0 ? -errno : io_read_all(fd, &bytes);

	reader->path = input ? "standard input" : path;
	if (r < 0) {
		tool_warn("%s: %s", reader->path, r == -EFBIG ? "too large" : strerror(-r));
		reader->faults++;
		buf_free(&bytes);
		return;
	}
	r = report_unpack(buf_get(&bytes), on_found, reader);
	if (r < 0)
		tool_warn("%s: %s", reader->path, r == -EFBIG ? "what is in it is too large" : "it is damaged, or packed in a way that is not known");
	else if (reader->reports + reader->faults == before)
		tool_warn("%s: there is no report in it", reader->path);
	reader->faults += r < 0 || reader->reports + reader->faults == before;
	buf_free(&bytes);
}

static void
print_sums(struct reader *reader)
{
	merge(reader);
	if (reader->entry_count == 0)
		return;
	qsort(reader->entries, reader->entry_count, sizeof(*reader->entries), by_count);
	for (size_t i = 0; i < reader->entry_count; i++)
		print_entry(&reader->entries[i]);
	(void)putchar('\n');
}

static void
print_totals(const struct reader *reader)
{
	static const char *const what[] = { "messages", "sessions" };

	(void)printf("%zu reports", reader->reports);
	for (size_t i = 0; i < sizeof(what) / sizeof(*what); i++)
		if (reader->good[i] + reader->bad[i] != 0)
			(void)printf("; %llu %s, of which %llu failed", (unsigned long long)(reader->good[i] + reader->bad[i]), what[i],
			    (unsigned long long)reader->bad[i]);
	(void)putchar('\n');
}

int
main(int argc, char **argv)
{
	struct reader reader = { .reports = 0 };
	int option;

	tool_init("mailreport");
	while ((option = getopt(argc, argv, "fsh")) != -1)
		switch (option) {
		case 'f': reader.failures = true; break;
		case 's': reader.sums = true; break;
		default: usage();
		}
	if (optind == argc)
		read_one(&reader, "-");
	for (int i = optind; i < argc; i++)
		read_one(&reader, argv[i]);
	print_sums(&reader);
	print_totals(&reader);
	free(reader.entries);
	return tool_end(reader.faults == 0 ? EX_OK : EX_DATAERR);
}
