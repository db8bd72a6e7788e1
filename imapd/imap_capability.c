/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What imapd says it can do. */
#include "imapd/imap_capability.h"

bool
imap_login_allowed(const struct login_facts *facts)
{
	return facts->secure || facts->plaintext_login;
}

void
imap_capability_before(const struct login_facts *facts, struct buf *out)
{
	(void)buf_str(out, "IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE");
	if (facts->can_start_tls && !facts->secure)
		(void)buf_str(out, " STARTTLS");
	(void)buf_str(out, imap_login_allowed(facts) ? " AUTH=PLAIN AUTH=LOGIN" : " LOGINDISABLED");
}

void
imap_capability_after(uint64_t message_size_max, struct buf *out)
{
	(void)buf_str(out, "IMAP4rev1 LITERAL+ ID ENABLE IDLE NAMESPACE CHILDREN UIDPLUS UNSELECT MOVE LIST-EXTENDED "
	    "LIST-STATUS SPECIAL-USE CREATE-SPECIAL-USE STATUS=SIZE CONDSTORE QRESYNC ESEARCH SEARCHRES WITHIN OBJECTID SAVEDATE PREVIEW "
	    "QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE");
	(void)buf_fmt(out, " APPENDLIMIT=%llu", (unsigned long long)message_size_max);
}

void
imap_id_answer(struct buf *out)
{
	(void)buf_str(out, "* ID (\"name\" \"Fourpost\")\r\n");
}
