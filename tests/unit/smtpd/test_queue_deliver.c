/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* A process that has been given mail and says nothing any more: it is given up in time, whatever else comes for its account. The clock
 * is the test's. */
#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "smtpd/queue.h"
#include "smtpd/queue_submit.h"
#include "smtpd/smtpd_conf.h"
#include "smtpd/smtpd_msg.h"
#include "tests/unit/clock_ahead.h"

static const struct msg_row rows[] = {
	{ MSG_DELIVER, "DELIVER", ROLE_QUEUE, ROLE_WORKER, 24, 4096, MSG_FD },
	{ MSG_SUBMIT, "SUBMIT", ROLE_WORKER, ROLE_QUEUE, 14, 2048, MSG_FD },
	{ MSG_OWN, "OWN", ROLE_WORKER, ROLE_QUEUE, 3, 1024, MSG_NOFD },
	{ MSG_OWN_IS, "OWN_IS", ROLE_QUEUE, ROLE_WORKER, 4, 1032, MSG_NOFD },
	{ MSG_SENT, "SENT", ROLE_QUEUE, ROLE_WORKER, 1, 1, MSG_NOFD },
	{ MSG_DELIVERED, "DELIVERED", ROLE_WORKER, ROLE_QUEUE, 5, 2048, MSG_NOFD },
};
static const struct msg_row *const tables[] = { rows };
static const size_t counts[] = { 6 };
static const struct msg_table table = { tables, counts, 1 };

static struct smtpd_conf conf = { .deliver_concurrency = 10 };
static struct proc proc = { .conf = &conf };
static struct queue queue = { .proc = &proc };
static struct spool_file file = { .fd = -1 };
static struct envelope_recipient recipient;
static struct msg_channel *worker; /* as the account's process has it */
static unsigned started, killed, left, cancelled;
static bool never; /* who asks the parent for a process hangs */
static worker_ended on_end; /* of the one that is being killed */
static void *on_end_context;

/* --- around queue_deliver.c --- */

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

int
attempt_reopen(const struct attempt *attempt)
{
	(void)attempt;
	return memfd_create("message", MFD_CLOEXEC);
}

static unsigned put_off, outcomes;

void
attempt_outcome(struct attempt *attempt, size_t of, const struct outcome *outcome)
{
	(void)attempt, (void)of;
	outcomes++;
	put_off += outcome->verdict == VERDICT_TEMPFAIL && outcome->ours;
}

void
outcome_set(struct outcome *outcome, enum verdict verdict, const char *status, struct span text)
{
	(void)status, (void)text;
	*outcome = (struct outcome){ .verdict = verdict };
}

int
queue_own(struct queue *q, struct span account, const struct msg *msg)
{
	(void)q, (void)account, (void)msg;
	return -1;
}

static unsigned may_send_on = 10;

int
queue_submit(struct queue *q, const struct spool_file *f, size_t of, struct span account, struct msg *msg, struct submitted **ret, enum sent_on *ret_sent_on)
{
	struct msg_reader body = msg_read(msg);
	uint64_t from = msg_get_u64(&body);
	uint8_t manner = msg_get_u8(&body);
	int fd = msg_take_fd(msg);

	(void)q, (void)f, (void)of, (void)account;
	(void)close(fd);
	if (from != SUBMIT_NOTHING && may_send_on-- == 0)
		return NOT_SUBMITTED_LIMITED;
	*ret = calloc(1, sizeof(**ret));
	ck_assert_ptr_nonnull(*ret);
	(*ret)->answer = from == SUBMIT_NOTHING;
	(*ret)->each = manner == SUBMIT_EACH;
	*ret_sent_on = from == SUBMIT_NOTHING ? SENT_ON_NOT : SENT_ON_TOO;
	return 0;
}

static unsigned committed, answers_committed, discarded;
static int sent_on_result; /* of what is sent on */

void
submitted_commit(struct queue *q, struct submitted *submitted, intake_done done, void *context)
{
	bool answer = submitted->answer;

	committed++;
	answers_committed += answer && !submitted->each;
	/* Nothing is answered before the message is safe. */
	ck_assert(answer || committed == 1);
	(void)q;
	free(submitted);
	done(context, "id", answer ? 0 : sent_on_result);
}

void
submitted_discard(struct queue *q, struct submitted *submitted)
{
	(void)q;
	discarded++;
	free(submitted);
}

uint32_t
auth_worker_by_address(struct auth_client *client, struct span account, worker_done done, void *context)
{
	int fds[2];

	(void)client, (void)account;
	started++;
	if (never)
		return started;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
	worker = msg_channel_free(worker);
	worker = msg_channel_new(fds[1], &table, ROLE_WORKER, ROLE_QUEUE);
	done(context, msg_channel_new(fds[0], &table, ROLE_QUEUE, ROLE_WORKER));
	return started;
}

