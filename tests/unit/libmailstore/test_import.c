/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Files of Dovecot and Courier: what each tells, and what is passed over. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "libmailstore/mailstore.h"
#include "libmailstore/ms_import.h"

/* "unique/base=uid ..." */
static char *
list(const struct ms_import_uids *uids)
{
	struct buf text = BUF_INIT(4096);

	for (size_t i = 0; i < uids->count; i++)
		(void)buf_fmt(&text, "%.*s/%.*s=%u ", (int)uids->list[i].unique.len, uids->list[i].unique.ptr, (int)uids->list[i].base.len,
		    uids->list[i].base.ptr, uids->list[i].uid);
	return buf_take(&text);
}

static void
assert_uids(const char *text, uint32_t uidvalidity, uint32_t uidnext, const char *wanted, size_t skipped)
{
	struct ms_import_uids uids;
	char *got;

	ck_assert_int_eq(ms_import_uids_parse(span_of(text), &uids), 0);
	ck_assert_uint_eq(uids.uidvalidity, uidvalidity);
	ck_assert_uint_eq(uids.uidnext, uidnext);
	ck_assert_uint_eq(uids.skipped, skipped);
	got = list(&uids);
	ck_assert_str_eq(got, wanted);
	free(got);
	ms_import_uids_clear(&uids);
}

START_TEST(dovecot_uidlist)
{
	assert_uids("3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1\n"
	    "25006 :1276528487.M364837P9451.kurkku,S=1355,W=1394:2,\n"
	    "25017 W2481 S2000 G0123abcd P\xc3\xa4-popid :1276533073.M242911P3632.kurkku:2,F\n"
	    "25018 :noflags\n",
	    1275660208, 25022,
	    "1276528487.M364837P9451.kurkku/1276528487.M364837P9451.kurkku,S=1355,W=1394=25006 "
	    "1276533073.M242911P3632.kurkku/1276533073.M242911P3632.kurkku=25017 noflags/noflags=25018 ", 0);
	/* Appended lines are above what the header tells; the next UID is above every one. */
	assert_uids("3 N5 V7 X\n9 :b\n3 :a\n9 :a\n", 7, 10, "a/a=3 a/a=9 b/b=9 ", 0);
}
END_TEST

START_TEST(courier_uiddb)
{
	assert_uids("1 1398123456 12\n1 1398123457.M1P2V3I4_0.host,S=12\n11 1398123458.M1P2V3I4_0.host,S=44\n", 1398123456, 12,
	    "1398123457.M1P2V3I4_0.host/1398123457.M1P2V3I4_0.host,S=12=1 1398123458.M1P2V3I4_0.host/1398123458.M1P2V3I4_0.host,S=44=11 ", 0);
	assert_uids("1 5 1\n", 5, 1, "", 0);
}
END_TEST

START_TEST(uids_passed_over)
{
	struct ms_import_uids uids;

	assert_uids("3 V1 N2\nx :a\n0 :b\n4294967295 :c\n4294967296 :c\n5\n6 \n7 W1\n8 :\n9 :.hidden\n10 :a/b\n11 : \n12 :,S=3\n13 :good\n\n", 1, 14,
	    " / =11 good/good=13 ", 11);
	ck_assert_int_eq(ms_import_uids_parse(SPAN(""), &uids), MS_E_CORRUPT);
	ck_assert_int_eq(ms_import_uids_parse(SPAN("2 V1 N1\n"), &uids), MS_E_CORRUPT);
	ck_assert_int_eq(ms_import_uids_parse(SPAN("3 N1\n"), &uids), MS_E_CORRUPT);
	ck_assert_int_eq(ms_import_uids_parse(SPAN("3 V0 N1\n"), &uids), MS_E_CORRUPT);
	ck_assert_int_eq(ms_import_uids_parse(SPAN("1 5\n"), &uids), MS_E_CORRUPT);
	ck_assert_int_eq(ms_import_uids_parse(SPAN("1 4294967296 1\n"), &uids), MS_E_CORRUPT);
}
END_TEST

START_TEST(uids_found)
{
	struct ms_import_uids uids;

	ck_assert_int_eq(ms_import_uids_parse(SPAN("3 V1 N9\n1 :b\n2 :d,S=1\n3 :d,S=2\n4 :f\n"), &uids), 0);
	ck_assert_uint_eq(ms_import_uids_find(&uids, SPAN("a")), 0);
	ck_assert_uint_eq(ms_import_uids_find(&uids, SPAN("d")), 1);
	ck_assert_uint_eq(ms_import_uids_find(&uids, SPAN("f")), 3);
	ck_assert_uint_eq(ms_import_uids_find(&uids, SPAN("g")), 4);
	ms_import_uids_clear(&uids);
}
END_TEST

START_TEST(dovecot_keywords)
{
	struct span letters[MS_IMPORT_LETTERS];

	ck_assert_uint_eq(ms_import_letters_parse(SPAN("0 $Junk\n2 $Label1\n25 last\n26 beyond\nx y\n3\n4 \n"), letters), 4);
	ck_assert(span_eq(letters[0], SPAN("$Junk")));
	ck_assert_uint_eq(letters[1].len, 0);
	ck_assert(span_eq(letters[2], SPAN("$Label1")));
	ck_assert(span_eq(letters[25], SPAN("last")));
}
END_TEST

static void
note(void *context, struct span file, struct span keyword)
{
	(void)buf_fmt(context, "%.*s+%.*s ", (int)file.len, file.ptr, (int)keyword.len, keyword.ptr);
}

