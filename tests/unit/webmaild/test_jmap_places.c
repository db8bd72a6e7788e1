/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Email/set moves emails while another session removes some of their places: between a request's sync and its work there is time for that. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "webmaild/jmap.h"
#include "webmaild/jmap_methods.h"
#include "webmaild/jmap_places.h"
#include "webmaild/jmap_store.h"
#include "tests/unit/webmaild/jmap_account.h"

static void
copy(const char *from, uint32_t uid, const char *to)
{
	struct ms_mailbox *mailbox;
	uint32_t new, validity;

	ck_assert_int_eq(ms_mailbox_open(store, from, &mailbox), 0);
	ck_assert_int_eq(ms_copy(mailbox, &uid, 1, to, false, &new, &validity), 0);
	ck_assert_uint_ne(new, 0);
	ms_mailbox_close(mailbox);
}

static unsigned
held(const char *name)
{
	struct ms_mailbox_info info;
	unsigned messages;

	ck_assert_int_eq(ms_mailbox_status(store, name, &info), 0);
	messages = info.messages;
	ms_mailbox_info_clear(&info);
	return messages;
}

static const char *
id_of(const char *name)
{
	for (size_t i = 0; i < jmap->mailbox_count; i++)
		if (strcmp(jmap->mailboxes[i]->info.name, name) == 0)
			return jmap->mailboxes[i]->id;
	ck_abort_msg("no %s", name);
	return NULL;
}

/* An Email/set, without the sync that a request begins with. The answer is for json_decref. */
static json_t *
email_set(json_t *args)
{
	struct buf body = BUF_INIT(1 << 16), out = BUF_INIT(1 << 20);
	json_t *request = json_pack("{s:[s, s], s:[[s, o, s]]}", "using", JMAP_CORE, JMAP_MAIL, "methodCalls", "Email/set", args, "0"), *answer, *result;
	char *text = json_dumps(request, JSON_COMPACT);

	(void)buf_str(&body, text);
	ck_assert_uint_eq(jmap_run(jmap, jmap->account_id, jmap_methods, jmap_method_count, buf_get(&body), &out), 200);
	answer = jmap_parse(buf_get(&out));
	result = json_incref(json_array_get(json_array_get(json_object_get(answer, "methodResponses"), 0), 1));
	json_decref(answer);
	json_decref(request);
	free(text);
	buf_free(&body);
	buf_free(&out);
	return result;
}

/* Whether the email could be put into these mailboxes (or one, when b is NULL). */
static bool
put_into(uint64_t email, const char *a, const char *b)
{
	char id[JMAP_ID_LEN + 1];
	json_t *ids = json_object(), *result;
	bool updated;

	jmap_email_id(email, id);
	(void)json_object_set_new(ids, id_of(a), json_true());
	if (b != NULL)
		(void)json_object_set_new(ids, id_of(b), json_true());
	result = email_set(json_pack("{s:s, s:{s:{s:o}}}", "accountId", jmap->account_id, "update", id, "mailboxIds", ids));
	updated = json_object_get(json_object_get(result, "updated"), id) != NULL;
	ck_assert(updated != (json_object_get(json_object_get(result, "notUpdated"), id) != NULL));
	json_decref(result);
	return updated;
}

static void
make_work(void)
{
	ck_assert_int_eq(ms_mailbox_create(store, "Work", MS_USE_NONE), 0);
}

/* One place moves, and the other is made from where it went. */
START_TEST(into_two)
{
	uint64_t email;

	(void)append("INBOX", &email);
	open_session();
	ck_assert(put_into(email, "Archive", "Work"));
	ck_assert_uint_eq(held("INBOX"), 0);
	ck_assert_uint_eq(held("Archive"), 1);
	ck_assert_uint_eq(held("Work"), 1);
	ck_assert(put_into(email, "INBOX", NULL));
	ck_assert_uint_eq(held("INBOX"), 1);
	ck_assert_uint_eq(held("Archive") + held("Work"), 0);
}
END_TEST

