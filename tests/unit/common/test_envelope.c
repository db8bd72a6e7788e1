/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Envelopes: text and back, what is refused; ids and paths of the spool; drop files as the queue
 * will find them. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/drop_control.h"
#include "common/spool.h"

static const char full_text[] =
    "fourpost 1\n"
    "created 1700000000\n"
    "release 1700000600\n"
    "hold 600\n"
    "from alice@example.test\n"
    "body 8BITMIME\n"
    "smtputf8 yes\n"
    "ret HDRS\n"
    "requiretls yes\n"
    "expanded yes\n"
    "priority -3\n"
    "by 1700000900 RT\n"
    "envid QQ+2B1\n"
    "client 192.0.2.1\n"
    "account alice@example.test\n"
    "forwarder list@example.test\n"
    "kept alice@example.test\n"
    "about 0006278A1B2C3D00 DWF\n"
    "uid 1000\n"
    "drop m.1.2\n"
    "to P - - bob@example.test\n"
    "to D N rfc822;x+40y \"a b\"@example.test\n"
    "to W SFD - c@example.test\n"
    "\n";

START_TEST(text_and_back)
{
	struct envelope envelope;
	struct buf out = BUF_INIT(ENVELOPE_MAX);
	struct buf text = BUF_INIT(4096);
	size_t len;

	(void)buf_str(&text, full_text);
	(void)buf_str(&text, "Subject: x\r\n");
	ck_assert_int_eq(envelope_decode(buf_get(&text), &envelope, &len, NULL), 0);
	ck_assert_uint_eq(len, strlen(full_text));
	ck_assert_int_eq(envelope.created, 1700000000);
	ck_assert_int_eq(envelope.release, 1700000600);
	ck_assert_int_eq(envelope.hold, 600);
	ck_assert_str_eq(envelope.sender, "alice@example.test");
	ck_assert_int_eq(envelope.body, ENVELOPE_8BITMIME);
	ck_assert(envelope.smtputf8);
	ck_assert_int_eq(envelope.ret, ENVELOPE_RET_HDRS);
	ck_assert(envelope.expanded);
	ck_assert(envelope.requiretls && envelope.by_trace);
	ck_assert_int_eq(envelope.priority, -3);
	ck_assert_int_eq(envelope.by, ENVELOPE_BY_RETURN);
	ck_assert_int_eq(envelope.deliver_by, 1700000900);
	ck_assert_str_eq(envelope.envid, "QQ+2B1");
	ck_assert_int_eq(envelope.uid, 1000);
	ck_assert_uint_eq(envelope.count, 3);
	ck_assert_str_eq(envelope.recipients[1].address, "\"a b\"@example.test");
	ck_assert_str_eq(envelope.recipients[1].orcpt, "rfc822;x+40y");
	ck_assert_int_eq(envelope.recipients[1].notify, ENVELOPE_NEVER);
	ck_assert_int_eq(
	    envelope.recipients[2].notify, ENVELOPE_SUCCESS | ENVELOPE_FAILURE | ENVELOPE_DELAY);
	ck_assert_ptr_null(envelope.recipients[0].orcpt);
	for (size_t i = 0; i < 3; i++)
		ck_assert_int_eq(text.data[envelope.recipients[i].status_at], "PDW"[i]);
	ck_assert(envelope_is_open(&envelope.recipients[0]) &&
	    !envelope_is_open(&envelope.recipients[1]) &&
	    envelope_is_open(&envelope.recipients[2]));
	ck_assert_int_eq(envelope_encode(&envelope, &out), 0);
	ck_assert_str_eq(buf_cstr(&out), full_text);
	for (size_t i = 0; i < 3; i++)
		ck_assert_int_eq(out.data[envelope.recipients[i].status_at], "PDW"[i]);
	envelope_free(&envelope);
	buf_free(&out);
	buf_free(&text);
}
END_TEST

START_TEST(a_part_asks_for_more)
{
	for (size_t i = 0; i < strlen(full_text); i++) {
		struct envelope envelope;
		size_t len;

		ck_assert_int_eq(
		    envelope_decode(span_make(full_text, i), &envelope, &len, NULL), 1);
	}
}
END_TEST

