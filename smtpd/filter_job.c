/* SPDX-License-Identifier: ISC */
/* SPDX-FileCopyrightText: The Fourpost authors */
/* One message and the milters it is shown to, in their order: each request goes to one after the other, and ends with the first that
 * refuses. Each hears of the text as those before it have left it. */
#include <errno.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "smtpd/filter.h"
#include "smtpd/smtpd_conf.h"
#include "smtpd/smtpd_msg.h"

/* What smtp tells of a client. */
#define FACTS 6

struct filter_job {
	struct filter_job *next;
	struct filter_role *role;
	uint32_t id;
	struct milter_client client; /* its spans point into `facts` */
	char *facts[FACTS];
	struct filter_conn *conns[FILTER_MILTERS_MAX];
	size_t count, current;
	uint16_t request;            /* the type of the message that is to be answered; 0: none */
	char *rcpt, *queue_id;
	struct filter_edit edit;
	bool loaded;
	uint64_t body_seen;
	char piece[MILTER_CHUNK_MAX];
};

struct filter_role *
filter_job_role(const struct filter_job *job)
{
	return job->role;
}

static struct filter_job **
find(struct filter_role *role, uint32_t id)
{
	struct filter_job **at = &role->jobs;

	while (*at != NULL && (*at)->id != id)
		at = &(*at)->next;
	return at;
}

static void
forget(struct filter_job **at)
{
	struct filter_job *job = *at;

	*at = job->next;
	job->role->count--;
	for (size_t i = 0; i < job->count; i++)
		filter_conn_free(job->conns[i]);
	for (size_t i = 0; i < sizeof(job->facts) / sizeof(*job->facts); i++)
		free(job->facts[i]);
	free(job->rcpt);
	free(job->queue_id);
	filter_edit_free(&job->edit);
	free(job);
}

/* --- answers --- */

/* 0 or -errno. */
static int
send_rcpts(struct filter_job *job)
{
	int r = 0;

	for (size_t sent = 0; sent < job->edit.made.rcpt_count && r == 0;) {
		struct msg_writer body;

		msg_writer_init(&body);
		sent += filter_edit_put_rcpts(&job->edit, sent, &body);
		r = proc_send(job->role->proc, ROLE_FRONT, MSG_FILTER_RCPTS, job->id, &body, -1);
	}
	return r;
}

static void
send_answer(struct filter_job *job, enum milter_verdict verdict, const char *reply)
{
	struct msg_writer body;
	int fd = -1, r = 0;

	msg_writer_init(&body);
	msg_put_u8(&body, (uint8_t)verdict);
	msg_put_span(&body, span_of(reply));
	if (job->request == MSG_FILTER_TEXT && verdict == MILTER_PASS)
		r = send_rcpts(job);
	if (r == 0 && job->request == MSG_FILTER_TEXT && verdict == MILTER_PASS)
		r = filter_edit_put(&job->edit, &body, &fd);
	if (r < 0) {
		log_error("not-filtered", log_str("id", job->queue_id), log_errno("error", r));
		msg_writer_init(&body);
		msg_put_u8(&body, MILTER_REFUSE);
		msg_put_span(&body, SPAN("451 4.3.0 The message cannot be changed as it must be now: try again later"));
	}
	job->request = 0;
	/* When smtp is gone nobody waits. */
	(void)proc_send(job->role->proc, ROLE_FRONT, MSG_FILTERED, job->id, &body, fd);
}

/* Asks the milter whose turn it is. */
static void
ask(struct filter_job *job)
{
	struct filter_conn *conn;

	if (job->current == job->count) {
		send_answer(job, MILTER_PASS, "");
		return;
	}
	conn = job->conns[job->current];
	if (job->request == MSG_FILTER_MAIL) {
		filter_conn_mail(conn);
	} else if (job->request == MSG_FILTER_RCPT) {
		filter_conn_rcpt(conn, span_of(job->rcpt));
	} else {
		job->body_seen = 0;
		filter_conn_text(conn, span_of(job->queue_id), buf_get(&job->edit.made.header));
	}
}

void
filter_job_answered(struct filter_job *job, enum milter_verdict verdict, const char *reply)
{
	if (verdict != MILTER_PASS) {
		send_answer(job, verdict, reply);
		return;
	}
	filter_edit_settle(&job->edit);
	job->current++;
	ask(job);
}

