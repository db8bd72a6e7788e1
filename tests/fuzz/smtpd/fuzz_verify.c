/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A message and what the DNS says of it: lines up to the first that is "-" are texts that answer questions in turn ("?": no answer now;
 * empty: no such name), the rest is the message. Whatever comes, the fields that are written are a header, and it ends. */
#include <stdint.h>
#include <stdlib.h>

#include "common/header.h"
#include "common/xalloc.h"
#include "smtpd/auth_results_put.h"
#include "smtpd/verify_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

#define QUESTIONS_MAX 1000

/* Answers all questions that are there. */
static void
answer_all(struct verification *verification, struct span *texts)
{
	struct dns_answer *answer = xcalloc(1, sizeof(*answer));
	enum dns_type type;
	struct span name;
	size_t number;

	for (unsigned i = 0; verify_question(verification, &name, &type, &number); i++) {
		if (i == QUESTIONS_MAX || !dns_is_name(name))
			abort();
		answer->count = 0;
		answer->status = DNS_NO_NAME;
		if (span_split(texts, '\n', &answer->records[0].data) && answer->records[0].data.len != 0) {
			answer->count = type == DNS_TXT;
			answer->status = span_eq(answer->records[0].data, SPAN("?")) ? DNS_FAILED : type == DNS_TXT ? DNS_FOUND : DNS_NO_DATA;
		}
		verify_answer(verification, number, answer);
	}
	free(answer);
}

/* Nothing that the message or the DNS has put there makes another field, or a line that is too long. */
static void
check_fields(struct span text)
{
	struct header_field field;
	struct header_iter iter;
	unsigned fields = 0;

	header_begin(&iter, text);
	while (header_next(&iter, &field)) {
		if (++fields > 3 || field.name.len == 0 || !span_ends(field.whole, SPAN("\r\n")))
			abort();
	}
	while (text.len != 0) {
		struct span line;

		(void)span_split(&text, '\n', &line);
		if (line.len > 998)
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct conf_list trusted = { .count = 0 };
	const struct verify_settings settings = {
		.hostname = "here.example", .enforced = DMARC_POLICY_REJECT, .arc_trusted = &trusted
	};
	const struct verify_envelope envelope = { .client = "192.0.2.1", .helo = "there.example", .sender = "a@b.example" };
	struct verification *verification = verify_new(&settings, &envelope, 1700000000, 0);
	struct span texts = span_make(bytes, len), message = SPAN_NULL;
	ptrdiff_t end = span_find(texts, SPAN("\n-\n"));
	struct buf out = BUF_INIT(65536);

	if (end >= 0) {
		message = span_skip(texts, (size_t)end + 3);
		texts.len = (size_t)end;
	}
	answer_all(verification, &texts);
	while (message.len != 0) {
		verify_feed(verification, span_take(&message, 1000));
		answer_all(verification, &texts);
	}
	verify_end(verification);
	answer_all(verification, &texts);
	if (!verify_is_done(verification))
		abort();
	(void)verify_verdict(verification);
	if (verify_put_fields(verification, &out) == 0)
		check_fields(buf_get(&out));
	buf_free(&out);
	verify_free(verification);
	return 0;
}
