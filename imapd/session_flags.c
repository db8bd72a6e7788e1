/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Flags between IMAP's form and the store's. */
#include "imapd/session_flags.h"

#include <stdlib.h>

#include "common/xalloc.h"
#include "imapd/session_mailbox.h"

static const struct {
	unsigned imap;
	uint32_t store;
	const char *name;
} system_flags[] = {
	{ IMAP_FLAG_ANSWERED, MS_ANSWERED, "\\Answered" },
	{ IMAP_FLAG_FLAGGED, MS_FLAGGED, "\\Flagged" },
	{ IMAP_FLAG_DELETED, MS_DELETED, "\\Deleted" },
	{ IMAP_FLAG_SEEN, MS_SEEN, "\\Seen" },
	{ IMAP_FLAG_DRAFT, MS_DRAFT, "\\Draft" },
};
#define SYSTEM_FLAGS (sizeof(system_flags) / sizeof(system_flags[0]))

/* Maildir has a letter for it; IMAP has it as a keyword. */
#define FORWARDED "$Forwarded"

uint32_t
session_flags(const struct imap_flags *flags)
{
	const struct imap_text *keyword;
	uint32_t store = 0;
	size_t i;

	for (i = 0; i < SYSTEM_FLAGS; i++)
		if ((flags->system & system_flags[i].imap) != 0)
			store |= system_flags[i].store;
	for (keyword = flags->keywords; keyword != NULL; keyword = keyword->next)
		if (span_ieq(keyword->text, SPAN(FORWARDED)))
			store |= MS_FORWARDED;
	return store;
}

const char **
session_keywords(const struct imap_flags *flags)
{
	const struct imap_text *keyword;
	const char **list;
	size_t count = 0;

	for (keyword = flags->keywords; keyword != NULL; keyword = keyword->next)
		count++;
	list = xcalloc(count + 1, sizeof(*list));
	count = 0;
	for (keyword = flags->keywords; keyword != NULL; keyword = keyword->next)
		if (!span_ieq(keyword->text, SPAN(FORWARDED)))
			list[count++] = span_dup(keyword->text);
	return list;
}

void
session_keywords_free(const char **keywords)
{
	size_t i;

	for (i = 0; keywords[i] != NULL; i++)
		free((void *)(uintptr_t)keywords[i]);
	free(keywords);
}

static void
put_flag(struct session *session, struct span name, bool *first)
{
	if (!*first)
		session_put(session, SPAN(" "));
	*first = false;
	session_put(session, name);
}

void
session_put_flags(struct session *session, const struct ms_message *message, bool recent)
{
	const char *name;
	bool first = true;
	unsigned n;
	size_t i;

	session_put(session, SPAN("("));
	for (i = 0; i < SYSTEM_FLAGS; i++)
		if ((message->flags & system_flags[i].store) != 0)
			put_flag(session, span_of(system_flags[i].name), &first);
	if (recent)
		put_flag(session, SPAN("\\Recent"), &first);
	if ((message->flags & MS_FORWARDED) != 0)
		put_flag(session, SPAN(FORWARDED), &first);
	for (n = ms_keywords_next(&message->keywords, 0); (name = ms_keyword(session->selected->mailbox, n)) != NULL; n = ms_keywords_next(&message->keywords, n + 1))
		put_flag(session, span_of(name), &first);
	session_put(session, SPAN(")"));
}

void
session_put_flags_known(struct session *session)
{
	struct session_mailbox *selected = session->selected;
	const char *name;
	unsigned pass, n;
	size_t i;

	/* FLAGS lists what there is; PERMANENTFLAGS the same and \* for new keywords, or nothing when the mailbox is read-only
	 * (RFC 3501 section 7.1). */
	for (pass = 0; pass < 2; pass++) {
		session_put(session, pass == 0 ? SPAN("* FLAGS (") : SPAN("* OK [PERMANENTFLAGS ("));
		if (pass == 1 && selected->read_only) {
			session_put(session, SPAN(")] Read-only mailbox\r\n"));
			return;
		}
		for (i = 0; i < SYSTEM_FLAGS; i++)
			session_fmt(session, "%s%s", i > 0 ? " " : "", system_flags[i].name);
		session_put(session, SPAN(" " FORWARDED));
		for (n = 0; (name = ms_keyword(selected->mailbox, n)) != NULL; n++)
			session_fmt(session, " %s", name);
		selected->keywords_told = n;
		session_put(session, pass == 0 ? SPAN(")\r\n") : SPAN(" \\*)] Flags permitted\r\n"));
	}
}
