/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Greylisting, and its ledger in a file. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "smtpd/greylist.h"
#include "smtpd/ledger_file.h"

#define NOW 1700000000
#define DAY 86400

static const struct greylist_settings settings = { .delay = 300, .window = 2 * DAY, .lifetime = 36 * DAY, .passes = 2 };

/* Steps of one ledger: who comes when, and how long he is to stay away. */
static const struct step {
	const char *client, *sender, *recipient;
	int64_t at, wait;
} comes_again[] = {
	{ "192.0.2.1", "a@b.c", "x@here", 0, 300 },
	{ "192.0.2.1", "a@b.c", "x@here", 100, 200 },
	{ "192.0.2.1", "a@b.c", "y@here", 100, 300 },
	{ "192.0.3.1", "a@b.c", "x@here", 100, 300 },
	{ "192.0.2.1", "A@B.C", "x@here", 299, 1 },
	{ "192.0.2.9", "a@b.c", "x@here", 300, 0 }, /* another host of its network */
	{ "192.0.2.1", "a@b.c", "x@here", 35 * DAY, 0 },
	{ "192.0.2.1", "a@b.c", "x@here", 70 * DAY, 0 },
	{ "192.0.2.1", "a@b.c", "x@here", 107 * DAY, 300 }, /* forgotten */
	{ NULL, NULL, NULL, 0, 0 },
}, comes_late[] = {
	{ "2001:db8::1", "", "x@here", 0, 300 },
	{ "2001:db8::2", "", "x@here", 3 * DAY, 300 },
	{ "2001:db8::2", "", "x@here", 3 * DAY + 400, 0 },
	{ "2001:db8::2", "", "x@here", -10, 300 }, /* the clock was set back */
	{ NULL, NULL, NULL, 0, 0 },
}, is_allowed[] = {
	{ "192.0.2.1", "a@b.c", "x@here", 0, 300 },
	{ "192.0.2.1", "a@b.c", "y@here", 0, 300 },
	{ "192.0.2.1", "a@b.c", "x@here", 300, 0 },
	{ "192.0.2.1", "new@b.c", "x@here", 301, 300 },
	{ "192.0.2.1", "a@b.c", "y@here", 302, 0 },
	{ "192.0.2.77", "any@b.c", "any@here", 303, 0 }, /* two have passed */
	{ "192.0.4.77", "any@b.c", "any@here", 303, 300 },
	{ "192.0.2.77", "other@b.c", "any@here", 36 * DAY, 0 },
	{ "192.0.2.77", "other@b.c", "any@here", 73 * DAY, 300 },
	{ NULL, NULL, NULL, 0, 0 },
}, octets_are_no_letters[] = {
	{ "10.0.65.1", "a@b.c", "x@here", 0, 300 },
	{ "10.0.65.1", "a@b.c", "y@here", 0, 300 },
	{ "10.0.97.1", "a@b.c", "x@here", 300, 300 },
	{ "10.0.65.1", "a@b.c", "x@here", 300, 0 },
	{ "10.0.65.1", "a@b.c", "y@here", 300, 0 },
	{ "10.0.97.1", "any@b.c", "any@here", 301, 300 }, /* what the other passed says nothing of this one */
	{ "2001:db8:0:4142::1", "a@b.c", "x@here", 0, 300 },
	{ "2001:db8:0:6162::1", "a@b.c", "x@here", 300, 300 },
	{ NULL, NULL, NULL, 0, 0 },
};
static const struct step *const all_steps[] = { comes_again, comes_late, is_allowed, octets_are_no_letters };

START_TEST(steps)
{
	struct ledger *ledger = ledger_new(7, 64);
	struct greylist_changes changes;

	for (const struct step *step = all_steps[_i]; step->client != NULL; step++) {
		int64_t wait = greylist_ask(ledger, &settings, span_of(step->client), span_of(step->sender), span_of(step->recipient),
		    NOW + step->at, &changes);

		ck_assert_msg(wait == step->wait, "%s %s at %lld: %lld", step->client, step->recipient, (long long)step->at, (long long)wait);
	}
	(void)ledger_free(ledger);
}
END_TEST

/* Mail from many networks, each message of another sender, none of which comes again: who has come again often enough is still allowed. */
START_TEST(many_strangers)
{
	struct ledger *ledger = ledger_new(7, 64);
	struct greylist_changes changes;

	for (const struct step *step = is_allowed; step < is_allowed + 6; step++)
		(void)greylist_ask(ledger, &settings, span_of(step->client), span_of(step->sender), span_of(step->recipient), NOW + step->at, &changes);
	for (int i = 0; i < 100000; i++) {
		char client[32], sender[32];

		(void)snprintf(client, sizeof(client), "10.%d.%d.1", i / 250 % 4, i % 250);
		(void)snprintf(sender, sizeof(sender), "s%d@b.c", i);
		ck_assert_int_eq(greylist_ask(ledger, &settings, span_of(client), span_of(sender), SPAN("x@here"), NOW + 1000, &changes), 300);
	}
	ck_assert_int_eq(greylist_ask(ledger, &settings, SPAN("192.0.2.7"), SPAN("other@b.c"), SPAN("any@here"), NOW + 2000, &changes), 0);
	(void)ledger_free(ledger);
}
END_TEST

