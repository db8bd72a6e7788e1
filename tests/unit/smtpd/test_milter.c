/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* The milter protocol: packets, the steps of a message with every option and answer, changes of headers, and whose changes stand. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/io.h"
#include "smtpd/filter.h"
#include "smtpd/header_edit.h"
#include "smtpd/milter_state.h"

static const struct milter_client client = { .hostname = { "mail.example.test", 17 }, .address = { "192.0.2.1", 9 }, .helo = { "far", 3 },
	.sender = { "s@example.org", 13 } };
#define HEADER "From: a\r\nSubject: b\r\n\tc\r\n\r\n"

/* --- packets --- */

#define LEN(n) "\0\0\0" n
static const struct {
	struct span packet;
	int result;
	enum milter_type type;
	uint32_t index;
	const char *name, *text;
} packets[] = {
	{ SPAN(LEN("\1") "c"), 0, MILTER_IS_CONTINUE, 0, "", "" },
	{ SPAN(LEN("\x0b") "y550 5.7.1\0"), 0, MILTER_IS_REPLY, 0, "", "550 5.7.1" },
	{ SPAN(LEN("\5") "hA\0b\0"), 0, MILTER_IS_ADD_HEADER, 0, "A", "b" },
	{ SPAN(LEN("\x08") "i\0\0\1\2A\0\0"), 0, MILTER_IS_INSERT_HEADER, 258, "A", "" },
	{ SPAN(LEN("\4") "bx\0y"), 0, MILTER_IS_BODY, 0, "", "x" },
	{ SPAN(LEN("\4") "+<>\0"), 0, MILTER_IS_ADD_RCPT, 0, "", "<>" },
	{ SPAN(LEN("\0") ""), -EBADMSG, 0, 0, "", "" },
	{ SPAN("\0\1\0\1"), -EBADMSG, 0, 0, "", "" },
	{ SPAN(LEN("\1") "?"), -EBADMSG, 0, 0, "", "" },
	{ SPAN(LEN("\2") "yx"), -EBADMSG, 0, 0, "", "" },
	{ SPAN(LEN("\3") "hA\0"), -EBADMSG, 0, 0, "", "" },
	{ SPAN(LEN("\3") "mxx"), -EBADMSG, 0, 0, "", "" },
	{ SPAN(LEN("\5") "O\0\0\0\6"), -EBADMSG, 0, 0, "", "" },
};

START_TEST(packets_are_read)
{
	struct milter_packet packet;
	size_t len = 0;

	ck_assert_int_eq(milter_parse(packets[_i].packet, MILTER_PACKET_MAX, &packet, &len), packets[_i].result);
	if (packets[_i].result != 0)
		return;
	ck_assert_uint_eq(len, packets[_i].packet.len);
	ck_assert_int_eq(packet.type, packets[_i].type);
	ck_assert_uint_eq(packet.index, packets[_i].index);
	ck_assert(span_eq(packet.name, span_of(packets[_i].name)));
	ck_assert(span_starts(packet.text, span_of(packets[_i].text)));
	for (size_t part = 0; part < len; part++)
		ck_assert_int_eq(milter_parse(span_make(packets[_i].packet.ptr, part), MILTER_PACKET_MAX, &packet, &len), 1);
}
END_TEST

/* --- steps --- */

/* The letters of what was written, without macros; forgets it. */
static void
take_letters(struct milter *milter, struct buf *letters)
{
	struct span out = buf_get(&milter->out);

	while (out.len >= 5) {
		size_t len = (uint8_t)out.ptr[1] << 16 | (uint8_t)out.ptr[2] << 8 | (uint8_t)out.ptr[3];

		if (out.ptr[4] != 'D')
			(void)buf_char(letters, out.ptr[4]);
		ck_assert_uint_le(len + 4, out.len);
		out = span_skip(out, len + 4);
	}
	ck_assert_uint_eq(out.len, 0);
	buf_clear(&milter->out);
}

static enum milter_result
hear(struct milter *milter, char letter, struct span data)
{
	struct buf packet = BUF_INIT(MILTER_LARGE_MAX + 8);
	size_t at = milter_begin(&packet, letter), taken;
	enum milter_result result;

	(void)buf_span(&packet, data);
	milter_end(&packet, at);
	result = milter_input(milter, buf_get(&packet), &taken);
	buf_free(&packet);
	return result;
}

