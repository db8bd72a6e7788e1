/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Whether a client may send for a sender, by SPF, before there is a message of his. */
#ifndef SMTPD_SENDER_CHECK_H
#define SMTPD_SENDER_CHECK_H

#include "smtpd/dns_client.h"

struct sender_check;

/* client: an address in digits. changed is called from the loop after each answer, and must not free the check. Nothing is borrowed. */
struct sender_check *sender_check_new(struct dns_client *dns, const char *client, struct span helo, struct span sender, struct span hostname,
    void (*changed)(void *context), void *context);
/* NULL is allowed; returns NULL. */
struct sender_check *sender_check_free(struct sender_check *check);
/* The time is over: what is not known yet has failed. */
void sender_check_give_up(struct sender_check *check);
bool sender_check_is_done(const struct sender_check *check);
bool sender_check_passes(const struct sender_check *check);
bool sender_check_is_of(const struct sender_check *check, struct span sender);

#endif
