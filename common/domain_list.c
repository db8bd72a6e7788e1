/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Mail domains of the configuration, looked for in any form. */
#include "common/domain_list.h"

#include <stdlib.h>

#include "common/address.h"
#include "common/text_set.h"

bool
domain_list_may_have(struct span text)
{
	struct buf canonical = BUF_INIT(ADDRESS_DOMAIN_MAX);
	bool literal, good;

	/* A name that is no IDN (RFC 5891 section 5) has no other form, and so no place in the DNS. */
	good = address_parse_domain(text, ADDRESS_SMTPUTF8, &literal) == ADDRESS_OK && !literal && address_domain_canonical(text, &canonical) == 0;
	buf_free(&canonical);
	return good;
}

static void
canonicalise(char **item)
{
	struct buf canonical = BUF_INIT(ADDRESS_DOMAIN_MAX);

	if (address_domain_canonical(span_of(*item), &canonical) == 0) {
		free(*item);
		*item = span_dup(buf_get(&canonical));
	}
	buf_free(&canonical);
}

void
domain_list_canonicalise(struct conf_list *list)
{
	struct text_set *seen = text_set_new(0);
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++) {
		canonicalise(&list->item[i]);
		if (text_set_add(seen, span_of(list->item[i])))
			list->item[kept++] = list->item[i];
		else
			free(list->item[i]);
	}
	list->count = kept;
	(void)text_set_free(seen);
}

static const char *
find(const struct conf_list *list, struct span domain)
{
	for (size_t i = 0; i < list->count; i++)
		if (span_ieq(domain, span_of(list->item[i])))
			return list->item[i];
	return NULL;
}

const char *
domain_list_find(const struct conf_list *list, struct span domain)
{
	struct buf canonical = BUF_INIT(ADDRESS_DOMAIN_MAX);
	const char *found;

	/* Nearly all are. */
	if (span_is_ascii(domain))
		return find(list, domain);
	found = address_domain_canonical(domain, &canonical) == 0 ? find(list, buf_get(&canonical)) : NULL;
	buf_free(&canonical);
	return found;
}

const char *
domain_list_find_address(const struct conf_list *list, struct span address)
{
	ptrdiff_t at = span_rchr(address, '@');

	return at < 0 ? NULL : domain_list_find(list, span_skip(address, (size_t)at + 1));
}