static enum milter_result
negotiate(struct milter *milter, uint32_t options)
{
	struct buf data = BUF_INIT(12);
	enum milter_result result;

	milter_put_u32(&data, MILTER_VERSION);
	milter_put_u32(&data, MILTER_ADD_HEADERS);
	milter_put_u32(&data, options);
	result = hear(milter, 'O', buf_get(&data));
	buf_free(&data);
	return result;
}

/* Goes on with these answers ('c' continues) until the request is done, and gives one piece of body. */
static enum milter_result
run(struct milter *milter, enum milter_result result, uint32_t options, struct buf *letters)
{
	bool given = false;

	for (unsigned turn = 0; turn < 50; turn++) {
		take_letters(milter, letters);
		if (result == MILTER_WANTS_BODY) {
			result = milter_body(milter, given ? SPAN_NULL : SPAN("text"));
			given = true;
		} else if (result == MILTER_MORE) {
			result = milter->step == MILTER_NEGOTIATE ? negotiate(milter, options) : hear(milter, 'c', SPAN_NULL);
		} else {
			return result;
		}
	}
	return MILTER_BROKEN;
}

static const struct {
	uint32_t options;
	const char *letters;
} steps[] = {
	{ 0, "OCHM" "R" "TLLNBE" },
	{ MILTER_NO_CONNECT | MILTER_NO_HELO | MILTER_NO_MAIL | MILTER_NO_RCPT | MILTER_NO_BODY | MILTER_NO_HEADERS | MILTER_NO_EOH | MILTER_NO_DATA, "OE" },
	{ MILTER_SILENT_CONNECT | MILTER_SILENT_HELO | MILTER_SILENT_MAIL | MILTER_SILENT_RCPT | MILTER_SILENT_DATA | MILTER_SILENT_HEADER |
		MILTER_SILENT_EOH | MILTER_SILENT_BODY, "OCHM" "R" "TLLNBE" },
	{ MILTER_NO_BODY | MILTER_SILENT_HEADER, "OCHM" "R" "TLLNE" },
};

/* sendmail and Postfix tell a host's name there, or the address in brackets; rspamd counts it against a client that has none. */
START_TEST(the_name_is_told)
{
	static const struct span names[] = { { "", 0 }, { "mx.example", 10 } };
	static const struct span wanted[] = { SPAN("C[192.0.2.1]\0" "4\0\0" "192.0.2.1\0"), SPAN("Cmx.example\0" "4\0\0" "192.0.2.1\0") };
	struct milter_client named = client;
	struct milter milter;

	named.name = names[_i];
	milter_init(&milter, &named);
	(void)milter_mail(&milter);
	buf_clear(&milter.out);
	ck_assert_int_eq(negotiate(&milter, 0), MILTER_MORE);
	ck_assert(span_ends(buf_get(&milter.out), wanted[_i]));
	ck_assert_int_eq(span_find(buf_get(&milter.out), SPAN("{client_name}\0mx.example\0")) >= 0, _i == 1);
	milter_free(&milter);
}
END_TEST

START_TEST(steps_follow_the_options)
{
	struct buf letters = BUF_INIT(100);
	struct milter milter;

	milter_init(&milter, &client);
	ck_assert_int_eq(run(&milter, milter_mail(&milter), steps[_i].options, &letters), MILTER_DONE);
	ck_assert_int_eq(run(&milter, milter_rcpt(&milter, SPAN("a@b")), 0, &letters), MILTER_DONE);
	ck_assert_int_eq(run(&milter, milter_text(&milter, SPAN("ID"), SPAN(HEADER)), 0, &letters), MILTER_DONE);
	ck_assert_int_eq(milter.verdict, MILTER_PASS);
	ck_assert_str_eq(buf_cstr(&letters), steps[_i].letters);
	milter_free(&milter);
	buf_free(&letters);
}
END_TEST

