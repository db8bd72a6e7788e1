/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Configuration text: any bytes give values in range or errors, and what is printed reads back the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libconfig 1.5 loses its scanner's string at a syntax error inside one. A daemon reads its file once. */
const char *
__lsan_default_suppressions(void)
{
	return "leak:libconfig_yyparse\nleak:libconfig.so\n";
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct conf_table *const tables[] = { &fourpost_conf_table };
	struct fourpost_conf conf, again;
	struct buf errors = BUF_INIT(1 << 16), printed = BUF_INIT(1 << 20), reprinted = BUF_INIT(1 << 20);

	/* Included files are the machine's, not the input's. */
	if (memmem(data, size, "@include", 8) != NULL)
		return 0;
	memset(&conf, 0, sizeof(conf));
	memset(&again, 0, sizeof(again));
	if (conf_parse(span_make(data, size), tables, 1, &conf, &errors) == 0) {
		conf_print(tables, 1, &conf, &printed);
		if (conf_parse(buf_get(&printed), tables, 1, &again, &errors) != 0)
			abort();
		conf_print(tables, 1, &again, &reprinted);
		if (!span_eq(buf_get(&printed), buf_get(&reprinted)))
			abort();
	}
	conf_free(tables, 1, &conf);
	conf_free(tables, 1, &again);
	buf_free(&errors);
	buf_free(&printed);
	buf_free(&reprinted);
	return 0;
}
