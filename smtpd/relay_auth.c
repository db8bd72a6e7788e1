/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* AUTH as the client says it. */
#include "smtpd/relay_auth.h"

#include "common/base64.h"

#define PLAIN_MAX 1024

static void
put_line(const char *before, struct span text, struct buf *out)
{
	(void)buf_str(out, before);
	(void)base64_encode(text, out);
	(void)buf_str(out, "\r\n");
}

static void
put_plain(struct span user, struct span password, struct buf *out)
{
	struct buf text = BUF_INIT(PLAIN_MAX);

	/* As oneself. */
	(void)buf_char(&text, '\0');
	(void)buf_span(&text, user);
	(void)buf_char(&text, '\0');
	(void)buf_span(&text, password);
	put_line("AUTH PLAIN ", buf_get(&text), out);
	buf_wipe(&text);
}

bool
relay_auth_put(const struct relay_offer *offer, unsigned step, struct span user, struct span password, struct buf *out)
{
	if ((offer->extensions & RELAY_EXT_AUTH_PLAIN) != 0) {
		if (step == 0)
			put_plain(user, password, out);
		return step == 0;
	}
	if ((offer->extensions & RELAY_EXT_AUTH_LOGIN) == 0 || step > 2)
		return false;
	if (step == 0)
		(void)buf_str(out, "AUTH LOGIN\r\n");
	else
		put_line("", step == 1 ? user : password, out);
	return true;
}
