/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What became of a recipient, as a client may be told it. */
#include "smtpd/smtpd_msg.h"

static bool
is_printable(struct span text, bool lines)
{
	for (size_t i = 0; i < text.len; i++)
		if ((text.ptr[i] < ' ' || text.ptr[i] > '~') && !(lines && text.ptr[i] == '\n'))
			return false;
	return true;
}

bool
verdict_fits_reply(struct span status, struct span text)
{
	return status.len >= 5 && status.len < VERDICT_STATUS_MAX && is_printable(status, false) && text.len <= VERDICT_REPLY_MAX &&
	    is_printable(text, true);
}
