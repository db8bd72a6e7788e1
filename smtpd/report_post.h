/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Reports by HTTPS, which the policy role sends: several at once, so that a host that hangs keeps nobody else waiting, but one at a time to each host;
 * and a host that has failed is left alone for a while. */
#ifndef SMTPD_REPORT_POST_H
#define SMTPD_REPORT_POST_H

#include "frame/role.h"
#include "smtpd/report_address_parse.h"
#include "smtpd/smtpd_msg.h"

struct report_posts;

/* REPORT_NOT_NOW, also where the host is left alone; REPORT_POSTED_IT; REPORT_NEVER. why: else what the host said, or "" where it was not asked. */
typedef void (*report_post_done)(void *context, const struct report_address *address, enum report_post_result result, struct span why);

struct report_posts *report_posts_new(struct proc *proc);
/* Is its host left alone? Then report_post would be in vain. */
bool report_post_rests(const struct report_posts *posts, const struct report_address *address);
/* Sends it (copied) to that address of HTTPS. The callback runs once, later, from the loop. */
void report_post(struct report_posts *posts, const struct report_address *address, struct span packed, report_post_done done, void *context);
/* So much waits that no more should be handed in before some callback has run. */
bool report_posts_full(const struct report_posts *posts);
/* REPORT_POSTED of policy: 0 or -EBADMSG. That role is gone: what it was to send is not sent now. */
int report_posts_answer(struct report_posts *posts, const struct msg *msg);
void report_posts_policy_gone(struct report_posts *posts);

#endif
