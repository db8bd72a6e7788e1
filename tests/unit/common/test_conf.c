/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Configuration files: numbers are what is written there, however large. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/conf.h"
#include "common/conf_number.h"

struct toy {
	int64_t size, count, again;
	char *text;
};

static const struct conf_option rows[] = {
	CONF_ROW(struct toy, size, SIZE, 0, 1000000000000000LL, "1", "x")
	CONF_ROW(struct toy, count, INT, 0, 5000000000LL, "1", "x")
	CONF_ROW(struct toy, again, INT, 0, 1000000000000000LL, "1", "x")
	CONF_ROW(struct toy, text, STRING, 0, 100, "", "x")
};
static const struct conf_table table = { rows, sizeof(rows) / sizeof(*rows), 0 };
static const struct conf_table *const tables[] = { &table };

static char folder[] = "/tmp/test_conf.XXXXXX";

static const char *
put(const char *name, const char *text)
{
	static char path[64];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
	return path;
}

static int
load(const char *text, struct toy *toy, struct buf *errors)
{
	memset(toy, 0, sizeof(*toy));
	buf_clear(errors);
	return conf_load(put("toy.conf", text), tables, 1, toy, errors);
}

START_TEST(numbers_are_what_is_written)
{
	static const struct {
		const char *text;
		int64_t size, count, again;
	} cases[] = {
		{ "size = 5368709120;\ncount = 2147483648; again = 99999999999;\n", 5368709120, 2147483648, 99999999999 },
		{ "size = 5368709120L; count = 7; again = 0x1000000000;", 5368709120, 7, 0x1000000000 },
		{ "# size = 1;\n/* size = 2;\n*/ text = \"size = 3; \\\" size = 4\"; size // size = 5\n : # 6\n  5368709120;", 5368709120, 1, 1 },
		{ "count = 4294967296; size =\n\n4294967299\nagain = 8589934592", 4294967299, 4294967296, 8589934592 },
		{ "size = \"5G\"; again = 2147483647; count = +2147483649;", 5368709120, 2147483649, 2147483647 },
		{ "@include \"part.conf\"\ncount = 4294967297;\n", 6442450944, 4294967297, 1 },
	};
	struct buf errors = BUF_INIT(4096);
	struct toy toy;

	(void)put("part.conf", "\n\nsize = 6442450944;\n");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		ck_assert_msg(load(cases[i].text, &toy, &errors) == 0, "%s: %s", cases[i].text, buf_cstr(&errors));
		ck_assert_int_eq(toy.size, cases[i].size);
		ck_assert_int_eq(toy.count, cases[i].count);
		ck_assert_int_eq(toy.again, cases[i].again);
		conf_free(tables, 1, &toy);
	}
	buf_free(&errors);
}
END_TEST

START_TEST(what_is_out_of_range_is_refused)
{
	static const char *const texts[] = { "count = 4294967296000;", "count = 99999999999999999999;", "count = -4294967295;", "count = -1;", "count = 5000000001;" };
	struct buf errors = BUF_INIT(4096);
	struct toy toy;

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		ck_assert_int_eq(load(texts[i], &toy, &errors), 1);
		ck_assert_ptr_nonnull(strstr(buf_cstr(&errors), "toy.conf:1: count must be between 0 and 5000000000"));
		conf_free(tables, 1, &toy);
	}
	ck_assert_int_eq(load("count = 1.5;", &toy, &errors), 1);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&errors), "count wants a number"));
	conf_free(tables, 1, &toy);
	buf_free(&errors);
}
END_TEST

START_TEST(what_is_no_number_is_none)
{
	const char *path = put("odd.conf", "a = ;\nb 5;\nc = \"5\";\nd = 5");
	int64_t number = 0;

	ck_assert_int_lt(conf_number(path, 1, "a", &number), 0);
	ck_assert_int_lt(conf_number(path, 1, "b", &number), 0);
	ck_assert_int_lt(conf_number(path, 1, "c", &number), 0);
	ck_assert_int_lt(conf_number(path, 1, "e", &number), 0);
	ck_assert_int_lt(conf_number(path, 5, "d", &number), 0);
	ck_assert_int_eq(conf_number(path, 4, "d", &number), 0);
	ck_assert_int_eq(number, 5);
	ck_assert_int_lt(conf_number(folder, 1, "a", &number), 0);
	ck_assert_int_lt(conf_number("/dev/null", 1, "a", &number), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("conf");
	TCase *tests = tcase_create("conf");
	char command[64];
	SRunner *runner;
	int failed;

	if (mkdtemp(folder) == NULL)
		return 1;
	tcase_add_test(tests, numbers_are_what_is_written);
	tcase_add_test(tests, what_is_out_of_range_is_refused);
	tcase_add_test(tests, what_is_no_number_is_none);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	(void)snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command) != 0 || failed != 0;
}
