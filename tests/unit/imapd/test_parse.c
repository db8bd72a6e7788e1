/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Commands: what is legal when, what is a fault and which one, and the parsed form of FETCH, SEARCH, LIST and others. */
#include <check.h>
#include <stdlib.h>

#include "common/buf.h"
#include "imapd/imap_state.h"

static const struct imap_place nowhere = { false, false }, selected = { true, false }, examined = { true, true };

/* --- the parsed form as text --- */

static void
put_set(struct buf *out, const struct imap_set *set)
{
	size_t i;

	if (set->saved)
		(void)buf_str(out, "$");
	for (i = 0; i < set->count; i++)
		(void)buf_fmt(out, "%s%u:%u", i > 0 ? "," : "", set->range[i].low, set->range[i].high);
}

static void
put_texts(struct buf *out, const struct imap_text *text)
{
	for (; text != NULL; text = text->next) {
		(void)buf_char(out, '<');
		(void)buf_span(out, text->text);
		(void)buf_char(out, '>');
	}
}

static void
put_fetch(struct buf *out, const struct imap_fetch_item *item)
{
	static const char *const sections[] = { "all", "header", "fields", "not", "text", "mime" };
	size_t i;

	for (; item != NULL; item = item->next) {
		(void)buf_fmt(out, " %d", (int)item->kind);
		if (item->kind != IMAP_FETCH_SECTION)
			continue;
		(void)buf_fmt(out, "[%s", item->peek ? "peek " : "");
		for (i = 0; i < item->section.depth; i++)
			(void)buf_fmt(out, "%u.", item->section.part[i]);
		(void)buf_str(out, sections[item->section.kind]);
		put_texts(out, item->section.fields);
		if (item->partial)
			(void)buf_fmt(out, " %u+%u", item->first, item->count);
		(void)buf_char(out, ']');
	}
}

static void
put_search(struct buf *out, const struct imap_search *key)
{
	for (; key != NULL; key = key->next) {
		(void)buf_fmt(out, "(%s%d", key->negated ? "!" : "", (int)key->kind);
		if (key->flags != 0)
			(void)buf_fmt(out, " f%u", key->flags);
		if (key->number != 0)
			(void)buf_fmt(out, " n%llu", (unsigned long long)key->number);
		if (key->day != 0)
			(void)buf_fmt(out, " d%lld", (long long)key->day / 86400);
		if (key->field.len > 0)
			(void)buf_fmt(out, " %.*s:", (int)key->field.len, key->field.ptr);
		if (key->text.len > 0)
			(void)buf_fmt(out, " '%.*s'", (int)key->text.len, key->text.ptr);
		put_set(out, &key->set);
		put_search(out, key->children);
		(void)buf_char(out, ')');
	}
}

static void
put_command(struct buf *out, const struct imap_command *command)
{
	if (command->mailbox.ptr != NULL)
		(void)buf_fmt(out, "'%.*s'", (int)command->mailbox.len, command->mailbox.ptr);
	if (command->target.ptr != NULL)
		(void)buf_fmt(out, ">'%.*s'", (int)command->target.len, command->target.ptr);
	put_set(out, &command->set);
	put_fetch(out, command->fetch);
	if (command->changed_since_given)
		(void)buf_fmt(out, " since%llu", (unsigned long long)command->changed_since);
	if (command->vanished)
		(void)buf_str(out, " vanished");
	if (command->unchanged_since_given)
		(void)buf_fmt(out, " un%llu", (unsigned long long)command->unchanged_since);
	if (command->flags.system != 0)
		(void)buf_fmt(out, " f%u", command->flags.system);
	put_texts(out, command->flags.keywords);
	if (command->how != IMAP_STORE_REPLACE)
		(void)buf_str(out, command->how == IMAP_STORE_ADD ? " +" : " -");
	if (command->silent)
		(void)buf_str(out, " silent");
	if (command->date_given)
		(void)buf_fmt(out, " at%lld", (long long)command->date);
	put_search(out, command->search);
	if (command->returns != 0)
		(void)buf_fmt(out, " return%u", command->returns);
	if (command->bad_charset)
		(void)buf_str(out, " charset?");
	put_texts(out, command->patterns);
	if (command->list != 0)
		(void)buf_fmt(out, " list%u", command->list);
	if (command->status != 0)
		(void)buf_fmt(out, " status%u", command->status);
	if (command->condstore)
		(void)buf_str(out, " condstore");
	if (command->qresync) {
		(void)buf_fmt(out, " qresync%u %llu ", command->known_validity, (unsigned long long)command->known_modseq);
		put_set(out, &command->known_uids);
		(void)buf_char(out, '/');
		put_set(out, &command->match_seqs);
		(void)buf_char(out, '/');
		put_set(out, &command->match_uids);
	}
	if (command->enable != 0)
		(void)buf_fmt(out, " enable%u", command->enable);
	if (command->special_use.len > 0)
		(void)buf_fmt(out, " use%.*s", (int)command->special_use.len, command->special_use.ptr);
}

