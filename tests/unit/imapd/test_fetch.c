/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Sections of messages, their names in answers, and what SEARCH finds in a message. */
#include <check.h>
#include <stdlib.h>

#include "imapd/fetch_section.h"
#include "imapd/imap_parse.h"
#include "imapd/search_keys.h"
#include "libmailstore/ms_search_match.h"

static const char plain[] = "From: a@b.c\nSubject: plain\nX: 1\nX: 2\n\nline\nend\n";
static const char mixed[] =
    "From: =?utf-8?q?J=C3=B6rg?= <j@x.y>\nSubject: two\nDate: Fri, 31 Dec 1999 23:59:00 -0800\n"
    "Content-Type: multipart/mixed; boundary=b\n\npre\n--b\nContent-Type: text/html; charset=iso-8859-1\n"
    "Content-Transfer-Encoding: base64\n\nPGI+V+RyPC9iPm1lCg==\n--b\nContent-Type: message/rfc822\n\n"
    "Subject: inner\n\ninner body\n--b--\n";

static const struct {
	const char *message, *item, *name, *text; /* text NULL: there is no such section */
} rows[] = {
	{ plain, "BODY[]", "BODY[]", plain },
	{ plain, "RFC822", "RFC822", plain },
	{ plain, "BODY.PEEK[TEXT]", "BODY[TEXT]", "line\nend\n" },
	{ plain, "BODY[HEADER]", "BODY[HEADER]", "From: a@b.c\nSubject: plain\nX: 1\nX: 2\n\n" },
	{ plain, "BODY[1]", "BODY[1]", "line\nend\n" },
	{ plain, "BODY[2]", "BODY[2]", NULL },
	{ plain, "BODY[1.1]", "BODY[1.1]", NULL },
	{ plain, "BODY[HEADER.FIELDS (x SUBJECT none)]", "BODY[HEADER.FIELDS (x SUBJECT none)]", "Subject: plain\nX: 1\nX: 2\n\r\n" },
	{ plain, "BODY[HEADER.FIELDS (\"a b\")]<1.2>", "BODY[HEADER.FIELDS (\"a b\")]<1>", "\r\n" },
	{ plain, "BODY[HEADER.FIELDS.NOT (x from)]", "BODY[HEADER.FIELDS.NOT (x from)]", "Subject: plain\n\r\n" },
	{ mixed, "BODY[1]", "BODY[1]", "PGI+V+RyPC9iPm1lCg==" },
	{ mixed, "BODY[1.MIME]", "BODY[1.MIME]",
	    "Content-Type: text/html; charset=iso-8859-1\nContent-Transfer-Encoding: base64\n\n" },
	{ mixed, "BODY[2.HEADER]", "BODY[2.HEADER]", "Subject: inner\n\n" },
	{ mixed, "BODY[2.TEXT]", "BODY[2.TEXT]", "inner body" },
	{ mixed, "BODY[2.1]", "BODY[2.1]", "inner body" },
	{ mixed, "BODY[2.HEADER.FIELDS (Subject)]", "BODY[2.HEADER.FIELDS (Subject)]", "Subject: inner\n\r\n" },
	{ mixed, "BODY[1.HEADER]", "BODY[1.HEADER]", NULL },
	{ mixed, "BODY[3]", "BODY[3]", NULL },
};

START_TEST(sections)
{
	struct imap_arena arena = { .max = 65536 };
	char *copy = span_dup(span_of(rows[_i].item));
	struct imap_parser parser = { .at = copy, .end = copy + strlen(copy), .arena = &arena };
	struct fetch_message message = { .bytes = span_of(rows[_i].message) };
	struct buf fields = BUF_INIT(65536), name = BUF_INIT(1000);
	struct imap_fetch_item *item;
	struct span text;
	bool found;

	ck_assert_msg(imap_parse_fetch_items(&parser, &item), "%s", parser.error);
	fetch_section_name(item, &name);
	ck_assert_str_eq(buf_cstr(&name), rows[_i].name);
	found = fetch_section_find(&message, &item->section, &fields, &text);
	ck_assert_int_eq(found, rows[_i].text != NULL);
	if (found) {
		buf_clear(&name);
		(void)buf_span(&name, text);
		ck_assert_str_eq(buf_cstr(&name), rows[_i].text);
	}
	fetch_message_clear(&message);
	buf_free(&fields);
	buf_free(&name);
	imap_arena_free(&arena);
	free(copy);
}
END_TEST

static const struct {
	const char *message, *program;
	bool matches;
} searches[] = {
	{ plain, "SUBJECT PLA", true },
	{ plain, "SUBJECT none", false },
	{ plain, "FROM A@B", true },
	{ plain, "TO a", false },
	{ plain, "HEADER X 2", true },
	{ plain, "HEADER X \"\"", true },
	{ plain, "HEADER Y \"\"", false },
	{ plain, "BODY LINE", true },
	{ plain, "BODY plain", false },
	{ plain, "TEXT plain", true },
	{ plain, "SENTON 1-Jan-2000", false },
	{ mixed, "FROM \"J\xc3\x96RG\"", true },
	{ mixed, "BODY \"W\xc3\xa4r\"", true },
	{ mixed, "BODY \"w\xc3\x84rme\"", true },
	{ mixed, "BODY PGI", false },
	{ mixed, "BODY inner", true },
	{ mixed, "SUBJECT inner", false },
	{ mixed, "SENTON 31-Dec-1999", true },
	{ mixed, "SENTBEFORE 31-Dec-1999", false },
	{ mixed, "SENTSINCE 31-Dec-1999", true },
};

START_TEST(finds)
{
	struct imap_arena arena = { .max = 65536 };
	char *copy = span_dup(span_of(searches[_i].program));
	struct imap_parser parser = { .at = copy, .end = copy + strlen(copy), .arena = &arena };
	struct imap_command command = { 0 };
	struct imap_view view = { 0 };
	struct ms_message record = { 0 };
	const struct ms_search_key *keys;
	struct ms_match *match;

	ck_assert_msg(imap_parse_search_program(&parser, &command), "%s", parser.error);
	ck_assert_int_eq(search_keys_make(command.search, &view, 0, &arena, &keys), 0);
	match = ms_match_new(keys);
	ck_assert_int_eq(ms_match_record(match, &record), MS_OPEN);
	ck_assert_int_eq(ms_match_bytes(match, &record, span_of(searches[_i].message)), searches[_i].matches);
	ms_match_free(match);
	imap_arena_free(&arena);
	free(copy);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("imap_fetch");
	TCase *tests = tcase_create("fetch");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, sections, 0, sizeof(rows) / sizeof(rows[0]));
	tcase_add_loop_test(tests, finds, 0, sizeof(searches) / sizeof(searches[0]));
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