START_TEST(files)
{
	FILE *file = tmpfile();
	int fd = fileno(file);
	struct ledger *ledger = NULL, *again = NULL;
	struct ledger_slot *slot;
	uint64_t key;

	ck_assert_int_eq(ledger_file_load(fd, 64, &ledger), 0);
	key = ledger_key_text(ledger, 'x', SPAN("somebody"));
	slot = ledger_take(ledger, key, NOW);
	slot->count = 5;
	ck_assert(pwrite(fd, slot, sizeof(*slot), LEDGER_FILE_HEAD + (off_t)(ledger_number(ledger, slot) * sizeof(*slot))) == (ssize_t)sizeof(*slot));
	ck_assert_int_eq(ledger_file_load(fd, 64, &again), 0);
	ck_assert_uint_eq(ledger_key_text(again, 'x', SPAN("somebody")), key);
	ck_assert_uint_eq(ledger_find(again, key)->count, 5);
	(void)ledger_free(again);
	ck_assert_int_eq(ledger_file_load(fd, 128, &again), -EBADMSG);
	ck_assert_int_eq(ftruncate(fd, 100), 0);
	ck_assert_int_eq(ledger_file_load(fd, 64, &again), -EBADMSG);
	ck_assert_int_eq(ledger_file_begin(fd, 64, &again), 0);
	(void)ledger_free(again);
	ck_assert_int_eq(ledger_file_load(fd, 64, &again), 0);
	ck_assert_ptr_null(ledger_find(again, key));
	(void)ledger_free(again);
	ck_assert(pwrite(fd, "x", 1, 3) == 1);
	ck_assert_int_eq(ledger_file_load(fd, 64, &again), -EBADMSG);
	(void)ledger_free(ledger);
	(void)fclose(file);
}
END_TEST

/* What could not be written is written when that works again. */
START_TEST(file_catches_up)
{
	FILE *file = tmpfile();
	char path[64];
	struct ledger *ledger, *read;
	struct ledger_store store = { .fd = -1 };
	struct ledger_slot *slot;
	const struct ledger_slot *found;

	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(ledger_file_load(fileno(file), 64, &ledger), 0);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fileno(file));
	store.fd = open(path, O_RDONLY);
	ck_assert_int_ge(store.fd, 0);
	slot = ledger_take(ledger, ledger_key_text(ledger, 'x', SPAN("while it fails")), NOW);
	slot->count = 7;
	ck_assert_int_eq(ledger_file_write(&store, ledger, slot, NOW), -EBADF);
	ck_assert_int_eq(dup2(fileno(file), store.fd), store.fd);
	/* Not before its time, and not for what was never behind. */
	ck_assert_int_eq(ledger_file_write(&store, ledger, slot, NOW + LEDGER_FILE_AGAIN_SECONDS - 1), 0);
	ck_assert(store.behind);
	slot = ledger_take(ledger, ledger_key_text(ledger, 'x', SPAN("before it works")), NOW);
	ck_assert_int_eq(ledger_file_write(&store, ledger, NULL, NOW + LEDGER_FILE_AGAIN_SECONDS), 1);
	ck_assert(!store.behind);
	ck_assert_int_eq(ledger_file_write(&store, ledger, NULL, NOW + LEDGER_FILE_AGAIN_SECONDS), 0);
	slot->count = 9;
	ck_assert_int_eq(ledger_file_write(&store, ledger, slot, NOW), 0);
	ck_assert_int_eq(ledger_file_load(store.fd, 64, &read), 0);
	found = ledger_find(read, ledger_key_text(read, 'x', SPAN("while it fails")));
	ck_assert(found != NULL && found->count == 7);
	found = ledger_find(read, ledger_key_text(read, 'x', SPAN("before it works")));
	ck_assert(found != NULL && found->count == 9);
	(void)ledger_free(read);
	(void)ledger_free(ledger);
	(void)close(store.fd);
	(void)fclose(file);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("greylist");
	TCase *tests = tcase_create("greylist");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, steps, 0, (int)(sizeof(all_steps) / sizeof(*all_steps)));
	tcase_add_test(tests, many_strangers);
	tcase_add_test(tests, files);
	tcase_add_test(tests, file_catches_up);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
