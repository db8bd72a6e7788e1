/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Asking the queue, which remembers, whether a client is to come again. */
#ifndef SMTPD_GREYLIST_CLIENT_H
#define SMTPD_GREYLIST_CLIENT_H

#include "frame/role.h"

struct greylist_client;

/* wait: seconds to stay away; 0: it may pass, as it may when the queue is not there. From the loop, once. */
typedef void (*greylist_done)(void *context, uint32_t wait);

struct greylist_client *greylist_client_new(struct proc *proc);
/* Returns the question's id, never 0; 0: nobody is there to be asked. */
uint32_t greylist_client_ask(struct greylist_client *client, struct span address, struct span sender, struct span recipient,
    greylist_done done, void *context);
void greylist_client_cancel(struct greylist_client *client, uint32_t id);

/* The handler of GREYLISTED. 0 or -EBADMSG. */
int greylist_client_message(struct greylist_client *client, const struct msg *msg);
/* From the role's peer_gone, for ROLE_QUEUE. */
void greylist_client_queue_gone(struct greylist_client *client);

#endif
