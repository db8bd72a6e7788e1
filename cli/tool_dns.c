/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
#include "cli/tool_dns.h"

#include <sysexits.h>
#include <unbound.h>

#include "cli/tool.h"
#include "smtpd/resolve_unbound.h"

#define CLASS_IN 1

void
tool_dns_ask(const struct smtpd_conf *conf, const char *name, enum dns_type type, struct ub_result **ret_result, struct dns_answer *answer)
{
	static struct ub_ctx *unbound; /* it keeps what it has learned */
	int r;

	if (unbound == NULL) {
		unbound = ub_ctx_create();
		if (unbound == NULL || !resolve_configure(unbound, conf, conf->dnssec_anchor))
			tool_fail(EX_CONFIG, "the DNS cannot be asked");
	}
	*ret_result = NULL;
	*answer = (struct dns_answer){ .status = DNS_FAILED };
	r = ub_resolve(unbound, name, (int)type, CLASS_IN, ret_result);
	if (r != 0 || *ret_result == NULL)
		return;
	if ((*ret_result)->nxdomain != 0)
		answer->status = DNS_NO_NAME;
	else if ((*ret_result)->bogus != 0)
		answer->status = DNS_BOGUS;
	else if ((*ret_result)->answer_len > 0)
		(void)dns_parse(span_make((*ret_result)->answer_packet, (size_t)(*ret_result)->answer_len), type, answer);
	answer->secure = (*ret_result)->secure != 0;
}
