/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* JSON by jansson. */
#include <errno.h>
#include <jansson.h>

#include "common/date.h"
#include "smtpd/received_report.h"

static struct span
text_of(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return json_is_string(value) ? span_make(json_string_value(value), json_string_length(value)) : SPAN_NULL;
}

static uint64_t
number_of(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);
	json_int_t number = json_is_integer(value) ? json_integer_value(value) : 0;

	return number > 0 && number <= UINT32_MAX ? (uint64_t)number : 0;
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

/* False when there are too many. */
static bool
take_policy(struct received_report *report, const json_t *item)
{
	const json_t *policy = json_object_get(item, "policy"), *summary = json_object_get(item, "summary"),
	       *details = json_object_get(item, "failure-details");
	struct received_entry *entry = add(report, policy, SPAN("-"), SPAN("success"), number_of(summary, "total-successful-session-count"));

	if (entry == NULL)
		return false;
	entry->good = true;
	if (report->domain[0] == '\0')
		received_keep(report->domain, text_of(policy, "policy-domain"));
	for (size_t i = 0; i < json_array_size(details); i++) {
		const json_t *detail = json_array_get(details, i);
		struct span source = text_of(detail, "receiving-mx-hostname");

		if (source.len == 0)
			source = text_of(detail, "receiving-ip");
		if (add(report, policy, source.len != 0 ? source : SPAN("-"), text_of(detail, "result-type"), number_of(detail, "failed-session-count")) == NULL)
			return false;
	}
	/* Some tell the number alone. */
	return json_array_size(details) != 0 || number_of(summary, "total-failure-session-count") == 0 ||
	    add(report, policy, SPAN("-"), SPAN("failure"), number_of(summary, "total-failure-session-count")) != NULL;
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
	*ret_fault = "it has more entries than are read";
	for (size_t i = 0; i < json_array_size(policies); i++)
		if (!take_policy(report, json_array_get(policies, i)))
			return -E2BIG;
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