void
auth_end_worker(struct auth_client *client, uint32_t request, worker_ended done, void *context)
{
	(void)client;
	ck_assert_ptr_null(on_end);
	ck_assert_uint_eq(request, started);
	killed++;
	on_end = done;
	on_end_context = context;
}

void
auth_leave_worker(struct auth_client *client, uint32_t request)
{
	(void)client;
	ck_assert_uint_le(request, started);
	left++;
}

void
auth_cancel(struct auth_client *client, uint32_t id)
{
	(void)client;
	ck_assert_uint_eq(id, started);
	cancelled++;
}

/* --- the tests --- */

static void
setup(void)
{
	static char address[] = "bob@example.test", sender[] = "eve@example.org";

	recipient.address = address;
	file.envelope.recipients = &recipient;
	file.envelope.count = 1;
	file.envelope.sender = sender;
	proc.base = event_base_new();
	queue.deliver = deliver_pool_new(&queue);
}

/* Mail for the account, so many seconds later. */
static void
mail(unsigned seconds)
{
	ahead += seconds;
	(void)event_base_loop(proc.base, EVLOOP_NONBLOCK);
	deliver_submit(&queue, NULL, 0, span_of(recipient.address));
	(void)event_base_loop(proc.base, EVLOOP_NONBLOCK);
}

static void
pass(unsigned seconds)
{
	ahead += seconds;
	(void)event_base_loop(proc.base, EVLOOP_NONBLOCK);
}

/* There is no process any more that was killed. */
static void
end(void)
{
	worker_ended done = on_end;

	ck_assert_ptr_nonnull(done);
	on_end = NULL;
	done(on_end_context);
	(void)event_base_loop(proc.base, EVLOOP_NONBLOCK);
}

/* The process answers for the first that it has. */
static void
answer(void)
{
	_Alignas(8) static uint8_t buffer[MSG_MAX];
	struct msg_writer body;
	struct msg msg;

	ck_assert_int_eq(msg_receive(worker, buffer, &msg), 0);
	(void)close(msg_take_fd(&msg));
	msg_writer_init(&body);
	msg_put_u8(&body, VERDICT_OK);
	msg_put_span(&body, SPAN("2.0.0"));
	msg_put_span(&body, SPAN("Delivered"));
	ck_assert_int_eq(msg_send(worker, MSG_DELIVERED, msg.id, &body, -1), 0);
	(void)event_base_loop(proc.base, EVLOOP_NONBLOCK);
}

START_TEST(silent_while_mail_comes)
{
	mail(0);
	ck_assert_uint_eq(started, 1);
	for (unsigned i = 0; i < 3; i++)
		mail(50);
	ck_assert_uint_eq(killed, 1);
	end();
	ck_assert_uint_eq(started, 2);
}
END_TEST

/* What hangs is killed; nothing is started beside it, which would only hang as well. */
START_TEST(one_at_a_time)
{
	mail(0);
	for (unsigned i = 1; i <= 3; i++) {
		pass(130);
		ck_assert_uint_eq(killed, i);
		ck_assert_uint_eq(started, i);
		mail(0);
		ck_assert_uint_eq(started, i);
		end();
		ck_assert_uint_eq(started, i + 1);
	}
}
END_TEST

/* It was killed and stays, as the system may have it: nobody waits for that for longer than for an answer, and it counts until it is gone. */
START_TEST(does_not_end)
{
	static char other[] = "carol@example.test", *bob;

	conf.deliver_concurrency = _i == 0 ? 1 : 10;
	mail(0);
	pass(130);
	ck_assert_uint_eq(killed, 1);
	ck_assert_uint_eq(put_off, 0);
	pass(130);
	ck_assert_uint_eq(put_off, 1);
	mail(0);
	pass(130);
	ck_assert_uint_eq(put_off, 2);
	ck_assert_uint_eq(started, 1);
	/* Others have their mail. */
	bob = recipient.address;
	recipient.address = other;
	mail(0);
	ck_assert_uint_eq(started, 2);
	answer();
	end();
	ck_assert_uint_eq(started, 2);
	recipient.address = bob;
	mail(0);
	ck_assert_uint_eq(started, 3);
	ck_assert_uint_eq(killed, 1);
}
END_TEST

