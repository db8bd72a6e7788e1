/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Whose name stands in From of what a script sends: the site signs it, so that it must not be anybody's. */
#include "sieve/answer.h"

#include "common/address_list.h"

#define FROM_MAX 1024

/* The account, with a detail or without, and whom the message was sent to: an alias, or all of a domain. */
static bool
is_own(const struct sieve_host *host, struct span owner, struct span address)
{
	ptrdiff_t at = span_rchr(address, '@'), detail = host->delimiter != '\0' ? span_chr(address, host->delimiter) : -1;
	ptrdiff_t owner_at = span_rchr(owner, '@');

	if (span_ieq(address, owner) || span_ieq(address, host->recipient))
		return true;
	return at >= 0 && owner_at >= 0 && detail > 0 && detail < at && span_ieq(span_skip(address, (size_t)at), span_skip(owner, (size_t)owner_at)) &&
	    span_ieq(span_make(address.ptr, (size_t)detail), span_make(owner.ptr, (size_t)owner_at));
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
		    address_spec_append(&address, list.entries[i].local, list.entries[i].domain) == 0 && is_own(host, owner, buf_get(&address));
		buf_free(&address);
	}
	address_list_free(&list);
	return own ? action->from : owner;
}
