/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* What a search finds in a message's bytes, and where it stops. */
#include <check.h>
#include <stdlib.h>

#include "common/xalloc.h"
#include "libmailstore/ms_search_match.h"
#include "tests/unit/libmailstore/store_tests.h"

static struct ms_search_key
text_key(unsigned where, const char *text, const char *field)
{
	return (struct ms_search_key){ .kind = MS_SEARCH_TEXT, .where = where, .text = text, .text_len = strlen(text), .field = field,
		.field_len = strlen(field) };
}

static bool
matches(const struct ms_search_key *keys, struct span message)
{
	const struct ms_message record = { .uid = 7, .size = 100, .flags = MS_SEEN, .keywords.first = 2, .internal_date = 1000 };
	struct ms_match *match = ms_match_new(keys);
	bool result = ms_match_bytes(match, &record, message);

	ck_assert_int_eq(ms_match_bytes(match, &record, message), result); /* nothing stays of the first */
	ms_match_free(match);
	return result;
}

static bool
has(unsigned where, const char *text, const char *field, const char *message)
{
	const struct ms_search_key key = text_key(where, text, field);

	return matches(&key, span_of(message));
}

static const char html[] =
    "From: a\nSubject: =?utf-8?b?5L2g5aW9?= there\nContent-Type: multipart/mixed; boundary=x\n\n"
    "--x\nContent-Type: text/html\n\n<p>Sp<b>lit</b> word</p>\n--x\nContent-Type: message/rfc822\n\nSubject: within\n\ninner text\n"
    "--x\nContent-Type: image/png\n\nnot text\n--x--\n";

START_TEST(places)
{
	ck_assert(has(MS_IN_FIELD, "\xe4\xbd\xa0\xe5\xa5\xbd THERE", "subject", html));
	ck_assert(!has(MS_IN_FIELD, "within", "subject", html));
	ck_assert(has(MS_IN_FIELD, "", "Subject", html));
	ck_assert(!has(MS_IN_FIELD, "", "Cc", html));
	ck_assert(has(MS_IN_HEADER, "content-ty", "", html));
	/* A field is one text from its name on. */
	ck_assert(has(MS_IN_HEADER, "subject: \xe4\xbd\xa0\xe5\xa5\xbd t", "", html));
	ck_assert(!has(MS_IN_HEADER, "subject:\xe4\xbd\xa0", "", html));
	ck_assert(!has(MS_IN_HEADER, "a\nsubject", "", html));
	ck_assert(!has(MS_IN_FIELD, "subject", "subject", html));
	ck_assert(has(MS_IN_BODY, "Subject: within", "", html));
	ck_assert(has(MS_IN_HEADER, "subject:x", "", "Subject:x\n\n"));
	ck_assert(has(MS_IN_HEADER, "subject: \tx", "", "Subject: \n\tx\n\n"));
	ck_assert(has(MS_IN_BODY, "split", "", html));
	ck_assert(has(MS_IN_BODY, "sp<B>lit", "", html));
	ck_assert(!has(MS_IN_READ, "sp<b>lit", "", html));
	ck_assert(has(MS_IN_READ, "split word", "", html));
	ck_assert(has(MS_IN_BODY, "within", "", html));
	ck_assert(!has(MS_IN_READ, "within", "", html));
	ck_assert(has(MS_IN_READ, "inner text", "", html));
	ck_assert(!has(MS_IN_BODY | MS_IN_HEADER, "not text", "", html));
	ck_assert(!has(MS_IN_BODY, "there", "", html));
	ck_assert(has(MS_IN_BODY, "", "", "Content-Type: image/png\n\nx"));
}
END_TEST

