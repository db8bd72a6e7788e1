/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* XML by expat. Reports have no DTD: one that has is refused, so that no entity of its own is ever expanded. Many reports leave parts out or
 * add some: what is not known is skipped. */
#include <errno.h>
#include <expat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smtpd/received_report.h"

#define DEPTH_MAX 16
#define PATH_MAX_LEN 512
#define PIECE (1 << 20)

struct reading {
	XML_Parser parser;
	struct received_report *report;
	const char *fault;
	int r;
	unsigned depth;
	size_t starts[DEPTH_MAX]; /* where each element's name begins in path */
	struct buf path;          /* "/feedback/record/row" */
	struct buf text;          /* of the innermost element */
	struct received_entry entry; /* of the record being read */
	char dkim[RECEIVED_TEXT_MAX + 1], spf[RECEIVED_TEXT_MAX + 1], count[RECEIVED_TEXT_MAX + 1];
};

/* Where texts go: offsets in the report, in the entry, or in the reading itself. */
static const struct {
	const char *path;
	enum { OF_REPORT, OF_ENTRY, OF_READING } where;
	size_t offset;
} places[] = {
	{ "/feedback/report_metadata/org_name", OF_REPORT, offsetof(struct received_report, organization) },
	{ "/feedback/report_metadata/email", OF_REPORT, offsetof(struct received_report, contact) },
	{ "/feedback/report_metadata/report_id", OF_REPORT, offsetof(struct received_report, id) },
	{ "/feedback/policy_published/domain", OF_REPORT, offsetof(struct received_report, domain) },
	{ "/feedback/record/row/source_ip", OF_ENTRY, offsetof(struct received_entry, source) },
	{ "/feedback/record/row/count", OF_READING, offsetof(struct reading, count) },
	{ "/feedback/record/row/policy_evaluated/disposition", OF_ENTRY, offsetof(struct received_entry, action) },
	{ "/feedback/record/row/policy_evaluated/dkim", OF_READING, offsetof(struct reading, dkim) },
	{ "/feedback/record/row/policy_evaluated/spf", OF_READING, offsetof(struct reading, spf) },
	{ "/feedback/record/identifiers/header_from", OF_ENTRY, offsetof(struct received_entry, domain) },
};

static void
stop(struct reading *reading, int r, const char *fault)
{
	reading->r = r;
	reading->fault = fault;
	(void)XML_StopParser(reading->parser, XML_FALSE);
}

static void
refuse_doctype(void *context, const char *name, const char *system_id, const char *public_id, int has_subset)
{
	(void)name, (void)system_id, (void)public_id, (void)has_subset;
	stop(context, -EBADMSG, "it has a document type declaration, which reports have not");
}

static void
begin_record(struct reading *reading)
{
	memset(&reading->entry, 0, sizeof(reading->entry));
	reading->dkim[0] = reading->spf[0] = reading->count[0] = '\0';
}

static void
on_start(void *context, const char *name, const char **attributes)
{
	struct reading *reading = context;
	const char *colon = strrchr(name, ':');

	(void)attributes;
	if (reading->depth == DEPTH_MAX) {
		stop(reading, -EBADMSG, "its elements stand too deep in each other");
		return;
	}
	reading->starts[reading->depth++] = reading->path.len;
	(void)buf_char(&reading->path, '/');
	(void)buf_str(&reading->path, colon != NULL ? colon + 1 : name);
	buf_clear(&reading->text);
	if (reading->path.overflow)
		stop(reading, -EBADMSG, "it has a name that is too long");
	else if (strcmp(buf_cstr(&reading->path), "/feedback/record") == 0)
		begin_record(reading);
}

static void
on_text(void *context, const char *text, int len)
{
	struct reading *reading = context;
	size_t room = reading->text.max - reading->text.len;

	(void)buf_put(&reading->text, text, (size_t)len < room ? (size_t)len : room);
}

static void
end_record(struct reading *reading)
{
	struct received_entry *entry = received_add(reading->report);

	if (entry == NULL) {
		stop(reading, -E2BIG, "it has more records than are read");
		return;
	}
	*entry = reading->entry;
	if (span_to_u64(span_of(reading->count), UINT32_MAX, &entry->count) < 0)
		stop(reading, -EBADMSG, "a record has no count");
	(void)snprintf(entry->result, sizeof(entry->result), "dkim=%.100s spf=%.100s", reading->dkim[0] != '\0' ? reading->dkim : "none",
	    reading->spf[0] != '\0' ? reading->spf : "none");
	entry->good = strcmp(reading->dkim, "pass") == 0 || strcmp(reading->spf, "pass") == 0;
}

static void
take_time(struct reading *reading, int64_t *ret_time)
{
	uint64_t time = 0;

	if (span_to_u64(span_trim(buf_get(&reading->text)), UINT32_MAX, &time) < 0)
		stop(reading, -EBADMSG, "its time is none");
	*ret_time = (int64_t)time;
}

static void
on_end(void *context, const char *name)
{
	struct reading *reading = context;
	const char *path = buf_cstr(&reading->path);

	(void)name;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		if (strcmp(places[i].path, path) == 0) {
			char *base = places[i].where == OF_REPORT ? (char *)reading->report :
			    places[i].where == OF_ENTRY       ? (char *)&reading->entry :
								(char *)reading;

			received_keep(base + places[i].offset, buf_get(&reading->text));
		}
	if (strcmp(path, "/feedback/report_metadata/date_range/begin") == 0)
		take_time(reading, &reading->report->begin);
	else if (strcmp(path, "/feedback/report_metadata/date_range/end") == 0)
		take_time(reading, &reading->report->end);
	else if (strcmp(path, "/feedback/record") == 0)
		end_record(reading);
	buf_truncate(&reading->path, reading->starts[--reading->depth]);
	buf_clear(&reading->text);
}

int
dmarc_report_parse(struct span xml, struct received_report *ret_report, const char **ret_fault)
{
	struct reading reading = { .report = ret_report, .path = BUF_INIT(PATH_MAX_LEN), .text = BUF_INIT(RECEIVED_TEXT_MAX) };
	enum XML_Status status = XML_STATUS_OK;

	*ret_report = (struct received_report){ .tls = false };
	reading.parser = XML_ParserCreate(NULL);
	if (reading.parser == NULL)
		abort(); /* no memory */
	XML_SetUserData(reading.parser, &reading);
	XML_SetElementHandler(reading.parser, on_start, on_end);
	XML_SetCharacterDataHandler(reading.parser, on_text);
	XML_SetStartDoctypeDeclHandler(reading.parser, refuse_doctype);
	do {
		struct span piece = span_take(&xml, PIECE);

		status = XML_Parse(reading.parser, piece.ptr, (int)piece.len, xml.len == 0);
	} while (status == XML_STATUS_OK && xml.len != 0);
	if (reading.r == 0 && status != XML_STATUS_OK)
		stop(&reading, -EBADMSG, "it is no XML");
	if (reading.r == 0 && ret_report->domain[0] == '\0')
		stop(&reading, -EBADMSG, "it is no report of DMARC: no policy stands there");
	XML_ParserFree(reading.parser);
	buf_free(&reading.path);
	buf_free(&reading.text);
	*ret_fault = reading.fault;
	if (reading.r < 0)
		received_report_free(ret_report);
	return reading.r;
}