static const struct {
	unsigned line;
	const char *text;
} bad[] = {
	{ 1, "\n" },
	{ 1, "fourpost 2\ncreated 1\nfrom \nto P - - a@b\n\n" },
	{ 4, "fourpost 1\ncreated 1\nfrom \n\n" },
	{ 4, "fourpost 1\ncreated 1\nto P - - a@b\n\n" },
	{ 4, "fourpost 1\nfrom \nto P - - a@b\n\n" },
	{ 3, "fourpost 1\ncreated 1\ncreated 1\nfrom \nto P - - a@b\n\n" },
	{ 2, "fourpost 1\ncreated -1\nfrom \nto P - - a@b\n\n" },
	{ 2, "fourpost 1\ncreated 99999999999999999999\nfrom \nto P - - a@b\n\n" },
	{ 3, "fourpost 1\ncreated 1\nfrom a\rb\nto P - - a@b\n\n" },
	{ 4, "fourpost 1\ncreated 1\nfrom \nto Q - - a@b\n\n" },
	{ 4, "fourpost 1\ncreated 1\nfrom \nto P Z - a@b\n\n" },
	{ 4, "fourpost 1\ncreated 1\nfrom \nto P NN - a@b\n\n" },
	{ 4, "fourpost 1\ncreated 1\nfrom \nto P -  a@b\n\n" },
	{ 4, "fourpost 1\ncreated 1\nfrom \nto P - - \n\n" },
	{ 4, "fourpost 1\ncreated 1\nfrom \nto P -\n\n" },
	{ 4, "fourpost 1\ncreated 1\nfrom \nenvid a b\nto P - - a@b\n\n" },
	{ 4, "fourpost 1\ncreated 1\nfrom \nbody 9BIT\nto P - - a@b\n\n" },
	{ 4, "fourpost 1\ncreated 1\nfrom \npriority 10\nto P - - a@b\n\n" },
	{ 4, "fourpost 1\ncreated 1\nfrom \npriority --1\nto P - - a@b\n\n" },
	{ 4, "fourpost 1\ncreated 1\nfrom \nrequiretls no\nto P - - a@b\n\n" },
	{ 4, "fourpost 1\ncreated 1\nfrom \nby 5 \nto P - - a@b\n\n" },
	{ 4, "fourpost 1\ncreated 1\nfrom \nby 5 X\nto P - - a@b\n\n" },
	{ 4, "fourpost 1\ncreated 1\nfrom \nby 5 RN\nto P - - a@b\n\n" },
	{ 4, "fourpost 1\ncreated 1\nfrom \nby R\nto P - - a@b\n\n" },
	{ 4, "fourpost 1\ncreated 1\nfrom \nret \nto P - - a@b\n\n" },
	{ 4, "fourpost 1\ncreated 1\nfrom \nunknown 1\nto P - - a@b\n\n" },
	{ 4, "fourpost 1\ncreated 1\nfrom \nnothing\nto P - - a@b\n\n" },
};

START_TEST(what_is_no_envelope)
{
	struct envelope envelope;
	unsigned line = 0;
	size_t len;

	ck_assert_int_eq(envelope_decode(span_of(bad[_i].text), &envelope, &len, &line), -EBADMSG);
	ck_assert_uint_eq(line, bad[_i].line);
}
END_TEST

START_TEST(adding_is_bounded)
{
	struct envelope envelope;
	struct buf out = BUF_INIT(ENVELOPE_MAX), small = BUF_INIT(20);
	char address[ENVELOPE_ADDRESS_MAX + 1];

	memset(address, 'a', sizeof(address));
	envelope_init(&envelope, SPAN(""), 5);
	ck_assert_int_eq(envelope_encode(&envelope, &out), -EINVAL);
	ck_assert_int_eq(envelope_add(&envelope, SPAN(""), SPAN_NULL, 0), -EINVAL);
	ck_assert_int_eq(envelope_add(&envelope, SPAN("a\nto P - - x@y"), SPAN_NULL, 0), -EINVAL);
	ck_assert_int_eq(envelope_add(&envelope, SPAN("a@b"), SPAN("rfc822;a b"), 0), -EINVAL);
	ck_assert_int_eq(envelope_add(&envelope, SPAN("a@b"), SPAN_NULL, 16), -EINVAL);
	ck_assert_int_eq(
	    envelope_add(&envelope, span_make(address, sizeof(address)), SPAN_NULL, 0), -EMSGSIZE);
	ck_assert_int_eq(
	    envelope_add(&envelope, span_make(address, sizeof(address) - 1), SPAN_NULL, 0), 0);
	ck_assert_int_eq(envelope_set(&envelope.envid, SPAN("a\rb")), -EINVAL);
	ck_assert_int_eq(envelope_encode(&envelope, &small), -EMSGSIZE);
	for (size_t i = 1; i < ENVELOPE_RECIPIENTS_MAX; i++)
		ck_assert_int_eq(envelope_add(&envelope, SPAN("a@b"), SPAN_NULL, 0), 0);
	ck_assert_int_eq(envelope_add(&envelope, SPAN("a@b"), SPAN_NULL, 0), -EMSGSIZE);
	ck_assert_int_eq(envelope_encode(&envelope, &out), 0);
	envelope_free(&envelope);
	buf_free(&out);
}
END_TEST

