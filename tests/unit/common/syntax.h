/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What the tests of mail syntax share: one runner, and comparisons of buffers. */
#ifndef TESTS_UNIT_COMMON_SYNTAX_H
#define TESTS_UNIT_COMMON_SYNTAX_H

#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "common/buf.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TEXT_MAX (1u << 20)

static inline int
run_suite(const char *name, const TTest *const *tests, size_t count)
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create(name);
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 60);
	for (size_t i = 0; i < count; i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}

/* The buffer holds exactly this text; it is freed. `about` names the row. */
#define ck_buf(have, want, about) ck_buf_at(have, want, about, __LINE__)

static inline void
ck_buf_at(struct buf *have, struct span want, const char *about, int line)
{
	if (!span_eq(buf_get(have), want))
		ck_abort_msg("line %d, %.300s: have \"%.600s\", want \"%.*s\"", line, about, buf_cstr(have),
		    want.len < 600 ? (int)want.len : 600, want.ptr != NULL ? want.ptr : "");
	buf_free(have);
}

#endif
