/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What an address is to an account whose scripts send mail: aliases are the auth role's, which a deliver process does not know. */
#include <errno.h>
#include <stdlib.h>

#include "common/xalloc.h"
#include "smtpd/queue.h"

struct question {
	struct queue *queue;
	char *account, *address;
};

/* With a detail or without. */
static bool
is_member(const struct queue *queue, struct span member, struct span account)
{
	ptrdiff_t at = span_rchr(member, '@');
	char delimiter = queue->proc->common->recipient_delimiter[0];
	ptrdiff_t detail = delimiter != '\0' ? span_chr(member, delimiter) : -1;
	ptrdiff_t account_at = span_rchr(account, '@');

	if (span_ieq(member, account))
		return true;
	return at >= 0 && account_at >= 0 && detail > 0 && detail < at && span_ieq(span_skip(member, (size_t)at), span_skip(account, (size_t)account_at)) &&
	    span_ieq(span_make(member.ptr, (size_t)detail), span_make(account.ptr, (size_t)account_at));
}

/* As for submission: who gets an alias's mail may write in its name, but not in a list's. */
static enum sieve_own
of_alias(const struct queue *queue, struct span account, struct span owner, struct span members)
{
	struct span member;
	size_t count = 0;
	bool found = false;

	while (span_split(&members, '\n', &member)) {
		found |= is_member(queue, member, account);
		count++;
	}
	if (!found || owner.len != 0)
		return SIEVE_OWN_NOT;
	return count == 1 ? SIEVE_OWN : SIEVE_OWN_SHARED;
}

static void
looked_up(void *context, enum lookup_result result, struct span account, struct span owner, struct span members)
{
	struct question *question = context;
	uint8_t own = result == LOOKUP_TEMPFAIL ? OWN_UNKNOWN : SIEVE_OWN_NOT;

	if (result == LOOKUP_LOCAL && span_eq(account, span_of(question->account)))
		own = SIEVE_OWN;
	else if (result == LOOKUP_ALIAS)
		own = of_alias(question->queue, span_of(question->account), owner, members);
	deliver_tell_own(question->queue, span_of(question->account), span_of(question->address), own);
	free(question->account);
	free(question->address);
	free(question);
}

int
queue_own(struct queue *queue, struct span account, const struct msg *msg)
{
	struct msg_reader body = msg_read(msg);
	struct span address = msg_get_span(&body);
	struct question *question;

	if (!msg_done(&body) || address.len == 0 || address.len > OWN_ADDRESS_MAX || !facts_is_ours(smtpd_conf(queue->proc), address))
		return -EBADMSG;
	question = xcalloc(1, sizeof(*question));
	*question = (struct question){ .queue = queue, .account = span_dup(account), .address = span_dup(address) };
	(void)auth_expand(queue->auth, address, false, looked_up, question);
	return 0;
}
