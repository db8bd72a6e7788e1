/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Whose name stands in From of what a script sends: the site signs it, so that it must not be anybody's. */
#include "sieve/answer.h"

#include <errno.h>

#include "common/address.h"
#include "common/address_list.h"
#include "common/header.h"

#define FROM_MAX 1024
#define FIELD_MAX 65536 /* of which encoded words take some */

/* The account with a detail. */
static bool
is_detailed(const struct sieve_host *host, struct span owner, struct span address)
{
	ptrdiff_t at = span_rchr(address, '@'), detail = host->delimiter != '\0' ? span_chr(address, host->delimiter) : -1;
	ptrdiff_t owner_at = span_rchr(owner, '@');

	return at >= 0 && owner_at >= 0 && detail > 0 && detail < at && span_ieq(span_skip(address, (size_t)at), span_skip(owner, (size_t)owner_at)) &&
	    span_ieq(span_make(address.ptr, (size_t)detail), span_make(owner.ptr, (size_t)owner_at));
}

bool
answer_is_automatic(struct span block)
{
	struct header_iter iter;
	struct header_field field;

	header_begin(&iter, block);
	while (header_next(&iter, &field)) {
		struct span value = field.value;

		if (!span_ieq(field.name, SPAN("Auto-Submitted")))
			continue;
		header_skip_cfws(&value);
		if (!span_istarts(value, SPAN("no")) || (value.len > 2 && ascii_is_alpha(value.ptr[2])))
			return true;
	}
	return false;
}

enum sieve_own
answer_own(const struct sieve_host *host, struct span owner, struct span address)
{
	if (address_equal(address, owner) || address_equal(address, host->recipient))
		return SIEVE_OWN;
	/* Another account may have the name that looks like a detail. */
	if (host->own != NULL)
		return host->own(host->context, address);
	return is_detailed(host, owner, address) ? SIEVE_OWN : SIEVE_OWN_NOT;
}

struct span
answer_from(const struct sieve_action *action, const struct sieve_host *host, struct span owner)
{
	struct address_list list;
	bool own;

	if (action->from.len == 0)
		return owner;
	if (host->any_from)
		return action->from;
	address_list_parse(action->from, &list);
	own = list.count != 0 && !list.cut && !list.ambiguous;
	for (size_t i = 0; i < list.count && own; i++) {
		struct buf address = BUF_INIT(FROM_MAX);

		own = list.entries[i].kind == ADDRESS_KIND_MAILBOX &&
		    address_spec_append(&address, list.entries[i].local, list.entries[i].domain) == 0 &&
		    answer_own(host, owner, buf_get(&address)) != SIEVE_OWN_NOT;
		buf_free(&address);
	}
	address_list_free(&list);
	return own ? action->from : owner;
}

int
answer_put_addresses(struct buf *out, struct span name, struct span value)
{
	struct buf text = BUF_INIT(FIELD_MAX);
	struct address_list list;
	size_t column = name.len + 2;
	int r;

	address_list_parse(value, &list);
	r = list.count == 0 ? -EINVAL : address_list_append(&text, &list, &column);
	if (r == 0)
		r = header_append(out, name, buf_get(&text));
	address_list_free(&list);
	buf_free(&text);
	return r;
}

int
answer_put_from(struct buf *out, const struct sieve_action *action, const struct sieve_host *host, struct span owner)
{
	int r = answer_put_addresses(out, SPAN("From"), answer_from(action, host, owner));

	return r == 0 ? 0 : answer_put_addresses(out, SPAN("From"), owner);
}
