/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Message-ID lists: RFC 5322 section 3.6.4 and what senders make of it. */
#include <stdio.h>

#include "common/message_id.h"
#include "tests/unit/common/syntax.h"

START_TEST(lists)
{
	static const struct {
		const char *value, *ids;
	} rows[] = {
		{ "<1234@local.machine.example>", "1234@local.machine.example" }, { " <a@b>\r\n <c@d>", "a@b|c@d" }, { "<a@b><c@d>", "a@b|c@d" },
		{ "(comment <x@y>) <a@b> (more \\) <z>)", "a@b" }, { "Your message of \"Mon, 1 Jan\" <a@b>", "a@b" }, { "", "" },
		{ "no brackets", "" }, { "<>", "" }, { "< a@\r\n b >", "a@b" }, { "<\"a b\"@c>", "ab@c" }, { "<a@b", "" }, { "<a<b@c>", "b@c" },
		{ "<a@b> junk <c@d", "a@b" }, { "<nodomain>", "nodomain" }, { "(open <a@b>", "" }, { "<\"a\\\">\"@b>", "a\">@b" }, { "<\"open@b>", "" },
		{ "<a(b)@c>", "a(b)@c" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct message_id_list list;
		struct buf out = BUF_INIT(TEXT_MAX);

		message_id_list_parse(span_of(rows[i].value), &list);
		for (size_t k = 0; k < list.count; k++) {
			(void)buf_str(&out, k == 0 ? "" : "|");
			(void)buf_span(&out, list.ids[k]);
		}
		message_id_list_free(&list);
		ck_buf(&out, span_of(rows[i].ids), rows[i].value);
	}
}
END_TEST

START_TEST(limits)
{
	for (size_t count = MESSAGE_ID_COUNT_MAX - 1; count <= MESSAGE_ID_COUNT_MAX + 5; count++) {
		struct buf value = BUF_INIT(TEXT_MAX);
		struct message_id_list list;
		char last[32];

		for (size_t i = 0; i < count; i++)
			(void)buf_fmt(&value, "<%zu@x>", i);
		message_id_list_parse(buf_get(&value), &list);
		ck_assert_uint_eq(list.count, count < MESSAGE_ID_COUNT_MAX ? count : MESSAGE_ID_COUNT_MAX);
		ck_assert(span_eq(list.ids[0], SPAN("0@x")));
		for (size_t i = 1; i < list.count; i++) {
			(void)snprintf(last, sizeof(last), "%zu@x", count - list.count + i);
			ck_assert(span_eq(list.ids[i], span_of(last)));
		}
		message_id_list_free(&list);
		buf_free(&value);
	}
	for (size_t len = MESSAGE_ID_MAX - 1; len <= MESSAGE_ID_MAX + 1; len++) {
		char text[MESSAGE_ID_MAX + 10];
		struct message_id_list list;

		memset(text, 'a', sizeof(text));
		text[0] = '<';
		text[len + 1] = '>';
		message_id_list_parse(span_make(text, len + 2), &list);
		ck_assert_uint_eq(list.count, len <= MESSAGE_ID_MAX);
		message_id_list_free(&list);
	}
}
END_TEST

START_TEST(made)
{
	const uint8_t random[16] = { 0, 0x1f, 0xff, 7 };
	struct buf out = BUF_INIT(TEXT_MAX), again = BUF_INIT(TEXT_MAX);
	struct span value;

	ck_assert_int_eq(message_id_append(&out, 1700000000, random, SPAN("mx.example")), 0);
	value = buf_get(&out);
	ck_assert(span_starts(value, SPAN("<")) && span_ends(value, SPAN("@mx.example>")));
	ck_assert(message_id_next(&value, &again));
	ck_assert_uint_eq(again.len, out.len - 2);
	buf_free(&out);
	buf_free(&again);
	out = BUF_INIT(10);
	ck_assert_int_eq(message_id_append(&out, 1700000000, random, SPAN("mx.example")), -EMSGSIZE);
	buf_free(&out);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = { lists, limits, made };

	return run_suite("message_id", tests, COUNT(tests));
}
