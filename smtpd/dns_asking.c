/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Questions of one machine, each with its number. */
#include "smtpd/dns_asking.h"

#include <stdlib.h>

#include "common/xalloc.h"
#include "smtpd/resolve_room.h"

struct question {
	struct dns_asking *asking;
	size_t number;
	uint32_t id; /* 0: free */
};

struct dns_asking {
	struct dns_client *dns;
	uint64_t whose;
	const struct dns_machine *ops;
	void *machine;
	void (*changed)(void *context);
	void *context;
	bool late;
	struct question *questions;
	size_t count, max;
};

static void
fail(struct dns_asking *asking, size_t number, struct span reason)
{
	struct dns_answer *answer = xcalloc(1, sizeof(*answer));

	answer->status = DNS_FAILED;
	answer->blame = dns_client_is_busy(asking->dns) ? DNS_PERHAPS_OURS : DNS_THEIRS;
	answer->reason = reason;
	asking->ops->answer(asking->machine, number, answer);
	free(answer);
}

static void
answered(void *context, const struct dns_answer *answer)
{
	struct question *question = context;
	struct dns_asking *asking = question->asking;

	question->id = 0;
	asking->ops->answer(asking->machine, question->number, answer);
	dns_asking_go(asking);
	asking->changed(asking->context);
}

static struct question *
free_question(struct dns_asking *asking)
{
	for (size_t i = 0; i < asking->count; i++)
		if (asking->questions[i].id == 0)
			return &asking->questions[i];
	return asking->count < asking->max ? &asking->questions[asking->count++] : NULL;
}

void
dns_asking_go(struct dns_asking *asking)
{
	enum dns_type type;
	struct span name;
	size_t number;

	while (asking->ops->question(asking->machine, &name, &type, &number)) {
		struct question *question = asking->late ? NULL : free_question(asking);

		if (question == NULL) {
			fail(asking, number, SPAN("The time for questions to the DNS is over"));
			continue;
		}
		question->asking = asking;
		question->number = number;
		question->id = dns_ask_for(asking->dns, asking->whose, name, type, answered, question);
	}
}

static void
forget(struct dns_asking *asking)
{
	for (size_t i = 0; i < asking->count; i++)
		if (asking->questions[i].id != 0)
			dns_cancel(asking->dns, asking->questions[i].id);
}

void
dns_asking_give_up(struct dns_asking *asking)
{
	asking->late = true;
	forget(asking);
	for (size_t i = 0; i < asking->count; i++)
		if (asking->questions[i].id != 0) {
			asking->questions[i].id = 0;
			fail(asking, asking->questions[i].number, SPAN("The DNS did not answer in time"));
		}
	dns_asking_go(asking);
}

struct dns_asking *
dns_asking_new(struct dns_client *dns, const char *client, const struct dns_machine *ops, void *machine, size_t questions_max,
    void (*changed)(void *context), void *context)
{
	struct dns_asking *asking = xcalloc(1, sizeof(*asking));

	*asking = (struct dns_asking){ .dns = dns, .ops = ops, .machine = machine, .changed = changed, .context = context, .max = questions_max };
	asking->whose = resolve_whose(client);
	asking->questions = xcalloc(questions_max, sizeof(*asking->questions));
	return asking;
}

struct dns_asking *
dns_asking_free(struct dns_asking *asking)
{
	if (asking == NULL)
		return NULL;
	forget(asking);
	free(asking->questions);
	free(asking);
	return NULL;
}
