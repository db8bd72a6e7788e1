/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What a milter says, through a whole message; changes of the header are carried out. */
#include <stdint.h>
#include <stdlib.h>

#include "smtpd/header_edit.h"
#include "smtpd/milter_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

#define HEADER "From: a@example.org\r\nSubject: fuzz\r\n\tfold\r\n\r\n"

static void
change(struct buf *header, const struct milter_packet *packet)
{
	if (packet->type == MILTER_IS_ADD_HEADER)
		(void)header_edit_add(header, packet->name, packet->text);
	else if (packet->type == MILTER_IS_INSERT_HEADER)
		(void)header_edit_insert(header, packet->index, packet->name, packet->text);
	else if (packet->type == MILTER_IS_CHANGE_HEADER)
		(void)header_edit_change(header, packet->index, packet->name, packet->text);
	if (header->overflow)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const struct milter_client client = { .hostname = SPAN("h"), .address = SPAN("2001:db8::1"), .helo = SPAN("x"), .tls = SPAN("TLSv1.3 X") };
	struct span input = span_make(bytes, len);
	struct buf header = BUF_INIT(8192);
	enum milter_result result;
	unsigned requests = 0, pieces = 0;
	struct milter milter;

	(void)buf_str(&header, HEADER);
	milter_init(&milter, &client);
	result = milter_mail(&milter);
	while (result != MILTER_BROKEN && requests < 3) {
		size_t taken = 0;

		buf_clear(&milter.out);
		if (result == MILTER_WANTS_BODY) {
			result = milter_body(&milter, pieces++ < 2 ? SPAN("body\r\n") : SPAN_NULL);
		} else if (result == MILTER_DONE) {
			if (milter.verdict == MILTER_REFUSE && (milter.reply[0] < '4' || milter.reply[0] > '5'))
				abort();
			requests++;
			result = requests == 1 ? milter_rcpt(&milter, SPAN("r@example.test")) :
			    requests == 2      ? milter_text(&milter, SPAN("ID"), SPAN(HEADER)) :
						 MILTER_DONE;
		} else {
			result = milter_input(&milter, input, &taken);
			if (taken > input.len)
				abort();
			if (result == MILTER_CHANGE)
				change(&header, &milter.packet);
			input = span_skip(input, taken);
			if (result == MILTER_MORE && taken == 0)
				break;
		}
	}
	milter_free(&milter);
	buf_free(&header);
	return 0;
}
