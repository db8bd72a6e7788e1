/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What went, as long as a session process remembers it: no less than the store does, and no state from before what it forgot is explained. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "libmailstore/mailstore.h"
#include "webmaild/jmap_store.h"

#define STORE_KEEPS 100000
/* Above any that the store gives. */
#define BEGAN (UINT64_C(1) << 60)

static void
take(struct jmap *jmap, size_t count)
{
	struct jmap_gone *gone = xcalloc(count, sizeof(*gone));

	for (size_t i = 0; i < count; i++)
		gone[i] = (struct jmap_gone){ .kind = JMAP_GONE_EMAIL, .id = i + 1, .state = BEGAN + i / 2 };
	jmap_take_gone(jmap, gone, count);
	free(gone);
}

START_TEST(remembered)
{
	struct jmap jmap = { .state = 2 * BEGAN, .floor = BEGAN, .began = BEGAN };

	take(&jmap, STORE_KEEPS + STORE_KEEPS / 2);
	ck_assert_uint_eq(jmap.gone_count, STORE_KEEPS + STORE_KEEPS / 2);
	ck_assert_uint_eq(jmap.floor, BEGAN);
	take(&jmap, 5 * STORE_KEEPS + 7);
	ck_assert_uint_ge(jmap.gone_count, STORE_KEEPS);
	ck_assert_uint_le(jmap.gone_count, 2 * STORE_KEEPS);
	/* All that is newer than the floor is there: two have each state. */
	ck_assert_uint_ge(jmap.floor, jmap.gone[0].state - 1);
	ck_assert_uint_le(jmap.floor, jmap.gone[0].state);
	ck_assert_uint_eq(jmap.gone[jmap.gone_count - 1].id, 5 * STORE_KEEPS + 7);
	free(jmap.gone);
}
END_TEST

/* The store knows what was before this process, but not what that forgot. */
START_TEST(history_of_the_store)
{
	char account[] = "/tmp/test_jmap_gone.XXXXXX", command[64];
	struct jmap jmap = { .state = 2 * BEGAN, .floor = BEGAN, .began = BEGAN };
	uint64_t floor, state;
	struct jmap_state before = jmap_state_text(BEGAN + 1200);

	ck_assert_ptr_nonnull(mkdtemp(account));
	ck_assert_int_eq(ms_open(account, &jmap.store), 0);
	take(&jmap, 3 * STORE_KEEPS);
	floor = jmap.floor;
	ck_assert_uint_gt(floor, BEGAN);
	ck_assert_int_eq(jmap_read_history(&jmap), 0);
	ck_assert_uint_eq(jmap.floor, floor);
	ck_assert(!jmap_state_parse(&jmap, span_of(before.text), &state));
	ms_close(jmap.store);
	free(jmap.gone);
	(void)snprintf(command, sizeof(command), "rm -r %s", account);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("jmap_gone");
	TCase *tests = tcase_create("gone");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, remembered);
	tcase_add_test(tests, history_of_the_store);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