static void
begin_with(struct milter *milter, uint32_t options)
{
	milter_init(milter, &client);
	ck_assert_int_eq(milter_mail(milter), MILTER_MORE);
	ck_assert_int_eq(negotiate(milter, MILTER_NO_HELO | MILTER_SKIP | options), MILTER_MORE); /* CONNECT */
	ck_assert_int_eq(hear(milter, 'c', SPAN_NULL), MILTER_MORE);                              /* MAIL */
}

static void
begin(struct milter *milter)
{
	begin_with(milter, 0);
}

static const struct {
	char letter;
	struct span data;
	enum milter_result result;
	enum milter_verdict verdict;
	const char *reply;
} answers[] = {
	{ 'a', SPAN(""), MILTER_DONE, MILTER_PASS, "" },
	{ 'c', SPAN(""), MILTER_DONE, MILTER_PASS, "" },
	{ 'd', SPAN(""), MILTER_DONE, MILTER_DISCARD, "" },
	{ 'r', SPAN(""), MILTER_DONE, MILTER_REFUSE, "550 5.7.1 The message is refused by this site's rules" },
	{ 'y', SPAN("554 5.7.1 a\r\nb\0"), MILTER_DONE, MILTER_REFUSE, "554 5.7.1 a b" },
	/* smfi_setmlreply */
	{ 'y', SPAN("550-5.7.1 Spam,\r\n550-5.7.1 and\r\n550 5.7.1 more\x1b of it\0"), MILTER_DONE, MILTER_REFUSE, "550 5.7.1 Spam, and more? of it" },
	{ 'y', SPAN("451-later\r\n451 please\0"), MILTER_DONE, MILTER_REFUSE, "451 later please" },
	{ 'y', SPAN("550\0"), MILTER_DONE, MILTER_REFUSE, "550" },
	{ 'y', SPAN("250 fine\0"), MILTER_BROKEN, MILTER_PASS, "" },
	{ 'y', SPAN("55\0"), MILTER_BROKEN, MILTER_PASS, "" },
	{ 'p', SPAN(""), MILTER_ALIVE, MILTER_PASS, "" },
	{ 's', SPAN(""), MILTER_BROKEN, MILTER_PASS, "" },
	{ '4', SPAN(""), MILTER_BROKEN, MILTER_PASS, "" },
	{ 'h', SPAN("A\0b\0"), MILTER_BROKEN, MILTER_PASS, "" }, /* not before the end */
	{ 'O', SPAN("\0\0\0\6\0\0\0\0\0\0\0\0"), MILTER_BROKEN, MILTER_PASS, "" },
};

/* What clients are told of a long reply says that there was more. */
START_TEST(a_long_reply)
{
	struct buf text = BUF_INIT(MILTER_PACKET_MAX);
	struct milter milter;

	(void)buf_str(&text, "550 5.7.1 ");
	while (text.len < 60000)
		(void)buf_char(&text, 'x');
	(void)buf_char(&text, '\0');
	begin(&milter);
	ck_assert_int_eq(hear(&milter, 'y', buf_get(&text)), MILTER_DONE);
	ck_assert_uint_eq(strlen(milter.reply), MILTER_REPLY_MAX);
	ck_assert_str_eq(milter.reply + MILTER_REPLY_MAX - 4, "x...");
	milter_free(&milter);
	buf_free(&text);
}
END_TEST

START_TEST(answers_mean_what_they_say)
{
	struct milter milter;

	begin(&milter);
	ck_assert_int_eq(hear(&milter, answers[_i].letter, answers[_i].data), answers[_i].result);
	ck_assert_int_eq(milter.verdict, answers[_i].verdict);
	ck_assert_str_eq(milter.reply, answers[_i].reply);
	/* Whom it accepts, it wants to hear no more of. */
	if (answers[_i].letter == 'a')
		ck_assert_int_eq(milter_rcpt(&milter, SPAN("a@b")), MILTER_DONE);
	milter_free(&milter);
}
END_TEST

