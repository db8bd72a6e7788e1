/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The DNS as smtpd asks it, for tools: they wait for the answer. */
#ifndef CLI_TOOL_DNS_H
#define CLI_TOOL_DNS_H

#include "smtpd/dns.h"
#include "smtpd/smtpd_conf.h"

struct ub_result;

/* Sets all of *answer but `reason`; records point into *ret_result, which is for ub_resolve_free (it may be NULL). */
void tool_dns_ask(const struct smtpd_conf *conf, const char *name, enum dns_type type, struct ub_result **ret_result, struct dns_answer *answer);

#endif