/* --- what must be understood --- */

static const struct {
	const char *input, *parsed;
} good[] = {
	{ "a NOOP\r\n", "" },
	{ "a NOOP \r\n", "" },
	{ "a SELECT inbox\r\n", "'INBOX'" },
	{ "a SELECT \"Entw&APw-rfe\"\r\n", "'Entw\xc3\xbcrfe'" },
	{ "a SELECT \"Entw\xc3\xbcrfe\"\r\n", "'Entw\xc3\xbcrfe'" },
	{ "a SELECT A&-B\r\n", "'A&B'" },
	{ "a SELECT inbox/x\r\n", "'INBOX/x'" },
	{ "a SELECT {7+}\r\na\"b\\c d\r\n", "'a\"b\\c d'" },
	{ "a SELECT x (CONDSTORE)\r\n", "'x' condstore" },
	{ "a SELECT x (QRESYNC (67890007 20050715194045000 41:211))\r\n", "'x' qresync67890007 20050715194045000 41:211//" },
	{ "a SELECT x (QRESYNC (7 90060115205545359 (5000,7500 15000,18000)))\r\n",
	    "'x' qresync7 90060115205545359 /5000:5000,7500:7500/15000:15000,18000:18000" },
	{ "a CREATE x (USE (\\Sent))\r\n", "'x' useSent" },
	{ "a CREATE x (USE (\\Sent \\Junk))\r\n", "'x' useSent \\Junk" },
	{ "a CREATE x (USE ())\r\n", "'x'" },
	{ "a RENAME a \"b c\"\r\n", "'a'>'b c'" },
	{ "a FETCH 1 FLAGS\r\n", "1:1 3" },
	{ "a FETCH 1:* ALL\r\n", "1:0 3 4 5 0" },
	{ "a FETCH *:4,7 FAST\r\n", "0:4,7:7 3 4 5" },
	{ "a FETCH 1 full\r\n", "1:1 3 4 5 0 2" },
	{ "a FETCH 1 (UID RFC822.SIZE BODY BODYSTRUCTURE MODSEQ)\r\n", "1:1 6 5 2 1 8" },
	{ "a FETCH 1 (RFC822 RFC822.HEADER RFC822.TEXT)\r\n", "1:1 7[all] 7[peek header] 7[text]" },
	{ "a UID FETCH 1 BODY.PEEK[]\r\n", "1:1 7[peek all]" },
	{ "a FETCH 1 BODY[1.2.MIME]<0.2048>\r\n", "1:1 7[1.2.mime 0+2048]" },
	{ "a FETCH 1 BODY[4]\r\n", "1:1 7[4.all]" },
	{ "a FETCH 1 BODY[4.1.HEADER]\r\n", "1:1 7[4.1.header]" },
	{ "a FETCH 1 (BODY.PEEK[HEADER.FIELDS (From \"To\")] BODY[HEADER.FIELDS.NOT (X)])\r\n",
	    "1:1 7[peek fields<From><To>] 7[not<X>]" },
	{ "a FETCH 1 (EMAILID THREADID SAVEDATE PREVIEW)\r\n", "1:1 9 10 11 12" },
	{ "a FETCH 1 (PREVIEW (LAZY) UID)\r\n", "1:1 12 6" },
	{ "a FETCH 1 UID (CHANGEDSINCE 12345)\r\n", "1:1 6 since12345" },
	{ "a UID FETCH 1 UID (CHANGEDSINCE 12345 VANISHED)\r\n", "1:1 6 since12345 vanished" },
	{ "a STORE 1 FLAGS ()\r\n", "1:1" },
	{ "a STORE 1 +FLAGS.SILENT (\\Deleted $Junk x)\r\n", "1:1 f4<$Junk><x> + silent" },
	{ "a STORE 1 -FLAGS \\Seen \\Flagged\r\n", "1:1 f10 -" },
	{ "a STORE 1 (UNCHANGEDSINCE 0) FLAGS (\\Draft)\r\n", "1:1 un0 f16" },
	{ "a STORE 1 FLAGS (x X \\recent)\r\n", "1:1 f32<x>" },
	{ "a COPY $ x\r\n", ">'x'$" },
	{ "a UID MOVE 1:5 Trash\r\n", ">'Trash'1:5" },
	{ "a UID EXPUNGE 4,5\r\n", "4:4,5:5" },
	{ "a EXPUNGE\r\n", "" },
	{ "a SEARCH ALL\r\n", "(1(0))" },
	{ "a SEARCH UNSEEN NOT DELETED\r\n", "(1(!6 f8)(3(6 f4)))" },
	{ "a SEARCH OR FROM x (TO y CC z)\r\n", "(1(2(22 'x')(1(23 'y')(21 'z'))))" },
	{ "a SEARCH 1:3 UID 7\r\n", "(1(41:3)(57:7))" },
	{ "a SEARCH NEW\r\n", "(1(1(8)(!6 f8)))" },
	{ "a SEARCH OLD\r\n", "(1(!8))" },
	{ "a SEARCH SINCE 1-Feb-1994 BEFORE \"29-Feb-2000\"\r\n", "(1(11 d8797)(9 d11016))" },
	{ "a SEARCH HEADER X-Y \"\" SUBJECT {3+}\r\na b\r\n", "(1(25 X-Y:)(24 'a b'))" },
	{ "a SEARCH CHARSET UTF-8 TEXT \"\xc3\xa9\"\r\n", "(1(27 '\xc3\xa9'))" },
	{ "a SEARCH CHARSET KOI8-R TEXT \"\xff\"\r\n", "(1(27 '\xff')) charset?" },
	{ "a SEARCH RETURN () ALL\r\n", "(1(0)) return4" },
	{ "a SEARCH RETURN (MIN COUNT SAVE) LARGER 10\r\n", "(1(28 n10)) return25" },
	{ "a SEARCH MODSEQ \"/flags/\\\\draft\" all 620162338\r\n", "(1(30 n620162338))" },
	{ "a SEARCH YOUNGER 60 KEYWORD $Junk UNKEYWORD x\r\n", "(1(18 n60)(7 '$Junk')(!7 'x'))" },
	{ "a LIST \"\" *\r\n", "<*>" },
	{ "a LIST \"\" \"\"\r\n", "<>" },
	{ "a LIST a/ %\r\n", "<a/%>" },
	{ "a LIST \"\" Entw&APw-*\r\n", "<Entw\xc3\xbc*>" },
	{ "a LIST (SUBSCRIBED RECURSIVEMATCH) \"\" (a b) RETURN (CHILDREN STATUS (MESSAGES UNSEEN))\r\n", "<a><b> list363 status17" },
	{ "a LIST \"\" % RETURN (SPECIAL-USE SUBSCRIBED)\r\n", "<%> list161" },
	{ "a LSUB \"\" %\r\n", "<%>" },
	{ "a STATUS x (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ SIZE MAILBOXID)\r\n", "'x' status255" },
	{ "a ENABLE x QRESYNC\r\n", " enable3" },
	{ "a APPEND x {5}\r\n", "'x'" },
	{ "a APPEND x (\\Seen k) \" 1-Feb-1994 21:52:25 -0800\" {5+}\r\n", "'x' f8<k> at760168345" },
	{ "a APPEND x \"17-Jul-2020 02:44:25 +0000\" {5}\r\n", "'x' at1594953865" },
};