START_TEST(changes_need_a_permission)
{
	struct buf letters = BUF_INIT(100);
	struct milter milter;

	begin(&milter);
	ck_assert_int_eq(hear(&milter, 'c', SPAN_NULL), MILTER_DONE);
	ck_assert_int_eq(milter_text(&milter, SPAN("ID"), SPAN("\r\n")), MILTER_MORE); /* DATA */
	ck_assert_int_eq(hear(&milter, 'c', SPAN_NULL), MILTER_MORE);                  /* EOH */
	ck_assert_int_eq(hear(&milter, 'c', SPAN_NULL), MILTER_WANTS_BODY);
	ck_assert_int_eq(milter_body(&milter, SPAN("x")), MILTER_MORE);
	ck_assert_int_eq(hear(&milter, 's', SPAN_NULL), MILTER_MORE); /* EOM */
	ck_assert_int_eq(hear(&milter, 'h', SPAN("A\0b\0")), MILTER_CHANGE);
	ck_assert_int_eq(hear(&milter, 'q', SPAN("why\0")), MILTER_BROKEN);
	milter_free(&milter);
	buf_free(&letters);
}
END_TEST

/* Names and values of as many octets, which come in one line or in many. */
static const struct {
	size_t name, value;
	bool folded;
	size_t told; /* of the value */
	bool large;  /* the milter takes such packets */
} long_fields[] = {
	{ 1, 100, false, 100, false },
	{ 1, MILTER_FIELD_MAX - 4, false, MILTER_FIELD_MAX - 4, false },
	{ 1, MILTER_FIELD_MAX - 3, false, MILTER_FIELD_MAX - 4, false },
	{ 7, 190000, false, MILTER_FIELD_MAX - 10, false },
	{ 7, 190000, true, MILTER_FIELD_MAX - 10, false },
	{ MILTER_FIELD_MAX - 4, 9, false, 1, false },
	{ 100000, 9, false, 0, false },
	{ 7, 190000, false, 190000, true },
	{ 100000, 9, false, 9, true },
	{ 7, MILTER_LARGE_MAX, false, MILTER_LARGE_MAX - 10, true },
};

START_TEST(long_fields_are_told_in_part)
{
	struct buf header = BUF_INIT(400000);
	struct milter milter;
	struct span out, name;
	size_t len, max = long_fields[_i].large ? MILTER_LARGE_MAX : MILTER_FIELD_MAX;
	bool whole;

	for (size_t i = 0; i < long_fields[_i].name; i++)
		(void)buf_char(&header, 'N');
	(void)buf_char(&header, ':');
	for (size_t i = 0; i < long_fields[_i].value; i++)
		(void)buf_str(&header, long_fields[_i].folded && i % 500 == 499 ? "\r\n\t" : "v");
	(void)buf_str(&header, "\r\nLast: x\r\n\r\n");
	begin_with(&milter, long_fields[_i].large ? MILTER_LARGE : 0);
	ck_assert_int_eq(hear(&milter, 'c', SPAN_NULL), MILTER_DONE);
	ck_assert_int_eq(milter_text(&milter, SPAN("ID"), buf_get(&header)), MILTER_MORE); /* DATA */
	buf_clear(&milter.out);
	ck_assert_int_eq(hear(&milter, 'c', SPAN_NULL), MILTER_MORE);
	out = buf_get(&milter.out);
	ck_assert_uint_ge(out.len, 5);
	len = (size_t)(uint8_t)out.ptr[1] << 16 | (size_t)(uint8_t)out.ptr[2] << 8 | (uint8_t)out.ptr[3];
	ck_assert_uint_eq(len + 4, out.len);
	ck_assert_uint_le(len, max);
	ck_assert_int_eq(out.ptr[4], 'L');
	out = span_skip(out, 5);
	ck_assert(span_split(&out, '\0', &name));
	ck_assert_uint_eq(name.len, long_fields[_i].name < max - 3 ? long_fields[_i].name : max - 3);
	ck_assert_int_eq(span_chr(out, '\0'), (long)long_fields[_i].told);
	ck_assert_uint_eq(out.len, long_fields[_i].told + 1);
	/* Whether it has heard all is known, and so is what there was. */
	whole = long_fields[_i].told == long_fields[_i].value && long_fields[_i].name < max - 3;
	ck_assert(whole == (milter.cut.len == 0));
	ck_assert(whole || (milter.cut.len == long_fields[_i].name && milter.cut_len >= long_fields[_i].value));
	/* The one behind it is told as it is. */
	buf_clear(&milter.out);
	ck_assert_int_eq(hear(&milter, 'c', SPAN_NULL), MILTER_MORE);
	ck_assert(span_eq(buf_get(&milter.out), SPAN("\0\0\0\x08LLast\0x\0")));
	milter_free(&milter);
	buf_free(&header);
}
END_TEST

