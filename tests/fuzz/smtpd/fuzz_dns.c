/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The first byte chooses a type, the rest is a DNS message: what is read of it fits a message between roles and reads the same. */
#include <stdlib.h>

#include "smtpd/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const enum dns_type types[] = { DNS_A, DNS_CNAME, DNS_PTR, DNS_MX, DNS_TXT, DNS_AAAA, DNS_TLSA };
	static struct dns_answer answer, again;
	static struct msg_writer body;
	struct msg_reader reader;
	enum dns_type type;

	if (len == 0)
		return 0;
	type = types[bytes[0] % (sizeof(types) / sizeof(*types))];
	answer.reason = SPAN_NULL;
	answer.secure = false;
	(void)dns_parse(span_make(bytes + 1, len - 1), type, &answer);
	if ((answer.status == DNS_FOUND) != (answer.count != 0))
		abort();
	msg_writer_init(&body);
	dns_put(&body, type, &answer);
	reader = msg_read_span(span_make(body.bytes, body.len));
	if (body.overflow || dns_get(&reader, type, &again) != 0 || again.count != answer.count || !span_eq(again.owner, answer.owner))
		abort();
	for (size_t i = 0; i < answer.count; i++)
		if (!span_eq(answer.records[i].data, again.records[i].data) || answer.records[i].preference != again.records[i].preference)
			abort();
	reader = msg_read_span(span_make(bytes + 1, len - 1));
	(void)dns_get(&reader, type, &again);
	return 0;
}
