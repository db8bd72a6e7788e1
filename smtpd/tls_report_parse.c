/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* JSON by jansson. */
#include <errno.h>
#include <jansson.h>

#include "common/date.h"
#include "smtpd/received_report.h"

/* Of one entry, so that sums of many stay far from the end of 64 bits. */
#define SESSIONS_MAX UINT64_C(1000000000000)

static struct span
text_of(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return json_is_string(value) ? span_make(json_string_value(value), json_string_length(value)) : SPAN_NULL;
}

/* Sessions: what is there is a whole number, also as "5.0", which JSON does not tell from 5, and in quotation marks as some write it; 0 where none is
 * there. 0 or -EBADMSG. */
static int
number_of(const json_t *object, const char *name, uint64_t *ret_number)
{
	const json_t *value = json_object_get(object, name);
	double real = json_is_number(value) ? json_number_value(value) : 0;

	*ret_number = 0;
	if (value == NULL || json_is_null(value))
		return 0;
	if (json_is_string(value))
		return span_to_u64(text_of(object, name), SESSIONS_MAX, ret_number) < 0 ? -EBADMSG : 0;
	if (!json_is_number(value) || !(real >= 0) || real > (double)SESSIONS_MAX)
		return -EBADMSG;
	*ret_number = (uint64_t)real;
	return (double)*ret_number == real ? 0 : -EBADMSG;
}

static struct received_entry *
add(struct received_report *report, const json_t *policy, struct span source, struct span result, uint64_t count)
{
	struct received_entry *entry = received_add(report);

	if (entry == NULL)
		return NULL;
	received_keep(entry->domain, text_of(policy, "policy-domain"));
	received_keep(entry->action, text_of(policy, "policy-type"));
	received_keep(entry->source, source);
	received_keep(entry->result, result);
	entry->count = count;
	return entry;
}

/* 0, -E2BIG when there are too many, or -EBADMSG: a number is none. */
static int
take_policy(struct received_report *report, const json_t *item)
{
	const json_t *policy = json_object_get(item, "policy"), *summary = json_object_get(item, "summary"),
	       *details = json_object_get(item, "failure-details");
	uint64_t good, bad, told = 0;
	struct received_entry *entry;

	if (number_of(summary, "total-successful-session-count", &good) < 0 || number_of(summary, "total-failure-session-count", &bad) < 0)
		return -EBADMSG;
	entry = add(report, policy, SPAN("-"), SPAN("success"), good);
	if (entry == NULL)
		return -E2BIG;
	entry->good = true;
	if (report->domain[0] == '\0')
		received_keep(report->domain, text_of(policy, "policy-domain"));
	for (size_t i = 0; i < json_array_size(details); i++) {
		const json_t *detail = json_array_get(details, i);
		struct span source = text_of(detail, "receiving-mx-hostname");
		uint64_t count;

		if (number_of(detail, "failed-session-count", &count) < 0)
			return -EBADMSG;
		if (source.len == 0)
			source = text_of(detail, "receiving-ip");
		if (add(report, policy, source.len != 0 ? source : SPAN("-"), text_of(detail, "result-type"), count) == NULL)
			return -E2BIG;
		told += count;
	}
	/* Some tell the number alone, or details of a part. */
	return bad <= told || add(report, policy, SPAN("-"), SPAN("failure"), bad - told) != NULL ? 0 : -E2BIG;
}

static int
take_report(const json_t *root, struct received_report *report, const char **ret_fault)
{
	const json_t *policies = json_object_get(root, "policies"), *range = json_object_get(root, "date-range");
	struct date begin = { .utc = 0 }, end = { .utc = 0 };

	*ret_fault = "it is no report of TLS: no policies stand there";
	if (!json_is_array(policies))
		return -EBADMSG;
	*ret_fault = "its time is none";
	if (!date_parse_rfc3339(text_of(range, "start-datetime"), &begin) || !date_parse_rfc3339(text_of(range, "end-datetime"), &end))
		return -EBADMSG;
	report->begin = begin.utc;
	report->end = end.utc;
	received_keep(report->organization, text_of(root, "organization-name"));
	received_keep(report->contact, text_of(root, "contact-info"));
	received_keep(report->id, text_of(root, "report-id"));
	for (size_t i = 0; i < json_array_size(policies); i++) {
		int r = take_policy(report, json_array_get(policies, i));

		*ret_fault = r == -E2BIG ? "it has more entries than are read" : "a number of sessions in it is none";
		if (r < 0)
			return r;
	}
	*ret_fault = NULL;
	return 0;
}

int
tls_report_parse(struct span json, struct received_report *ret_report, const char **ret_fault)
{
	json_error_t error;
	json_t *root = json_loadb(json.ptr, json.len, JSON_REJECT_DUPLICATES, &error);
	int r;

	*ret_report = (struct received_report){ .tls = true };
	*ret_fault = "it is no JSON";
	r = root != NULL ? take_report(root, ret_report, ret_fault) : -EBADMSG;
	json_decref(root);
	if (r < 0)
		received_report_free(ret_report);
	return r;
}
