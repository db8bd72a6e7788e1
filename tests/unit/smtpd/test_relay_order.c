/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Hosts of a destination, some of which say nothing: attempts played with a clock, until one of them takes the mail. */
#include <check.h>
#include <stdlib.h>

#include "smtpd/relay_order.h"

#define LEFT 600    /* for all hosts of an attempt */
#define GREETING 300
#define STEPS_MAX 20

/* Hosts as "preference address address", where an address is a letter or digit; one that is a capital says nothing, a digit takes no connections. */
struct world {
	struct resolve_answer answer;
	bool known[128]; /* to have been silent */
};

static void
build(struct world *world, const char *text)
{
	struct span rest = span_of(text), host;

	*world = (struct world){ .answer = { 0 } };
	while (span_split(&rest, ',', &host)) {
		struct resolve_host *next = &world->answer.hosts[world->answer.count++];
		uint64_t preference;

		ck_assert_int_eq(span_take_u64(&host, UINT16_MAX, &preference), 0);
		next->preference = (uint16_t)preference;
		for (size_t i = 0; i < host.len; i++)
			if (host.ptr[i] != ' ')
				next->addresses[next->count++] = (struct resolve_address){ .bytes = { (uint8_t)host.ptr[i] }, .len = 4 };
	}
}

static bool
is_known(const void *context, const struct resolve_host *host, size_t address)
{
	const struct world *world = context;

	return world->known[host->addresses[address].bytes[0] & 127];
}

/* One attempt: the letters that were tried; the last is that of the host that took the mail, if one did. */
static bool
attempt(struct world *world, char tried[STEPS_MAX + 1])
{
	struct relay_order order = { 0 };
	int64_t left = LEFT;
	size_t host, address, steps = 0;
	bool taken = false;

	while (!taken && left > 0 && relay_order_next(&order, &world->answer, is_known, world, &host, &address)) {
		char letter = (char)world->answer.hosts[host].addresses[address].bytes[0];
		int64_t share = relay_order_share(&order, &world->answer, host, left);

		ck_assert_uint_lt(steps, STEPS_MAX);
		relay_order_tried(&order, host, address);
		tried[steps++] = letter;
		taken = ascii_is_alpha(letter) && ascii_lower(letter) == letter;
		if (taken || ascii_is_digit(letter))
			continue;
		left -= share < GREETING ? share : GREETING;
		order.silent[host] = true;
		world->known[letter & 127] = true;
	}
	tried[steps] = '\0';
	return taken;
}

static const struct {
	const char *name, *hosts, *first, *second; /* what an attempt tries, and the next */
} cases[] = {
	{ "all is well", "10 a b,20 c", "a", "a" },
	{ "one that has two addresses, and a backup", "10 A B,20 c", "Ac", "c" },
	{ "two hosts, and a backup", "10 A,10 B,20 c", "ABc", "c" },
	{ "two hosts with two addresses each", "10 A B,10 C D,20 e", "ACe", "e" },
	{ "many", "10 A,10 B,10 C,10 D,20 e", "ABCDe", "e" },
	{ "a host of the same preference comes before a backup", "10 A b,10 c,20 d", "Ac", "c" },
	{ "several backups, of which the last one speaks", "10 A B,20 C D,30 e", "ACe", "e" },
	{ "a host whose other address speaks, and no backup", "10 A b,10 C", "AC", "b" },
	{ "one host alone: its other address", "10 A b", "Ab", "b" },
	{ "nobody speaks", "10 A B,20 C", "AC", "BAC" },
	{ "nobody takes connections", "10 0 1,20 2", "012", "012" },
	{ "more addresses than an attempt tries, and a backup", "10 01234567,10 01234567,20 a", "01234a", "01234a" },
	{ "the same, and a backup that takes no connections either", "10 01234567,10 01234567,20 8", "0123485670", "0123485670" },
	{ "backups with many, too", "10 01234567,20 01234567,30 1a", "01234011a", "01234011a" },
	{ "five preferences", "1 01234567,2 01234567,3 01234567,4 01234567,5 a", "012340100a", "012340100a" },
};

START_TEST(somebody_who_speaks_is_reached)
{
	char tried[STEPS_MAX + 1];
	struct world world;

	build(&world, cases[_i].hosts);
	(void)attempt(&world, tried);
	ck_assert_msg(span_eq(span_of(tried), span_of(cases[_i].first)), "%s: first %s", cases[_i].name, tried);
	(void)attempt(&world, tried);
	ck_assert_msg(span_eq(span_of(tried), span_of(cases[_i].second)), "%s: then %s", cases[_i].name, tried);
}
END_TEST

START_TEST(a_host_that_is_dropped)
{
	struct relay_order order = { 0 };
	struct world world;
	size_t host, address;

	build(&world, "10 a b,20 c");
	relay_order_drop(&order, 0);
	ck_assert(relay_order_next(&order, &world.answer, is_known, &world, &host, &address));
	ck_assert_uint_eq(host, 1);
	ck_assert_int_eq(relay_order_share(&order, &world.answer, 1, LEFT), LEFT);
	relay_order_tried(&order, 1, 0);
	ck_assert(!relay_order_next(&order, &world.answer, is_known, &world, &host, &address));
}
END_TEST

/* As of addresses of IPv6 from where there is no way to any. */
START_TEST(what_there_is_no_way_to)
{
	struct relay_order order = { 0 };
	struct world world;
	size_t host, address;

	build(&world, "10 01234567,10 01234567,20 a");
	for (size_t i = 0; i < 16; i++) {
		ck_assert(relay_order_next(&order, &world.answer, is_known, &world, &host, &address));
		ck_assert_uint_eq(host, i / 8);
		relay_order_tried(&order, host, address);
		relay_order_no_way(&order, host);
	}
	ck_assert(relay_order_next(&order, &world.answer, is_known, &world, &host, &address));
	ck_assert_uint_eq(host, 2);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("relay_order");
	TCase *tests = tcase_create("relay_order");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, somebody_who_speaks_is_reached, 0, sizeof(cases) / sizeof(*cases));
	tcase_add_test(tests, a_host_that_is_dropped);
	tcase_add_test(tests, what_there_is_no_way_to);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
