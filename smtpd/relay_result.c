/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A host's reply, or a word of our own, as a result. */
#include "smtpd/relay_result.h"

#include <stdio.h>

/* Text from outside for logs and notifications. */
static void
copy_text(char text[VERDICT_TEXT_MAX], struct span from)
{
	size_t len = span_utf8_cut(from, VERDICT_TEXT_MAX - 1).len;
	bool utf8 = span_is_utf8(span_make(from.ptr, len));

	for (size_t i = 0; i < len; i++) {
		unsigned char byte = (unsigned char)from.ptr[i];

		if (byte == '\t')
			text[i] = ' ';
		else if (byte == '\n')
			text[i] = '\n';
		else
			text[i] = byte < 0x20 || byte == 0x7f || (byte >= 0x80 && !utf8) ? '?' : (char)byte;
	}
	text[len] = '\0';
}

void
relay_result_set(struct relay_result *result, enum verdict verdict, const char *status, const char *text)
{
	*result = (struct relay_result){ .verdict = verdict };
	(void)snprintf(result->status, sizeof(result->status), "%s", status);
	copy_text(result->text, span_of(text));
}

void
relay_result_of(struct relay_result *result, const struct relay_reply *reply, unsigned extensions)
{
	unsigned class = reply->code / 100;
	struct span text = buf_get(&reply->text), status = relay_parse_status(text, class);

	*result = (struct relay_result){ .code = reply->code, .dsn = class == 2 && (extensions & RELAY_EXT_DSN) != 0,
		.by = class == 2 && (extensions & RELAY_EXT_DELIVERBY) != 0 };
	result->verdict = class == 2 ? VERDICT_OK : class == 5 ? VERDICT_PERMFAIL : VERDICT_TEMPFAIL;
	if (status.len != 0 && status.len < sizeof(result->status))
		(void)snprintf(result->status, sizeof(result->status), "%.*s", (int)status.len, status.ptr);
	else
		(void)snprintf(result->status, sizeof(result->status), "%u.0.0", class);
	copy_text(result->text, text);
}