START_TEST(understood)
{
	struct imap_arena arena = { .max = 65536 };
	struct buf out = BUF_INIT(65536);
	struct imap_command command;
	char *text = strdup(good[_i].input);
	struct imap_parser parser = { .at = text, .end = text + strlen(text), .arena = &arena };
	enum imap_understood result = imap_understand(&parser, &selected, &command);

	ck_assert_msg(result == IMAP_UNDERSTOOD, "%s: %s", good[_i].input, parser.error);
	ck_assert(span_eq(command.tag, SPAN("a")));
	put_command(&out, &command);
	ck_assert_str_eq(buf_cstr(&out), good[_i].parsed);
	buf_free(&out);
	imap_arena_free(&arena);
	free(text);
}
END_TEST

/* --- what must not --- */

static const struct {
	const char *input;
	const struct imap_place *place;
	enum imap_understood result;
} bad[] = {
	{ "\r\n", &nowhere, IMAP_EMPTY },
	{ "NOOP\r\n", &nowhere, IMAP_MALFORMED },
	{ "a FROBNICATE\r\n", &nowhere, IMAP_MALFORMED },
	{ "a UID NOOP\r\n", &selected, IMAP_MALFORMED },
	{ "a UID\r\n", &selected, IMAP_MALFORMED },
	{ "a NOOP x\r\n", &nowhere, IMAP_MALFORMED },
	{ "a FETCH 1 UID\r\n", &nowhere, IMAP_NOT_NOW },
	{ "a CLOSE\r\n", &nowhere, IMAP_NOT_NOW },
	{ "a STORE 1 FLAGS x\r\n", &examined, IMAP_READ_ONLY },
	{ "a EXPUNGE\r\n", &examined, IMAP_READ_ONLY },
	{ "a MOVE 1 x\r\n", &examined, IMAP_READ_ONLY },
	{ "a COPY 1 x\r\n", &examined, IMAP_UNDERSTOOD },
	{ "a SELECT\r\n", &nowhere, IMAP_MALFORMED },
	{ "a SELECT a b\r\n", &nowhere, IMAP_MALFORMED },
	{ "a SELECT \"a\r\n", &nowhere, IMAP_MALFORMED },
	{ "a SELECT \"a\\b\"\r\n", &nowhere, IMAP_MALFORMED },
	{ "a SELECT &AA\r\n", &nowhere, IMAP_MALFORMED },
	{ "a SELECT &AGE-\r\n", &nowhere, IMAP_MALFORMED },
	{ "a SELECT \xff\r\n", &nowhere, IMAP_MALFORMED },
	{ "a SELECT \"a\tb\"\r\n", &nowhere, IMAP_MALFORMED },
	{ "a SELECT {3}\r\nab\r\n", &nowhere, IMAP_MALFORMED },
	{ "a SELECT {9}\r\nab\r\n", &nowhere, IMAP_MALFORMED },
	{ "a SELECT x (FOO)\r\n", &nowhere, IMAP_MALFORMED },
	{ "a SELECT x (QRESYNC (0 1))\r\n", &nowhere, IMAP_MALFORMED },
	{ "a FETCH 0 UID\r\n", &selected, IMAP_MALFORMED },
	{ "a FETCH 1, UID\r\n", &selected, IMAP_MALFORMED },
	{ "a FETCH 1: UID\r\n", &selected, IMAP_MALFORMED },
	{ "a FETCH 4294967296 UID\r\n", &selected, IMAP_MALFORMED },
	{ "a FETCH x UID\r\n", &selected, IMAP_MALFORMED },
	{ "a FETCH 1\r\n", &selected, IMAP_MALFORMED },
	{ "a FETCH 1 ()\r\n", &selected, IMAP_MALFORMED },
	{ "a FETCH 1 (UID\r\n", &selected, IMAP_MALFORMED },
	{ "a FETCH 1 (ALL)\r\n", &selected, IMAP_MALFORMED },
	{ "a FETCH 1 UIDX\r\n", &selected, IMAP_MALFORMED },
	{ "a FETCH 1 BODY.PEEK\r\n", &selected, IMAP_MALFORMED },
	{ "a FETCH 1 BODY[\r\n", &selected, IMAP_MALFORMED },
	{ "a FETCH 1 BODY[1.]\r\n", &selected, IMAP_MALFORMED },
	{ "a FETCH 1 BODY[0]\r\n", &selected, IMAP_MALFORMED },
	{ "a FETCH 1 BODY[MIME]\r\n", &selected, IMAP_MALFORMED },
	{ "a FETCH 1 BODY[1.FOO]\r\n", &selected, IMAP_MALFORMED },
	{ "a FETCH 1 BODY[HEADER.FIELDS]\r\n", &selected, IMAP_MALFORMED },
	{ "a FETCH 1 BODY[HEADER.FIELDS ()]\r\n", &selected, IMAP_MALFORMED },
	{ "a FETCH 1 BODY[]<1.0>\r\n", &selected, IMAP_MALFORMED },
	{ "a FETCH 1 BODY[]<1>\r\n", &selected, IMAP_MALFORMED },
	{ "a FETCH 1 UID (VANISHED)\r\n", &selected, IMAP_MALFORMED },
	{ "a FETCH 1 UID (CHANGEDSINCE x)\r\n", &selected, IMAP_MALFORMED },
	{ "a STORE 1 FLAGS\r\n", &selected, IMAP_MALFORMED },
	{ "a STORE 1 FLAGS (\\Bogus)\r\n", &selected, IMAP_MALFORMED },
	{ "a STORE 1 LABELS (x)\r\n", &selected, IMAP_MALFORMED },
	{ "a SEARCH\r\n", &selected, IMAP_MALFORMED },
	{ "a SEARCH FOO\r\n", &selected, IMAP_MALFORMED },
	{ "a SEARCH OR ALL\r\n", &selected, IMAP_MALFORMED },
	{ "a SEARCH NOT\r\n", &selected, IMAP_MALFORMED },
	{ "a SEARCH ()\r\n", &selected, IMAP_MALFORMED },
	{ "a SEARCH (ALL\r\n", &selected, IMAP_MALFORMED },
	{ "a SEARCH ON 30-Feb-2000\r\n", &selected, IMAP_MALFORMED },
	{ "a SEARCH ON 29-Feb-1900\r\n", &selected, IMAP_MALFORMED },
	{ "a SEARCH ON 1-Foo-2000\r\n", &selected, IMAP_MALFORMED },
	{ "a SEARCH TEXT \"\xff\"\r\n", &selected, IMAP_MALFORMED },
	{ "a SEARCH OLDER 0\r\n", &selected, IMAP_MALFORMED },
	{ "a SEARCH RETURN (FOO) ALL\r\n", &selected, IMAP_MALFORMED },
	{ "a LIST \"\"\r\n", &nowhere, IMAP_MALFORMED },
	{ "a LIST (RECURSIVEMATCH) \"\" *\r\n", &nowhere, IMAP_MALFORMED },
	{ "a LIST \"\" * RETURN (FOO)\r\n", &nowhere, IMAP_MALFORMED },
	{ "a STATUS x ()\r\n", &nowhere, IMAP_MALFORMED },
	{ "a STATUS x (FOO)\r\n", &nowhere, IMAP_MALFORMED },
	{ "a APPEND x\r\n", &nowhere, IMAP_MALFORMED },
	{ "a APPEND x \"17-Jul-2020 24:44:25 +0000\" {5}\r\n", &nowhere, IMAP_MALFORMED },
	{ "a APPEND x \"17-Jul-2020 02:44:25\" {5}\r\n", &nowhere, IMAP_MALFORMED },
};

