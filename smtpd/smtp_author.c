/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Submission: who stands in From and Sender must be the account that has logged in (RFC 6409 section
 * 6.1), so that no user writes in another's name. */
#include <errno.h>
#include <stdlib.h>

#include "common/address_list.h"
#include "common/xalloc.h"
#include "smtpd/smtp_cmds.h"

/* Each costs a look-up. */
#define AUTHORS_MAX 100
#define AUTHOR_MAX 1000

bool
smtp_is_own(const struct smtp *smtp, enum smtp_looked_up result, struct span account)
{
	return result == SMTP_IS_LOCAL && smtp->account != NULL &&
	    span_ieq(account, span_of(smtp->account));
}

/* Of the authors of one field the one of that number, which is lowered by those before it. Results as below. */
static int
read_field(struct span value, size_t *number, char **ret_author)
{
	struct buf text = BUF_INIT(AUTHOR_MAX);
	struct address_list list;
	int r;

	address_list_parse(value, &list);
	r = list.cut || list.ambiguous ? -EINVAL : -ENOENT;
	for (size_t i = 0; i < list.count && r == -ENOENT; i++) {
		const struct address_entry *entry = &list.entries[i];

		if (entry->kind != ADDRESS_KIND_MAILBOX || (*number)-- != 0)
			continue;
		r = entry->domain.ptr == NULL ?
		    -EINVAL : address_spec_append(&text, entry->local, entry->domain);
	}
	if (r == 0)
		*ret_author = buf_take(&text);
	buf_free(&text);
	address_list_free(&list);
	return r;
}

/* The author of that number. 0 with *ret_author (for free(3)), -ENOENT behind the last, or -EINVAL: it
 * is no address, or others may read another there. Each field is read by itself: what opens in one must not swallow another. */
static int
read_author(const struct smtp_data *data, size_t number, char **ret_author)
{
	struct span rest = buf_get(&data->authors), value;
	int r = -ENOENT;

	rest = span_skip(rest, 1);
	while (r == -ENOENT && span_split(&rest, '\0', &value))
		r = read_field(value, &number, ret_author);
	return r;
}

bool
smtp_check_author(struct smtp *smtp)
{
	struct smtp_data *data = &smtp->data;
	int r;

	free(smtp->author);
	smtp->author = NULL;
	if (!data->mend || data->fault != SMTP_FAULT_NONE)
		return false;
	r = read_author(data, smtp->authors_seen, &smtp->author);
	if (r == -ENOENT && smtp->authors_seen != 0)
		return false;
	if (r < 0)
		smtp_data_fail(data, SMTP_FAULT_NO_FROM);
	else if (!smtp->settings->own_senders)
		return false;
	else if (++smtp->authors_seen > AUTHORS_MAX)
		smtp_data_fail(data, SMTP_FAULT_AUTHOR);
	if (data->fault != SMTP_FAULT_NONE)
		return false;
	smtp->asked = span_of(smtp->author);
	smtp->action = SMTP_LOOKUP;
	return true;
}

void
smtp_author_looked_up(struct smtp *smtp, enum smtp_looked_up result, struct span account)
{
	if (result == SMTP_LOOKUP_FAILED)
		smtp_data_fail(&smtp->data, SMTP_FAULT_NO_LOOKUP);
	else if (!smtp_is_own(smtp, result, account))
		smtp_data_fail(&smtp->data, SMTP_FAULT_AUTHOR);
	smtp_end_text(smtp);
}
