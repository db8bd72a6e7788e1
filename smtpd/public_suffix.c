/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* libpsl: the list changes weekly, and its rules have exceptions and wildcards. */
#include "smtpd/public_suffix.h"

#include <libpsl.h>

static const psl_ctx_t *list;

void
public_suffix_load(void)
{
	if (list == NULL)
		list = psl_latest(NULL);
}

const char *
public_suffix_organization(const char *domain)
{
	const psl_ctx_t *known = list != NULL ? list : psl_builtin();
	const char *registered = known != NULL ? psl_registrable_domain(known, domain) : NULL;

	return registered != NULL ? registered : domain;
}
