/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* An alias that names accounts here and other hosts has two messages made of it: what happens when only one of them can be committed. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/text_set.h"
#include "smtpd/queue.h"

static struct smtpd_conf conf;
static struct proc proc = { .conf = &conf };
static struct queue queue = { .proc = &proc };
static struct spool_file file = { .fd = -1 };

/* --- around queue_expand.c --- */

static struct {
	char id[SPOOL_ID_LEN + 1];
	char *to;
	intake_done done;
	void *context;
} commits[8];
static size_t commit_count, created, discarded, halves, outcomes;
static struct outcome last;

const struct spool_file *
attempt_file(const struct attempt *attempt)
{
	(void)attempt;
	return &file;
}

const char *
attempt_id(const struct attempt *attempt)
{
	(void)attempt;
	return "id";
}

void
attempt_outcome(struct attempt *attempt, size_t recipient, const struct outcome *outcome)
{
	(void)attempt, (void)recipient;
	last = *outcome;
	outcomes++;
}

void
attempt_outcome_now(struct attempt *attempt, size_t recipient, const struct outcome *outcome)
{
	attempt_outcome(attempt, recipient, outcome);
}

void
attempt_half(struct attempt *attempt, size_t recipient)
{
	(void)attempt, (void)recipient;
	halves++;
}

void
outcome_set(struct outcome *outcome, enum verdict verdict, const char *status, struct span text)
{
	(void)status, (void)text;
	*outcome = (struct outcome){ .verdict = verdict };
}

bool
facts_is_ours(const struct smtpd_conf *c, struct span address)
{
	(void)c;
	return span_ends(address, SPAN("@here.test"));
}

bool
facts_add_to(struct text_set *seen, const struct smtpd_conf *c, struct span address)
{
	(void)c;
	return text_set_add(seen, address);
}

bool
facts_sends_on(const struct queue *q, struct span sender, struct span from, struct buf *ret_sender)
{
	(void)q, (void)sender, (void)from;
	return buf_str(ret_sender, "srs@here.test") == 0;
}

bool
facts_is_from_outside(const struct envelope *envelope)
{
	(void)envelope;
	return true;
}

int64_t
queue_now_us(void)
{
	return 0;
}

int
queue_copy_message(int from, uint64_t offset, uint64_t length, int to)
{
	(void)from, (void)offset, (void)length, (void)to;
	return 0;
}

int
queue_files_create(struct queue_files *files, struct envelope *envelope, int64_t now_us, char ret_id[SPOOL_ID_LEN + 1])
{
	(void)files, (void)envelope, (void)now_us;
	(void)snprintf(ret_id, SPOOL_ID_LEN + 1, "%016zx", ++created);
	return memfd_create("message", MFD_CLOEXEC);
}

void
queue_files_discard(struct queue_files *files, const char *id)
{
	(void)files, (void)id;
	discarded++;
}

void
intake_commit(struct queue *q, const char *id, int fd, const struct envelope *envelope, intake_done done, void *context)
{
	(void)q;
	(void)close(fd);
	ck_assert_uint_lt(commit_count, 8);
	memcpy(commits[commit_count].id, id, SPOOL_ID_LEN);
	commits[commit_count].to = strdup(envelope->recipients[0].address);
	commits[commit_count].done = done;
	commits[commit_count++].context = context;
}

/* --- the test --- */

static void
answer(size_t commit, int result)
{
	ck_assert_uint_eq(commit_count, commit + 1); /* one at a time */
	commits[commit].done(commits[commit].context, commits[commit].id, result);
}

/* 0: both can be committed; 1, 2: not that one; 3: accounts here have theirs from the attempt before. */
START_TEST(half_of_an_alias)
{
	static char address[] = "team@here.test", sender[] = "s@far.test";
	struct envelope_recipient recipient = { .address = address, .status = _i == 3 ? ENVELOPE_HALF : ENVELOPE_PENDING };
	const struct expand expand = { .recipient = 0, .members = SPAN("a@here.test\nx@far.test\n") };
	struct text_set *seen = text_set_new(0);
	struct expand_group *group;

	file.fd = memfd_create("message", MFD_CLOEXEC);
	ck_assert_int_ge(file.fd, 0);
	file.envelope.sender = sender;
	file.envelope.recipients = &recipient;
	file.envelope.count = 1;
	if (_i == 3)
		(void)text_set_add(seen, SPAN("a@here.test"));
	group = expand_begin(&queue, NULL, seen);
	expand_add(group, &expand);
	expand_end(group);
	ck_assert_uint_eq(outcomes, 0);
	ck_assert_str_eq(commits[0].to, _i == 3 ? "x@far.test" : "a@here.test");
	answer(0, _i == 1 ? -ENOSPC : 0);
	if (_i == 0 || _i == 2) {
		ck_assert_str_eq(commits[1].to, "x@far.test");
		answer(1, _i == 2 ? -ENOSPC : 0);
	}
	ck_assert_uint_eq(outcomes, 1);
	ck_assert_int_eq(last.verdict, _i == 1 || _i == 2 ? VERDICT_TEMPFAIL : VERDICT_OK);
	ck_assert_uint_eq(halves, _i == 2);
	ck_assert_uint_eq(discarded, _i == 1); /* what could not be committed is gone already */
	for (size_t i = 0; i < commit_count; i++)
		free(commits[i].to);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("queue_expand");
	TCase *tests = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, half_of_an_alias, 0, 4);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
