/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What other filters have written into a header. */
#include <check.h>
#include <stdlib.h>

#include "smtpd/filter_word_parse.h"

static const struct {
	const char *header;
	int spam, virus;
} rows[] = {
	{ "Subject: x\r\n", -1, 0 },
	{ "X-Spam-Flag: YES\r\n", 100, 0 },
	{ "X-Spam-Flag: NO\r\n", 0, 0 },
	{ "X-Spam: Yes\r\n", 100, 0 },
	{ "X-Spam-Status: No, score=2.5 required=5.0 tests=NONE\r\n", 50, 0 },
	{ "X-Spam-Status: No, score=4.99\r\n\trequired=5.0\r\n", 99, 0 },
	{ "X-Spam-Status: No, score=-3.1 required=5.0\r\n", 0, 0 },
	{ "X-Spam-Status: No, score=7 required=5\r\n", 99, 0 },
	{ "X-Spam-Status: Yes, score=7.9 required=5.0\r\n", 100, 0 },
	{ "X-Spam-Status: No, score=1.5 required=0\r\n", 0, 0 },
	{ "X-Spam-Status: No, score=. required=.\r\n", 0, 0 },
	{ "X-Spam-Status: No, score=99999999999999999999 required=5\r\n", 0, 0 },
	{ "X-Spamd-Result: default: False [3.00 / 15.00];\r\n\tX(1.00)[]\r\n", 20, 0 },
	{ "X-Spamd-Result: default: True [16.00 / 15.00];\r\n", 100, 0 },
	{ "X-Spamd-Result: default: False [-0.10 / 15.00];\r\n", 0, 0 },
	{ "X-Spamd-Result: nonsense\r\n", -1, 0 },
	/* The worse of what two say. */
	{ "X-Spam-Flag: NO\r\nX-Spamd-Result: default: False [7.50 / 15.00]\r\n", 50, 0 },
	{ "X-Virus-Status: Clean\r\n", -1, 1 },
	{ "X-Virus-Status: Infected (Eicar)\r\n", -1, 5 },
	{ "X-Virus-Status: Clean\r\nX-Virus-Status: Infected (Eicar)\r\n", -1, 5 },
	{ "X-Virus-Status: Not Scanned\r\n", -1, 0 },
	{ "X-Virus: Eicar\r\n", -1, 5 },
};

START_TEST(row)
{
	struct span block = span_of(rows[_i].header);

	ck_assert_int_eq(filter_word_spam(block), rows[_i].spam);
	ck_assert_int_eq(filter_word_virus(block), rows[_i].virus);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("filter_word");
	TCase *tests = tcase_create("filter_word");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, row, 0, sizeof(rows) / sizeof(*rows));
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
