/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Lines of any bytes: the first is the sender, the others answer one question after another, round and round: as text, as the name of a
 * host, as nothing. An evaluation comes to an end. */
#include <stdlib.h>

#include "smtpd/spf_state.h"

/* 10 terms that ask, 10 hosts or names for each, and what an explanation wants. */
#define QUESTIONS_MAX 200

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void
answer_with(struct dns_answer *answer, enum dns_type type, struct span line)
{
	static const uint8_t address[16] = { 192, 0, 2, 1 };

	answer->count = line.len != 0;
	answer->status = line.len != 0 ? DNS_FOUND : DNS_NO_DATA;
	answer->records[0] = (struct dns_record){ .data = line };
	if (type == DNS_A || type == DNS_AAAA)
		answer->records[0].data = span_make(address, type == DNS_A ? 4 : 16);
	else if (type != DNS_TXT && !dns_is_name(line))
		answer->records[0].data = SPAN("mx.example");
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const uint8_t address[16] = { 192, 0, 2, 1 };
	static struct dns_answer answer;
	struct span text = span_make(bytes, len), rest = text, line, name;
	enum dns_type type;
	struct spf *spf;
	size_t questions = 0;

	(void)span_split(&rest, '\n', &line);
	spf = spf_new(address, len % 2 ? 4 : 16, SPAN("helo.example"), line, SPAN("here.example"), 1);
	text = rest;
	while (spf_question(spf, &name, &type)) {
		if (questions++ > QUESTIONS_MAX || !dns_is_name(name))
			abort();
		if (!span_split(&rest, '\n', &line)) {
			rest = text;
			(void)span_split(&rest, '\n', &line);
		}
		answer_with(&answer, type, line);
		spf_answer(spf, &answer);
	}
	(void)spf_free(spf);
	return 0;
}
