/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* Policies in the spool: in several messages, and no more of them than there is room for. The clock is the test's. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io.h"
#include "smtpd/queue.h"
#include "smtpd/smtpd_msg.h"
#include "smtpd/sts_parse.h"
#include "smtpd/sts_parts.h"

#define BYTES_MAX (300u << 20) /* of all files */

static struct proc proc;
static struct queue queue = { .proc = &proc };
static char spool[] = "/tmp/test_queue_sts.XXXXXX";
static int folder = -1, sts = -1;
static int64_t now = 1800000000;
static struct buf told = BUF_INIT(STS_TEXT_MAX);
static bool tells;

/* --- around queue_sts.c --- */

int64_t
queue_now(void)
{
	return now;
}

int
queue_files_folder(const struct queue_files *files)
{
	(void)files;
	return folder;
}

int
proc_send(struct proc *p, uint8_t role, uint16_t type, uint32_t id, const struct msg_writer *body, int fd)
{
	const struct msg msg = { .type = type, .id = id, .body = span_make(body->bytes, body->len), .fd = fd };
	struct msg_reader reader = msg_read(&msg);

	(void)p;
	ck_assert_uint_eq(role, ROLE_POLICY);
	if (type == MSG_STS_KEPT)
		ck_assert(span_eq(msg_get_span(&reader), SPAN("a.test")));
	ck_assert_int_eq(buf_span(&told, msg_get_span(&reader)), 0);
	ck_assert(msg_done(&reader));
	tells = type == MSG_STS_KEPT;
	return 0;
}

/* --- the tests --- */

static void
setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(spool));
	folder = open(spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(mkdirat(folder, "sts", 0700), 0);
	sts = openat(folder, "sts", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void
clean(void)
{
	char command[64];

	(void)snprintf(command, sizeof(command), "rm -r %s", spool);
	ck_assert_int_eq(system(command), 0);
}

/* As policy sends it. */
static void
keep(const char *domain, struct span text)
{
	struct msg_writer body;
	struct msg msg = { .type = MSG_STS_KEEP_PART, .fd = -1 };

	while (text.len > STS_PART_MAX) {
		msg_writer_init(&body);
		msg_put_span(&body, span_take(&text, STS_PART_MAX));
		msg.body = span_make(body.bytes, body.len);
		ck_assert_int_eq(queue_sts_keep_part(&msg), 0);
	}
	msg_writer_init(&body);
	msg_put_span(&body, span_of(domain));
	msg_put_span(&body, text);
	msg.body = span_make(body.bytes, body.len);
	ck_assert_int_eq(queue_sts_keep(&queue, &msg), 0);
}

static bool
is_kept(const char *domain, size_t size)
{
	struct stat st;

	return fstatat(sts, domain, &st, 0) == 0 && (size_t)st.st_size == size;
}

/* A file of that size, of which the disk has nothing. */
static void
put_hollow(const char *name, size_t size)
{
	int fd = openat(sts, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
	(void)close(fd);
}

static void
put_text(const char *name, const char *text)
{
	int fd = openat(sts, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_eq(io_write_all(fd, span_of(text)), 0);
	(void)close(fd);
}

/* One that is as long as can be comes back as it was. */
START_TEST(a_long_one)
{
	struct buf text = BUF_INIT(STS_TEXT_MAX);
	struct msg_writer body;
	struct msg msg = { .type = MSG_STS_LOAD, .fd = -1 };

	for (size_t i = 0; text.len + 16 < STS_TEXT_MAX; i++)
		(void)buf_fmt(&text, "mx: %zu.test\n", i);
	/* What policy was telling when it ended is forgotten. */
	msg_writer_init(&body);
	msg_put_span(&body, SPAN("x"));
	msg.body = span_make(body.bytes, body.len);
	ck_assert_int_eq(queue_sts_keep_part(&msg), 0);
	queue_sts_policy_gone();
	keep("a.test", buf_get(&text));
	ck_assert(is_kept("a.test", text.len));
	msg_writer_init(&body);
	msg_put_span(&body, SPAN("a.test"));
	msg.body = span_make(body.bytes, body.len);
	ck_assert_int_eq(queue_sts_load(&queue, &msg), 0);
	ck_assert(tells && span_eq(buf_get(&told), buf_get(&text)));
	buf_free(&text);
	buf_free(&told);
}
END_TEST

/* All together have a bound: what is there may be replaced, unless it would pass that as well, and what has expired makes room. */
START_TEST(as_much_as_there_is_room_for)
{
	static const char policy[] = "version: STSv1\nmode: none\nmax_age: 100\nfourpost_id: 1\nfourpost_fetched: 1800000000\n";
	const size_t len = sizeof(policy) - 1;
	char longer[2 * sizeof(policy)];

	(void)snprintf(longer, sizeof(longer), "%s%*s\n", policy, 50, "");
	put_text("old.test", policy);
	put_hollow("hollow.test", BYTES_MAX - 2 * len);
	keep("a.test", span_of(policy));
	ck_assert(is_kept("a.test", len));
	keep("b.test", span_of(policy));
	ck_assert(!is_kept("b.test", len));
	keep("a.test", span_of(policy));
	keep("a.test", span_of(longer));
	ck_assert(is_kept("a.test", len));
	/* Both have expired, but for the one that is kept anew. */
	now += 4000;
	keep("a.test", span_of(longer));
	ck_assert(is_kept("a.test", strlen(longer)));
	ck_assert_int_lt(faccessat(sts, "old.test", F_OK, 0), 0);
	ck_assert(is_kept("hollow.test", BYTES_MAX - 2 * len));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("queue_sts");
	TCase *tests = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, clean);
	tcase_add_test(tests, a_long_one);
	tcase_add_test(tests, as_much_as_there_is_room_for);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
