/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A set of addresses and "@domain"s, in the form that names of accounts have. */
#include "smtpd/relay_recipients.h"

#include <stdlib.h>

#include "common/address.h"
#include "common/address_fold.h"
#include "common/domain_list.h"
#include "common/text_set.h"
#include "common/xalloc.h"
#include "frame/account_name.h"

struct relay_recipients {
	struct text_set *names;
};

/* False: the line is neither. */
static bool
add(struct relay_recipients *recipients, struct span line)
{
	struct buf name = BUF_INIT(ADDRESS_FOLD_ROOM(line.len));
	struct address address;
	bool good = false;

	if (line.ptr[0] == '@')
		good = domain_list_may_have(span_skip(line, 1)) && address_fold(line, &name) == 0;
	else if (address_parse_mailbox(line, ADDRESS_SMTPUTF8, &address) == ADDRESS_OK && !address.literal)
		good = address_local_unquote(address.local, &name) == 0 && buf_char(&name, '@') == 0 && buf_span(&name, address.domain) == 0;
	if (good && line.ptr[0] != '@') {
		struct buf plain = name;

		name = BUF_INIT(ADDRESS_FOLD_ROOM(line.len));
		good = address_fold(buf_get(&plain), &name) == 0;
		buf_free(&plain);
	}
	if (good)
		(void)text_set_add(recipients->names, buf_get(&name));
	buf_free(&name);
	return good;
}

struct relay_recipients *
relay_recipients_new(struct span text, const char *prefix, struct buf *errors)
{
	struct relay_recipients *recipients = xcalloc(1, sizeof(*recipients));
	struct span line;

	recipients->names = text_set_new(0); /* the texts are the operator's */
	for (unsigned number = 1; span_split(&text, '\n', &line); number++) {
		line = span_trim(line);
		if (line.len == 0 || line.ptr[0] == '#' || add(recipients, line))
			continue;
		if (errors != NULL)
			(void)buf_fmt(errors, "%s%u: that is neither an address nor @domain\n", prefix, number);
	}
	return recipients;
}

struct relay_recipients *
relay_recipients_free(struct relay_recipients *recipients)
{
	if (recipients == NULL)
		return NULL;
	(void)text_set_free(recipients->names);
	free(recipients);
	return NULL;
}

bool
relay_recipients_have(const struct relay_recipients *recipients, struct span address, const struct conf_list *domains, char delimiter)
{
	const char *domain = domain_list_find_address(domains, address);
	struct buf name = BUF_INIT(ACCOUNT_NAME_MAX), all = BUF_INIT(ACCOUNT_NAME_MAX);
	enum account_name kind = account_name_of_address(address, domains, &name);
	bool have = false;

	if (kind == ACCOUNT_NAME_OURS || kind == ACCOUNT_NAME_ODD)
		have = span_starts(buf_get(&name), SPAN("postmaster@")) || text_set_has(recipients->names, buf_get(&name)) ||
		    (account_name_drop_detail(&name, delimiter) && text_set_has(recipients->names, buf_get(&name)));
	if (!have && domain != NULL)
		have = buf_char(&all, '@') == 0 && buf_str(&all, domain) == 0 && text_set_has(recipients->names, buf_get(&all));
	buf_free(&name);
	buf_free(&all);
	return have;
}
