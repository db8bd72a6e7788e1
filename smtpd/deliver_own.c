/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Which addresses are the account's beside its own. This process knows no aliases: it asks the queue about those that matter to what a
 * script sends, and delivers the message when it has been told. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "common/domain_list.h"
#include "common/xalloc.h"
#include "smtpd/deliver.h"
#include "smtpd/smtpd_msg.h"

/* Asked for one message. */
#define QUESTIONS_MAX 16
/* Addresses that are known; those that messages wait for are fewer. */
#define KNOWN_MAX 1024
_Static_assert(KNOWN_MAX >= 2 * QUESTIONS_MAX * MS_APPENDS_MAX, "what a message has waited for is known when it goes on");
/* Aliases may change while the process lives. */
#define KNOWN_SECONDS 300

struct known {
	char *address;
	uint32_t hash;
	bool asked, told;
	enum sieve_own own;
	int64_t since;  /* when it was told */
	uint64_t used;  /* on the clock of `own` */
};

struct own {
	struct known list[KNOWN_MAX];
	size_t count, waiting; /* for answers */
	unsigned questions;    /* of this message */
	bool asking;           /* else what is not known is not his */
	int64_t now;
	uint64_t clock;
};

struct own *
own_new(void)
{
	return xcalloc(1, sizeof(struct own));
}

/* A header may name thousands. */
static uint32_t
hash_of(struct span address)
{
	return (uint32_t)span_ihash(UINT64_C(0xcbf29ce484222325), address);
}

static struct known *
find(struct own *own, struct span address)
{
	uint32_t hash = hash_of(address);

	for (size_t i = 0; i < own->count; i++)
		if (own->list[i].hash == hash && span_ieq(span_of(own->list[i].address), address)) {
			own->list[i].used = ++own->clock;
			return &own->list[i];
		}
	return NULL;
}

/* Where another address can stand: in place of that which was used longest ago, when there is no more room. Or NULL. */
static struct known *
room(struct own *own)
{
	struct known *oldest = NULL;

	if (own->count < KNOWN_MAX)
		return &own->list[own->count++];
	for (size_t i = 0; i < KNOWN_MAX; i++)
		if (own->list[i].told && (oldest == NULL || own->list[i].used < oldest->used))
			oldest = &own->list[i];
	return oldest;
}

static void
note(struct own *own, struct span address)
{
	struct known *one = room(own);

	if (one == NULL)
		return;
	free(one->address);
	*one = (struct known){ .address = span_dup(address), .hash = hash_of(address), .used = ++own->clock };
	own->questions++;
}

enum sieve_own
own_of(void *context, struct span address)
{
	struct deliver *deliver = context;
	struct own *own = deliver->own;
	struct known *one;

	if (address.len > OWN_ADDRESS_MAX || domain_list_find_address(&deliver->proc->common->domains, address) == NULL)
		return SIEVE_OWN_NOT;
	one = find(own, address);
	if (one != NULL && one->told && (!own->asking || (own->now >= one->since && own->now - one->since <= KNOWN_SECONDS)))
		return one->own;
	if (!own->asking || own->questions >= QUESTIONS_MAX)
		return SIEVE_OWN_NOT;
	if (one == NULL) {
		note(own, address);
	} else if (one->asked) {
		if (one->told)
			one->asked = one->told = false;
		own->questions++;
	}
	return SIEVE_OWN_NOT;
}

void
own_begin(struct deliver *deliver, bool may_ask)
{
	deliver->own->now = time(NULL);
	deliver->own->questions = 0;
	deliver->own->asking = may_ask;
}

bool
own_ask(struct deliver *deliver)
{
	struct own *own = deliver->own;
	struct msg_writer body;

	own->asking = false;
	for (size_t i = 0; i < own->count && own->questions != 0; i++) {
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
	struct known *one = find(own, msg_get_span(&body));

	if (!msg_done(&body) || (what > SIEVE_OWN && what != OWN_UNKNOWN))
		return -EBADMSG;
	/* The question may have been that of a process before this one. */
	if (one == NULL || !one->asked || one->told)
		return 0;
	one->told = true;
	one->own = what == OWN_UNKNOWN ? SIEVE_OWN_NOT : (enum sieve_own)what;
	one->since = what == OWN_UNKNOWN ? 0 : time(NULL); /* the next message asks again */
	return --own->waiting == 0;
}