START_TEST(ids)
{
	char id[SPOOL_ID_LEN + 1], path[SPOOL_PATH_MAX];

	spool_id_make(0x0006278A1B2C3DULL, 0x4E, id);
	ck_assert_str_eq(id, "0006278A1B2C3D4E");
	ck_assert_uint_eq(spool_id_time(id), 0x0006278A1B2C3DULL);
	ck_assert(spool_id_valid(span_of(id)));
	ck_assert(!spool_id_valid(SPAN("0006278A1B2C3D4")));
	ck_assert(!spool_id_valid(SPAN("0006278a1b2c3d4e")));
	ck_assert(!spool_id_valid(SPAN("../../etc/passwd")));
	spool_path(SPOOL_QUEUE, id, path);
	ck_assert_str_eq(path, "queue/A1/0006278A1B2C3D4E");
	spool_path(SPOOL_QUEUE_TMP, id, path);
	ck_assert_str_eq(path, "queue/A1/tmp.0006278A1B2C3D4E");
	spool_path(SPOOL_HOLD, id, path);
	ck_assert_str_eq(path, "hold/0006278A1B2C3D4E");
}
END_TEST

START_TEST(room)
{
	static const char text[] = "fourpost 1\ncreated 5\nfrom a@b\nroom %s\nto P - - c@d\n\n";
	struct envelope envelope, back;
	struct buf out = BUF_INIT(ENVELOPE_MAX);
	size_t len;

	envelope_init(&envelope, SPAN("a@b"), 5);
	ck_assert_int_eq(envelope_add(&envelope, SPAN("c@d"), SPAN_NULL, 0), 0);
	envelope.room = ENVELOPE_ROOM_MAX;
	ck_assert_int_eq(envelope_encode(&envelope, &out), 0);
	/* Rewritten in place, down to nothing. */
	for (unsigned value = 0; value <= 4096; value += 512) {
		envelope_encode_room((uint16_t)value, out.data + envelope.room_at);
		ck_assert_int_eq(envelope_decode(buf_get(&out), &back, &len, NULL), 0);
		ck_assert_uint_eq(len, out.len);
		ck_assert_uint_eq(back.room, value);
		ck_assert_uint_eq(back.room_at, envelope.room_at);
		envelope_free(&back);
	}
	for (const char *const *wrong = (const char *const[]){ "65536", "1", "000001", "-0001", "", NULL }; *wrong != NULL; wrong++) {
		buf_clear(&out);
		(void)buf_fmt(&out, text, *wrong);
		ck_assert_int_eq(envelope_decode(buf_get(&out), &back, &len, NULL), -EBADMSG);
	}
	buf_free(&out);
	envelope_free(&envelope);
}
END_TEST

START_TEST(progress)
{
	struct envelope envelope, back;
	struct buf out = BUF_INIT(ENVELOPE_MAX);
	char reason[300], *line;
	size_t len;

	envelope_init(&envelope, SPAN("a@b"), 5);
	ck_assert_int_eq(envelope_add(&envelope, SPAN("c@d"), SPAN_NULL, 0), 0);
	envelope.has_progress = true;
	ck_assert_int_eq(envelope_encode(&envelope, &out), 0);
	ck_assert_int_eq(envelope_decode(buf_get(&out), &back, &len, NULL), 0);
	ck_assert(back.has_progress);
	ck_assert_uint_eq(back.progress_at, envelope.progress_at);
	ck_assert_int_eq(back.progress.due, 0);
	envelope_free(&back);
	/* Rewritten in place. */
	back.progress = (struct envelope_progress){
		.due = INT64_MAX, .tried = 1700000000, .attempts = UINT32_MAX
	};
	envelope_set_reason(&back.progress, SPAN("451 4.3.0 later\r\nx  "));
	envelope_encode_progress(&back.progress, out.data + envelope.progress_at);
	ck_assert_int_eq(envelope_decode(buf_get(&out), &back, &len, NULL), 0);
	ck_assert_int_eq(back.progress.due, INT64_MAX);
	ck_assert_int_eq(back.progress.tried, 1700000000);
	ck_assert_uint_eq(back.progress.attempts, UINT32_MAX);
	ck_assert_str_eq(back.progress.reason, "451 4.3.0 later??x");
	envelope_free(&back);
	/* Torn: read as nothing. */
	line = out.data + envelope.progress_at;
	line[3] = 'x';
	ck_assert_int_eq(envelope_decode(buf_get(&out), &back, &len, NULL), 0);
	ck_assert_int_eq(back.progress.tried, 0);
	envelope_free(&back);
	/* Of another length: no envelope. */
	memmove(line, line + 1, out.len - envelope.progress_at - 1);
	ck_assert_int_eq(
	    envelope_decode(span_make(out.data, out.len - 1), &back, &len, NULL), -EBADMSG);
	/* Cut between characters. */
	memset(reason, 'a', sizeof(reason));
	memcpy(reason + ENVELOPE_REASON_MAX - 1, "\xc3\xa9", 2);
	envelope_set_reason(&envelope.progress, span_make(reason, sizeof(reason)));
	ck_assert_uint_eq(strlen(envelope.progress.reason), ENVELOPE_REASON_MAX - 1);
	envelope_free(&envelope);
	buf_free(&out);
}
END_TEST