/* Nobody says whether there will be a process. */
START_TEST(never_started)
{
	never = true;
	mail(0);
	pass(110);
	ck_assert_uint_eq(put_off, 0);
	pass(20);
	ck_assert_uint_eq(cancelled, 1);
	ck_assert_uint_eq(killed, 1);
	ck_assert_uint_eq(put_off, 1);
	mail(0);
	ck_assert_uint_eq(started, 1);
	never = false;
	end();
	ck_assert_uint_eq(started, 2);
	answer();
	ck_assert_uint_eq(put_off, 1);
}
END_TEST

/* One that has nothing more to do is parted from, and may hang as it ends: the parent hears of it. */
START_TEST(parted_from)
{
	mail(0);
	answer();
	pass(50);
	ck_assert_uint_eq(left, 0);
	pass(20);
	ck_assert_uint_eq(left, 1);
	ck_assert_uint_eq(killed, 0);
}
END_TEST

/* Whoever says what makes no sense may stay as well. */
START_TEST(misbehaves)
{
	struct msg_writer body;

	mail(0);
	msg_writer_init(&body);
	msg_put_u8(&body, VERDICT_OK);
	msg_put_span(&body, SPAN("2.0.0"));
	msg_put_span(&body, SPAN("of a message that it never had"));
	ck_assert_int_eq(msg_send(worker, MSG_DELIVERED, 4711, &body, -1), 0);
	pass(0);
	ck_assert_uint_eq(killed, 1);
	ck_assert_uint_eq(started, 1);
	end();
	ck_assert_uint_eq(started, 2);
}
END_TEST

/* One that has ended by itself need not be killed. */
START_TEST(ends)
{
	mail(0);
	worker = msg_channel_free(worker);
	pass(0);
	ck_assert_uint_eq(killed, 0);
	ck_assert_uint_eq(started, 2);
}
END_TEST

START_TEST(slow_but_there)
{
	mail(0);
	for (unsigned i = 0; i < 10; i++) {
		mail(50);
		mail(50);
		answer();
	}
	ck_assert_uint_eq(started, 1);
	/* Nothing is waited for any more. */
	for (unsigned i = 0; i < 11; i++)
		answer();
	mail(30);
	mail(100);
	ck_assert_uint_eq(started, 1);
}
END_TEST

static void
submit(uint32_t id, uint64_t from, enum submit_manner manner)
{
	struct msg_writer body;

	msg_writer_init(&body);
	msg_put_u64(&body, from);
	msg_put_u8(&body, (uint8_t)manner);
	msg_put_span(&body, SPAN_NULL);
	msg_put_span(&body, SPAN("alice@example.test"));
	ck_assert_int_eq(msg_send(worker, MSG_SUBMIT, id, &body, memfd_create("text", MFD_CLOEXEC)), 0);
}

/* What each try would send again is sent with the last: not when the process puts it off, nor when what is sent on cannot be queued. */
START_TEST(sent_by_one_try)
{
	_Alignas(8) static uint8_t buffer[MSG_MAX];
	struct msg_writer body;
	struct msg msg;

	sent_on_result = _i == 2 ? -EIO : 0;
	mail(0);
	ck_assert_int_eq(msg_receive(worker, buffer, &msg), 0);
	(void)close(msg_take_fd(&msg));
	submit(msg.id, SUBMIT_NOTHING, SUBMIT_TOO);
	submit(msg.id, SUBMIT_NOTHING, SUBMIT_EACH);
	submit(msg.id, 0, SUBMIT_TOO);
	msg_writer_init(&body);
	msg_put_u8(&body, _i != 1 ? VERDICT_OK : VERDICT_TEMPFAIL);
	msg_put_span(&body, _i != 1 ? SPAN("2.0.0") : SPAN("4.3.0"));
	msg_put_span(&body, SPAN("so it is"));
	ck_assert_int_eq(msg_send(worker, MSG_DELIVERED, msg.id, &body, -1), 0);
	(void)event_base_loop(proc.base, EVLOOP_NONBLOCK);
	ck_assert_uint_eq(committed, _i == 0 ? 3 : _i == 1 ? 1 : 2);
	ck_assert_uint_eq(answers_committed, 1);
	ck_assert_uint_eq(discarded, _i == 0 ? 0 : _i == 1 ? 2 : 1);
	ck_assert_uint_eq(put_off, _i == 2 ? 1 : 0); /* what the process puts off is no fault of ours */
}
END_TEST

/* DELIVER, as the process gets it; its id. */
static uint32_t
given(bool limited)
{
	_Alignas(8) static uint8_t buffer[MSG_MAX];
	struct msg_reader body;
	struct msg msg;

	ck_assert_int_eq(msg_receive(worker, buffer, &msg), 0);
	(void)close(msg_take_fd(&msg));
	body = msg_read(&msg);
	(void)msg_get_u64(&body);
	(void)msg_get_u64(&body);
	for (unsigned i = 0; i < 3; i++)
		(void)msg_get_span(&body);
	(void)msg_get_u8(&body);
	ck_assert_uint_eq(msg_get_u8(&body), limited);
	ck_assert(msg_done(&body));
	return msg.id;
}