int
filter_job_change(struct filter_job *job, const struct milter_packet *packet)
{
	return filter_edit_change(&job->edit, packet);
}

void
filter_job_undo(struct filter_job *job)
{
	filter_edit_undo(&job->edit);
}

int
filter_job_piece(struct filter_job *job, struct span *ret_piece)
{
	ssize_t got = filter_edit_read(&job->edit, job->body_seen, job->piece, sizeof(job->piece));

	if (got < 0)
		return (int)got;
	job->body_seen += (uint64_t)got;
	*ret_piece = span_make(job->piece, (size_t)got);
	return 0;
}

/* --- requests --- */

static void
begin(struct filter_job *job, uint16_t request)
{
	job->request = request;
	job->current = 0;
	ask(job);
}

static int
take_mail(struct filter_role *role, const struct msg *msg)
{
	const struct smtpd_conf *conf = smtpd_conf(role->proc);
	struct msg_reader body = msg_read(msg);
	struct filter_job *job;
	struct span *facts[FACTS];

	if (*find(role, msg->id) != NULL || role->count >= FILTER_JOBS_MAX)
		return -EBADMSG;
	job = xcalloc(1, sizeof(*job));
	*job = (struct filter_job){ .role = role, .id = msg->id, .next = role->jobs };
	facts[0] = &job->client.address;
	facts[1] = &job->client.name;
	facts[2] = &job->client.helo;
	facts[3] = &job->client.tls;
	facts[4] = &job->client.account;
	facts[5] = &job->client.sender;
	for (size_t i = 0; i < FACTS; i++) {
		job->facts[i] = span_dup(msg_get_span(&body));
		*facts[i] = span_of(job->facts[i]);
	}
	job->client.hostname = span_of(conf->common.hostname);
	filter_edit_init(&job->edit, (uint64_t)conf->message_size_max);
	role->jobs = job;
	role->count++;
	if (!msg_done(&body)) {
		forget(&role->jobs);
		return -EBADMSG;
	}
	for (; job->count < conf->milters.count; job->count++)
		job->conns[job->count] = filter_conn_new(job, job->count, &job->client);
	begin(job, MSG_FILTER_MAIL);
	return 0;
}

static int
take_rcpt(struct filter_job *job, const struct msg *msg)
{
	struct msg_reader body = msg_read(msg);

	free(job->rcpt);
	job->rcpt = span_dup(msg_get_span(&body));
	if (!msg_done(&body))
		return -EBADMSG;
	begin(job, MSG_FILTER_RCPT);
	return 0;
}

static int
take_text(struct filter_job *job, struct msg *msg)
{
	struct msg_reader body = msg_read(msg);
	uint64_t at = msg_get_u64(&body), len = msg_get_u64(&body);
	struct span id = msg_get_span(&body);
	int r;

	if (!msg_done(&body) || job->loaded || len > INT64_MAX || at > INT64_MAX - len)
		return -EBADMSG;
	job->loaded = true;
	job->queue_id = span_dup(id);
	r = filter_edit_load(&job->edit, msg_take_fd(msg), at, len);
	job->request = MSG_FILTER_TEXT;
	if (r == 0) {
		begin(job, MSG_FILTER_TEXT);
		return 0;
	}
	log_error("not-read", log_str("id", job->queue_id), log_errno("error", r));
	send_answer(job, MILTER_REFUSE, "451 4.3.0 The message cannot be checked now: try again later");
	return 0;
}

int
filter_job_message(struct filter_role *role, struct msg *msg)
{
	struct filter_job **at;

	if (msg->type == MSG_FILTER_MAIL)
		return take_mail(role, msg);
	at = find(role, msg->id);
	if (*at == NULL)
		return 0; /* of a role that was before this one */
	if (msg->type == MSG_FILTER_END) {
		forget(at);
		return 0;
	}
	if ((*at)->request != 0)
		return -EBADMSG;
	return msg->type == MSG_FILTER_RCPT ? take_rcpt(*at, msg) : take_text(*at, msg);
}

void
filter_job_drop_all(struct filter_role *role)
{
	while (role->jobs != NULL)
		forget(&role->jobs);
}
