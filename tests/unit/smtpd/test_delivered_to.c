/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Whether a message was delivered to an address before, wherever in its header that stands. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/buf.h"
#include "smtpd/delivered_to.h"

#define ADDRESS "u1@example.test"
#define FIELD "Delivered-To: " ADDRESS "\r\n"

/* The message stands behind something else in the file, as in the spool. */
static int
check_message(const struct buf *message)
{
	int fd = memfd_create("message", MFD_CLOEXEC), r;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, FIELD "\r\n", strlen(FIELD "\r\n")), (ssize_t)strlen(FIELD "\r\n"));
	ck_assert_int_eq(write(fd, message->data, message->len), (ssize_t)message->len);
	r = delivered_to_check(fd, strlen(FIELD "\r\n"), message->len, SPAN(ADDRESS));
	(void)close(fd);
	return r;
}

/* `before` bytes of other fields, then the field and the end of the header. */
static void
make(struct buf *message, size_t before, const char *first, const char *field, const char *body)
{
	buf_clear(message);
	(void)buf_str(message, first);
	while (message->len < before)
		(void)buf_str(message, "X-Filler: of no meaning at all\r\n");
	(void)buf_str(message, field);
	(void)buf_str(message, body);
}

START_TEST(it_is_found_at_any_depth)
{
	static const size_t depths[] = { 0, 100, 4000, 8190, 8192, 9000, 100000, 250000 };
	struct buf message = BUF_INIT(1 << 20);

	for (size_t i = 0; i < sizeof(depths) / sizeof(*depths); i++) {
		make(&message, depths[i], "", FIELD, "\r\nbody\r\n");
		ck_assert_int_eq(check_message(&message), DELIVERED_BEFORE);
		make(&message, depths[i], "", "Delivered-To: u2@example.test\r\n", "\r\nbody\r\n");
		ck_assert_int_eq(check_message(&message), 0);
		/* also behind a line that is no field */
		make(&message, depths[i], "not a field\r\n", "delivered-to:\r\n U1@EXAMPLE.TEST\r\n", "\r\nbody\r\n");
		ck_assert_int_eq(check_message(&message), DELIVERED_BEFORE);
		make(&message, depths[i], "", FIELD, "");
		ck_assert_int_eq(check_message(&message), DELIVERED_BEFORE);
	}
	buf_free(&message);
}
END_TEST

START_TEST(a_body_says_nothing)
{
	struct buf message = BUF_INIT(1 << 20);

	make(&message, 100, "", "\r\n", FIELD "\r\n");
	ck_assert_int_eq(check_message(&message), 0);
	make(&message, 100, "", "\n", FIELD "\r\n");
	ck_assert_int_eq(check_message(&message), 0);
	make(&message, 9000, "", "\r\n", FIELD "\r\n");
	ck_assert_int_eq(check_message(&message), 0);
	make(&message, 0, "\r\n", FIELD, "\r\n");
	ck_assert_int_eq(check_message(&message), 0);
	ck_assert_int_eq(delivered_to_check(-1, 0, 0, SPAN(ADDRESS)), -EBADF);
	buf_free(&message);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("delivered_to");
	TCase *tcase = tcase_create("delivered_to");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, it_is_found_at_any_depth);
	tcase_add_test(tcase, a_body_says_nothing);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