START_TEST(negotiations_that_cannot_be)
{
	struct milter milter;

	milter_init(&milter, &client);
	ck_assert_int_eq(milter_mail(&milter), MILTER_MORE);
	ck_assert_int_eq(negotiate(&milter, 1u << 30), MILTER_BROKEN);
	milter_free(&milter);
	milter_init(&milter, &client);
	ck_assert_int_eq(milter_mail(&milter), MILTER_MORE);
	ck_assert_int_eq(hear(&milter, 'c', SPAN_NULL), MILTER_BROKEN);
	milter_free(&milter);
}
END_TEST

/* --- headers --- */

static const struct {
	char how;
	size_t index;
	const char *name, *value;
	int result;
	const char *made;
} edits[] = {
	{ '+', 0, "X", "y", 0, "A: 1\r\nB: 2\r\nA: 3\r\nX: y\r\n\r\n" },
	{ 'i', 0, "X", "y\n\tz", 0, "X: y\r\n\tz\r\nA: 1\r\nB: 2\r\nA: 3\r\n\r\n" },
	{ 'i', 2, "X", "y", 0, "A: 1\r\nB: 2\r\nX: y\r\nA: 3\r\n\r\n" },
	{ 'i', 99, "X", "y", 0, "A: 1\r\nB: 2\r\nA: 3\r\nX: y\r\n\r\n" },
	{ 'm', 1, "a", "y", 0, "a: y\r\nB: 2\r\nA: 3\r\n\r\n" },
	{ 'm', 2, "A", "y", 0, "A: 1\r\nB: 2\r\nA: y\r\n\r\n" },
	{ 'm', 2, "A", "", 0, "A: 1\r\nB: 2\r\n\r\n" },
	{ 'm', 3, "A", "y", 0, "A: 1\r\nB: 2\r\nA: 3\r\nA: y\r\n\r\n" },
	{ 'm', 1, "C", "", 0, "A: 1\r\nB: 2\r\nA: 3\r\n\r\n" },
	{ '+', 0, "X y", "z", -EINVAL, "A: 1\r\nB: 2\r\nA: 3\r\n\r\n" },
	{ '+', 0, "X", "y\r\nEvil: z", -EINVAL, "A: 1\r\nB: 2\r\nA: 3\r\n\r\n" },
	{ 'i', 0, "X", "y\n\n", 0, "X: y\r\nA: 1\r\nB: 2\r\nA: 3\r\n\r\n" },
};

START_TEST(headers_are_changed)
{
	struct span name = span_of(edits[_i].name), value = span_of(edits[_i].value);
	struct buf block = BUF_INIT(1000);
	int r;

	(void)buf_str(&block, "A: 1\r\nB: 2\r\nA: 3\r\n\r\n");
	r = edits[_i].how == '+' ? header_edit_add(&block, name, value) :
	    edits[_i].how == 'i' ? header_edit_insert(&block, edits[_i].index, name, value) :
				   header_edit_change(&block, edits[_i].index, name, value);
	ck_assert_int_eq(r, edits[_i].result);
	ck_assert_str_eq(buf_cstr(&block), edits[_i].made);
	buf_free(&block);
}
END_TEST

/* --- turns --- */

#define TRACE "Received: x\r\n"
#define BODY "The body.\r\n"

