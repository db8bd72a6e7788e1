/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A policy on its way between roles: it arrives as it was, and is bounded there. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "frame/role.h"
#include "smtpd/smtpd_msg.h"
#include "smtpd/sts_parse.h"
#include "smtpd/sts_parts.h"

static struct buf parts = BUF_INIT(STS_TEXT_MAX);
static unsigned sent;

/* The peer is the test. */
int
proc_send(struct proc *proc, uint8_t role, uint16_t type, uint32_t id, const struct msg_writer *body, int fd)
{
	const struct msg msg = { .type = type, .id = id, .body = span_make(body->bytes, body->len), .fd = -1 };

	(void)proc;
	ck_assert(role == ROLE_RELAY && type == MSG_STS_ANSWER_PART && id == 7 && fd == -1 && !body->overflow);
	sent++;
	return sts_parts_take(&parts, &msg);
}

static char *
text_of(size_t len)
{
	char *text = malloc(len + 1);

	ck_assert_ptr_nonnull(text);
	for (size_t i = 0; i < len; i++)
		text[i] = (char)('a' + i * 7 % 26);
	text[len] = '\0';
	return text;
}

static const struct {
	size_t len;
	unsigned parts;
} texts[] = { { 0, 0 }, { 1, 0 }, { STS_PART_MAX, 0 }, { STS_PART_MAX + 1, 1 }, { 2 * STS_PART_MAX, 1 }, { STS_TEXT_MAX, 5 } };

START_TEST(arrives)
{
	char *text = text_of(texts[_i].len);
	/* Twice: nothing of the first is left. */
	for (unsigned turn = 0; turn < 2; turn++) {
		struct span last = sts_parts_send(NULL, ROLE_RELAY, MSG_STS_ANSWER_PART, 7, span_of(text));

		ck_assert_uint_le(last.len, STS_PART_MAX);
		ck_assert_uint_eq(sent, (turn + 1) * texts[_i].parts);
		ck_assert_int_eq(sts_parts_end(&parts, &last), 0);
		ck_assert(span_eq(last, span_of(text)));
		buf_free(&parts);
	}
	free(text);
}
END_TEST

/* Whoever sends more than a policy may be is broken: in the parts, and with the end. */
START_TEST(too_long)
{
	static uint8_t bytes[2 + STS_PART_MAX];
	const struct msg msg = { .body = span_make(bytes, sizeof(bytes)), .fd = -1 };
	struct span last = span_make(bytes + 2, STS_PART_MAX);
	struct msg_writer body;
	size_t count = 0;

	msg_writer_init(&body);
	msg_put_span(&body, last);
	memcpy(bytes, body.bytes, 2);
	while (count < STS_TEXT_MAX / STS_PART_MAX) {
		ck_assert_int_eq(sts_parts_take(&parts, &msg), 0);
		count++;
	}
	ck_assert_int_eq(_i == 0 ? sts_parts_take(&parts, &msg) : sts_parts_end(&parts, &last), -EBADMSG);
	buf_free(&parts);
	ck_assert_int_eq(sts_parts_take(&parts, &(struct msg){ .body = span_make(bytes, sizeof(bytes) - 1), .fd = -1 }), -EBADMSG);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("sts_parts");
	TCase *tests = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, arrives, 0, sizeof(texts) / sizeof(*texts));
	tcase_add_loop_test(tests, too_long, 0, 2);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