/* SENT of that delivery: the message comes again. */
static void
not_sent(uint32_t id)
{
	_Alignas(8) static uint8_t buffer[MSG_MAX];
	struct msg_reader body;
	struct msg msg;

	ck_assert_int_eq(msg_receive(worker, buffer, &msg), 0);
	ck_assert_uint_eq(msg.type, MSG_SENT);
	ck_assert_uint_eq(msg.id, id);
	body = msg_read(&msg);
	ck_assert_uint_eq(msg_get_u8(&body), 0);
}

static void
delivered(uint32_t id, enum verdict verdict)
{
	struct msg_writer body;

	msg_writer_init(&body);
	msg_put_u8(&body, (uint8_t)verdict);
	msg_put_span(&body, SPAN("0.0.0"));
	msg_put_span(&body, SPAN("so it is"));
	ck_assert_int_eq(msg_send(worker, MSG_DELIVERED, id, &body, -1), 0);
	(void)event_base_loop(proc.base, EVLOOP_NONBLOCK);
}

/* A message that is to be sent on, by an account that may send nothing; its id. */
static uint32_t
nothing_may_go(enum verdict verdict)
{
	uint32_t id;

	may_send_on = 0;
	mail(0);
	id = given(false);
	submit(id, 0, SUBMIT_TOO);
	delivered(id, verdict);
	return id;
}

/* More is to be sent on than the account may: nothing is, and the process keeps the message, before those behind it. */
START_TEST(limited)
{
	uint32_t id, next;

	may_send_on = 1;
	mail(0);
	mail(0);
	id = given(false);
	next = given(false);
	submit(id, SUBMIT_NOTHING, SUBMIT_EACH);
	submit(id, 0, SUBMIT_TOO);
	submit(id, 0, SUBMIT_TOO);
	delivered(id, VERDICT_OK);
	ck_assert_uint_eq(committed, 0);
	ck_assert_uint_eq(discarded, 2);
	ck_assert_uint_eq(outcomes, 0);
	not_sent(id);
	id = given(true);
	delivered(next, VERDICT_OK);
	ck_assert_uint_eq(outcomes, 1);
	delivered(id, VERDICT_OK);
	ck_assert_uint_eq(outcomes, 2);
	ck_assert_uint_eq(put_off, 0);
}
END_TEST

/* A process that goes on sending when it is to keep gets nowhere, and does not have the queue try for ever. */
START_TEST(limited_and_stubborn)
{
	uint32_t id = nothing_may_go(VERDICT_OK);

	not_sent(id);
	id = given(true);
	may_send_on = 0;
	submit(id, 0, SUBMIT_TOO);
	delivered(id, VERDICT_OK);
	ck_assert_uint_eq(committed, 0);
	ck_assert_uint_eq(put_off, 1);
}
END_TEST

/* It is refused, or put off, for another reason: that stands. */
START_TEST(limited_and_not_delivered)
{
	(void)nothing_may_go(_i == 0 ? VERDICT_PERMFAIL : VERDICT_TEMPFAIL);
	ck_assert_uint_eq(outcomes, 1);
	ck_assert_uint_eq(committed, 0);
	ck_assert_uint_eq(put_off, 0);
}
END_TEST

/* The process ends in the middle of keeping: its successor is to keep as well. */
START_TEST(limited_and_lost)
{
	uint32_t id = nothing_may_go(VERDICT_OK);

	not_sent(id);
	(void)given(true);
	worker = msg_channel_free(worker);
	pass(0);
	ck_assert_uint_eq(started, 2);
	id = given(true);
	delivered(id, VERDICT_OK);
	ck_assert_uint_eq(outcomes, 1);
	ck_assert_uint_eq(put_off, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("queue_deliver");
	TCase *tests = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_test(tests, silent_while_mail_comes);
	tcase_add_test(tests, slow_but_there);
	tcase_add_test(tests, one_at_a_time);
	tcase_add_loop_test(tests, does_not_end, 0, 2);
	tcase_add_test(tests, never_started);
	tcase_add_test(tests, parted_from);
	tcase_add_test(tests, misbehaves);
	tcase_add_test(tests, ends);
	tcase_add_loop_test(tests, sent_by_one_try, 0, 3);
	tcase_add_test(tests, limited);
	tcase_add_test(tests, limited_and_stubborn);
	tcase_add_loop_test(tests, limited_and_not_delivered, 0, 2);
	tcase_add_test(tests, limited_and_lost);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
