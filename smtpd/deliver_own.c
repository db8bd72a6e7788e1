/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Which addresses are the account's beside its own. This process knows no aliases: it asks the queue about those that matter to what a
 * script sends, and delivers the message when it has been told. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "common/xalloc.h"
#include "smtpd/deliver.h"
#include "smtpd/smtpd_msg.h"

/* Asked for one message. */
#define QUESTIONS_MAX 16
#define KNOWN_MAX 256
/* Aliases may change while the process lives. */
#define KNOWN_SECONDS 300

struct own {
	struct {
		char *address;
		bool asked, told;
		enum sieve_own own;
	} list[KNOWN_MAX];
	size_t count, waiting; /* for answers */
	unsigned questions;    /* of this message */
	bool asking;           /* else what is not known is not his */
	int64_t since;
};

struct own *
own_new(void)
{
	return xcalloc(1, sizeof(struct own));
}

static bool
is_at_ours(const struct deliver *deliver, struct span address)
{
	const struct conf_list *domains = &deliver->proc->common->domains;
	ptrdiff_t at = span_rchr(address, '@');

	for (size_t i = 0; i < domains->count && at >= 0; i++)
		if (span_ieq(span_skip(address, (size_t)at + 1), span_of(domains->item[i])))
			return true;
	return false;
}

static size_t
find(const struct own *own, struct span address)
{
	size_t i = 0;

	while (i < own->count && !span_ieq(span_of(own->list[i].address), address))
		i++;
	return i;
}

enum sieve_own
own_of(void *context, struct span address)
{
	struct deliver *deliver = context;
	struct own *own = deliver->own;
	size_t i = find(own, address);

	if (i < own->count && own->list[i].told)
		return own->list[i].own;
	if (i < own->count) {
		own->questions += own->asking;
		return SIEVE_OWN_NOT;
	}
	if (own->asking && own->count < KNOWN_MAX && own->questions < QUESTIONS_MAX && address.len <= OWN_ADDRESS_MAX && is_at_ours(deliver, address)) {
		own->list[own->count].address = span_dup(address);
		own->list[own->count].asked = own->list[own->count].told = false;
		own->count++;
		own->questions++;
	}
	return SIEVE_OWN_NOT;
}

void
own_begin(struct deliver *deliver, bool may_ask)
{
	struct own *own = deliver->own;
	int64_t now = time(NULL);

	if (own->waiting == 0 && (own->count == KNOWN_MAX || now < own->since || now - own->since > KNOWN_SECONDS)) {
		while (own->count != 0)
			free(own->list[--own->count].address);
		own->since = now;
	}
	own->questions = 0;
	own->asking = may_ask;
}

bool
own_ask(struct deliver *deliver)
{
	struct own *own = deliver->own;
	struct msg_writer body;

	own->asking = false;
	for (size_t i = 0; i < own->count; i++) {
		if (own->list[i].asked)
			continue;
		own->list[i].asked = true;
		own->waiting++;
		msg_writer_init(&body);
		msg_put_span(&body, span_of(own->list[i].address));
		(void)msg_send(deliver->channel, MSG_OWN, 0, &body, -1); /* a queue that is gone closes the channel, and this ends */
	}
	return own->questions != 0;
}

int
own_told(struct deliver *deliver, const struct msg *msg)
{
	struct own *own = deliver->own;
	struct msg_reader body = msg_read(msg);
	uint8_t what = msg_get_u8(&body);
	struct span address = msg_get_span(&body);
	size_t i = find(own, address);

	if (!msg_done(&body) || what > SIEVE_OWN)
		return -EBADMSG;
	/* The question may have been that of a process before this one. */
	if (i == own->count || !own->list[i].asked || own->list[i].told)
		return 0;
	own->list[i].told = true;
	own->list[i].own = (enum sieve_own)what;
	return --own->waiting == 0;
}
