/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* SASL PLAIN and LOGIN: good exchanges, and everything that is none. */
#include <check.h>
#include <stdlib.h>

#include "frame/sasl_parse.h"

static struct sasl sasl;
static struct buf user, password;

static void
setup(void)
{
	user = BUF_INIT(SASL_USER_MAX);
	password = BUF_INIT(SASL_PASSWORD_MAX);
}

static void
teardown(void)
{
	buf_wipe(&user);
	buf_wipe(&password);
}

START_TEST(plain)
{
	static const struct {
		const char *text;
		enum sasl_result result;
		const char *user, *password;
	} cases[] = {
		{ "AGFsaWNlAGRlbW8=", SASL_DONE, "alice", "demo" },           /* \0alice\0demo */
		/* alice\0alice\0demo */
		{ "YWxpY2UAYWxpY2UAZGVtbw==", SASL_DONE, "alice", "demo" },
		{ "Ym9iAGFsaWNlAGRlbW8=", SASL_FORBIDDEN, NULL, NULL },       /* bob\0alice\0demo */
		{ "AMOpAMO8", SASL_DONE, "\xc3\xa9", "\xc3\xbc" },            /* \0é\0ü */
		/* latin-1 is no UTF-8 */
		{ "AOkAeA==", SASL_MALFORMED, NULL, NULL },
		{ "AGFsaWNlAGRl\tbW8=", SASL_MALFORMED, NULL, NULL },
		{ "AGFsaWNlAGRlbW8", SASL_MALFORMED, NULL, NULL },            /* no padding */
		/* bits behind the end */
		{ "AGFsaWNlAGRlbW9=", SASL_MALFORMED, NULL, NULL },
		{ "AGFsaWNlAGRlbW8==", SASL_MALFORMED, NULL, NULL },
		/* padding in the middle */
		{ "AGFs=WNlAGRlbW8=", SASL_MALFORMED, NULL, NULL },
		{ "====", SASL_MALFORMED, NULL, NULL },
		{ "YWxpY2U=", SASL_MALFORMED, NULL, NULL },                   /* no NUL */
		{ "AGFsaWNl", SASL_MALFORMED, NULL, NULL },                   /* one NUL */
		{ "AGEAYgBj", SASL_MALFORMED, NULL, NULL },                   /* three */
		{ "AAB4", SASL_MALFORMED, NULL, NULL },                       /* no user */
		{ "AHgA", SASL_MALFORMED, NULL, NULL },                       /* no password */
		{ "", SASL_MALFORMED, NULL, NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		sasl_begin(&sasl, SASL_PLAIN);
		ck_assert_msg(sasl_line(&sasl, span_of(cases[i].text), &user, &password) ==
			cases[i].result,
		    "line %s", cases[i].text);
		sasl_begin(&sasl, SASL_PLAIN);
		ck_assert_msg(sasl_initial(&sasl, span_of(cases[i].text), &user, &password) ==
			cases[i].result,
		    "initial %s", cases[i].text);
		if (cases[i].user != NULL) {
			ck_assert_str_eq(buf_cstr(&user), cases[i].user);
			ck_assert_str_eq(buf_cstr(&password), cases[i].password);
		}
	}
	sasl_begin(&sasl, SASL_PLAIN);
	ck_assert_str_eq(sasl_challenge(&sasl), "");
	ck_assert_int_eq(sasl_initial(&sasl, SPAN("="), &user, &password), SASL_MALFORMED);
	ck_assert_int_eq(sasl_line(&sasl, SPAN("*"), &user, &password), SASL_CANCELLED);
}
END_TEST

START_TEST(login)
{
	sasl_begin(&sasl, SASL_LOGIN);
	ck_assert_str_eq(sasl_challenge(&sasl), "VXNlcm5hbWU6");
	ck_assert_int_eq(sasl_line(&sasl, SPAN("YWxpY2U="), &user, &password), SASL_CONTINUE);
	ck_assert_str_eq(sasl_challenge(&sasl), "UGFzc3dvcmQ6");
	ck_assert_int_eq(sasl_line(&sasl, SPAN("ZGVtbw=="), &user, &password), SASL_DONE);
	ck_assert_str_eq(buf_cstr(&user), "alice");
	ck_assert_str_eq(buf_cstr(&password), "demo");
	/* No third line. */
	ck_assert_int_eq(sasl_line(&sasl, SPAN("ZGVtbw=="), &user, &password), SASL_MALFORMED);
	sasl_begin(&sasl, SASL_LOGIN);
	ck_assert_int_eq(sasl_initial(&sasl, SPAN("YWxpY2U="), &user, &password), SASL_CONTINUE);
	ck_assert_int_eq(sasl_line(&sasl, SPAN("*"), &user, &password), SASL_CANCELLED);
	sasl_begin(&sasl, SASL_LOGIN);
	ck_assert_int_eq(sasl_line(&sasl, SPAN(""), &user, &password), SASL_MALFORMED);
}
END_TEST

/* \0 name \0 "x", the name of so many letters a. */
static enum sasl_result
plain_with_name_of(size_t len)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	struct buf raw = BUF_INIT(8192), text = BUF_INIT(8192);
	enum sasl_result result;

	(void)buf_char(&raw, '\0');
	for (size_t i = 0; i < len; i++)
		(void)buf_char(&raw, 'a');
	(void)buf_put(&raw, "\0x", 2);
	while (raw.len % 3 != 0)
		(void)buf_char(&raw, 'x');
	for (size_t i = 0; i < raw.len; i += 3) {
		unsigned bits = (unsigned)(unsigned char)raw.data[i] << 16 |
		    (unsigned)(unsigned char)raw.data[i + 1] << 8 | (unsigned char)raw.data[i + 2];

		for (int shift = 18; shift >= 0; shift -= 6)
			(void)buf_char(&text, digits[bits >> shift & 63]);
	}
	sasl_begin(&sasl, SASL_PLAIN);
	result = sasl_line(&sasl, buf_get(&text), &user, &password);
	buf_free(&raw);
	buf_free(&text);
	return result;
}

START_TEST(bounds)
{
	ck_assert_int_eq(plain_with_name_of(SASL_USER_MAX - 1), SASL_DONE);
	ck_assert_int_eq(plain_with_name_of(SASL_USER_MAX), SASL_DONE);
	ck_assert_int_eq(plain_with_name_of(SASL_USER_MAX + 1), SASL_TOO_LONG);
	ck_assert_int_eq(plain_with_name_of(4000), SASL_TOO_LONG);
}
END_TEST

START_TEST(names)
{
	enum sasl_mechanism mechanism;

	ck_assert(sasl_mechanism(SPAN("plain"), &mechanism) && mechanism == SASL_PLAIN);
	ck_assert(sasl_mechanism(SPAN("LOGIN"), &mechanism) && mechanism == SASL_LOGIN);
	ck_assert(!sasl_mechanism(SPAN("PLAI"), &mechanism));
	ck_assert(!sasl_mechanism(SPAN("CRAM-MD5"), &mechanism));
	ck_assert(!sasl_mechanism(SPAN_NULL, &mechanism));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("sasl");
	TCase *tests = tcase_create("sasl");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, plain);
	tcase_add_test(tests, login);
	tcase_add_test(tests, bounds);
	tcase_add_test(tests, names);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
