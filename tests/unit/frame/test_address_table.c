/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Counting connections by address: the keys of IPv4, mapped and IPv6 addresses, adding and removing. */
#include <arpa/inet.h>
#include <check.h>

#include "frame/address_table.h"

static uint64_t
key_of(const char *text)
{
	uint8_t bytes[16];

	if (inet_pton(AF_INET, text, bytes) == 1)
		return address_key(bytes, 4);
	ck_assert_int_eq(inet_pton(AF_INET6, text, bytes), 1);
	return address_key(bytes, 16);
}

START_TEST(keys)
{
	ck_assert_uint_eq(key_of("192.0.2.1"), key_of("::ffff:192.0.2.1"));
	ck_assert_uint_ne(key_of("192.0.2.1"), key_of("192.0.2.2"));
	ck_assert_uint_eq(key_of("2001:db8:1:2::1"), key_of("2001:db8:1:2:ffff::9"));
	ck_assert_uint_ne(key_of("2001:db8:1:2::1"), key_of("2001:db8:1:3::1"));
}
END_TEST

START_TEST(counts)
{
	struct address_table *table = address_table_new(7);

	for (uint64_t key = 0; key < 5000; key++)
		for (unsigned i = 0; i <= key % 3; i++)
			ck_assert_uint_eq(address_table_add(table, key), i + 1);
	for (uint64_t key = 0; key < 5000; key++)
		ck_assert_uint_eq(address_table_count(table, key), key % 3 + 1);
	for (uint64_t key = 0; key < 5000; key++)
		address_table_remove(table, key);
	ck_assert_uint_eq(address_table_count(table, 3), 0);
	ck_assert_uint_eq(address_table_count(table, 4), 1);
	address_table_remove(table, 3); /* not there: nothing happens */
	ck_assert_uint_eq(address_table_count(table, 3), 0);
	table = address_table_free(table);
	ck_assert_ptr_null(table);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("address_table");
	TCase *tests = tcase_create("address_table");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, keys);
	tcase_add_test(tests, counts);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
