/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Recipients that milters add and take away: from their packets to the envelope. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "smtpd/filter.h"
#include "smtpd/smtp_filter_client.h"

/* "+a@x" adds, "-a@x" takes away. */
static void
say(struct filter_edit *edit, struct span word)
{
	const struct milter_packet packet = { .type = span_starts(word, SPAN("+")) ? MILTER_IS_ADD_RCPT : MILTER_IS_DELETE_RCPT,
		.text = span_skip(word, 1) };

	ck_assert_int_eq(filter_edit_change(edit, &packet), 0);
}

/* As it comes to smtp: of all messages together. */
static void
pass_on(const struct filter_edit *edit, struct buf *ret)
{
	for (size_t sent = 0; sent < edit->made.rcpt_count;) {
		struct msg_writer body;
		size_t count;

		msg_writer_init(&body);
		count = filter_edit_put_rcpts(edit, sent, &body);
		ck_assert_uint_ne(count, 0);
		ck_assert(!body.overflow);
		sent += count;
		ck_assert_int_eq(buf_put(ret, (const char *)body.bytes, body.len), 0);
	}
}

static const struct {
	const char *words, *recipients;
	int changed;
} cases[] = {
	{ "", "a@x b@x", 0 },
	{ "+c@x", "a@x b@x c@x", 1 },
	{ "-a@x", "b@x", 1 },
	{ "-A@X +c@x", "b@x c@x", 1 },
	/* Whoever is a recipient already, or added twice, gets it once. */
	{ "+a@x", "a@x b@x", 0 },
	{ "+c@x +<c@x>", "a@x b@x c@x", 1 },
	/* The last word counts. */
	{ "-a@x -b@x +b@x +c@x", "b@x c@x", 1 },
	{ "+c@x -c@x", "a@x b@x", 0 },
	{ "-a@x -b@x", "", 1 },
	/* Whatever the case of who is ours; another host's may be two. */
	{ "+c@x -C@x", "a@x b@x", 0 },
	{ "-a@x +c@x -A@X +A@x", "a@x b@x c@x", 1 },
	{ "+C@y +c@y +c@Y", "a@x b@x C@y c@y", 1 },
	{ "+c@y +d@y -C@y", "a@x b@x c@y d@y", 1 },
	/* In UTF-8, which wants SMTPUTF8. */
	{ "+ü@x", "a@x b@x ü@x", 1 },
	/* In either form of the domain, ours and another host's. */
	{ "+c@bücher.example +c@xn--bcher-kva.example", "a@x b@x c@bücher.example", 1 },
	{ "+c@xn--bcher-kva.example -C@bücher.example", "a@x b@x", 0 },
	{ "+c@grün.example +c@XN--grn-ioa.example", "a@x b@x c@grün.example", 1 },
	{ "+c@xn--grn-ioa.example -c@grün.example", "a@x b@x", 0 },
	/* However the local part is written. */
	{ "-\"a\"@x", "b@x", 1 },
};

static char here[] = "x", books[] = "xn--bcher-kva.example";
static char *ours[] = { here, books };
static const struct conf_list domains = { ours, 2 };

START_TEST(the_last_word_counts)
{
	struct span words = span_of(cases[_i].words), word;
	struct filtered filtered = { .fd = -1 };
	struct buf list = BUF_INIT(4096), all = BUF_INIT(4096);
	struct filter_edit edit;
	struct envelope envelope;

	filter_edit_init(&edit, 1000);
	while (span_split(&words, ' ', &word))
		if (word.len != 0)
			say(&edit, word);
	pass_on(&edit, &list);
	filtered.rcpts = buf_get(&list);
	envelope_init(&envelope, SPAN("s@x"), 0);
	ck_assert_int_eq(envelope_add(&envelope, SPAN("a@x"), SPAN_NULL, 0), 0);
	ck_assert_int_eq(envelope_add(&envelope, SPAN("b@x"), SPAN("rfc822;b@x"), ENVELOPE_NEVER), 0);
	ck_assert_int_eq(filtered_apply(&filtered, &domains, &envelope), cases[_i].changed);
	for (size_t i = 0; i < envelope.count; i++)
		(void)buf_fmt(&all, "%s%s", i == 0 ? "" : " ", envelope.recipients[i].address);
	ck_assert_str_eq(buf_cstr(&all), cases[_i].recipients);
	ck_assert_int_eq(envelope.smtputf8, !span_is_ascii(buf_get(&all)));
	/* Who stays keeps what the sender asked for. */
	for (size_t i = 0; i < envelope.count; i++)
		ck_assert_int_eq(envelope.recipients[i].notify, span_eq(span_of(envelope.recipients[i].address), SPAN("b@x")) ? ENVELOPE_NEVER : 0);
	envelope_free(&envelope);
	filter_edit_free(&edit);
	buf_free(&list);
	buf_free(&all);
}
END_TEST

/* As many as a message may have: more than one message between the roles holds. */
START_TEST(all_of_many_are_taken_away)
{
	struct filtered filtered = { .fd = -1 };
	struct buf list = BUF_INIT(1 << 20);
	struct filter_edit edit;
	struct envelope envelope;

	filter_edit_init(&edit, 1000);
	envelope_init(&envelope, SPAN("s@x"), 0);
	for (unsigned i = 0; i < 2000; i++) {
		char text[64];

		(void)snprintf(text, sizeof(text), "-somebody.%u@example.test", i);
		ck_assert_int_eq(envelope_add(&envelope, span_of(text + 1), SPAN_NULL, 0), 0);
		say(&edit, span_of(text));
	}
	say(&edit, SPAN("+c@x"));
	pass_on(&edit, &list);
	ck_assert_uint_gt(list.len, MSG_BODY_MAX);
	filtered.rcpts = buf_get(&list);
	ck_assert_int_eq(filtered_apply(&filtered, &domains, &envelope), 1);
	ck_assert_uint_eq(envelope.count, 1);
	ck_assert_str_eq(envelope.recipients[0].address, "c@x");
	envelope_free(&envelope);
	filter_edit_free(&edit);
	buf_free(&list);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("filter_rcpts");
	TCase *tests = tcase_create("filter_rcpts");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, the_last_word_counts, 0, sizeof(cases) / sizeof(*cases));
	tcase_add_test(tests, all_of_many_are_taken_away);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