START_TEST(refused)
{
	struct imap_arena arena = { .max = 65536 };
	struct imap_command command;
	char *text = strdup(bad[_i].input);
	struct imap_parser parser = { .at = text, .end = text + strlen(text), .arena = &arena };
	enum imap_understood result = imap_understand(&parser, bad[_i].place, &command);

	ck_assert_msg(result == bad[_i].result, "%s: %d (%s)", bad[_i].input, (int)result, parser.error);
	if (result == IMAP_MALFORMED)
		ck_assert_ptr_nonnull(parser.error);
	imap_arena_free(&arena);
	free(text);
}
END_TEST

/* A NUL in a literal, and nesting one level too deep: 32 parentheses are taken, 33 are not. */
START_TEST(limits)
{
	static const char with_nul[] = "a SELECT {3+}\r\na\0b\r\n";
	struct imap_arena arena = { .max = 65536 };
	struct imap_command command;
	struct buf text = BUF_INIT(65536);
	struct imap_parser parser;
	int depth, i;

	(void)buf_put(&text, with_nul, sizeof(with_nul) - 1);
	parser = (struct imap_parser){ .at = text.data, .end = text.data + text.len, .arena = &arena };
	ck_assert_int_eq(imap_understand(&parser, &nowhere, &command), IMAP_MALFORMED);
	for (depth = IMAP_SEARCH_DEPTH_MAX - 1; depth <= IMAP_SEARCH_DEPTH_MAX; depth++) {
		buf_clear(&text);
		(void)buf_str(&text, "a SEARCH ");
		for (i = 0; i < depth; i++)
			(void)buf_char(&text, '(');
		(void)buf_str(&text, "ALL");
		for (i = 0; i < depth; i++)
			(void)buf_char(&text, ')');
		parser = (struct imap_parser){ .at = text.data, .end = text.data + text.len, .arena = &arena };
		ck_assert_int_eq(imap_understand(&parser, &selected, &command),
		    depth < IMAP_SEARCH_DEPTH_MAX ? IMAP_UNDERSTOOD : IMAP_MALFORMED);
		imap_arena_free(&arena);
	}
	buf_free(&text);
}
END_TEST

/* A set of 20,000 ranges is more than this arena holds: refused, not allocated. */
START_TEST(arena_bound)
{
	struct imap_arena arena = { .max = 65536 };
	struct imap_command command;
	struct buf text = BUF_INIT(200000);
	struct imap_parser parser;
	int i;

	(void)buf_str(&text, "a UID FETCH 1");
	for (i = 0; i < 20000; i++)
		(void)buf_str(&text, ",1");
	(void)buf_str(&text, " UID\r\n");
	parser = (struct imap_parser){ .at = text.data, .end = text.data + text.len, .arena = &arena };
	ck_assert_int_eq(imap_understand(&parser, &selected, &command), IMAP_MALFORMED);
	ck_assert_str_eq(parser.error, "The set is too long");
	imap_arena_free(&arena);
	buf_free(&text);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("imap_parse");
	TCase *tests = tcase_create("parse");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, understood, 0, sizeof(good) / sizeof(good[0]));
	tcase_add_loop_test(tests, refused, 0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_test(tests, limits);
	tcase_add_test(tests, arena_bound);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