/* Several needles, in an order of their own, one of them wherever a piece may end. */
START_TEST(pieces)
{
	for (size_t at = 8000; at < 50000; at += 97) {
		struct buf message = BUF_INIT(1 << 20);
		struct ms_search_key keys[3] = { text_key(MS_IN_BODY, "needle in it", ""), text_key(MS_IN_BODY, "zz", ""), text_key(MS_IN_BODY, "no", "") };
		const struct ms_search_key either = { .kind = MS_SEARCH_OR, .children = &keys[2], .next = &keys[0] };

		keys[0].next = &keys[1];
		(void)buf_str(&message, "Subject: x\n\n");
		while (message.len < at)
			(void)buf_str(&message, "a line of text\n");
		(void)buf_str(&message, "NEEDLE in\nit");
		while (message.len < at + 20000)
			(void)buf_str(&message, "a line of text\n");
		ck_assert(!matches(keys, buf_get(&message)));
		(void)buf_str(&message, "ZZ");
		ck_assert(matches(keys, buf_get(&message)));
		ck_assert(!matches(&either, buf_get(&message)));
		buf_free(&message);
	}
}
END_TEST

/* Needles that are long and nearly there everywhere: linear, or this test takes minutes. */
START_TEST(long_needles)
{
	struct buf message = BUF_INIT(64 << 20), needle = BUF_INIT(1 << 20);
	struct ms_search_key key;

	while (needle.len < (1 << 20) - 1)
		(void)buf_char(&needle, 'a');
	key = text_key(MS_IN_BODY, buf_cstr(&needle), "");
	(void)buf_str(&message, "Subject: x\n\n");
	for (unsigned i = 0; i < 40; i++) {
		(void)buf_put(&message, needle.data, needle.len - 1);
		(void)buf_char(&message, 'b');
	}
	ck_assert(!matches(&key, buf_get(&message)));
	(void)buf_span(&message, buf_get(&needle));
	ck_assert(matches(&key, buf_get(&message)));
	buf_free(&message);
	buf_free(&needle);
}
END_TEST

static const char *
name_of(void *context, unsigned n)
{
	static const char *const names[] = { "one", "Two" };

	(void)context;
	return n < 2 ? names[n] : NULL;
}

START_TEST(records)
{
	const struct ms_search_range range = { 5, 7 };
	const struct ms_message record = { .uid = 7, .size = 100, .flags = MS_SEEN, .keywords.first = 2, .internal_date = 1000 };
	const struct ms_search_key none = { .kind = MS_SEARCH_OR }, all = { .kind = MS_SEARCH_AND }, text = text_key(MS_IN_BODY, "x", "");
	const struct ms_search_key yes[] = {
		{ .kind = MS_SEARCH_UIDS, .uids = &range, .uid_count = 1 }, { .kind = MS_SEARCH_FLAGS, .flags = MS_SEEN | MS_DRAFT },
		{ .kind = MS_SEARCH_KEYWORD, .text = "tWO", .text_len = 3 }, { .kind = MS_SEARCH_SIZE, .low = 100, .high = 100 },
		{ .kind = MS_SEARCH_RECEIVED, .from = 1000, .to = 1001 }, { .kind = MS_SEARCH_NOT, .children = &none }, all,
	};
	const struct ms_search_key no[] = {
		none, { .kind = MS_SEARCH_NOT, .children = &all }, { .kind = MS_SEARCH_FLAGS, .flags = MS_DRAFT },
		{ .kind = MS_SEARCH_KEYWORD, .text = "one", .text_len = 3 }, { .kind = MS_SEARCH_RECEIVED, .from = 0, .to = 1000 },
	};

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]) + sizeof(no) / sizeof(no[0]); i++) {
		bool is = i < sizeof(yes) / sizeof(yes[0]);
		struct ms_search_key key = is ? yes[i] : no[i - sizeof(yes) / sizeof(yes[0])], with = key;
		struct ms_match *match = ms_match_new(&key);

		ms_match_keywords(match, name_of, NULL);
		ck_assert_int_eq(ms_match_record(match, &record), is ? MS_YES : MS_NO);
		ms_match_free(match);
		/* What the record refuses is not read. */
		with.next = &text;
		match = ms_match_new(&with);
		ms_match_keywords(match, name_of, NULL);
		ck_assert_int_eq(ms_match_record(match, &record), is ? MS_OPEN : MS_NO);
		ms_match_free(match);
	}
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("search");

	tcase_set_timeout(tests, 120);
	tcase_add_test(tests, places);
	tcase_add_test(tests, pieces);
	tcase_add_test(tests, long_needles);
	tcase_add_test(tests, records);
	return run_case("search", tests, NULL);
}
