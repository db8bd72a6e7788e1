/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Received-SPF, one key on each line. */
#include "smtpd/spf_field.h"

#include <errno.h>

/* With its key each line stays far below 998 octets, escapes included. */
#define VALUE_MAX 320

static void
put_value(const char *key, struct span value, struct buf *out)
{
	(void)buf_fmt(out, ";\r\n\t%s=\"", key);
	for (size_t i = 0; i < value.len && i < VALUE_MAX; i++) {
		char c = value.ptr[i];

		if (c == '"' || c == '\\')
			(void)buf_char(out, '\\');
		(void)buf_char(out, (unsigned char)c < ' ' || c == 0x7f ? '?' : c);
	}
	(void)buf_char(out, '"');
}

int
spf_put_field(const struct spf_outcome *outcome, struct span client, struct span helo, struct span sender, struct span receiver,
    struct buf *out)
{
	bool error = outcome->result == SPF_TEMPERROR || outcome->result == SPF_PERMERROR;
	size_t before = out->len;

	(void)buf_fmt(out, "Received-SPF: %s\r\n\tidentity=%s", spf_result_name(outcome->result),
	    outcome->identity == SPF_MAILFROM ? "mailfrom" : "helo");
	put_value("client-ip", client, out);
	put_value("envelope-from", sender, out);
	put_value("helo", helo, out);
	put_value("receiver", receiver, out);
	if (outcome->result != SPF_NONE)
		put_value(error ? "problem" : "mechanism", span_of(outcome->reason), out);
	(void)buf_str(out, "\r\n");
	if (!out->overflow)
		return 0;
	buf_truncate(out, before);
	return -EMSGSIZE;
}
