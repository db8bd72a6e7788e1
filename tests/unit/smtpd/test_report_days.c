/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Files of days to come, which a clock that was ahead has left: what was counted in them is told today, unless it has been told. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/date.h"
#include "common/io.h"
#include "smtpd/report_role.h"

static char folder[] = "/tmp/report_daysXXXXXX";
static struct report_role role;

static void
write_file(const char *name, struct span text)
{
	int fd = openat(role.folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(io_write_all(fd, text), 0);
	(void)close(fd);
}

static void
write_day(const char *name, const char *const *domains, size_t count)
{
	struct buf text = BUF_INIT(4096);

	for (size_t i = 0; i < count; i++) {
		const struct report_line line = { .count = 2 + i, .domain = span_of(domains[i]), .addresses = SPAN("mailto:a@b.test"), .policy = SPAN("p"), .row = SPAN("r") };

		ck_assert_int_eq(report_line_put(&line, &text), 0);
	}
	write_file(name, buf_get(&text));
	buf_free(&text);
}

static bool
is_there(const char *name)
{
	return faccessat(role.folder, name, F_OK, 0) == 0;
}

START_TEST(days_to_come)
{
	static const char *const domains[] = { "told.test", "wanted.test" };
	int64_t today = (int64_t)time(NULL) / 86400;
	time_t tomorrow_at = (time_t)(today + 1) * 86400;
	struct report_day sums;
	char tomorrow[32], command[64];
	struct tm tm;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	role.folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < REPORT_KINDS; i++)
		role.files[i].fd = -1;
	ck_assert_ptr_nonnull(gmtime_r(&tomorrow_at, &tm));
	ck_assert_uint_ne(strftime(tomorrow, sizeof(tomorrow), "dmarc.%Y%m%d", &tm), 0);
	write_day("dmarc.20990101", domains, 2);
	write_file("dmarc.20990101.sent", SPAN("told.test\n"));
	write_day("tls.20990102", domains, 1);
	write_day(tomorrow, domains, 2);
	/* The clock may not have been set yet. */
	for (unsigned i = 0; i < REPORT_LOOKS; i++)
		report_send(&role);
	ck_assert(is_there("dmarc.20990101") && is_there("tls.20990102"));
	report_send(&role);
	ck_assert(!is_there("dmarc.20990101") && !is_there("dmarc.20990101.sent") && !is_there("tls.20990102") && is_there(tomorrow));
	report_send(&role);
	for (unsigned kind = 0; kind < 2; kind++) {
		ck_assert_int_eq(report_read_day(&role, (enum report_kind)kind, (int64_t)time(NULL) / 86400, &sums), 0);
		ck_assert_uint_eq(sums.domain_count, 1);
		ck_assert_str_eq(sums.domains->name, kind == 0 ? "wanted.test" : "told.test");
		ck_assert_uint_eq(sums.domains->rows->count, kind == 0 ? 3 : 2);
		report_day_free(&sums);
	}
	(void)snprintf(command, sizeof(command), "rm -r %s", folder);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

/* Where a line may have had no room in the file of the day, that is told. Zeros, which a power loss may leave, are no lines, however many. */
START_TEST(a_day_that_is_cut)
{
	static const char line[] = "1\ta.test\tmailto:a@b.test\tp\tr\n";
	const off_t sizes[] = { sizeof(line) - 1, REPORT_FILE_MAX - REPORT_LINE_MAX, REPORT_FILE_MAX - REPORT_LINE_MAX + 1, REPORT_FILE_MAX };
	struct report_day sums;
	char command[64];
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	role.folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	write_file("dmarc.20260102", span_of(line));
	for (size_t i = 0; i < 4; i++) {
		fd = openat(role.folder, "dmarc.20260102", O_WRONLY | O_CLOEXEC);
		ck_assert_int_eq(ftruncate(fd, sizes[i]), 0);
		(void)close(fd);
		ck_assert_int_eq(report_read_day(&role, REPORT_DMARC, date_days(2026, 1, 2), &sums), 0);
		ck_assert_uint_eq(sums.row_count, 1);
		ck_assert_int_eq(sums.cut, i >= 2);
		report_day_free(&sums);
	}
	(void)snprintf(command, sizeof(command), "rm -r %s", folder);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("report_days");
	TCase *tests = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, days_to_come);
	tcase_add_test(tests, a_day_that_is_cut);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