START_TEST(controls)
{
	struct buf out = BUF_INIT(DROP_CONTROL_MAX);
	enum drop_action action;
	struct span id;

	ck_assert_int_eq(drop_control_encode(DROP_RETRY, SPAN_NULL, &out), 0);
	ck_assert_str_eq(buf_cstr(&out), "retry all\n");
	ck_assert_int_eq(drop_control_decode(buf_get(&out), &action, &id), 0);
	ck_assert_int_eq(action, DROP_RETRY);
	ck_assert_uint_eq(id.len, 0);
	buf_clear(&out);
	ck_assert_int_eq(drop_control_encode(DROP_REMOVE, SPAN("m.1.2"), &out), 0);
	ck_assert_int_eq(drop_control_decode(buf_get(&out), &action, &id), 0);
	ck_assert_int_eq(action, DROP_REMOVE);
	ck_assert(span_eq(id, SPAN("m.1.2")));
	buf_clear(&out);
	ck_assert_int_eq(drop_control_encode(DROP_HOLD, SPAN("m.1 m.2"), &out), 0);
	ck_assert_int_eq(drop_control_decode(buf_get(&out), &action, &id), 0);
	ck_assert(action == DROP_HOLD && span_eq(id, SPAN("m.1 m.2")));
	ck_assert_int_eq(drop_control_encode(DROP_HOLD, SPAN("m.1  m.2"), &out), -EINVAL);
	ck_assert_int_eq(drop_control_decode(SPAN("hold m.1 m/2\n"), &action, &id), -EBADMSG);
	ck_assert_int_eq(drop_control_decode(SPAN("list m.1 m.2\n"), &action, &id), -EBADMSG);
	ck_assert_int_eq(drop_control_encode(DROP_REMOVE, SPAN_NULL, &out), -EINVAL);
	ck_assert_int_eq(drop_control_encode(DROP_HOLD, SPAN("../x"), &out), -EINVAL);
	ck_assert_int_eq(drop_control_decode(SPAN("remove all\n"), &action, &id), -EBADMSG);
	ck_assert_int_eq(drop_control_decode(SPAN("remove m.1"), &action, &id), -EBADMSG);
	ck_assert_int_eq(drop_control_decode(SPAN("remove \n"), &action, &id), -EBADMSG);
	ck_assert_int_eq(drop_control_decode(SPAN("eat m.1\n"), &action, &id), -EBADMSG);
	ck_assert_int_eq(drop_control_decode(SPAN("hold m/1\n"), &action, &id), -EBADMSG);
	ck_assert_int_eq(drop_kind("tmp.m.1"), DROP_IS_TEMPORARY);
	ck_assert_int_eq(drop_kind("m.1"), DROP_IS_MESSAGE);
	ck_assert_int_eq(drop_kind("ctl.1"), DROP_IS_CONTROL);
	ck_assert_int_eq(drop_kind("x"), DROP_IS_OTHER);
	ck_assert_int_eq(drop_kind("m. "), DROP_IS_OTHER);
	buf_free(&out);
}
END_TEST