START_TEST(courier_keywords)
{
	struct buf text = BUF_INIT(4096);
	struct span file;
	uint64_t order;

	ck_assert_uint_eq(ms_import_keyword_list_parse(SPAN("$Label1\nwork\n\n1.host,S=3:0 1\n2.host:1\n3.host:\n4.host:7 x 0\n:1\nnone\n"), note, &text), 4);
	ck_assert_str_eq(buf_cstr(&text), "1.host,S=3+$Label1 1.host,S=3+work 2.host+work 4.host+$Label1 ");
	buf_clear(&text);
	ck_assert_uint_eq(ms_import_keyword_list_parse(SPAN(""), note, &text), 0);
	ck_assert_uint_eq(ms_import_keyword_list_parse(SPAN("only\n"), note, &text), 0);
	ck_assert_uint_eq(text.len, 0);
	buf_free(&text);

	ck_assert(ms_import_keyword_file(SPAN(".5017661.1505297645.M1P2.host,S=7"), &file, &order));
	ck_assert(span_eq(file, SPAN("1505297645.M1P2.host,S=7")));
	ck_assert_uint_eq(order, 5017661);
	ck_assert(ms_import_keyword_file(SPAN("1505297645.M1P2.host,S=7"), &file, &order));
	ck_assert_uint_eq(order, UINT64_MAX);
	ck_assert(!ms_import_keyword_file(SPAN(":list"), &file, &order));
	ck_assert(!ms_import_keyword_file(SPAN("."), &file, &order));
	ck_assert(!ms_import_keyword_file(SPAN(".."), &file, &order));
	ck_assert(!ms_import_keyword_file(SPAN(".12"), &file, &order));
	ck_assert(!ms_import_keyword_file(SPAN(".12."), &file, &order));
	ck_assert(!ms_import_keyword_file(SPAN(".x.y"), &file, &order));
}
END_TEST

static void
put_path(void *context, struct span path)
{
	(void)buf_fmt(context, "%.*s|", (int)path.len, path.ptr);
}

START_TEST(subscriptions)
{
	struct buf text = BUF_INIT(4096);

	ms_import_subscriptions_parse(SPAN("INBOX\nWork.Projects\nEntw&APw-rfe\nplain/slash\n\nbad..name\n"), false, put_path, &text);
	ck_assert_str_eq(buf_cstr(&text), "INBOX|Work/Projects|Entw&APw-rfe|plain/slash|bad//name|");
	buf_clear(&text);
	ms_import_subscriptions_parse(SPAN("V\t2\n\nINBOX\nWork\tProjects\nA.B\n"), false, put_path, &text);
	ck_assert_str_eq(buf_cstr(&text), "INBOX|Work/Projects|A/B|");
	buf_clear(&text);
	/* Names in a tree of folders have dots. */
	ms_import_subscriptions_parse(SPAN("V\t2\n\nINBOX\na.b\nWork\tv1.0\tx\n"), true, put_path, &text);
	ck_assert_str_eq(buf_cstr(&text), "INBOX|a.b|Work/v1.0/x|");
	buf_clear(&text);
	ms_import_subscriptions_parse(SPAN("a.b\nWork/v1.0\n"), true, put_path, &text);
	ck_assert_str_eq(buf_cstr(&text), "a.b|Work/v1.0|");
	buf_clear(&text);
	ck_assert_uint_eq(ms_import_subscribed_parse(SPAN("INBOX\nINBOX.Sent\nINBOX.A.B\nshared.x\n"), put_path, &text), 1);
	ck_assert_str_eq(buf_cstr(&text), "INBOX|Sent|A/B|");
	buf_free(&text);
}
END_TEST

/* exact: nothing of it had to be replaced. */
static void
assert_name(const char *name, const char *separators, bool exact, const char *wanted)
{
	struct buf text = BUF_INIT(256);
	bool is_exact;

	ck_assert_int_eq(ms_import_name(span_of(name), separators, &text, &is_exact), 0);
	ck_assert_str_eq(buf_cstr(&text), wanted);
	ck_assert_msg(is_exact == exact, "%s", name);
	buf_free(&text);
}

START_TEST(names)
{
	struct buf text = BUF_INIT(2);
	bool exact;

	assert_name("A.B", ".", true, "A/B");
	assert_name("A.B", "/", false, "A_B");
	assert_name("Entw&APw-rfe", ".", true, "Entw\xc3\xbcrfe");
	assert_name("Entw\xc3\xbcrfe", ".", true, "Entw\xc3\xbcrfe");
	assert_name("A&B", ".", true, "A&B"); /* not modified UTF-7: as it stands */
	assert_name("50%*", ".", false, "50__");
	assert_name("a\tb", ".", false, "a_b");
	assert_name("", ".", false, "_");
	assert_name(".a", ".", false, "_/a");
	assert_name("a.", ".", false, "a/_");
	assert_name("\xff" "b.c", ".", false, "_b/c");
	ck_assert_int_eq(ms_import_name(SPAN("abc"), ".", &text, &exact), MS_E_BADNAME);
	buf_free(&text);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("import");
	TCase *tests = tcase_create("files of others");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, dovecot_uidlist);
	tcase_add_test(tests, courier_uiddb);
	tcase_add_test(tests, uids_passed_over);
	tcase_add_test(tests, uids_found);
	tcase_add_test(tests, dovecot_keywords);
	tcase_add_test(tests, courier_keywords);
	tcase_add_test(tests, subscriptions);
	tcase_add_test(tests, names);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
