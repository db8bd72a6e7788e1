/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* SPF of one sender, and its questions. */
#include "smtpd/sender_check.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <time.h>

#include "common/xalloc.h"
#include "smtpd/dns_asking.h"
#include "smtpd/spf_state.h"

struct sender_check {
	struct spf *spf;
	struct dns_asking *asking;
	char *sender;
	bool asked; /* the answer is awaited */
};

static bool
question(void *machine, struct span *ret_name, enum dns_type *ret_type, size_t *ret_number)
{
	struct sender_check *check = machine;

	*ret_number = 0;
	if (check->asked || !spf_question(check->spf, ret_name, ret_type))
		return false;
	check->asked = true;
	return true;
}

static void
answer(void *machine, size_t number, const struct dns_answer *answer)
{
	struct sender_check *check = machine;

	(void)number;
	check->asked = false;
	spf_answer(check->spf, answer);
}

static const struct dns_machine ops = { question, answer };

struct sender_check *
sender_check_new(struct dns_client *dns, const char *client, struct span helo, struct span sender, struct span hostname,
    void (*changed)(void *context), void *context)
{
	struct sender_check *check = xcalloc(1, sizeof(*check));
	uint8_t address[16] = { 0 };
	size_t len = inet_pton(AF_INET, client, address) == 1 ? 4 : 16;

	if (len == 16)
		(void)inet_pton(AF_INET6, client, address);
	check->sender = span_dup(sender);
	check->spf = spf_new(address, len, helo, sender, hostname, (uint64_t)time(NULL));
	check->asking = dns_asking_new(dns, client, &ops, check, 1, changed, context);
	dns_asking_go(check->asking);
	return check;
}

struct sender_check *
sender_check_free(struct sender_check *check)
{
	if (check == NULL)
		return NULL;
	check->asking = dns_asking_free(check->asking);
	(void)spf_free(check->spf);
	free(check->sender);
	free(check);
	return NULL;
}

void
sender_check_give_up(struct sender_check *check)
{
	dns_asking_give_up(check->asking);
}

bool
sender_check_is_done(const struct sender_check *check)
{
	enum dns_type type;
	struct span name;

	return !spf_question(check->spf, &name, &type);
}

bool
sender_check_passes(const struct sender_check *check)
{
	return sender_check_is_done(check) && spf_outcome(check->spf)->result == SPF_PASS;
}

bool
sender_check_is_of(const struct sender_check *check, struct span sender)
{
	return span_eq(span_of(check->sender), sender);
}
