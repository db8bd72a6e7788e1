/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A pure machine's questions to the DNS, asked as it has them, many at once. */
#ifndef SMTPD_DNS_ASKING_H
#define SMTPD_DNS_ASKING_H

#include "smtpd/dns_client.h"

struct dns_machine {
	/* The next question that was not given out yet, and the number by which it is answered; the name is borrowed until the next call. */
	bool (*question)(void *machine, struct span *ret_name, enum dns_type *ret_type, size_t *ret_number);
	void (*answer)(void *machine, size_t number, const struct dns_answer *answer);
};

struct dns_asking;

/* client: the address, in digits, of whoever causes the questions. At most so many questions at once: more fail. changed is called from the loop after each answer, when what follows from it has been
 * asked; it must not free the asking. */
struct dns_asking *dns_asking_new(struct dns_client *dns, const char *client, const struct dns_machine *ops, void *machine, size_t questions_max,
    void (*changed)(void *context), void *context);
/* Its questions are forgotten, before the machine is freed. NULL is allowed; returns NULL. */
struct dns_asking *dns_asking_free(struct dns_asking *asking);
/* Asks what the machine has to ask. */
void dns_asking_go(struct dns_asking *asking);
/* The time is over: what is asked has failed, and so has each question from here on. */
void dns_asking_give_up(struct dns_asking *asking);

#endif
