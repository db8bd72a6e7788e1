/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The first line is a host's name, the rest the value of a field: what can be read as that host's is taken for its own. */
#include <stdlib.h>

#include "smtpd/arc_chain.h"
#include "smtpd/auth_results.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct span value = span_make(bytes, len), hostname, authserv, rest;
	unsigned instance;
	bool claimed;

	(void)span_split(&value, '\n', &hostname);
	claimed = auth_results_is_claimed(value, hostname);
	if (!auth_results_split(value, &authserv, &rest)) {
		if (!claimed)
			abort();
		return 0;
	}
	if (span_ieq(authserv, hostname) && !claimed)
		abort();
	if (rest.len > value.len)
		abort();
	(void)auth_results_has(rest, SPAN("dkim"), SPAN("pass"));
	if (arc_results_payload(value, &instance, &rest) && (instance == 0 || instance > ARC_INSTANCE_MAX))
		abort();
	return 0;
}
