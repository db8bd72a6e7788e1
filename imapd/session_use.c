/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Special uses of mailboxes. */
#include "imapd/session_use.h"

static const struct {
	enum ms_use use;
	const char *attribute;
} uses[] = {
	{ MS_USE_ARCHIVE, "\\Archive" },
	{ MS_USE_DRAFTS, "\\Drafts" },
	{ MS_USE_JUNK, "\\Junk" },
	{ MS_USE_SENT, "\\Sent" },
	{ MS_USE_TRASH, "\\Trash" },
};

const char *
session_use_attribute(enum ms_use use)
{
	size_t i;

	for (i = 0; i < sizeof(uses) / sizeof(uses[0]); i++)
		if (uses[i].use == use)
			return uses[i].attribute;
	return NULL;
}

bool
session_use_find(struct span name, enum ms_use *ret_use)
{
	size_t i;

	for (i = 0; i < sizeof(uses) / sizeof(uses[0]); i++)
		if (span_ieq(name, span_of(uses[i].attribute + 1))) {
			*ret_use = uses[i].use;
			return true;
		}
	return false;
}