START_TEST(dropping)
{
	char folder[] = "/tmp/test_envelope.XXXXXX", path[96], name[DROP_NAME_MAX];
	struct spool_file file;
	struct envelope envelope;
	struct drop *drop;
	char text[64];
	int spool, fd;
	DIR *dir;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/drop", folder);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	spool = open(folder, O_RDONLY | O_DIRECTORY);
	fd = drop_open_folder(folder);
	ck_assert_int_ge(fd, 0);
	envelope_init(&envelope, SPAN("a@b"), 5);
	ck_assert_int_eq(envelope_add(&envelope, SPAN("c@d"), SPAN_NULL, 0), 0);
	ck_assert_int_eq(drop_begin(fd, &envelope, &drop), 0);
	ck_assert_int_eq(drop_write(drop, SPAN("A: 1\nB: 2\r")), 0);
	ck_assert_int_eq(drop_write(drop, SPAN("\nC: 3\rend")), 0);
	ck_assert_int_eq(drop_commit(drop, name), 0);
	(void)snprintf(path, sizeof(path), "drop/%s", name);
	ck_assert_int_eq(drop_kind(name), DROP_IS_MESSAGE);
	ck_assert_int_eq(spool_open(spool, path, O_RDONLY, &file), 0);
	ck_assert_str_eq(file.envelope.recipients[0].address, "c@d");
	ck_assert_uint_eq(file.length, 23);
	ck_assert_int_eq(pread(file.fd, text, sizeof(text), (off_t)file.offset), 23);
	ck_assert_mem_eq(text, "A: 1\r\nB: 2\r\nC: 3\r\nend\r\n", 23);
	spool_close(&file);
	ck_assert_int_eq(unlinkat(spool, path, 0), 0);
	/* Whether it needs SMTPUTF8 may be known at the end alone. */
	for (unsigned needs = 0; needs < 2; needs++) {
		envelope.smtputf8_open = true;
		ck_assert_int_eq(drop_begin(fd, &envelope, &drop), 0);
		ck_assert_int_eq(drop_write(drop, SPAN("A: 1\n")), 0);
		ck_assert_int_eq(needs ? drop_needs_smtputf8(drop) : 0, 0);
		ck_assert_int_eq(drop_commit(drop, name), 0);
		(void)snprintf(path, sizeof(path), "drop/%s", name);
		ck_assert_int_eq(spool_open(spool, path, O_RDONLY, &file), 0);
		ck_assert_int_eq(file.envelope.smtputf8, needs);
		ck_assert_str_eq(file.envelope.sender, "a@b");
		spool_close(&file);
		ck_assert_int_eq(unlinkat(spool, path, 0), 0);
	}
	envelope.smtputf8_open = false;
	ck_assert_int_eq(drop_begin(fd, &envelope, &drop), 0);
	ck_assert_int_eq(drop_needs_smtputf8(drop), -EINVAL);
	drop_abandon(drop);
	/* What cannot be finished leaves nothing. */
	ck_assert_int_eq(drop_begin(fd, &envelope, &drop), 0);
	ck_assert_int_eq(drop_write(drop, span_make("a\0b", 3)), -EINVAL);
	ck_assert_int_eq(drop_commit(drop, NULL), -EINVAL);
	ck_assert_int_eq(drop_begin(fd, &envelope, &drop), 0);
	drop_abandon(drop);
	ck_assert_int_eq(drop_control(fd, DROP_HOLD, SPAN("m/x")), -EINVAL);
	(void)snprintf(path, sizeof(path), "%s/drop", folder);
	dir = opendir(path);
	ck_assert_ptr_nonnull(dir);
	for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
		ck_assert_int_eq(entry->d_name[0], '.');
	(void)closedir(dir);
	(void)close(fd);
	ck_assert_int_eq(rmdir(path), 0);
	/* A symbolic link is not followed. */
	ck_assert_int_eq(symlinkat("/etc/passwd", spool, "link"), 0);
	ck_assert_int_eq(spool_open(spool, "link", O_RDONLY, &file), -ELOOP);
	ck_assert_int_eq(unlinkat(spool, "link", 0), 0);
	(void)close(spool);
	ck_assert_int_eq(rmdir(folder), 0);
	envelope_free(&envelope);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("envelope");
	TCase *tests = tcase_create("envelope");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, text_and_back);
	tcase_add_test(tests, a_part_asks_for_more);
	tcase_add_loop_test(tests, what_is_no_envelope, 0, sizeof(bad) / sizeof(*bad));
	tcase_add_test(tests, adding_is_bounded);
	tcase_add_test(tests, ids);
	tcase_add_test(tests, room);
	tcase_add_test(tests, progress);
	tcase_add_test(tests, controls);
	tcase_add_test(tests, dropping);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
