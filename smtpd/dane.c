/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* TLSA records: which names are asked for (RFC 7672 section 2.2), and which records can be used (section 3.1). */
#include "smtpd/dane.h"

#include <stdio.h>
#include <string.h>

/* RFC 6698 section 7, with the names of RFC 7218. */
enum { USAGE_TRUST_ANCHOR = 2, USAGE_END_ENTITY = 3 };
enum { SELECTOR_CERTIFICATE, SELECTOR_KEY };
enum { MATCHING_FULL, MATCHING_SHA256, MATCHING_SHA512 };

bool
dane_is_usable(const struct dns_record *record)
{
	/* PKIX-TA(0) and PKIX-EE(1) are of no use between mail servers (RFC 7672 section 3.1.3). */
	if (record->usage != USAGE_TRUST_ANCHOR && record->usage != USAGE_END_ENTITY)
		return false;
	if (record->selector != SELECTOR_CERTIFICATE && record->selector != SELECTOR_KEY)
		return false;
	switch (record->matching) {
	case MATCHING_FULL:
		return record->data.len != 0;
	case MATCHING_SHA256:
		return record->data.len == 32;
	case MATCHING_SHA512:
		return record->data.len == 64;
	}
	return false;
}

void
dane_search(struct dane_search *search, struct dane *dane, const char *name, const char *alias_of, bool secure, uint16_t port)
{
	*dane = (struct dane){ .result = DANE_NONE };
	buf_init(&dane->data, DNS_BYTES_MAX);
	*search = (struct dane_search){ .dane = dane, .port = port };
	if (secure) {
		search->names[0] = alias_of[0] != '\0' ? alias_of : name;
		search->names[1] = alias_of[0] != '\0' ? name : NULL;
	} else if (alias_of[0] != '\0') {
		/* The alias may be signed where its target is not (section 2.2.2). */
		search->asks_alias = true;
		search->names[0] = name;
	}
}

bool
dane_next(const struct dane_search *search, struct buf *name, enum dns_type *ret_type)
{
	if (search->dane->result != DANE_NONE || search->at == sizeof(search->names) / sizeof(*search->names) || search->names[search->at] == NULL)
		return false;
	if (!search->asks_alias)
		(void)buf_fmt(name, "_%u._tcp.", search->port);
	(void)buf_str(name, search->names[search->at]);
	*ret_type = search->asks_alias ? DNS_CNAME : DNS_TLSA;
	return true;
}

static void
take_records(struct dane *dane, const struct dns_answer *answer)
{
	dane->result = DANE_ENCRYPT;
	for (size_t i = 0; i < answer->count && dane->count < DANE_RECORDS_MAX; i++) {
		const struct dns_record *record = &answer->records[i];

		if (!dane_is_usable(record))
			continue;
		/* All of an answer fits, and nothing moves. */
		if (dane->data.data == NULL)
			(void)buf_reserve(&dane->data, DNS_BYTES_MAX);
		if (buf_span(&dane->data, record->data) < 0)
			continue;
		dane->records[dane->count++] = (struct dane_record){ record->usage, record->selector, record->matching,
			span_make(dane->data.data + dane->data.len - record->data.len, record->data.len) };
		dane->result = DANE_VERIFY;
	}
}

void
dane_answer(struct dane_search *search, const struct dns_answer *answer)
{
	struct dane *dane = search->dane;

	if (answer->status == DNS_FAILED || answer->status == DNS_BOGUS) {
		dane->result = DANE_FAILED;
		dane->bogus = answer->status == DNS_BOGUS;
		(void)snprintf(dane->reason, sizeof(dane->reason), "%.*s", (int)answer->reason.len, answer->reason.ptr != NULL ? answer->reason.ptr : "");
	} else if (search->asks_alias) {
		search->asks_alias = false;
		if (answer->status != DNS_FOUND || !answer->secure)
			search->names[0] = NULL;
	} else if (answer->status == DNS_FOUND && answer->secure) {
		(void)snprintf(dane->base, sizeof(dane->base), "%s", search->names[search->at]);
		take_records(dane, answer);
	} else {
		search->at++;
	}
}

void
dane_free(struct dane *dane)
{
	buf_free(&dane->data);
	*dane = (struct dane){ .result = DANE_NONE };
}