static void
load(struct filter_edit *edit)
{
	int fd = memfd_create("message", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(io_write_all(fd, SPAN(TRACE HEADER BODY)), 0);
	filter_edit_init(edit, 1000);
	ck_assert_int_eq(filter_edit_load(edit, fd, 0, strlen(TRACE HEADER BODY)), 0);
}

/* A milter's changes, each of another kind, and all with this letter in them. */
static void
change_all(struct filter_edit *edit, char letter)
{
	const char address[] = { letter, '@', 'x', '\0' };
	const struct milter_packet all[] = {
		{ .type = MILTER_IS_ADD_HEADER, .name = SPAN("X-Added"), .text = span_make(&letter, 1) },
		{ .type = MILTER_IS_CHANGE_HEADER, .index = 1, .name = SPAN("Subject"), .text = span_make(&letter, 1) },
		{ .type = MILTER_IS_BODY, .text = span_make(&letter, 1) },
		{ .type = MILTER_IS_BODY, .text = SPAN("!") },
		{ .type = MILTER_IS_ADD_RCPT, .text = span_of(address) },
		{ .type = MILTER_IS_DELETE_RCPT, .text = SPAN("only@x") },
		{ .type = MILTER_IS_CHANGE_FROM, .text = span_of(address) },
		{ .type = MILTER_IS_QUARANTINE, .text = span_make(&letter, 1) },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		ck_assert_int_eq(filter_edit_change(edit, &all[i]), 0);
}

/* All that milters have made, in one line. */
static void
tell(const struct filter_edit *edit, struct buf *out)
{
	const struct filter_made *made = &edit->made;
	char body[64];
	ssize_t len = filter_edit_read(edit, 0, body, sizeof(body));

	ck_assert_int_ge(len, 0);
	buf_clear(out);
	(void)buf_span(out, buf_get(&made->header));
	(void)buf_put(out, body, (size_t)len);
	(void)buf_fmt(out, "|%d %d %s %s", made->changed, made->held, made->reason != NULL ? made->reason : "-", made->sender != NULL ? made->sender : "-");
	for (size_t i = 0; i < made->rcpt_count; i++)
		(void)buf_fmt(out, " %c%s", made->rcpts[i].added ? '+' : '-', made->rcpts[i].address);
}

#define AS_IT_CAME HEADER BODY "|0 0 - -"
#define BY_FIRST "From: a\r\nSubject: 1\r\nX-Added: 1\r\n\r\n1!|1 1 1 1@x +1@x -only@x"
#define BY_BOTH "From: a\r\nSubject: 2\r\nX-Added: 1\r\nX-Added: 2\r\n\r\n2!|1 1 2 2@x +1@x +2@x -only@x"

START_TEST(a_milter_that_fails_has_changed_nothing)
{
	struct buf told = BUF_INIT(4096);
	struct filter_edit edit;

	load(&edit);
	filter_edit_undo(&edit);
	change_all(&edit, '0');
	filter_edit_undo(&edit);
	tell(&edit, &told);
	ck_assert_str_eq(buf_cstr(&told), AS_IT_CAME);
	change_all(&edit, '1');
	filter_edit_settle(&edit);
	filter_edit_undo(&edit);
	tell(&edit, &told);
	ck_assert_str_eq(buf_cstr(&told), BY_FIRST);
	change_all(&edit, '2');
	tell(&edit, &told);
	ck_assert_str_eq(buf_cstr(&told), BY_BOTH);
	/* Of two the first is done, and what it wants stays. */
	filter_edit_undo(&edit);
	tell(&edit, &told);
	ck_assert_str_eq(buf_cstr(&told), BY_FIRST);
	change_all(&edit, '2');
	filter_edit_settle(&edit);
	tell(&edit, &told);
	ck_assert_str_eq(buf_cstr(&told), BY_BOTH);
	/* In the middle of a turn the client leaves. */
	change_all(&edit, '3');
	filter_edit_free(&edit);
	buf_free(&told);
}
END_TEST

#define COUNT(rows) ((int)(sizeof(rows) / sizeof(*(rows))))

int
main(void)
{
	Suite *suite = suite_create("milter");
	TCase *tests = tcase_create("milter");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 30);
	tcase_add_loop_test(tests, packets_are_read, 0, COUNT(packets));
	tcase_add_loop_test(tests, the_name_is_told, 0, 2);
	tcase_add_loop_test(tests, steps_follow_the_options, 0, COUNT(steps));
	tcase_add_loop_test(tests, answers_mean_what_they_say, 0, COUNT(answers));
	tcase_add_test(tests, changes_need_a_permission);
	tcase_add_loop_test(tests, long_fields_are_told_in_part, 0, COUNT(long_fields));
	tcase_add_test(tests, negotiations_that_cannot_be);
	tcase_add_test(tests, a_long_reply);
	tcase_add_loop_test(tests, headers_are_changed, 0, COUNT(edits));
	tcase_add_test(tests, a_milter_that_fails_has_changed_nothing);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