/* The place that was to be moved has left: another is. */
START_TEST(place_leaves)
{
	uint64_t email;
	uint32_t uid = append("INBOX", &email);

	copy("INBOX", uid, "Archive");
	open_session();
	expunge(_i == 0 ? "INBOX" : "Archive", 1);
	ck_assert(put_into(email, "Work", NULL));
	ck_assert_uint_eq(held("Work"), 1);
	ck_assert_uint_eq(held("INBOX") + held("Archive"), 0);
}
END_TEST

/* Where it was to stay it has left: it is not removed from where it is. */
START_TEST(last_place_stays)
{
	uint64_t email;
	uint32_t uid = append("INBOX", &email);

	copy("INBOX", uid, "Archive");
	open_session();
	expunge("Archive", 1);
	ck_assert(!put_into(email, "Archive", NULL));
	ck_assert_uint_eq(held("INBOX"), 1);
	ck_assert_uint_eq(held("Archive"), 0);
}
END_TEST

START_TEST(all_have_left)
{
	uint64_t email;

	(void)append("INBOX", &email);
	open_session();
	expunge("INBOX", 1);
	ck_assert(!put_into(email, "Work", NULL));
	ck_assert_uint_eq(held("Work"), 0);
}
END_TEST

/* A mailbox that is removed takes its place along. */
START_TEST(mailbox_leaves)
{
	uint64_t email;
	uint32_t uid = append("INBOX", &email);

	copy("INBOX", uid, "Work");
	open_session();
	ck_assert_int_eq(ms_mailbox_delete(store, "Work"), 0);
	ck_assert(put_into(email, "Archive", NULL));
	ck_assert_uint_eq(held("Archive"), 1);
	ck_assert_uint_eq(held("INBOX"), 0);
}
END_TEST

/* One that was just made stands in all its mailboxes or in none. */
START_TEST(just_made)
{
	struct jmap_mailbox *wanted[2];
	struct jmap_email *email;
	uint64_t number;

	(void)append("INBOX", &number);
	open_session();
	email = jmap_find_email(jmap, number);
	wanted[0] = jmap_find_mailbox(jmap, span_of(id_of("Archive")));
	wanted[1] = jmap_find_mailbox(jmap, span_of(id_of("Work")));
	if (_i == 1)
		ck_assert_int_eq(ms_mailbox_delete(store, "Work"), 0);
	if (_i == 2)
		expunge("INBOX", 1);
	ck_assert_int_eq(jmap_places_add(email, wanted, 2), _i == 0 ? 0 : MS_E_NOTFOUND);
	ck_assert_uint_eq(held("INBOX"), _i == 0);
	ck_assert_uint_eq(held("Archive"), _i == 0);
	if (_i != 1)
		ck_assert_uint_eq(held("Work"), _i == 0);
}
END_TEST

START_TEST(created_in_two)
{
	json_t *ids, *result;

	open_session();
	ids = json_pack("{s:b, s:b}", id_of("Archive"), 1, id_of("Work"), 1);
	result = email_set(json_pack("{s:s, s:{s:{s:o, s:s}}}", "accountId", jmap->account_id, "create", "c", "mailboxIds", ids, "subject", "New"));
	ck_assert_ptr_nonnull(json_object_get(json_object_get(result, "created"), "c"));
	json_decref(result);
	ck_assert_uint_eq(held("Archive"), 1);
	ck_assert_uint_eq(held("Work"), 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("jmap_places");
	TCase *tests = tcase_create("places");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_checked_fixture(tests, make_work, NULL);
	tcase_add_test(tests, into_two);
	tcase_add_loop_test(tests, place_leaves, 0, 2);
	tcase_add_test(tests, last_place_stays);
	tcase_add_test(tests, all_have_left);
	tcase_add_test(tests, mailbox_leaves);
	tcase_add_loop_test(tests, just_made, 0, 3);
	tcase_add_test(tests, created_in_two);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
