/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* smtpd's configuration, for the tools that belong to it. */
#include "cli/tool_smtpd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "cli/tool.h"

#define DEFAULT_PATH "/etc/fourpost/smtpd.conf"

void
tool_load_smtpd(const char *path, struct smtpd_conf *ret_conf)
{
	const struct conf_table *const tables[] = { &fourpost_conf_table, &smtpd_conf_table };
	struct buf errors = BUF_INIT(65536);
	int r;

	if (path == NULL)
		path = DEFAULT_PATH;
	memset(ret_conf, 0, sizeof(*ret_conf));
	r = conf_load(path, tables, sizeof(tables) / sizeof(*tables), ret_conf, &errors);
	if (r < 0)
		tool_fail(EX_CONFIG, "%s: %s", path, strerror(-r));
	if (r > 0) {
		(void)fputs(buf_cstr(&errors), stderr);
		exit(EX_CONFIG);
	}
	buf_free(&errors);
	conf_fill(&ret_conf->common);
	smtpd_conf_fill(ret_conf);
}
